import type { ResultKind } from '../protocol/wire.ts';
import { NO_TICK, type Tick } from '../base/ticket.ts';

/**
 * What an owner is told of a request. `chunk`s come in order, each once; `restart` says that a later attempt began and
 * what came before is void; the other four end the request, and one of them is the last result.
 */
export interface Result<Output = unknown> {
  kind: ResultKind | 'restart';
  /** Of chunk and finished, if the runner gave one. */
  output?: Output;
  /** Of failed, cancelled and expired: why. */
  reason?: string;
}

/** Where a request's results go. */
export interface Sink<Output> {
  deliver(result: Result<Output>): void;
  /** The scheduler ends before the request does (CLOSED, EVICTED). */
  fail(error: Error): void;
}

export type Verdict = 'take' | 'restart' | 'drop' | 'gap';

/**
 * The rule of delivery for one request (DESIGN.md section 6, results): number n + 1 of the current fence, or number 1
 * of a higher one. Finals that the shard itself wrote carry no fence, and a failure needs no complete stream.
 */
export class Attempts {
  #fence: Tick = NO_TICK;
  #number = 0;
  #midway: boolean;

  /** @param midway a predecessor had the results before the first one, whatever its number */
  constructor(midway = false) {
    this.#midway = midway;
  }

  judge(mail: { fence: Tick; number: number; kind: ResultKind }): Verdict {
    if (mail.fence === NO_TICK) return 'take';
    if (mail.fence < this.#fence) return 'drop';
    const restart = mail.fence > this.#fence && this.#number > 0;
    const last = mail.fence > this.#fence ? 0 : this.#number;
    if (mail.number <= last) return 'drop';
    if (mail.number > last + 1 && mail.kind !== 'failed' && !this.#midway) return 'gap';
    this.#midway = false;
    this.#fence = mail.fence;
    this.#number = mail.number;
    return restart ? 'restart' : 'take';
  }
}

/** The results of requests put by `putRequests`, kept until `getResults` asks. */
export class News<Output> {
  #byId = new Map<string, Result<Output>[]>();

  /** A sink for one request of this id. */
  sink(id: string): Sink<Output> {
    return {
      deliver: (result) => {
        const results = this.#byId.get(id);
        if (results) results.push(result);
        else this.#byId.set(id, [result]);
      },
      fail: () => undefined,
    };
  }

  /** Ids that have news, and their results in order; each is told once. */
  take(): Map<string, Result<Output>[]> {
    const news = this.#byId;
    this.#byId = new Map();
    return news;
  }
}
