import { SchedulerError } from '../base/errors.ts';
import type { Pending } from './pending.ts';
import { isFinal, type Result, type Sink } from './results.ts';

/** How a submission reaches its owner. */
interface Way<Output> {
  put: (id: string, sink: Sink<Output>) => Promise<Pending<Output>>;
  cancel: (pending: Pending<Output>) => Promise<void>;
}

/**
 * A submitted request: an async iterable of its results, the last of which ends it (finished, failed, cancelled or
 * expired). Iterate it once. A refused put rejects the first `next()`; CLOSED and EVICTED reject the next one.
 */
export class Submission<Output> implements AsyncIterable<Result<Output>> {
  /** The request's id; empty if it had none. */
  readonly id: string = '';
  readonly #results: Result<Output>[] = [];
  readonly #cancel: Way<Output>['cancel'];
  readonly #pending: Promise<Pending<Output>>;
  readonly #signal: AbortSignal | undefined;
  #error: Error | undefined;
  #ended = false;
  #news: () => void = () => undefined;
  readonly #onAbort = (): void => void this.cancel().catch(() => undefined);

  /** @internal Use `Scheduler.submit`. */
  constructor(idOf: () => string, way: Way<Output>, signal?: AbortSignal) {
    this.#cancel = way.cancel;
    this.#signal = signal;
    const sink: Sink<Output> = {
      deliver: (result) => this.#deliver(result),
      fail: (error) => this.#fail(error),
    };
    try {
      this.id = idOf();
      if (signal?.aborted)
        throw new SchedulerError('CANCELLED', 'submit', `${this.id} was cancelled before it was put`);
      signal?.addEventListener('abort', this.#onAbort);
      this.#pending = way.put(this.id, sink);
    } catch (error) {
      this.#pending = Promise.reject(error instanceof Error ? error : new Error(String(error)));
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
   * The output of the final result, past all chunks.
   * @throws SchedulerError FAILED, CANCELLED or EXPIRED as it ended, or what refused the put
   */
  async result(): Promise<Output | undefined> {
    for await (const { kind, output, reason } of this) {
      if (kind === 'finished') return output;
      if (kind === 'chunk' || kind === 'restart') continue;
      const code = kind.toUpperCase() as 'FAILED' | 'CANCELLED' | 'EXPIRED';
      throw new SchedulerError(
        code,
        'submit',
        `request ${this.id} ${kind}${reason === undefined ? '' : `: ${reason}`}`,
      );
    }
    throw new SchedulerError('CLOSED', 'submit', `the results of ${this.id} were read before`);
  }

  #deliver(result: Result<Output>): void {
    this.#results.push(result);
    if (isFinal(result)) this.#end();
    this.#news();
  }

  #fail(error: Error): void {
    if (this.#ended) return;
    this.#error = error;
    this.#end();
    this.#news();
  }

  #end(): void {
    this.#ended = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Result<Output>, void, undefined> {
    for (;;) {
      const result = this.#results.shift();
      if (result) {
        yield result;
      } else if (this.#error) {
        throw this.#error;
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((resolve) => (this.#news = resolve));
      }
    }
  }
}
