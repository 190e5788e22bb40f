/** When a reader has caught up so far, somebody wants to know. */
interface Wish {
  readonly results: number;
  readonly bytes: number;
  readonly act: () => void;
}

/** What was delivered for one reader, and has not been read. */
export class Backlog {
  #results = 0;
  #bytes = 0;
  #read = 0;
  #wish: Wish | undefined;

  get results(): number {
    return this.#results;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Results that have been read so far, or dropped unread. */
  get read(): number {
    return this.#read;
  }

  add(bytes: number): void {
    this.#results += 1;
    this.#bytes += bytes;
  }

  /** One was read, or dropped; or several. */
  take(bytes: number, results = 1): void {
    this.#results -= results;
    this.#bytes -= bytes;
    this.#read += results;
    const wish = this.#wish;
    if (!wish || this.#results > wish.results || this.#bytes > wish.bytes) return;
    this.#wish = undefined;
    wish.act();
  }

  /** Calls `act` once, when no more than this is left. */
  whenDown(wish: Wish): void {
    this.#wish = wish;
  }
}
