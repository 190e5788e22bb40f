/**
 * `run`: claims, hands each request to the handler with its signal, and sends what the handler yields. A loop that ends
 * only with the scheduler: errors of Redis and of the engine are waited out, errors of a handler end that request as failed,
 * unless they are the engine's fault.
 */
import {
  claimBounds,
  validateBudget,
  requiredBlocks,
  type Budget,
  type ClaimBounds,
} from '../base/budget.ts';
import { backoff, monotonic, sleep, unless } from '../base/clock.ts';
import { ConfigError, SchedulerError, isA, messageOf } from '../base/errors.ts';
import type { Teller } from '../observe/events.ts';
import type { EngineDown } from '../protocol/registration.ts';
import { isEngine, type BudgetSource } from './budget-source.ts';
import { chunksOf, type Chunks } from './chunks.ts';
import type { Claimer } from './claimer.ts';
import type { ClaimedRequest, Claims } from './claims.ts';
import { EngineWatch, type EngineWatchOptions } from './engine-watch.ts';
import { REFUSALS, type ResultStatus, type RunnerResult } from './outbox.ts';
import { checkGiveBack } from './retry.ts';

/**
 * Executes one request, and answers its final output, or chunks: an async generator, whose return value is the final
 * output, any other async iterable, like a stream of Node.js, or a web ReadableStream; each also by a promise. A throw
 * ends the request as failed, not retried, unless it is a `Retry` or `isEngineFailure` says that it is one. After
 * `request.signal` fired, what it yields is dropped.
 */
export type Handler<Request, Output> = (
  request: ClaimedRequest<Request>,
) => Answer<Output> | Promise<Answer<Output>>;

type Answer<Output> = AsyncIterable<Output, Final<Output>, undefined> | Final<Output>;

// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- a handler may return nothing
type Final<Output> = Output | undefined | void;

export interface RunOptions extends EngineWatchOptions {
  budget: BudgetSource;
}

/** What the loop needs of its scheduler. */
interface LoopContext {
  pollMs: number;
  /** Ends the loop. */
  stop: AbortSignal;
  /** Told what the engine's code throws. */
  onWarning: (message: string) => void;
  teller: Teller;
  /** Told when the breaker opens, stays open for longer, or (undefined) closes. */
  engineDown: (down: EngineDown | undefined) => void;
}

/** A full engine is asked again after so long: it may get room while no handler yields or ends. Redis is not asked. */
const LOOK_AGAIN_MS = 100;

/** Chunks of one request on their way to Redis before its handler waits: about eight calls of a lane. */
const MAX_AHEAD = 1_000;
/** The same in bytes: about four calls. */
const MAX_AHEAD_BYTES = 1_048_576;

export class RunLoop<Request, Output> {
  readonly #claimer: Claimer<Request>;
  readonly #claims: Claims<Request, Output>;
  readonly #handler: Handler<Request, Output>;
  readonly #source: BudgetSource;
  readonly #pollMs: number;
  readonly #stop: AbortSignal;
  readonly #running = new Map<string, { id: string; tokens: number; done: Promise<void> }>();
  #lastRoom: ClaimBounds | undefined;
  /** The engine said so, and nothing was asked for since. */
  #readyAt = Infinity;
  readonly #watch: EngineWatch;
  readonly #onWarning: (message: string) => void;
  /** The engine has said at least once what can be understood. */
  #hasClaimed = false;
  /** It was warned of, and has not answered since. */
  #complained = false;
  /** Fires when a handler has yielded or ended: the budget may have grown. */
  #stale = new AbortController();

  /** @throws ConfigError */
  constructor(
    claimer: Claimer<Request>,
    claims: Claims<Request, Output>,
    handler: Handler<Request, Output>,
    { budget: source, ...watch }: RunOptions,
    { pollMs, stop, onWarning, teller, engineDown }: LoopContext,
  ) {
    if (typeof handler !== 'function') throw new ConfigError('handler', handler, 'a function');
    if (typeof source !== 'function' && !isEngine(source)) {
      validateBudget(source);
      if (source.readyInMs !== undefined)
        throw new ConfigError(
          'budget.readyInMs',
          source.readyInMs,
          'given by an engine or a function: it changes',
        );
    }
    this.#claimer = claimer;
    this.#claims = claims;
    this.#handler = handler;
    this.#source = source;
    this.#watch = new EngineWatch(watch, onWarning, teller, engineDown);
    this.#pollMs = pollMs;
    this.#stop = stop;
    this.#onWarning = onWarning;
    this.#stop.addEventListener('abort', () => this.#stale.abort());
  }

  /** Serves until `stop` fires; resolves when the last handler has ended. */
  async serve(): Promise<void> {
    for (let failures = 0; !this.#stop.aborted;) {
      try {
        this.#stale = new AbortController();
        const stale = this.#stale.signal;
        const most = this.#watch.most();
        if (most === 0) await sleep(this.#watch.restMs(), stale);
        const budget = most === 0 ? undefined : await this.#whenFree(stale);
        if (budget === undefined) continue;
        const requests = await this.#claim({ ...budget, batch: Math.min(budget.batch, most) }, stale);
        [failures, this.#complained] = [0, false];
        this.#hasClaimed = true;
        for (const request of requests) this.#begin(request);
      } catch (error) {
        // an engine that never said what can be understood is a mistake of its code, and none that passes
        if (isA(error, ConfigError) && !this.#hasClaimed) throw error;
        failures += 1;
        if (!isA(error, SchedulerError) || isA(error, ConfigError)) this.#complain(error);
        await sleep(backoff(failures), this.#stop);
      }
    }
    await this.drained();
  }

  /** Once, until the engine has answered. */
  #complain(error: unknown): void {
    if (this.#complained) return;
    this.#complained = true;
    this.#onWarning(`run: the engine's budget cannot be had, it is asked again: ${messageOf(error)}`);
  }

  /** The engine's room, if it has any; else undefined, once it is worth another look. Throws what the engine throws. */
  async #whenFree(stale: AbortSignal): Promise<Budget | undefined> {
    const budget = this.#room();
    // one that is no number must not pass for a full engine
    validateBudget(budget);
    this.#lastRoom = claimBounds(budget);
    if (budget.batch >= 1 && budget.availableBlocks > budget.reservedOutputBlocks) return budget;
    await this.#untilRoom(stale);
    return undefined;
  }

  /** The time at which the engine is ready stands until it has come: handlers that yield often would put it off for ever. */
  async #claim(budget: Budget, stale: AbortSignal): Promise<ClaimedRequest<Request>[]> {
    const now = monotonic();
    const readyAt = Math.min(this.#readyAt, now + (budget.readyInMs ?? 0));
    this.#readyAt = readyAt;
    const readyInMs = Math.max(0, readyAt - now);
    const requests = await this.#claimer.getRequests({ ...budget, readyInMs }, this.#pollMs, stale);
    if (monotonic() >= readyAt) this.#readyAt = Infinity;
    return requests;
  }

  get breaker(): EngineWatch['breaker'] {
    return this.#watch.breaker;
  }

  /** ms until one request tries an engine whose breaker is open; Infinity: it is closed, or one tries it. */
  get restMs(): number {
    return this.#watch.restMs();
  }

  /** What the engine had room for when it was last asked. */
  get room(): ClaimBounds | undefined {
    return this.#lastRoom;
  }

  /** Ids of the requests whose handlers have not ended. */
  get running(): string[] {
    return [...this.#running.values()].map(({ id }) => id);
  }

  async drained(): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  #room(): Budget {
    if (typeof this.#source === 'function') return this.#source();
    if (isEngine(this.#source)) return this.#source.room();
    const { availableBlocks, batch, totalBlocks = availableBlocks } = this.#source;
    let used = 0;
    for (const { tokens } of this.#running.values()) used += requiredBlocks(tokens, this.#source);
    return {
      ...this.#source,
      totalBlocks,
      availableBlocks: Math.max(0, availableBlocks - used),
      batch: Math.max(0, batch - this.#running.size),
    };
  }

  async #untilRoom(stale: AbortSignal): Promise<void> {
    if (!isEngine(this.#source)) {
      await sleep(LOOK_AGAIN_MS, stale);
      return;
    }
    try {
      await unless(stale, this.#source.whenRoom(stale));
    } catch (error) {
      if (!stale.aborted) throw error;
    }
  }

  /** The engine may have failed since the request was asked for. */
  #begin(request: ClaimedRequest<Request>): void {
    if (this.#watch.most() > 0) this.#start(request);
    else void request.giveBack({ afterMs: this.#watch.restMs() < Infinity ? this.#watch.restMs() : 0 });
  }

  #start(request: ClaimedRequest<Request>): void {
    this.#watch.began(request.claim);
    // this loop asks again by itself: without a pause a handler that gives back would get the same request at once
    request.giveBack = async (options = {}) => this.#claims.giveBack(request.claim, checkGiveBack(options));
    const done = this.#execute(request).finally(() => {
      this.#running.delete(request.claim);
      this.#watch.ended(request.claim);
      this.#stale.abort();
    });
    this.#running.set(request.claim, { id: request.id, tokens: request.promptTokens, done });
  }

  async #execute(request: ClaimedRequest<Request>): Promise<void> {
    const { claim, signal } = request;
    try {
      const answer = await this.#handler(request);
      const chunks = chunksOf<Output, Output>(answer);
      const output = chunks ? await this.#chunks(request, chunks) : (answer as Output | undefined);
      if (signal.aborted) return;
      if (this.#claims.holds(claim)) this.#watch.worked(claim);
      await this.#send({ claim, finished: true, ...(output === undefined ? {} : { output }) });
    } catch (error) {
      if (signal.aborted) return;
      const how = this.#watch.failed(claim, error);
      if (how) await this.#claims.giveBack(claim, how);
      else await this.#send({ claim, failed: messageOf(error) });
    }
  }

  async #chunks(
    request: ClaimedRequest<Request>,
    chunks: Chunks<Output, Output>,
  ): Promise<Output | undefined> {
    const { claim, signal } = request;
    let unanswered = 0;
    // its end may take as long as it likes, and may fail: nobody wants it any more
    const end = (): void => void chunks.end().catch(() => undefined);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
    try {
      for (;;) {
        if (request.isHalted) await this.#claims.goesOn(claim);
        const next = await chunks.next();
        if (signal.aborted) return undefined;
        if (!next.done) this.#watch.worked(claim);
        this.#stale.abort();
        if (next.done) return next.value;
        // a lane keeps the order, and a handler does not wait for Redis, unless it is far ahead of it
        unanswered += 1;
        const sent = this.#send({ claim, output: next.value }).then(() => void (unanswered -= 1));
        if (unanswered >= MAX_AHEAD || this.#claims.bytesAhead(claim) >= MAX_AHEAD_BYTES) await sent;
      }
    } finally {
      signal.removeEventListener('abort', end);
    }
  }

  /**
   * Waits for Redis however long it takes. A result that cannot be sent ends its request as failed; when Redis
   * refuses one, the request is given back and executed again.
   */
  async #send(result: RunnerResult<Output>): Promise<void> {
    const { claim } = result;
    let status: ResultStatus;
    try {
      const sent = this.#claims.put(result);
      // one that cannot be sent ends the request before what the handler yields next
      status = typeof sent === 'string' ? sent : await sent;
    } catch {
      await this.#claims.surrender(claim);
      return;
    }
    if (status === 'too_large' || status === 'encode') await this.#send({ claim, failed: REFUSALS[status] });
  }
}
