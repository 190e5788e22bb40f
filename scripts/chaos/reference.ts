/**
 * The naive twin: the algorithm of FastDeploy's GlobalScheduler (SEED.md section 1) in plain Redis commands, with its
 * constants. It goes through the same chaos and the same checker as ours. Kinder than the reference in two points: a
 * put whose RPUSH failed is told as refused, and a loop that meets an error waits before it goes on.
 */
import { Redis, type RedisOptions } from 'ioredis';
import { shardOf } from '../../src/keys.ts';
import type { HistoryWriter } from './history.ts';
import type { Execute, Peer, PeerSettings, PutRequest, Refusal } from './peer.ts';
import { hex, parse, pause, ticks, type Element, type Reply } from './reference-wire.ts';

const TTL_S = 900;
const MIN_LOAD_SCORE = 3;
const MOST_PEERS = 50;
const SAMPLE = 10;
const BLOCK_S = 2;
const RESULTS = 300;
const RESULTS_BLOCK_S = 10;
/** A name is renewed every half of it. */
const KEEP_ALIVE_S = 3;
const ERROR_MS = 50;

// as redis-py: a command is sent once, and a broken connection is its error
const OPTIONS = {
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  retryStrategy: () => ERROR_MS,
} satisfies RedisOptions;

/** Joins with the name, or the first free of `name:1` …; takeover is not known here. */
export async function startReference(
  settings: PeerSettings,
  history: HistoryWriter,
  execute: Execute,
): Promise<Peer> {
  const peer = new Reference(settings, history, execute);
  await peer.start();
  return peer;
}

class Reference implements Peer {
  readonly #topic: string;
  readonly #slots: number;
  readonly #history: HistoryWriter;
  readonly #execute: Execute;
  readonly #redis: Redis;
  readonly #requests: Redis;
  readonly #replies: Redis;
  readonly #pending = new Set<string>();
  readonly #loops: Promise<void>[] = [];
  #running = 0;
  #closed = false;
  node: string;

  constructor(settings: PeerSettings, history: HistoryWriter, execute: Execute) {
    this.#topic = settings.topic;
    this.#slots = settings.slots;
    this.#history = history;
    this.#execute = execute;
    this.node = settings.node;
    [this.#redis, this.#requests, this.#replies] = [settings, settings, settings].map(({ redis }) => {
      const client = new Redis(redis, OPTIONS);
      client.on('error', () => undefined);
      return client;
    }) as [Redis, Redis, Redis];
  }

  async start(): Promise<void> {
    const base = this.node;
    for (let i = 1; (await this.#redis.set(this.#name, '', 'EX', KEEP_ALIVE_S, 'NX')) === null; i += 1) {
      this.node = `${base}:${i}`;
    }
    this.#history.write({ what: 'started', node: this.node, takeover: false });
    this.#loops.push(
      this.#loop(() => this.#stayAlive()),
      this.#loop(() => this.#readReplies()),
    );
    if (this.#slots > 0) this.#loops.push(this.#loop(() => this.#serve()));
  }

  async put(requests: readonly PutRequest[]): Promise<(Refusal | undefined)[]> {
    const order = ticks();
    const elements = requests.map(({ request }, i): Element => {
      this.#pending.add(request.request_id);
      return { owner: this.node, order: hex(order + i), raw: request };
    });
    try {
      await this.#push(
        this.#queue(this.node),
        elements.map((element) => JSON.stringify(element)),
      );
    } catch (error) {
      return requests.map(() => ({ code: 'UNSURE', reason: String(error) }));
    }
    await this.#addLoad(this.node, elements.length).catch(() => undefined);
    return requests.map(() => undefined);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const client of [this.#redis, this.#requests, this.#replies]) client.disconnect();
    await Promise.all(this.#loops);
  }

  async #loop(act: () => Promise<void>): Promise<void> {
    while (!this.#closed) {
      try {
        await act();
      } catch {
        await pause(ERROR_MS);
      }
    }
  }

  async #stayAlive(): Promise<void> {
    await this.#redis.set(this.#name, this.#loadTable, 'EX', KEEP_ALIVE_S);
    for (let waited = 0; waited < KEEP_ALIVE_S * 500 && !this.#closed; waited += ERROR_MS)
      await pause(ERROR_MS);
  }

  async #serve(): Promise<void> {
    const room = this.#slots - this.#running;
    if (room < 1) {
      await pause(1);
      return;
    }
    for (const element of await this.#getRequests(room)) void this.#run(element);
  }

  /** Own queue first; then half of the batch from a loaded peer; then wait on both. */
  async #getRequests(batch: number): Promise<Element[]> {
    const half = Math.ceil(batch / 2);
    const own: string[] = [];
    for (const count of [half, batch - half]) {
      const popped = count > 0 ? await this.#redis.lpop(this.#queue(this.node), count) : null;
      if (popped === null) break;
      own.push(...popped);
      await this.#addLoad(this.node, -popped.length);
    }
    if (own.length > 0) return own.map(parse);
    const loaded = await this.#redis.zrangebyscore(
      this.#loadTable,
      MIN_LOAD_SCORE,
      '+inf',
      'LIMIT',
      0,
      MOST_PEERS,
    );
    const peers = loaded.filter((name) => name !== this.node).slice(0, SAMPLE);
    const lucky = peers[Math.floor(Math.random() * peers.length)];
    if (lucky !== undefined) {
      const stolen = await this.#redis.lpop(this.#queue(lucky), half);
      if (stolen !== null) {
        await this.#addLoad(lucky, -stolen.length);
        return stolen.map(parse);
      }
      if ((await this.#redis.exists(`${this.#topic}.ins.${lucky}`)) === 0)
        await this.#redis.zrem(this.#loadTable, lucky);
    }
    const popped = await this.#requests.blpop(
      [this.#queue(this.node), ...peers.map((name) => this.#queue(name))],
      BLOCK_S,
    );
    if (popped === null) return [];
    const element = parse(popped[1]);
    await this.#addLoad(element.owner, -1);
    return [element];
  }

  async #run({ owner, order, raw }: Element): Promise<void> {
    const id = raw.request_id;
    const token = hex(ticks());
    const ticket = `${owner}|${order}|00000001|ffffffffffff|${id}`;
    this.#history.write({ what: 'granted', id, ticket, token, shard: 0, spent: 0 });
    this.#running += 1;
    try {
      const signal = new AbortController().signal;
      const results = this.#execute({ request: raw, owner, token, attempt: 1, signal });
      for (;;) {
        const { value: output, done } = await results.next();
        await this.#reply(owner, { output, finished: done === true }).catch(() => undefined);
        if (done) return;
      }
    } finally {
      this.#running -= 1;
    }
  }

  async #reply(owner: string, reply: Reply): Promise<void> {
    if (owner === this.node) this.#tell(reply);
    else await this.#push(`${this.#topic}.resp.${owner}`, [JSON.stringify(reply)]);
  }

  async #readReplies(): Promise<void> {
    const list = `${this.#topic}.resp.${this.node}`;
    const popped = (await this.#replies.lpop(list, RESULTS)) ?? [];
    if (popped.length === 0) {
      const [, one] = (await this.#replies.blpop(list, RESULTS_BLOCK_S)) ?? [];
      if (one !== undefined) popped.push(one);
    }
    for (const text of popped) this.#tell(JSON.parse(text) as Reply);
  }

  #tell({ output, finished }: Reply): void {
    if (!this.#pending.has(output.id)) return;
    if (finished) this.#pending.delete(output.id);
    this.#history.write({ what: 'told', id: output.id, kind: finished ? 'finished' : 'chunk', output });
  }

  async #push(list: string, elements: string[]): Promise<void> {
    await this.#redis
      .multi()
      .rpush(list, ...elements)
      .expire(list, TTL_S)
      .exec();
  }

  async #addLoad(owner: string, count: number): Promise<void> {
    const load = await this.#redis.zincrby(this.#loadTable, count, owner);
    if (Number(load) === 0) await this.#redis.zrem(this.#loadTable, owner);
  }

  get #name(): string {
    return `${this.#topic}.ins.${this.node}`;
  }

  get #loadTable(): string {
    return `${this.#topic}.load.${shardOf(this.node, 1)}`;
  }

  #queue(owner: string): string {
    return `${this.#topic}.req.${owner}`;
  }
}
