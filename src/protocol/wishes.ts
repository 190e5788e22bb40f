/**
 * What a lane has not sent yet, in order, each item with who waits for its answer. Taken in batches from the front. Hardly
 * ever is one withdrawn: from the first withdrawal to the next batch they are kept by item, so that a hundred thousand that
 * time out in an outage are found at once.
 */
export interface Batch<Item, Waiting> {
  items: Item[];
  waiting: Waiting[];
}

export class Wishes<Item, Waiting> {
  #items: Item[] = [];
  #waiting: Waiting[] = [];
  #byItem: Map<Item, Waiting> | undefined;

  get length(): number {
    return this.#byItem?.size ?? this.#items.length;
  }

  /** @param item an object of its own: it names the wish */
  push(item: Item, waiting: Waiting): void {
    if (this.#byItem) {
      this.#byItem.set(item, waiting);
    } else {
      this.#items.push(item);
      this.#waiting.push(waiting);
    }
  }

  /** @returns who waited for it; undefined: it is not here */
  remove(item: Item): Waiting | undefined {
    this.#byItem ??= new Map(this.#items.map((one, i) => [one, this.#waiting[i]!]));
    this.#items = [];
    this.#waiting = [];
    const waiting = this.#byItem.get(item);
    this.#byItem.delete(item);
    return waiting;
  }

  /** @param cut how many from the front, at least 1 */
  take(cut: (items: Iterable<Item>) => number): Batch<Item, Waiting> {
    if (this.#byItem) {
      this.#items = [...this.#byItem.keys()];
      this.#waiting = [...this.#byItem.values()];
      this.#byItem = undefined;
    }
    const count = cut(this.#items);
    return { items: this.#items.splice(0, count), waiting: this.#waiting.splice(0, count) };
  }
}
