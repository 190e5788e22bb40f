import { SchedulerError, messageOf } from '../base/errors.ts';
import { onAbort } from '../base/on-abort.ts';
import { Queue } from '../base/queue.ts';
import { Backlog } from './backlog.ts';
import type { Pending } from './pending.ts';
import { Reading, type Unread } from './reading.ts';
import { isFinal, type FinalResult, type Result, type Sink } from './results.ts';

/** How a submission reaches its owner. */
interface Way<Output> {
  put: (id: string, sink: Sink<Output>) => Promise<Pending<Output>>;
  cancel: (pending: Pending<Output>) => Promise<void>;
}

/**
 * A submitted request: an async iterable of its results, the last of which ends it (finished, failed, cancelled or
 * expired). Each result is read once, one by one or in batches, by one reader at a time: a second one is refused (CONFIG). `result()` may be asked as
 * often as one likes, and beside a reader. A refused put rejects the first `next()`; CLOSED and EVICTED reject the next one. When `maxUnread` results
 * wait to be read, the runner is asked to wait, see there.
 */
export class Submission<Output> implements AsyncIterable<Result<Output>> {
  /** The request's id; empty if it had none. */
  readonly id: string = '';
  readonly #unread = new Queue<{ result: Result<Output>; bytes: number }>();
  readonly #backlog = new Backlog();
  readonly #cancel: Way<Output>['cancel'];
  readonly #pending: Promise<Pending<Output>>;
  /** The signal that cancels it has nothing to do with it any more. */
  #forget: (() => void) | undefined;
  #error: Error | undefined;
  #final: FinalResult<Output> | undefined;
  #readers = 0;
  /** Chunks are not kept: `result()` was asked and nobody iterates. */
  #wantsFinal = false;
  /** Called at the next result, or end. */
  #waiting: (() => void)[] = [];

  /** @internal Use `Scheduler.submit`. */
  constructor(idOf: () => string, way: Way<Output>, signal?: AbortSignal) {
    this.#cancel = way.cancel;
    const sink: Sink<Output> = {
      deliver: (result, bytes = 0) => this.#deliver(result, bytes),
      backlog: this.#backlog,
      fail: (error) => this.#fail(error),
    };
    try {
      this.id = idOf();
      if (signal?.aborted)
        throw new SchedulerError('CANCELLED', 'submit', `${this.id} was cancelled before it was put`);
      if (signal) this.#forget = onAbort(signal, () => void this.cancel().catch(() => undefined));
      this.#pending = way.put(this.id, sink);
    } catch (error) {
      this.#pending = Promise.reject(error instanceof Error ? error : new Error(messageOf(error)));
    }
    this.#pending.catch((error: unknown) => this.#fail(error as Error));
  }

  /**
   * Ends the request at once, waiting or running; the iterable ends with `cancelled`, or with the final that crossed it.
   * Resolves when Redis has answered.
   * @throws SchedulerError TIMEOUT, REDIS
   */
  async cancel(): Promise<void> {
    let pending: Pending<Output>;
    try {
      pending = await this.#pending;
    } catch {
      // a refused put has nothing to cancel; one that timed out is cancelled when it is answered
      return;
    }
    await this.#cancel(pending);
  }

  /**
   * The output of the final result. Chunks that nobody iterates over are dropped from here on.
   * @throws SchedulerError FAILED, CANCELLED or EXPIRED as it ended, or what refused the put
   */
  async result(): Promise<Output | undefined> {
    this.#wantsFinal = true;
    if (this.#readers === 0) this.#drop();
    while (!this.#final && !this.#error) await this.#news();
    if (!this.#final) throw this.#error!;
    const { kind, output, reason } = this.#final;
    if (kind === 'finished') return output;
    const why = reason === undefined ? '' : `: ${reason}`;
    const code = kind.toUpperCase() as 'FAILED' | 'CANCELLED' | 'EXPIRED';
    throw new SchedulerError(code, 'submit', `request ${this.id} ${kind}${why}`);
  }

  /** How it ended. Undefined: it has not, or this node does not know. */
  get final(): FinalResult<Output> | undefined {
    return this.#final;
  }

  #deliver(result: Result<Output>, bytes: number): void {
    if (this.#readers > 0 || !this.#wantsFinal) {
      this.#unread.push({ result, bytes });
      this.#backlog.add(bytes);
    }
    if (isFinal(result)) {
      this.#final = result;
      this.#ended();
    }
    this.#wake();
  }

  /** The first that nobody has read. */
  #next(): Result<Output> | undefined {
    const next = this.#unread.shift();
    if (next) this.#backlog.take(next.bytes);
    return next?.result;
  }

  /** All that nobody has read. */
  #all(): Result<Output>[] | undefined {
    if (this.#unread.length === 0) return undefined;
    let bytes = 0;
    const results = this.#unread.takeAll().map((one) => {
      bytes += one.bytes;
      return one.result;
    });
    this.#backlog.take(bytes, results.length);
    return results;
  }

  #drop(): void {
    this.#all();
  }

  #fail(error: Error): void {
    if (this.#final || this.#error) return;
    this.#error = error;
    this.#ended();
    this.#wake();
  }

  #ended(): void {
    this.#forget?.();
  }

  #news(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** In a later microtask: what is delivered together wakes once. */
  #wake(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    queueMicrotask(() => {
      for (const wake of waiting) wake();
    });
  }

  /** One by one: what is there is handed over at once. */
  [Symbol.asyncIterator](): AsyncGenerator<Result<Output>, void, undefined> {
    return new Reading(this.#source(() => this.#next()));
  }

  /**
   * The same in batches: each is all that nobody has read, in order, and never empty. So a loop that sends on what it reads does so
   * once for what came together. It reads as the iterable does: by one reader at a time.
   */
  batches(): AsyncGenerator<Result<Output>[], void, undefined> {
    return new Reading(this.#source(() => this.#all()));
  }

  #source<Item>(take: () => Item | undefined): Unread<Item> {
    const isOver = (): boolean => this.#final !== undefined;
    const error = (): Error | undefined => this.#error;
    return {
      take,
      get isOver() {
        return isOver();
      },
      get error() {
        return error();
      },
      whenNews: (look) => void this.#waiting.push(look),
      open: () => this.#open(),
      close: () => this.#close(),
    };
  }

  #open(): void {
    if (this.#readers > 0)
      throw new SchedulerError('CONFIG', 'submit', `the results of ${this.id} are being read already`);
    this.#readers += 1;
  }

  #close(): void {
    this.#readers -= 1;
    if (this.#wantsFinal && this.#readers === 0) this.#drop();
    this.#wake();
  }
}
