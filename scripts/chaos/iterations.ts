import { requiredBlocks, type Budget } from '../../src/base/budget.ts';
import type { Engine } from '../../src/index.ts';

/** An engine that begins with new work at whole multiples of an iteration's length, and so asks late. */
export class Iterations implements Engine {
  readonly #whole: Budget;
  readonly #iterationMs: number;
  readonly #running = new Set<{ blocks: number }>();
  #grown: () => void = () => undefined;

  constructor(whole: Budget, iterationMs: number) {
    this.#whole = whole;
    this.#iterationMs = iterationMs;
  }

  /** A request of so many prompt tokens has begun; call what this answers at its end. */
  begin(promptTokens: number): () => void {
    const one = { blocks: requiredBlocks(promptTokens, this.#whole) };
    this.#running.add(one);
    return () => {
      this.#running.delete(one);
      this.#grown();
    };
  }

  room(): Budget {
    let { availableBlocks } = this.#whole;
    for (const { blocks } of this.#running) availableBlocks -= blocks;
    return {
      ...this.#whole,
      availableBlocks: Math.max(0, availableBlocks),
      batch: Math.max(0, this.#whole.batch - this.#running.size),
      readyInMs: this.#iterationMs - (performance.now() % this.#iterationMs),
    };
  }

  /** At the next end of a request; `run` asks for the room again then. */
  whenRoom(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#grown = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }
}
