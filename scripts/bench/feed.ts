import type { Lifecycles } from './loads.ts';

/** Says when the next requests may be put: for some time, and never more than a window at once. */
export class Feed {
  /** Resolves with how many were put, when all of them are back; rejects when the round failed. */
  readonly over: Promise<number>;
  readonly #load: Lifecycles;
  readonly #endAt: number;
  #fed = 0;
  #finished = 0;
  #isOver = false;
  #settle!: { resolve: (count: number) => void; reject: (reason: Error) => void };

  constructor(load: Lifecycles, ms: number) {
    this.#load = load;
    this.#endAt = performance.now() + ms;
    this.over = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** How many to put now; one put at least, however short the round. */
  next(): number {
    const { batch, window } = this.#load;
    this.#endIfDone();
    if (this.#isFed || this.#fed - this.#finished + batch > window) return 0;
    this.#fed += batch;
    return batch;
  }

  /** So many are back. */
  finished(count: number): void {
    this.#finished += count;
    this.#endIfDone();
  }

  fail(reason: unknown): void {
    this.#isOver = true;
    this.#settle.reject(reason as Error);
  }

  get #isFed(): boolean {
    return this.#isOver || (this.#fed > 0 && performance.now() >= this.#endAt);
  }

  #endIfDone(): void {
    if (!this.#isFed || this.#finished < this.#fed) return;
    this.#isOver = true;
    this.#settle.resolve(this.#fed);
  }
}
