/** First in, first out. To take the first costs the same however many wait; `Array.shift` moves all of them. */
export class Queue<T> {
  #items: (T | undefined)[] = [];
  #first = 0;

  get length(): number {
    return this.#items.length - this.#first;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#first];
    this.#items[this.#first++] = undefined;
    // half of it has been taken: each item is moved once, on average
    if (2 * this.#first >= this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }

  /** All of them, in order. */
  takeAll(): T[] {
    const items = (this.#first === 0 ? this.#items : this.#items.slice(this.#first)) as T[];
    this.clear();
    return items;
  }

  clear(): void {
    this.#items = [];
    this.#first = 0;
  }
}
