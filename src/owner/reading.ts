/**
 * The results of one submission as they are read. Written by hand, as an async generator would: what is there is handed over at
 * once, and only a reader that has caught up waits.
 */

/** What is read from. */
export interface Unread<Item> {
  /** What nobody has read. Undefined: there is nothing now. */
  take(): Item | undefined;
  /** Nothing follows. */
  readonly isOver: boolean;
  /** Nothing follows, and this is why. */
  readonly error: Error | undefined;
  /** Calls it once, in a later microtask than the one in which that may have changed: what comes together is seen together. */
  whenNews(look: () => void): void;
  /** A reader begins. @throws SchedulerError if another one reads */
  open(): void;
  /** It reads no more: whoever waits looks again. */
  close(): void;
}

type Next<Item> = IteratorResult<Item, void>;

interface Waiting<Item> {
  resolve: (next: Next<Item>) => void;
  reject: (error: unknown) => void;
}

export class Reading<Item> implements AsyncGenerator<Item, void, undefined> {
  readonly #unread: Unread<Item>;
  #state: 'new' | 'open' | 'over' = 'new';
  /** Calls of `next` that wait, in order. */
  readonly #waiting: Waiting<Item>[] = [];

  constructor(unread: Unread<Item>) {
    this.#unread = unread;
  }

  next(): Promise<Next<Item>> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (this.#waiting.length === 1) this.#look();
    });
  }

  /** Ends it, also while a `next` waits, which may be long. */
  return(): Promise<Next<Item>> {
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error: Error): Promise<Next<Item>> {
    this.#end();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Answers those that wait, as far as there is something for them. */
  readonly #look = (): void => {
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      let next: Next<Item> | undefined;
      try {
        next = this.#now();
      } catch (error) {
        first.reject(error);
        this.#waiting.shift();
        continue;
      }
      if (!next) {
        this.#unread.whenNews(this.#look);
        return;
      }
      first.resolve(next);
      this.#waiting.shift();
    }
  };

  /** The next one, or the end. Undefined: it must be waited for. */
  #now(): Next<Item> | undefined {
    if (this.#state === 'over') return { done: true, value: undefined };
    if (this.#state === 'new') this.#open();
    const value = this.#unread.take();
    if (value !== undefined) return { done: false, value };
    const { error, isOver } = this.#unread;
    if (!error && !isOver) return undefined;
    this.#end();
    if (error) throw error;
    return { done: true, value: undefined };
  }

  #open(): void {
    this.#state = 'over';
    this.#unread.open();
    this.#state = 'open';
  }

  #end(): void {
    const wasOpen = this.#state === 'open';
    this.#state = 'over';
    if (wasOpen) this.#unread.close();
  }
}
