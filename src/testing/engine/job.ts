/** What a request got so far. */
export interface Chunk {
  /** Output tokens so far. */
  tokens: number;
}

/** How a request went. Times are in ms of the model, from its entry. */
export interface Completion {
  /** Output tokens. */
  tokens: number;
  firstTokenMs: number;
  totalMs: number;
}

/** A request between the engine, which makes progress, and its consumer, who follows at a pace of its own. */
export class Job {
  readonly id: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly #enteredAt: number;
  #firstTokenAt = 0;
  #finishedAt: number | undefined;
  #failure: Error | undefined;
  #generated = 0;
  /** Output tokens of the next chunk; before, the consumer is not woken. */
  #mark = 1;
  #wake: (() => void) | undefined;

  /** Times here and below are real ms of the engine's clock. */
  constructor(id: number, promptTokens: number, outputTokens: number, enteredAt: number) {
    this.id = id;
    this.promptTokens = promptTokens;
    this.outputTokens = outputTokens;
    this.#enteredAt = enteredAt;
  }

  /** So many output tokens are done now, at that time. */
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
