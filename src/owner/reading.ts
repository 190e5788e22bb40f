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
  /** Resolves when that may have changed. */
  news(): Promise<void>;
  /** A reader begins. @throws SchedulerError if another one reads */
  open(): void;
  /** It reads no more. */
  close(): void;
  /** Whoever waits looks again. */
  wake(): void;
}

export class Reading<Item> implements AsyncGenerator<Item, void, undefined> {
  readonly #unread: Unread<Item>;
  #state: 'new' | 'open' | 'over' = 'new';
  /** Calls of `next` that wait, one behind the other. */
  #waiting: Promise<unknown> | undefined;

  constructor(unread: Unread<Item>) {
    this.#unread = unread;
  }

  next(): Promise<IteratorResult<Item, void>> {
    if (this.#waiting) return this.#inTurn(this.#waiting);
    try {
      const next = this.#now();
      return next ? Promise.resolve(next) : this.#inTurn(undefined);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /** Ends it, also while a `next` waits, which may be long. */
  return(): Promise<IteratorResult<Item, void>> {
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error: unknown): Promise<IteratorResult<Item, void>> {
    this.#end();
    return Promise.reject(error as Error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Behind the calls that wait, if any do. */
  #inTurn(before: Promise<unknown> | undefined): Promise<IteratorResult<Item, void>> {
    const mine = this.#whenThere(before).finally(() => {
      if (this.#waiting === mine) this.#waiting = undefined;
    });
    this.#waiting = mine;
    return mine;
  }

  async #whenThere(before: Promise<unknown> | undefined): Promise<IteratorResult<Item, void>> {
    if (before) await before.catch(() => undefined);
    for (;;) {
      const next = this.#now();
      if (next) return next;
      await this.#unread.news();
    }
  }

  /** The next one, or the end. Undefined: it must be waited for. */
  #now(): IteratorResult<Item, void> | undefined {
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
    if (!wasOpen) return;
    this.#unread.close();
    this.#unread.wake();
  }
}
