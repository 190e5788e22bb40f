import type { Teller } from '../observe/events.ts';
import type { Result, Sink } from './results.ts';

/** The results of requests put by `putRequests`, kept until `getResults` asks. */
export class News<Output> {
  #byId = new Map<string, Result<Output>[]>();
  readonly #teller: Teller;
  #next: AbortController | undefined;

  constructor(teller: Teller) {
    this.#teller = teller;
  }

  /** A sink for one request of this id. */
  sink(id: string): Sink<Output> {
    return {
      deliver: (result) => {
        const results = this.#byId.get(id);
        if (results) results.push(result);
        else this.#byId.set(id, [result]);
        this.#teller.heard('news')?.({ id });
        this.#next?.abort();
        this.#next = undefined;
      },
      unread: () => this.#byId.get(id)?.length ?? 0,
      fail: () => undefined,
    };
  }

  /** Ids that have news. */
  get size(): number {
    return this.#byId.size;
  }

  /** Fires at the next result; has fired if there are news. */
  get next(): AbortSignal {
    if (this.#byId.size > 0) return AbortSignal.abort();
    this.#next ??= new AbortController();
    return this.#next.signal;
  }

  /** Ids that have news, and their results in order; each is told once. */
  take(): Map<string, Result<Output>[]> {
    const news = this.#byId;
    this.#byId = new Map();
    return news;
  }
}
