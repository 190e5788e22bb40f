/**
 * The engine model in real time, for handlers of `Scheduler.run`.
 *
 * Each iteration ends at a time fixed when it began: the end of the one before plus its duration. Late timers so
 * cause no drift; what is overdue is done at once, and every call first brings the engine up to now. While the
 * engine is empty no timer runs.
 */
import { type Budget, claimBounds } from '../../base/budget.ts';
import { type Clock, REAL_CLOCK } from './clock.ts';
import { EngineModel, type EngineOptions } from './engine-model.ts';
import { type Chunk, type Completion, Job } from './job.ts';
import { ASK_AHEAD_MS, roomOf } from './room.ts';

export interface RealTimeOptions extends Partial<EngineOptions> {
  /** Real ms per ms of the model; 0.05 runs twenty times as fast as the engine it stands for. Default 1. */
  timeScale?: number;
  clock?: Clock;
}

export interface RunOptions {
  /** Leaves the engine and frees the blocks at once when it fires. */
  signal?: AbortSignal | undefined;
  /** Output tokens per chunk after the first token. Default 16. */
  every?: number;
}

export class Engine {
  readonly #model: EngineModel;
  readonly #scale: number;
  readonly #clock: Clock;
  /** Everything that has entered and not left, in the model or in the queue. */
  readonly #jobs = new Map<number, Job>();
  /** What the model had no room for, first come first served. */
  #queue: Job[] = [];
  /** End of the iteration under way, real ms; undefined while the engine is empty. */
  #endsAt: number | undefined;
  #cancelTimer: (() => void) | undefined;
  readonly #roomWaiters = new Set<() => void>();
  #nextId = 0;
  #closed = false;

  constructor(options: RealTimeOptions = {}) {
    const { timeScale = 1, clock = REAL_CLOCK, ...model } = options;
    if (!(timeScale > 0 && timeScale < Infinity)) {
      throw new RangeError(`timeScale is ${timeScale}; it must be a number above 0`);
    }
    this.#model = new EngineModel(model);
    this.#scale = timeScale;
    this.#clock = clock;
  }

  /** What the engine can take now, see {@link roomOf}, and when it begins with it. */
  room(): Budget {
    this.#advance();
    const iterationMs = this.#endsAt === undefined ? 0 : this.#endsAt - this.#clock.now();
    return { ...this.#budget(), readyInMs: Math.max(0, iterationMs - ASK_AHEAD_MS) };
  }

  /** Resolves when room() would admit anything; at once if so. Rejects when the signal fires or the engine closes. */
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
   * Runs a request: yields at its first output token and at every multiple of `every`, returns at its last. A handler
   * can be `return yield* engine.run(...)`. The request enters the engine at the first `next()`, and queues there if
   * it does not fit now. Leaving the loop early aborts it.
   * @throws RangeError if it can never fit; the signal's reason; an Error when the engine closes
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

  /** Aborts what runs, with an Error to its consumers, and takes nothing any more. */
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

  /** After any change: an iteration and a timer run if there is work, none if not; those who wait for room hear. */
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
