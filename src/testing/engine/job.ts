/**
 * How far a request has come.
 * @experimental
 */
export interface Chunk {
  /** Output tokens so far. */
  tokens: number;
}

/**
 * How a request went. Times are ms of model time since the request entered the engine.
 * @experimental
 */
export interface Completion {
  /** Output tokens. */
  tokens: number;
  /** Until the first output token. */
  firstTokenMs: number;
  /** Until the last output token. */
  totalMs: number;
}

/** A request in the engine. The engine makes progress; the consumer follows at its own pace. */
export class Job {
  readonly id: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly #enteredAt: number;
  #firstTokenAt = 0;
  #finishedAt: number | undefined;
  #failure: Error | undefined;
  #generated = 0;
  /** Output tokens at which the consumer is woken next. */
  #mark = 1;
  #wake: (() => void) | undefined;

  /** @param enteredAt like every time below in real ms of the engine's clock */
  constructor(id: number, promptTokens: number, outputTokens: number, enteredAt: number) {
    this.id = id;
    this.promptTokens = promptTokens;
    this.outputTokens = outputTokens;
    this.#enteredAt = enteredAt;
  }

  /** @param generated output tokens done at time `at` */
  advance(generated: number, at: number): void {
    if (this.#generated === 0 && generated > 0) this.#firstTokenAt = at;
    this.#generated = generated;
    if (generated === this.outputTokens) this.#finishedAt = at;
    if (generated >= this.#mark) this.#wake?.();
  }

  fail(failure: Error): void {
    this.#failure = failure;
    this.#wake?.();
  }

  /**
   * Yields at the first output token and at every multiple of `every` below the last, returns at the last.
   * @param timeScale real ms per ms of the model
   */
  async *follow(every: number, timeScale: number): AsyncGenerator<Chunk, Completion, undefined> {
    for (;;) {
      if (this.#failure) throw this.#failure;
      if (this.#mark < this.outputTokens && this.#generated >= this.#mark) {
        const tokens = this.#mark;
        this.#mark = Math.min(tokens - (tokens % every) + every, this.outputTokens);
        yield { tokens };
      } else if (this.#finishedAt !== undefined) {
        return {
          tokens: this.outputTokens,
          firstTokenMs: (this.#firstTokenAt - this.#enteredAt) / timeScale,
          totalMs: (this.#finishedAt - this.#enteredAt) / timeScale,
        };
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
  }
}
