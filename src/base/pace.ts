import { Queue } from './queue.ts';

/**
 * Lets the event loop turn while many things are done one after the other: so many may begin in one turn of it, the others
 * begin in later turns, in order. Those that are few cost nothing.
 */
export class Pace {
  readonly #most: number;
  readonly #waiting = new Queue<() => void>();
  /** How many have begun since the last turn that was counted. */
  #begun = 0;
  #turns = false;

  /** @param most that begin in one turn */
  constructor(most: number) {
    this.#most = most;
  }

  /** Undefined: begin now. Else resolves when it is its turn. */
  enter(): Promise<void> | undefined {
    if (this.#begun < this.#most) {
      this.#begin();
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #begin(): void {
    this.#begun += 1;
    // a turn is counted only when many have begun, be it in several turns
    if (2 * this.#begun < this.#most || this.#turns) return;
    this.#turns = true;
    setImmediate(() => this.#turned());
  }

  #turned(): void {
    this.#turns = false;
    this.#begun = 0;
    while (this.#waiting.length > 0 && this.#begun < this.#most) {
      this.#begin();
      this.#waiting.shift()!();
    }
  }
}
