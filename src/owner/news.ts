import { sleep } from '../base/clock.ts';
import type { Teller } from '../observe/events.ts';
import { Backlog } from './backlog.ts';
import type { Result, Sink } from './results.ts';

/** A result that nobody has asked for yet. */
interface Unread<Output> {
  result: Result<Output>;
  bytes: number;
  backlog: Backlog;
}

/** The results of requests put by `putRequests`, kept until `getResults` asks. */
export class News<Output> {
  #byId = new Map<string, Unread<Output>[]>();
  readonly #teller: Teller;
  #next: AbortController | undefined;

  constructor(teller: Teller) {
    this.#teller = teller;
  }

  /** A sink for one request of this id. */
  sink(id: string): Sink<Output> {
    const backlog = new Backlog();
    return {
      backlog,
      deliver: (result, bytes = 0) => {
        backlog.add(bytes);
        const unread = this.#byId.get(id);
        if (unread) unread.push({ result, bytes, backlog });
        else this.#byId.set(id, [{ result, bytes, backlog }]);
        this.#teller.heard('news')?.({ id });
        this.#next?.abort();
        this.#next = undefined;
      },
      fail: () => undefined,
    };
  }

  /** Ids that have news. */
  get size(): number {
    return this.#byId.size;
  }

  /**
   * Waits for news, at most so long or until `signal` fires, and takes them; empty: none came.
   * @throws the reason of `over`, if it has fired and nothing came before
   */
  async within(
    waitMs: number,
    over: AbortSignal,
    signal?: AbortSignal,
  ): Promise<Map<string, Result<Output>[]>> {
    await sleep(waitMs, AbortSignal.any([over, this.#nextOne(), ...(signal ? [signal] : [])]));
    const news = this.take();
    if (news.size === 0 && over.aborted) throw over.reason;
    return news;
  }

  /** Fires at the next result; has fired if there are news. */
  #nextOne(): AbortSignal {
    if (this.#byId.size > 0) return AbortSignal.abort();
    this.#next ??= new AbortController();
    return this.#next.signal;
  }

  /** Ids that have news, and their results in order; each is told once. */
  take(): Map<string, Result<Output>[]> {
    const news = this.#byId;
    this.#byId = new Map();
    for (const { bytes, backlog } of [...news.values()].flat()) backlog.take(bytes);
    return new Map([...news].map(([id, unread]) => [id, unread.map(({ result }) => result)]));
  }
}
