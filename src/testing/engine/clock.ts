/** Time and one-shot timers, in real ms; replaced in tests. */
export interface Clock {
  /** Monotonic; only differences count. */
  now(): number;
  /** Calls back after so many ms; the returned function cancels that. */
  after(ms: number, callback: () => void): () => void;
}

/** `performance.now` and `setTimeout`, which keeps the process alive. */
export const REAL_CLOCK: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.ceil(ms));
    return () => clearTimeout(timer);
  },
};
