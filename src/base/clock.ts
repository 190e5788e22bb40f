import { SchedulerError } from './errors.ts';

/** ms that only grow, also when the machine's clock is set back. Not comparable between processes. */
export function monotonic(): number {
  return performance.now();
}

/** The reply of TIME, in ms. */
export function timeOf([seconds, micros]: readonly (string | number)[]): number {
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

/** `ms`, up to a quarter more or less, so that nodes that started together do not stay in step. */
export function jittered(ms: number): number {
  return ms * (0.75 + Math.random() / 2);
}

/** The longest time of a timer of Node.js in ms: a longer one rings at once, and a loop that waits by it spins. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Calls `act` in `ms`, however many these are; not any more once what this gives was called. The one place that makes timers.
 * @param most ms of one timer; tests give less
 */
export function after(ms: number, act: () => void, most = MAX_TIMER_MS): () => void {
  if (ms <= most) {
    const timer = setTimeout(act, Math.ceil(ms));
    return () => clearTimeout(timer);
  }
  const at = monotonic() + ms;
  let cancel = (): void => clearTimeout(timer);
  const timer = setTimeout(() => (cancel = after(at - monotonic(), act, most)), most);
  return () => cancel();
}

/** Waits `ms`, or until the signal fires. Never rejects. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = after(ms, done);
    signal?.addEventListener('abort', done);
  });
}

/** ms to wait before attempt number `attempt` (from 1): 10 ms doubling to a second, jittered. */
export function backoff(attempt: number): number {
  return jittered(Math.min(1000, 5 * 2 ** Math.min(attempt, 10)));
}

/** One timer for many wishes: it rings once, at the earliest time that was asked for. */
export class Alarm {
  #cancel: () => void = () => undefined;
  #at = Infinity;
  readonly #ring: () => void;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** Rings `ms` from now, unless it is already set to ring earlier. */
  within(ms: number): void {
    const at = monotonic() + ms;
    if (at >= this.#at) return;
    this.clear();
    this.#at = at;
    this.#cancel = after(ms, () => {
      this.#at = Infinity;
      this.#ring();
    });
  }

  clear(): void {
    this.#cancel();
    this.#at = Infinity;
  }
}

/** Calls `settled` when the promise has settled, then `resolve` or `reject`. Every put comes by here: it makes no other promise. */
export function follow<T>(
  promise: Promise<T>,
  settled: () => void,
  resolve: (value: T) => void,
  reject: (error: unknown) => void,
): void {
  promise.then(
    (value) => {
      settled();
      resolve(value);
    },
    (error: unknown) => {
      settled();
      reject(error);
    },
  );
}

/** Settles as the promise does, or rejects with the signal's reason if the signal fires first. */
export function unless<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const fired = (): void => reject(signal.reason as Error);
    if (signal.aborted) fired();
    signal.addEventListener('abort', fired);
    follow(promise, () => signal.removeEventListener('abort', fired), resolve, reject);
  });
}

/** What the promise gives, or undefined after `ms`; the call behind the promise goes on. Rejects as the promise does. */
export function soon<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const cancel = after(ms, () => resolve(undefined));
    follow(promise, cancel, resolve, reject);
  });
}

/** @param cause what is known to be wrong, if anything is */
export function timedOut(ms: number, operation: string, cause: Error | undefined): SchedulerError {
  const reason = cause ? `: ${cause.message}` : '';
  const message = `${operation}: Redis did not answer within ${ms} ms (option commandTimeout)${reason}`;
  return new SchedulerError('TIMEOUT', operation, message, { cause });
}

/**
 * Settles as the promise does, or rejects after `ms`; the call behind the promise goes on.
 * @param operation named in the error
 * @param trouble asked when the time is over: what is known to be wrong, for the message and the cause
 * @throws SchedulerError TIMEOUT
 */
export function within<T>(
  ms: number,
  operation: string,
  promise: Promise<T>,
  trouble: () => Error | undefined = () => undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = after(ms, () => reject(timedOut(ms, operation, trouble())));
    follow(promise, cancel, resolve, reject);
  });
}
