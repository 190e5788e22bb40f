/** A node with our scheduler. */
import { Scheduler, SchedulerError, type ClaimedRequest, type StealPolicy } from '../../src/index.ts';
import type { LoadUnit } from '../../src/base/options.ts';
import { settle } from '../../src/base/settle.ts';
import { ASK_AHEAD_MS, LAST_CALL_MS } from '../../src/testing/engine/room.ts';
import { LiveEngine } from './live-engine.ts';
import { nameOf, type FleetNode, type NodeContext } from './node.ts';
import type { Ask } from './options.ts';

export interface OurOptions {
  policy: StealPolicy;
  /** Model ms. */
  stealAfterMs: number | undefined;
  minLoadScore: number | undefined;
  loadUnit: LoadUnit;
  ask: Ask;
}

/** What travels through Redis: a request without its tokens, so that two cores keep up with the whole fleet. */
interface Replayed {
  request_id: string;
  promptTokens: number;
  outputTokens: number;
}

/** In real ms: a day; nothing in a run is meant to wait for it. */
const TTL_MS = 86_400_000;
/** Real ms. */
const LEAST_POLL_MS = 10;

type OurScheduler = Scheduler<Replayed, undefined>;

export async function startOurs(node: number, context: NodeContext, options: OurOptions): Promise<FleetNode> {
  const { scheduler, pollMs } = await openScheduler(node, context, options);
  return new OurNode(node, context, scheduler, pollMs, options.ask);
}

/** A node without an engine. */
export async function startFront(
  node: number,
  context: NodeContext,
  options: OurOptions,
): Promise<FleetNode> {
  const { scheduler } = await openScheduler(node, context, options);
  return { put: (id) => submit(scheduler, context, id), close: () => scheduler.close() };
}

/**
 * The scheduler's defaults that a run waits for are scaled with the engines' time: pollMs, stealAfterMs and patienceMs. Leases
 * and names stand as long as always, in real time, so that a busy machine loses none.
 */
async function openScheduler(
  node: number,
  { redis, topic, clock }: NodeContext,
  options: OurOptions,
): Promise<{ scheduler: OurScheduler; pollMs: number }> {
  const { policy, minLoadScore, loadUnit } = options;
  const defaults = settle({ policy });
  const stealAfterMs = Math.round((options.stealAfterMs ?? defaults.stealAfterMs) * clock.scale);
  const patienceMs = Math.round(defaults.patienceMs * clock.scale);
  const pollMs = Math.max(LEAST_POLL_MS, Math.round(defaults.pollMs * clock.scale));
  const scheduler = await Scheduler.start<Replayed, undefined>({
    ...{ redis, topic, node: nameOf(node), policy, loadUnit, ttlMs: TTL_MS },
    ...{ stealAfterMs, pollMs, patienceMs },
    ...(minLoadScore === undefined ? {} : { minLoadScore }),
    promptTokensOf: ({ promptTokens }) => promptTokens,
    onWarning: () => undefined,
  });
  return { scheduler, pollMs };
}

/** Resolves when its owner has been told its end. */
async function submit(scheduler: OurScheduler, context: NodeContext, id: number): Promise<void> {
  const { promptTokens, outputTokens } = context.history.journeys[id]!;
  await scheduler.submit({ request_id: String(id), promptTokens, outputTokens }).result();
  context.onEnd(id);
}

class OurNode implements FleetNode {
  readonly #context: NodeContext;
  readonly #scheduler: OurScheduler;
  readonly #engine: LiveEngine;
  readonly #claims = new Map<number, string>();
  readonly #served: Promise<void>;
  readonly #pollMs: number;
  readonly #ask: Ask;
  #closed = false;

  constructor(node: number, context: NodeContext, scheduler: OurScheduler, pollMs: number, ask: Ask) {
    const { onFailure } = context;
    this.#context = context;
    this.#scheduler = scheduler;
    this.#pollMs = pollMs;
    this.#ask = ask;
    this.#engine = new LiveEngine(node, context, (id) => this.#finish(id));
    this.#served = this.#serve().catch(onFailure);
  }

  put(id: number): Promise<void> {
    return submit(this.#scheduler, this.#context, id);
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
      this.#take(await this.#claim());
    }
  }

  async #claim(): Promise<ClaimedRequest<Replayed>[]> {
    const room = this.#engine.room();
    const { readyInMs, waitMs } = this.#whenToAsk();
    try {
      return await this.#scheduler.getRequests({ ...room, readyInMs }, { waitMs });
    } catch (error) {
      if (this.#closed && error instanceof SchedulerError && error.code === 'CLOSED') return [];
      throw error;
    }
  }

  /** The next iteration takes what comes until its last call; what comes later is for the one after it. */
  #whenToAsk(): { readyInMs: number; waitMs: number } {
    const { iterationMs, shortestMs } = this.#engine;
    if (iterationMs === undefined) return { readyInMs: 0, waitMs: this.#pollMs };
    const isInTime = iterationMs > LAST_CALL_MS;
    const beginsInMs = isInTime ? iterationMs : iterationMs + shortestMs;
    return {
      readyInMs: this.#ask === 'early' ? 0 : Math.max(0, beginsInMs - ASK_AHEAD_MS),
      waitMs: isInTime ? iterationMs - LAST_CALL_MS : iterationMs,
    };
  }

  #take(claimed: readonly ClaimedRequest<Replayed>[]): void {
    for (const { id, claim } of claimed) this.#claims.set(Number(id), claim);
    this.#engine.enter(claimed.map(({ id }) => Number(id)));
  }

  #finish(id: number): void {
    const claim = this.#claims.get(id)!;
    this.#claims.delete(id);
    this.#scheduler.putResults([{ claim, finished: true }]).then(([status]) => {
      // an orphan was accepted; its owner was only silent for long
      if (status !== 'ok' && status !== 'orphan')
        this.#context.onFailure(new Error(`the result of request ${id} was ${status!}`));
    }, this.#context.onFailure);
  }
}
