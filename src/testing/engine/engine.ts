/**
 * The engine model in real time.
 *
 * The end of an iteration is fixed when it begins: the end of the one before plus its duration. So late timers cause no
 * drift: what is overdue is done at once, and every call first brings the engine up to now. No timer runs while the
 * engine is empty.
 */
import { type Budget, claimBounds } from '../../base/budget.ts';
import { type Clock, REAL_CLOCK } from './clock.ts';
import { EngineModel, type EngineOptions } from './engine-model.ts';
import { type Chunk, type Completion, Job } from './job.ts';
import { ASK_AHEAD_MS, roomOf } from './room.ts';

/**
 * Options of {@link EmulatedEngine}: the figures of {@link EngineOptions}, and how fast time passes.
 * @experimental
 */
export interface EmulatedEngineOptions extends Partial<EngineOptions> {
  /** Real ms per ms of model time; 0.05 runs twenty times as fast as a real engine. Default 1. */
  timeScale?: number;
  /** Default: the clock and timers of Node. */
  clock?: Clock;
}

/**
 * Options of {@link EmulatedEngine.run}.
 * @experimental
 */
export interface RunOptions {
  /** When it fires, the request leaves the engine and frees its blocks at once. */
  signal?: AbortSignal | undefined;
  /** Output tokens per chunk after the first one. Default 16. */
  every?: number;
}

/**
 * An inference engine that takes as long as a real one and computes nothing: continuous batching with chunked prefill,
 * KV-cache blocks, a limit of sequences. Its figures are {@link DEFAULT_ENGINE} unless told otherwise. It is a budget
 * source, and `run` serves a handler:
 *
 * ```ts
 * const engine = new EmulatedEngine({ timeScale: 0.05 });
 * scheduler.run(({ promptTokens, signal }) => engine.run(promptTokens, 100, { signal }), { budget: engine });
 * ```
 * @experimental
 */
export class EmulatedEngine {
  readonly #model: EngineModel;
  readonly #scale: number;
  readonly #clock: Clock;
  /** Requests that have entered and not left, in the model or in the queue. */
  readonly #jobs = new Map<number, Job>();
  /** Requests for which the model has no room yet, first come first served. */
  #queue: Job[] = [];
  /** When the iteration under way ends, real ms; undefined while the engine is empty. */
  #endsAt: number | undefined;
  #cancelTimer: (() => void) | undefined;
  readonly #roomWaiters = new Set<() => void>();
  #nextId = 0;
  #closed = false;

  constructor(options: EmulatedEngineOptions = {}) {
    const { timeScale = 1, clock = REAL_CLOCK, ...model } = options;
    if (!(timeScale > 0 && timeScale < Infinity)) {
      throw new RangeError(`timeScale is ${timeScale}; it must be a number above 0`);
    }
    this.#model = new EngineModel(model);
    this.#scale = timeScale;
    this.#clock = clock;
  }

  /** What the engine can take now, and when it begins with it (`readyInMs`, real ms). `batch` is 0 while requests queue. */
  room(): Budget {
    this.#advance();
    const iterationMs = this.#endsAt === undefined ? 0 : this.#endsAt - this.#clock.now();
    return { ...this.#budget(), readyInMs: Math.max(0, iterationMs - ASK_AHEAD_MS) };
  }

  /**
   * Resolves when `room()` would admit a request, at once if it does now.
   * @throws the signal's reason when the signal fires; Error when the engine closes
   */
  async whenRoom(signal?: AbortSignal): Promise<void> {
    this.#advance();
    while (!this.#isOpen()) {
      signal?.throwIfAborted();
      if (this.#closed) throw new Error('the engine is closed');
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#roomWaiters.delete(wake);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        this.#roomWaiters.add(wake);
        signal?.addEventListener('abort', wake);
      });
    }
  }

  /**
   * Runs a request: yields at its first output token and at every multiple of `every`, returns at its last. The request
   * enters the engine at the first `next()`, and queues there while it does not fit. Leaving the loop early aborts it.
   * @param promptTokens at least 0
   * @param outputTokens at least 1
   * @throws RangeError if the request can never fit; the signal's reason when the signal fires; Error when the engine
   *   closes
   */
  async *run(
    promptTokens: number,
    outputTokens: number,
    { signal, every = 16 }: RunOptions = {},
  ): AsyncGenerator<Chunk, Completion, undefined> {
    if (!Number.isSafeInteger(every) || every < 1) {
      throw new RangeError(`every is ${every}; it must be at least 1`);
    }
    signal?.throwIfAborted();
    const job = this.#enter(promptTokens, outputTokens);
    const abort = () => this.#leave(job, asError(signal?.reason));
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return yield* job.follow(every, this.#scale);
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#leave(job, new Error('the consumer left'));
    }
  }

  /** Aborts all requests, with an Error to their consumers, and takes no more. */
  close(): void {
    this.#closed = true;
    for (const job of this.#jobs.values()) this.#leave(job, new Error('the engine is closed'));
    this.#wakeRoomWaiters();
  }

  #enter(promptTokens: number, outputTokens: number): Job {
    if (this.#closed) throw new Error('the engine is closed');
    this.#model.requireFit({ promptTokens, outputTokens });
    this.#advance();
    const job = new Job(this.#nextId++, promptTokens, outputTokens, this.#clock.now());
    this.#jobs.set(job.id, job);
    this.#queue.push(job);
    this.#settle();
    return job;
  }

  /** Takes a job out; nothing if it has finished or left. */
  #leave(job: Job, failure: Error): void {
    this.#advance();
    if (!this.#jobs.delete(job.id)) return;
    job.fail(failure);
    if (!this.#model.abort(job.id)) this.#queue = this.#queue.filter((queued) => queued !== job);
    this.#settle();
  }

  /** Does every iteration that is due. */
  #advance(): void {
    const now = this.#clock.now();
    while (this.#endsAt !== undefined && this.#endsAt <= now) {
      this.#complete(this.#endsAt);
      this.#begin(this.#endsAt);
    }
    this.#settle();
  }

  #complete(at: number): void {
    for (const id of this.#model.end().finished) {
      const job = this.#jobs.get(id)!;
      this.#jobs.delete(id);
      job.advance(job.outputTokens, at);
    }
    for (const job of this.#jobs.values()) job.advance(this.#model.generated(job.id) ?? 0, at);
  }

  #begin(at: number): void {
    this.#fill();
    const durationMs = this.#model.begin();
    this.#endsAt = durationMs === undefined ? undefined : at + durationMs * this.#scale;
  }

  /** Moves the queue into the model, as far as there is room. */
  #fill(): void {
    while (this.#queue.length > 0 && this.#model.admit(this.#queue[0]!)) this.#queue.shift();
  }

  /** After every change: starts an iteration and its timer if there is work, stops both if not, and wakes who waits for room. */
  #settle(): void {
    this.#fill();
    if (this.#model.size === 0) this.#endsAt = undefined;
    else if (this.#endsAt === undefined) this.#begin(this.#clock.now());

    if (this.#endsAt === undefined) {
      this.#cancelTimer?.();
      this.#cancelTimer = undefined;
    } else {
      this.#cancelTimer ??= this.#clock.after(Math.max(0, this.#endsAt - this.#clock.now()), () => {
        this.#cancelTimer = undefined;
        this.#advance();
      });
    }
    if (this.#roomWaiters.size > 0 && this.#isOpen()) this.#wakeRoomWaiters();
  }

  #wakeRoomWaiters(): void {
    for (const wake of this.#roomWaiters) wake();
  }

  #isOpen(): boolean {
    return claimBounds(this.#budget()).limit > 0;
  }

  #budget(): Budget {
    const room = roomOf(this.#model);
    return this.#closed || this.#queue.length > 0 ? { ...room, batch: 0 } : room;
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason });
}
