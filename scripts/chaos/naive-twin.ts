/** The naive twin as a peer of the chaos run: it goes through the same faults and the same checker as ours. */
import type { Redis } from 'ioredis';
import { sleep } from '../../src/base/clock.ts';
import { Reference, type Element as QueuedElement } from '../lib/reference/reference.ts';
import type { Happening, Output } from '../lib/harness/happenings.ts';
import { now, type HistoryWriter } from '../lib/harness/history.ts';
import type { Holding } from '../lib/checker/losses.ts';
import type { Execute, Peer, PutRequest, Refusal } from '../lib/harness/peer.ts';
import type { ChaosSettings } from './node.ts';
import type { ChaosRequest } from './requests.ts';

/** Short, so that a killed node's name is free again soon. */
const KEEP_ALIVE_S = 3;

interface Element extends QueuedElement {
  /** Hex digits: when it was put. */
  order: string;
  raw: ChaosRequest;
}

interface Reply {
  ticket: string;
  output: Output;
  finished: boolean;
}

type Settings = Pick<ChaosSettings, 'redis' | 'topic' | 'node' | 'slots'>;

/** Joins with the name, or the first free of `name:1` …; takeover is not known here. */
export async function startReference(
  settings: Settings,
  history: HistoryWriter<Happening>,
  execute: Execute<ChaosRequest>,
): Promise<Peer<ChaosRequest>> {
  const peer = new ReferencePeer(settings, history, execute);
  await peer.start();
  return peer;
}

/** What its lists hold: requests that wait, and last results. */
export async function lookIntoReference(client: Redis, topic: string): Promise<Holding> {
  const elementsOf = async <T>(kind: string): Promise<T[]> => {
    const lists = await client.keys(`${topic}.${kind}.*`);
    const texts = await Promise.all(lists.map((list) => client.lrange(list, 0, -1)));
    return texts.flat().map((text) => JSON.parse(text) as T);
  };
  const waiting = await elementsOf<Element>('req');
  const replies = await elementsOf<Reply>('resp');
  return {
    records: new Map(waiting.map(({ raw }) => [raw.request_id, undefined])),
    finals: new Set(replies.filter(({ finished }) => finished).map(({ output }) => output.id)),
    ticks: [],
  };
}

class ReferencePeer implements Peer<ChaosRequest> {
  readonly #slots: number;
  readonly #history: HistoryWriter<Happening>;
  readonly #execute: Execute<ChaosRequest>;
  readonly #scheduler: Reference<Element, Reply>;
  readonly #pending = new Set<string>();
  readonly #loops: Promise<void>[] = [];
  #running = 0;

  constructor(
    { redis, topic, node, slots }: Settings,
    history: HistoryWriter<Happening>,
    execute: Execute<ChaosRequest>,
  ) {
    this.#slots = slots;
    this.#history = history;
    this.#execute = execute;
    this.#scheduler = new Reference({ redis, topic, node, times: { keepAlive: KEEP_ALIVE_S } });
  }

  get node(): string {
    return this.#scheduler.node;
  }

  async start(): Promise<void> {
    const scheduler = this.#scheduler;
    await scheduler.start();
    this.#history.write({ what: 'started', node: this.node, takeover: false });
    this.#loops.push(
      scheduler.loop(() => scheduler.stayAlive()),
      scheduler.loop(async () => (await scheduler.takeReplies()).forEach((reply) => this.#take(reply))),
    );
    if (this.#slots > 0) this.#loops.push(scheduler.loop(() => this.#serve()));
  }

  async put(requests: readonly PutRequest<ChaosRequest>[]): Promise<(Refusal | undefined)[]> {
    const order = ticks();
    const elements = requests.map(({ request }, i): Element => {
      this.#pending.add(request.request_id);
      return { owner: this.node, order: hex(order + i), raw: request };
    });
    try {
      await this.#scheduler.put(elements);
    } catch (error) {
      return requests.map(() => ({ code: 'UNSURE', reason: String(error) }));
    }
    return requests.map(() => undefined);
  }

  async close(): Promise<void> {
    this.#scheduler.close();
    await Promise.all(this.#loops);
  }

  async #serve(): Promise<void> {
    const room = this.#slots - this.#running;
    if (room < 1) {
      await sleep(1);
      return;
    }
    // an engine of slots alone takes whatever it asked for
    const admitted = await this.#scheduler.get(room, (popped) => popped.length);
    for (const element of admitted) void this.#run(element);
  }

  async #run({ owner, order, raw }: Element): Promise<void> {
    const id = raw.request_id;
    const fence = hex(ticks());
    const ticket = `${owner}|${order}|00000001|ffffffffffff|${id}`;
    this.#history.write({ what: 'granted', id, ticket, fence, shard: 0, triesSpent: 0 });
    this.#running += 1;
    try {
      const signal = new AbortController().signal;
      const promptTokens = raw.prompt_token_ids.length;
      const results = this.#execute({ request: raw, owner, fence, attempt: 1, promptTokens, signal });
      for (;;) {
        const { value: output, done } = await results.next();
        await this.#reply(owner, { ticket, output, finished: done === true }).catch(() => undefined);
        if (done) return;
      }
    } finally {
      this.#running -= 1;
    }
  }

  async #reply(owner: string, reply: Reply): Promise<void> {
    if (owner === this.node) this.#tell(reply);
    else await this.#scheduler.reply(owner, reply);
  }

  #take(reply: Reply): void {
    const { ticket, output, finished } = reply;
    this.#history.write({ what: 'taken', ...output, ticket, final: finished });
    this.#tell(reply);
  }

  #tell({ output, finished }: Reply): void {
    if (!this.#pending.has(output.id)) return;
    if (finished) this.#pending.delete(output.id);
    this.#history.write({ what: 'told', id: output.id, kind: finished ? 'finished' : 'chunk', output });
  }
}

/** µs of the machine's monotonic clock: no two calls of a process get the same. */
let last = 0;
function ticks(): number {
  last = Math.max(last + 1, Math.floor(now() * 1000));
  return last;
}

function hex(tick: number): string {
  return tick.toString(16).padStart(14, '0');
}
