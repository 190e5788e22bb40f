/**
 * Time and one-shot timers, in real ms. A test may bring its own, to move time by hand.
 * @experimental
 */
export interface Clock {
  /** ms; never goes back, and only differences count. */
  now(): number;
  /** Calls back once after `ms`; the returned function cancels that. */
  after(ms: number, callback: () => void): () => void;
}

/** `performance.now` and `setTimeout`; a running timer keeps the process alive. */
export const REAL_CLOCK: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.ceil(ms));
    return () => clearTimeout(timer);
  },
};
