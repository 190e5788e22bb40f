import { SchedulerError, messageOf } from '../base/errors.ts';
import { onAbort } from '../base/on-abort.ts';
import { Queue } from '../base/queue.ts';
import { Backlog } from './backlog.ts';
import type { Pending } from './pending.ts';
import { isFinal, type FinalResult, type Result, type Sink } from './results.ts';

/** How a submission reaches its owner. */
interface Way<Output> {
  put: (id: string, sink: Sink<Output>) => Promise<Pending<Output>>;
  cancel: (pending: Pending<Output>) => Promise<void>;
}

/**
 * A submitted request: an async iterable of its results, the last of which ends it (finished, failed, cancelled or
 * expired). Each result is read once, by one reader at a time: a second one is refused (CONFIG). `result()` may be asked as
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

  #drop(): void {
    while (this.#next());
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

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  [Symbol.asyncIterator](): AsyncGenerator<Result<Output>, void, undefined> {
    const reader = { hasLeft: false };
    const results = this.#read(reader);
    const [end, fail] = [results.return.bind(results), results.throw.bind(results)];
    // both would be queued behind a `next()` that waits: until the next result, which may be a long time
    const leave = (): void => {
      reader.hasLeft = true;
      this.#wake();
    };
    results.return = (value) => (leave(), end(value));
    results.throw = (error) => (leave(), fail(error));
    return results;
  }

  async *#read(reader: { readonly hasLeft: boolean }): AsyncGenerator<Result<Output>, void, undefined> {
    if (this.#readers > 0)
      throw new SchedulerError('CONFIG', 'submit', `the results of ${this.id} are being read already`);
    this.#readers += 1;
    try {
      while (!reader.hasLeft) {
        const result = this.#next();
        if (result) yield result;
        else if (this.#error) throw this.#error;
        else if (this.#final) return;
        else await this.#news();
      }
    } finally {
      this.#readers -= 1;
      if (this.#wantsFinal && this.#readers === 0) this.#drop();
    }
  }
}
