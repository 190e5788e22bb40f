/** A node with our scheduler. */
import { Scheduler, SchedulerError, type ClaimedRequest, type StealPolicy } from '../../src/index.ts';
import { LiveEngine } from './live-engine.ts';
import { nameOf, type FleetNode, type NodeContext } from './node.ts';

export interface OurOptions {
  policy: StealPolicy;
  /** Model ms. */
  stealAfterMs: number | undefined;
  minLoadScore: number | undefined;
}

/** What travels through Redis: a request without its tokens, so that two cores keep up with the whole fleet. */
interface Replayed {
  request_id: string;
  promptTokens: number;
  outputTokens: number;
}

/** The scheduler's defaults, in model ms: as the engines' time is scaled, so are they. */
const TIMES = { pollMs: 2_000, leaseMs: 30_000, keepAliveMs: 30_000 };
const STEAL_AFTER_MS = 50;
/** Real ms; nothing in a run is meant to wait for it. */
const TTL_MS = 3_600_000;
/** Of its constants, those in ms, at least this much real time. */
const LEAST = { pollMs: 10, leaseMs: 2_000, keepAliveMs: 2_000 };

export async function startOurs(node: number, context: NodeContext, options: OurOptions): Promise<FleetNode> {
  const { redis, topic, clock } = context;
  const scaled = (ms: number, least: number): number => Math.max(least, Math.round(ms * clock.scale));
  const stealAfterMs = options.stealAfterMs ?? (options.policy === 'oldest' ? STEAL_AFTER_MS : undefined);
  const scheduler = await Scheduler.start<Replayed, undefined>({
    ...{ redis, topic, node: nameOf(node), policy: options.policy, ttlMs: TTL_MS },
    pollMs: scaled(TIMES.pollMs, LEAST.pollMs),
    leaseMs: scaled(TIMES.leaseMs, LEAST.leaseMs),
    keepAliveMs: scaled(TIMES.keepAliveMs, LEAST.keepAliveMs),
    ...(stealAfterMs === undefined ? {} : { stealAfterMs: scaled(stealAfterMs, 0) }),
    ...(options.minLoadScore === undefined ? {} : { minLoadScore: options.minLoadScore }),
    promptTokensOf: ({ promptTokens }) => promptTokens,
    onWarning: () => undefined,
  });
  return new OurNode(node, context, scheduler);
}

class OurNode implements FleetNode {
  readonly #context: NodeContext;
  readonly #scheduler: Scheduler<Replayed, undefined>;
  readonly #engine: LiveEngine;
  readonly #claims = new Map<number, string>();
  readonly #served: Promise<void>;
  readonly #pollMs: number;
  #closed = false;

  constructor(node: number, context: NodeContext, scheduler: Scheduler<Replayed, undefined>) {
    const { history, clock, lateness, onFailure } = context;
    this.#context = context;
    this.#scheduler = scheduler;
    this.#pollMs = TIMES.pollMs * clock.scale;
    this.#engine = new LiveEngine(node, history, clock, lateness, (id) => this.#finish(id));
    this.#served = this.#serve().catch(onFailure);
  }

  async put(id: number): Promise<void> {
    const { promptTokens, outputTokens } = this.#context.history.journeys[id]!;
    const submission = this.#scheduler.submit({ request_id: String(id), promptTokens, outputTokens });
    await submission.result();
    this.#context.onEnd(id);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#engine.close();
    await this.#scheduler.close();
    await this.#served;
  }

  async #serve(): Promise<void> {
    for (;;) {
      await this.#engine.whenOpen();
      if (this.#closed) return;
      const waitMs = this.#engine.iterationMs ?? this.#pollMs;
      this.#take(await this.#claim(waitMs));
    }
  }

  async #claim(waitMs: number): Promise<ClaimedRequest<Replayed>[]> {
    try {
      return await this.#scheduler.getRequests(this.#engine.room(), { waitMs });
    } catch (error) {
      if (this.#closed && error instanceof SchedulerError && error.code === 'CLOSED') return [];
      throw error;
    }
  }

  #take(claimed: readonly ClaimedRequest<Replayed>[]): void {
    for (const { id, claim } of claimed) this.#claims.set(Number(id), claim);
    this.#engine.enter(claimed.map(({ id }) => Number(id)));
  }

  #finish(id: number): void {
    const claim = this.#claims.get(id)!;
    this.#claims.delete(id);
    this.#scheduler.putResults([{ claim, finished: true }]).then(([status]) => {
      if (status !== 'ok') this.#context.onFailure(new Error(`the result of request ${id} was ${status!}`));
    }, this.#context.onFailure);
  }
}
