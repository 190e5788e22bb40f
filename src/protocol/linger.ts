/**
 * How long what a lane has not sent may wait for more to go with it: from the first item on at most `ms`, and no longer once it
 * fills a call, or one of it must not wait. No clock is read.
 */
import { after } from '../base/clock.ts';

export interface LingerOptions<Item> {
  /** At least 1. */
  ms: number;
  /** What part of a call an item fills; with 1 in all they leave at once, so Infinity: it must not wait. */
  share: (item: Item) => number;
  /** Makes a timer; tests give their own. */
  after?: typeof after;
}

export class Linger<Item> {
  readonly #options: LingerOptions<Item>;
  readonly #ring: () => void;
  readonly #after: typeof after;
  #share = 0;
  #isOver = false;
  #cancel: (() => void) | undefined;

  /** @param ring called when the wait is over; not by `end` */
  constructor(options: LingerOptions<Item>, ring: () => void) {
    this.#options = options;
    this.#ring = ring;
    this.#after = options.after ?? after;
  }

  /** What waits must leave as soon as it can. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** One item more waits. */
  add(item: Item): void {
    this.#share += this.#options.share(item);
    if (this.#share >= 1) this.end();
    else if (!this.#isOver) this.#cancel ??= this.#after(this.#options.ms, () => this.#rang());
  }

  #rang(): void {
    this.end();
    this.#ring();
  }

  /** Nobody waits any longer. */
  end(): void {
    this.#isOver = true;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Nothing waits any more: the next item is a first one. */
  reset(): void {
    this.end();
    this.#isOver = false;
    this.#share = 0;
  }
}
