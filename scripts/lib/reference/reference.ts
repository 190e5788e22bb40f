/**
 * The algorithm of FastDeploy's GlobalScheduler in plain Redis commands, with its constants: the naive twin. Kinder
 * than the reference in one point: a put whose RPUSH failed is told to the caller. Loops are the caller's.
 */
import { Redis, type RedisOptions } from 'ioredis';
import { sleep } from '../../../src/base/clock.ts';
import { shardOf } from '../../../src/base/keys.ts';

const TTL_S = 900;
const MIN_LOAD_SCORE = 3;
const MOST_PEERS = 50;
const SAMPLE = 10;
const RESULTS = 300;
const ERROR_MS = 50;

/** Its constants, in s, so that they can be scaled with an experiment's time. */
export interface ReferenceTimes {
  /** How long it blocks for a request. */
  block: number;
  /** How long it blocks for a result. */
  resultsBlock: number;
  /** How long a name stands; whole. Renewed every half of it. */
  keepAlive: number;
}

/** What it uses unless told otherwise. */
export const REFERENCE_TIMES: Readonly<ReferenceTimes> = { block: 2, resultsBlock: 10, keepAlive: 30 };

export interface ReferenceOptions {
  /** URL. */
  redis: string;
  topic: string;
  node: string;
  times?: Partial<ReferenceTimes>;
}

/** A request in a queue; whatever else it carries travels with it. */
export interface Element {
  owner: string;
}

// as redis-py: a command is sent once, and a broken connection is its error
const OPTIONS = {
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  retryStrategy: () => ERROR_MS,
} satisfies RedisOptions;

export class Reference<Request extends Element, Reply> {
  readonly #topic: string;
  readonly #times: ReferenceTimes;
  readonly #redis: Redis;
  readonly #requests: Redis;
  readonly #replies: Redis;
  #closed = false;
  /** Its name; after start() the one that was free. */
  node: string;

  constructor({ redis, topic, node, times }: ReferenceOptions) {
    this.#topic = topic;
    this.#times = { ...REFERENCE_TIMES, ...times };
    this.node = node;
    [this.#redis, this.#requests, this.#replies] = [1, 2, 3].map(() => {
      const client = new Redis(redis, OPTIONS);
      client.on('error', () => undefined);
      return client;
    }) as [Redis, Redis, Redis];
  }

  /** Takes the name, or the first free of `name:1` … */
  async start(): Promise<void> {
    const base = this.node;
    const { keepAlive } = this.#times;
    for (let i = 1; (await this.#redis.set(this.#name, '', 'EX', keepAlive, 'NX')) === null; i += 1) {
      this.node = `${base}:${i}`;
    }
  }

  close(): void {
    this.#closed = true;
    for (const client of [this.#redis, this.#requests, this.#replies]) client.disconnect();
  }

  /** Repeats something until close(); after an error it waits a moment. */
  async loop(act: () => Promise<void>): Promise<void> {
    while (!this.#closed) {
      try {
        await act();
      } catch {
        await sleep(ERROR_MS);
      }
    }
  }

  /** Renews the name, and waits until the next time. */
  async stayAlive(): Promise<void> {
    const { keepAlive } = this.#times;
    await this.#redis.set(this.#name, this.#loadTable, 'EX', keepAlive);
    for (let waited = 0; waited < keepAlive * 500 && !this.#closed; waited += ERROR_MS) await sleep(ERROR_MS);
  }

  async put(requests: readonly Request[]): Promise<void> {
    await this.#push(
      this.#queue(this.node),
      requests.map((request) => JSON.stringify(request)),
    );
    await this.#addLoad(this.node, requests.length).catch(() => undefined);
  }

  /**
   * Own queue first; then half of the batch from a loaded peer; then waits for one on both.
   * @param admit how many from the front are taken; the others go back as the reference does it, in reverse
   */
  async get(batch: number, admit: (popped: readonly Request[]) => number): Promise<Request[]> {
    const popped = (await this.#pop(batch)).map((text) => JSON.parse(text) as Request);
    const admitted = popped.length === 0 ? 0 : admit(popped);
    const refused = popped.slice(admitted);
    if (refused.length > 0) await this.#pushBack(refused);
    return popped.slice(0, admitted);
  }

  async reply(owner: string, ...replies: readonly Reply[]): Promise<void> {
    await this.#push(
      `${this.#topic}.resp.${owner}`,
      replies.map((reply) => JSON.stringify(reply)),
    );
  }

  /** Waits for results; none when the time is over. */
  async takeReplies(): Promise<Reply[]> {
    const list = `${this.#topic}.resp.${this.node}`;
    const popped = (await this.#replies.lpop(list, RESULTS)) ?? [];
    if (popped.length === 0) {
      const [, one] = (await this.#replies.blpop(list, this.#times.resultsBlock)) ?? [];
      if (one !== undefined) popped.push(one);
    }
    return popped.map((text) => JSON.parse(text) as Reply);
  }

  async #pop(batch: number): Promise<string[]> {
    const half = Math.ceil(batch / 2);
    const own = await this.#popOwn([half, batch - half]);
    if (own.length > 0) return own;
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
    const stolen = lucky === undefined ? [] : await this.#steal(lucky, half);
    if (stolen.length > 0) return stolen;
    const queues = [this.node, ...peers].map((name) => this.#queue(name));
    const popped = await this.#requests.blpop(queues, this.#times.block);
    if (popped === null) return [];
    await this.#addLoad((JSON.parse(popped[1]) as Request).owner, -1);
    return [popped[1]];
  }

  async #popOwn(counts: readonly number[]): Promise<string[]> {
    const own: string[] = [];
    for (const count of counts) {
      const popped = count > 0 ? await this.#redis.lpop(this.#queue(this.node), count) : null;
      if (popped === null) break;
      own.push(...popped);
      await this.#addLoad(this.node, -popped.length);
    }
    return own;
  }

  async #steal(lucky: string, count: number): Promise<string[]> {
    const stolen = await this.#redis.lpop(this.#queue(lucky), count);
    if (stolen !== null) {
      await this.#addLoad(lucky, -stolen.length);
      return stolen;
    }
    if ((await this.#redis.exists(`${this.#topic}.ins.${lucky}`)) === 0)
      await this.#redis.zrem(this.#loadTable, lucky);
    return [];
  }

  /** What was popped together has one owner. */
  async #pushBack(refused: readonly Request[]): Promise<void> {
    const { owner } = refused[0]!;
    await this.#redis.lpush(this.#queue(owner), ...refused.map((request) => JSON.stringify(request)));
    await this.#redis.zincrby(this.#loadTable, refused.length, owner);
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
