/**
 * Calls that Redis answers in the end. A call that was not answered is sent again, with backoff, until it is answered,
 * refused, or the node is over. So every script may run twice, or late: lua/README.md#what-runs-twice.
 */
import { setMaxListeners } from 'node:events';
import { backoff, follow, sleep } from '../base/clock.ts';
import { SchedulerError, messageOf } from '../base/errors.ts';
import type { Tick } from '../base/ticket.ts';
import { BrokenConnection, verdictOf } from '../redis/verdicts.ts';

/** A call that was in flight when so many connections broke goes alone from then on, over a connection of its own. */
const SUSPECT_AFTER = 2;
/** A call is given up when it broke so many connections of its own, while the node's other one stood … */
const ALONE = 3;
/** … or when so many broke in a row, whatever else broke. */
const IN_A_ROW = 12;

/** A call that breaks its connection whenever it is sent: it is sent no more. */
export class PoisonError extends SchedulerError {
  constructor(operation: string, connections: number, cause: Error) {
    const message = `${operation} was given up: ${connections} connections broke in a row while it waited for its answer, the last with "${cause.message}". Is it over a limit of the server (sched-lua doctor), or of something on the way?`;
    super('REDIS', operation, message, { cause });
  }
}

/** A script answered EVICTED: another epoch of this name stands. */
export class EvictedReply extends Error {
  readonly epoch: Tick;
  constructor(epoch: Tick) {
    super(`epoch ${epoch} stands`);
    this.epoch = epoch;
  }
}

/** A script answered STALE: the lane's last number on the server. */
export class StaleReply extends Error {
  readonly last: number;
  constructor(last: number) {
    super(`call ${last} was seen`);
    this.last = last;
  }
}

export class Resend {
  readonly #contest: (standing: Tick) => Promise<boolean>;
  readonly #over = new AbortController();
  /** Rejects, each, what waits for an answer. */
  readonly #waiting = new Set<(reason: SchedulerError) => void>();

  /** @param contest told of an EVICTED answer; answers whether this node goes on, under a new epoch */
  constructor(contest: (standing: Tick) => Promise<boolean>) {
    this.#contest = contest;
    // every call that waits to be sent again listens
    setMaxListeners(0, this.#over.signal);
  }

  /** Fires with a SchedulerError (CLOSED or EVICTED) when nothing is sent any more. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Rejects every call that waits, and every later one, with the reason. The first reason stays. */
  end(reason: SchedulerError): void {
    this.#over.abort(reason);
    for (const reject of this.#waiting) reject(this.over.reason as SchedulerError);
    this.#waiting.clear();
  }

  /**
   * Sends until it is answered. `send` is told whether the call must go alone, as it may be what breaks connections.
   * @param unanswered told why an attempt was no answer, before the next one
   * @throws PoisonError; SchedulerError REDIS if Redis refuses; CLOSED or EVICTED if the node is over
   */
  async answered<T>(
    operation: string,
    send: (alone: boolean) => Promise<T>,
    unanswered?: (reason: string) => void,
  ): Promise<T> {
    const broken = { all: 0, alone: 0 };
    for (let attempt = 1; ; attempt += 1) {
      if (this.over.aborted) throw this.over.reason;
      try {
        // a client that is cut off while it reconnects never answers what waits in it
        return await this.#unlessOver(send(broken.all >= SUSPECT_AFTER));
      } catch (error) {
        if (error instanceof EvictedReply) {
          if (!(await this.#contest(error.epoch))) throw this.over.reason;
        } else if (error instanceof SchedulerError) {
          throw error;
        } else if (verdictOf(error) !== 'refuse') {
          if (error instanceof BrokenConnection && error.written) {
            broken.all += 1;
            if (error.isAlone) broken.alone += 1;
            if (broken.alone === ALONE || broken.all === IN_A_ROW)
              throw new PoisonError(operation, broken.all, error);
          }
          unanswered?.(messageOf(error));
          await sleep(backoff(attempt), this.over);
        } else {
          throw new SchedulerError('REDIS', operation, `Redis refused ${operation}: ${messageOf(error)}`, {
            cause: error,
          });
        }
      }
    }
  }

  /** What the promise gives, or the reason why the node is over. No abort listener per call: every call comes by here. */
  #unlessOver<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      follow(promise, () => this.#waiting.delete(reject), resolve, reject);
    });
  }
}
