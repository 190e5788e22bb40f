/** One node of the chaos fleet, in a process of its own: a peer, its clients and its engine, all from one seed. */
import { sleep } from '../../src/base/clock.ts';
import { messageOf } from '../../src/base/errors.ts';
import type { Happening, Output } from '../lib/harness/happenings.ts';
import { HistoryWriter } from '../lib/harness/history.ts';
import type { Member } from '../lib/harness/member.ts';
import { obeyParent, type NodeSettings, type RunNode } from '../lib/harness/orders.ts';
import { startOurs } from '../lib/harness/ours.ts';
import { executeRecorded, putRecorded, type Peer, type PutRequest } from '../lib/harness/peer.ts';
import type { Task } from '../lib/harness/peer.ts';
import type { Fleet } from '../lib/harness/processes.ts';
import { Random } from '../lib/traffic/random.ts';
import { Iterations } from './iterations.ts';
import { startReference } from './naive-twin.ts';
import type { Setup } from './plan.ts';
import { drawBurden, drawRequest, drawWish, type Burden, type ChaosRequest, type Wish } from './requests.ts';

export interface ChaosSettings extends NodeSettings, Setup {
  algorithm: 'ours' | 'reference';
  /** Of the proxy. */
  redis: string;
  topic: string;
  /** Of the run. */
  seed: number;
  /** Requests that its clients bring; 0: none. */
  perSecond: number;
  /** Requests that its engine runs at once; 0: it runs none. */
  slots: number;
  /** ms; 0: its engine begins with work at any time. The reference's does always. */
  iterationMs: number;
  leaseMs: number;
  keepAliveMs: number;
  pollMs: number;
  ttlMs: number;
}

export type ChaosOrder =
  /** The date of this process jumps. */
  | { order: 'clock'; stepMs: number }
  /** The topic has so many load shards from now on. */
  | { order: 'shards'; count: number }
  /** Its clients bring these. */
  | { order: 'bring'; what: Burden; count: number }
  /** No more requests. */
  | { order: 'quiet' };

export type ChaosFleet = Fleet<ChaosSettings, ChaosOrder>;
export type ChaosMember = Member<ChaosSettings, ChaosOrder>;

const PUT_EVERY_MS = 20;
const MOST_PUTS_UNANSWERED = 200;
const START_AGAIN_MS = 100;
const COMMAND_TIMEOUT_MS = 4_000;
const TRIES = 6;
/** Few, so that a reader that stands still has too many. */
const MAX_RESULTS = 400;
/** Seeds of the processes of one run lie apart from those of the next. */
const SEEDS_OF_A_RUN = 1_000;

class ChaosNode implements RunNode<ChaosOrder> {
  readonly #settings: ChaosSettings;
  readonly #history: HistoryWriter<Happening>;
  readonly #random: Random;
  #peer: Peer<ChaosRequest> | undefined;
  #engine: Iterations | undefined;
  #clients: NodeJS.Timeout | undefined;
  #count = 0;
  #unanswered = 0;
  #quiet = false;

  constructor(settings: ChaosSettings) {
    this.#settings = settings;
    this.#history = new HistoryWriter(settings.history);
    this.#random = new Random(settings.seed * SEEDS_OF_A_RUN + settings.number);
  }

  /** Tries until there is a connection that lives long enough. */
  async start(): Promise<string> {
    while (!this.#peer) {
      try {
        this.#peer = await this.#startPeer();
      } catch (error) {
        this.#history.write({ what: 'warned', message: `start: ${messageOf(error)}` });
        await sleep(START_AGAIN_MS);
      }
    }
    if (this.#settings.perSecond > 0) this.#clients = setInterval(() => this.#bring(), PUT_EVERY_MS);
    return this.#peer.node;
  }

  #startPeer(): Promise<Peer<ChaosRequest>> {
    const { redis, topic, node, takeover, slots, iterationMs, leaseMs, ...more } = this.#settings;
    const { loadShards, policy, keepAliveMs, pollMs, ttlMs } = more;
    const execute = (task: Task<ChaosRequest>) => executeRecorded(this.#history, task, this.#work(task));
    if (this.#settings.algorithm === 'reference')
      return startReference({ redis, topic, node, slots }, this.#history, execute);
    const whole = {
      ...{ availableBlocks: slots * 4, blockSize: 16, reservedOutputBlocks: 1 },
      ...{ maxNumBatchedTokens: 512, batch: slots },
    };
    if (iterationMs > 0) this.#engine = new Iterations(whole, iterationMs);
    return startOurs<ChaosRequest>({
      scheduler: {
        ...{ redis, topic, node, takeover, leaseMs, loadShards, policy, pollMs, ttlMs },
        ...{ keepAliveMs, commandTimeout: COMMAND_TIMEOUT_MS, tries: TRIES, maxResults: MAX_RESULTS },
      },
      ...{ history: this.#history, execute, drainMs: 2_000 },
      budget: slots > 0 ? (this.#engine ?? whole) : undefined,
      engine: slots > 0 ? whole : undefined,
    });
  }

  obey(order: ChaosOrder): void {
    if (order.order === 'clock') stepClock(order.stepMs);
    else if (order.order === 'shards') this.#peer?.reshard?.(order.count);
    else if (order.order === 'bring') this.#bringBurden(order);
    else this.#goQuiet();
  }

  #goQuiet(): void {
    clearInterval(this.#clients);
    this.#quiet = true;
  }

  /** A process that is told before it is up, or after its last request, brings nothing. */
  #bringBurden({ what, count }: { what: Burden; count: number }): void {
    if (!this.#peer || this.#quiet) return;
    const burdens = Array.from({ length: count }, () => drawBurden(this.#random, this.#nextId(), what));
    void this.#put(burdens.map(({ request, wish }) => this.#prepare(request, wish)));
  }

  async close(): Promise<void> {
    clearInterval(this.#clients);
    await this.#peer?.close();
    this.#history.close();
  }

  /** Clients come in groups now and then, so that lines form. */
  #bring(): void {
    const mean = (this.#settings.perSecond * PUT_EVERY_MS) / 1000;
    const group = this.#random.uniform() < 0.25 ? Math.round(mean * 8 * this.#random.uniform()) : 0;
    if (group === 0 || this.#unanswered >= MOST_PUTS_UNANSWERED) return;
    void this.#put(Array.from({ length: group }, () => this.#draw()));
  }

  #draw(): PutRequest<ChaosRequest> {
    const request = drawRequest(this.#random, this.#nextId());
    return this.#prepare(request, drawWish(this.#random));
  }

  #nextId(): string {
    return `${this.#settings.label}-${this.#count++}`;
  }

  /** The reference knows no wishes. */
  #prepare(request: ChaosRequest, wish: Wish): PutRequest<ChaosRequest> {
    const { priority, deadlineMs, cancelAfterMs }: Wish =
      this.#settings.algorithm === 'ours' ? wish : { priority: 0 };
    const deadline = deadlineMs === undefined ? {} : { deadlineMs };
    const { request_id: id, prompt_token_ids: tokens } = request;
    const endsMs = deadlineMs ?? this.#settings.ttlMs;
    this.#history.write({ what: 'put', id, priority, promptTokens: tokens.length, deadlineMs: endsMs });
    const signal = cancelAfterMs === undefined ? {} : { signal: this.#cancelLater(id, cancelAfterMs) };
    return { request, options: { priority, ...deadline, ...signal } };
  }

  #cancelLater(id: string, ms: number): AbortSignal {
    const controller = new AbortController();
    setTimeout(() => {
      this.#history.write({ what: 'cancelling', id });
      controller.abort();
    }, ms);
    return controller.signal;
  }

  async #put(requests: readonly PutRequest<ChaosRequest>[]): Promise<void> {
    this.#unanswered += requests.length;
    const each = this.#settings.algorithm === 'ours' ? requests.map((one) => [one]) : [requests];
    await Promise.all(
      each.map(async (some) => {
        await putRecorded(this.#peer!, this.#history, some);
        this.#unanswered -= some.length;
      }),
    );
  }

  async *#work({
    request: { chunks, stepMs },
    promptTokens,
  }: Task<ChaosRequest>): AsyncGenerator<Partial<Output>, Partial<Output>, undefined> {
    const end = this.#engine?.begin(promptTokens);
    try {
      for (let left = chunks; ; left -= 1) {
        if (stepMs > 0) await sleep(stepMs);
        if (left === 0) return {};
        yield {};
      }
    } finally {
      end?.();
    }
  }
}

/** As an administrator's or NTP's step does: what measures by the date is wrong from here on. */
function stepClock(stepMs: number): void {
  const before = Date.now.bind(Date);
  globalThis.Date = new Proxy(Date, {
    construct: (target, args: [number?]) => new target(args[0] ?? before() + stepMs),
    get: (target, name): unknown =>
      name === 'now' ? (): number => before() + stepMs : Reflect.get(target, name),
  });
}

obeyParent((settings: ChaosSettings) => new ChaosNode(settings));
