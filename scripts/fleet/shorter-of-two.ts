import type { Random } from '../lib/traffic/random.ts';

/**
 * The power of two choices at put time: a request goes to the one of two random nodes that has fewer requests, waiting
 * or running. It knows that at once and exactly, which is kinder than any router that asks.
 */
export class ShorterOfTwo {
  readonly #random: Random;
  readonly #pending: number[];

  constructor(nodes: number, random: Random) {
    this.#random = random;
    this.#pending = Array.from({ length: nodes }, () => 0);
  }

  /** The node that gets the next request. */
  choose(): number {
    const last = this.#pending.length - 1;
    const one = this.#random.int(0, last);
    const other = (one + this.#random.int(1, last)) % this.#pending.length;
    const chosen = this.#pending[other]! < this.#pending[one]! ? other : one;
    this.#pending[chosen]! += 1;
    return chosen;
  }

  /** A request of this node has ended. */
  ended(node: number): void {
    this.#pending[node]! -= 1;
  }
}
