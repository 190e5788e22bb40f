import type { SchedulerError } from '../base/errors.ts';
import { hex, type Tick } from '../base/ticket.ts';
import { Linger, type LingerOptions } from './linger.ts';
import { PoisonError, StaleReply } from './resend.ts';
import { Wishes, type Batch } from './wishes.ts';

interface Waiting<Answer> {
  resolve: (answer: Answer) => void;
  reject: (error: SchedulerError) => void;
}

/** One attempt of a call. */
export interface LaneCall {
  /** 12 hex digits; empty: it goes by no lane. */
  number: string;
  /** It may be what breaks connections, or would hold up the others: it goes over the one at the side. */
  alone: boolean;
}

export interface LaneOptions<Item, Answer> {
  /** Named in errors. */
  operation: string;
  /** The node's epoch: a new one begins with number 1. */
  epoch: () => Tick;
  /** Sends until it is answered; see `Resend`. */
  answered: <T>(operation: string, send: (alone: boolean) => Promise<T>) => Promise<T>;
  /** How many from the front of the queue go together in one call, at least 1. */
  cut: (queue: Iterable<Item>) => number;
  /** @throws StaleReply */
  send: (call: LaneCall, items: Item[]) => Promise<Answer[]>;
  /** Resolves when a call can be written; undefined: now. What waits for it can still be withdrawn. */
  usable?: () => Promise<void> | undefined;
  /** How long items wait for more; missing: for those of the same turn of the event loop only. */
  linger?: LingerOptions<Item> | undefined;
  /** How to find out whether a call was run that had to be given up. */
  hollow?: {
    /** The same item without its content, which the server refuses if it did not run the call. */
    of: (item: Item) => Item;
    /** The answer is of the call that was given up, not that refusal. */
    wasRun: (answer: Answer) => boolean;
  };
  /** How an item is sent in parts, of which one may be what breaks connections. Missing: an item is refused whole. */
  parts?: {
    /** Empty: it has none. */
    of: (item: Item) => Item[];
    join: (outcomes: (Answer | SchedulerError)[]) => Answer;
  };
}

/**
 * One numbered call in flight; what comes meanwhile goes out together in the next (lua/README.md#lanes). A number is
 * sent until it is answered; it is never used for another call, and the server answers a number it has seen from
 * memory. So a call whose answer was lost takes effect once.
 *
 * A call that breaks every connection is given up, and the lane goes on. Its number is sent once more, hollow: either the
 * server remembers what it answered to the call, or it refuses the hollow one, and the call can no longer take effect.
 */
export class Lane<Item, Answer> {
  readonly #options: LaneOptions<Item, Answer>;
  readonly #queue = new Wishes<Item, Waiting<Answer>>();
  readonly #linger: Linger<Item> | undefined;
  #flying: Promise<void> | undefined;
  #number = 0;
  #epoch: Tick = '';

  constructor(options: LaneOptions<Item, Answer>) {
    this.#options = options;
    this.#linger = options.linger && new Linger(options.linger, () => void (this.#flying ??= this.#fly()));
  }

  /** Items whose answer is not known. */
  get unanswered(): boolean {
    return this.#flying !== undefined || this.#queue.length > 0;
  }

  /** @param item an object of its own: it names the wish until it is answered */
  push(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#queue.push(item, { resolve, reject });
      this.#linger?.add(item);
      if (this.#isDue) this.#flying ??= this.#fly();
    });
  }

  /** Rejects an item that no call has taken along yet, as if it had never been pushed. False: it may be in Redis. */
  withdraw(item: Item, error: SchedulerError): boolean {
    const waiting = this.#queue.remove(item);
    waiting?.reject(error);
    if (this.#queue.length === 0) this.#linger?.reset();
    return waiting !== undefined;
  }

  get #isDue(): boolean {
    return this.#linger?.isOver ?? true;
  }

  /** What lingers leaves at once, in front of what is sent after this, unless a call is in flight. */
  flush(): void {
    if (this.#queue.length === 0 || this.#isDue) return;
    this.#linger?.end();
    this.#flying ??= this.#fly(true);
  }

  /** Resolves when every item so far has its answer or its error; none lingers. */
  async flushed(): Promise<void> {
    this.flush();
    while (this.#flying) await this.#flying;
  }

  async #fly(atOnce = false): Promise<void> {
    // items pushed in the same turn of the event loop go together
    if (!atOnce) await Promise.resolve();
    while (this.#queue.length > 0 && this.#isDue) {
      const unusable = this.#options.usable?.();
      if (unusable) await unusable;
      else await this.#settle(this.#take());
    }
    this.#flying = undefined;
  }

  #take(): Batch<Item, Waiting<Answer>> {
    const batch = this.#queue.take(this.#options.cut);
    if (this.#queue.length === 0) this.#linger?.reset();
    return batch;
  }

  async #settle(batch: Batch<Item, Waiting<Answer>>, isSuspect = false): Promise<void> {
    try {
      const answers = await this.#call(batch.items, isSuspect);
      batch.waiting.forEach(({ resolve }, i) => resolve(answers[i]!));
    } catch (error) {
      if (error instanceof PoisonError) await this.#giveUp(batch, error);
      else for (const { reject } of batch.waiting) reject(error as SchedulerError);
    }
  }

  /** Refuses what breaks connections, and it alone: the other items of its call are sent again, one by one, and part by part. */
  async #giveUp({ items, waiting }: Batch<Item, Waiting<Answer>>, poison: PoisonError): Promise<void> {
    const { hollow } = this.#options;
    const answers = await this.#hollow(items).catch(() => []);
    for (const [i, one] of waiting.entries()) {
      const answer = answers[i];
      if (answer !== undefined && hollow?.wasRun(answer)) one.resolve(answer);
      else if (items.length > 1) await this.#settle({ items: [items[i]!], waiting: [one] }, true);
      else await this.#settleParts(items[0]!, one, poison);
    }
  }

  async #settleParts(item: Item, waiting: Waiting<Answer>, poison: PoisonError): Promise<void> {
    const { parts } = this.#options;
    const outcomes: (Answer | SchedulerError)[] = [];
    const one = {
      resolve: (answer: Answer): void => void outcomes.push(answer),
      reject: (error: SchedulerError): void => void outcomes.push(error),
    };
    for (const part of parts?.of(item) ?? []) await this.#settle({ items: [part], waiting: [one] }, true);
    if (parts && outcomes.length > 0) waiting.resolve(parts.join(outcomes));
    else waiting.reject(poison);
  }

  /** The number of the last call once more, without its content. */
  async #hollow(items: Item[]): Promise<Answer[]> {
    const { hollow } = this.#options;
    return hollow ? this.#call(items.map(hollow.of), true, hex(this.#number, 12)) : [];
  }

  #call(items: Item[], isSuspect: boolean, sameNumber = ''): Promise<Answer[]> {
    let number = sameNumber;
    return this.#options.answered(this.#options.operation, async (alone) => {
      const epoch = this.#options.epoch();
      if (this.#epoch !== epoch) {
        this.#epoch = epoch;
        this.#number = 0;
        number = '';
      }
      if (number === '') number = hex(++this.#number, 12);
      try {
        return await this.#options.send({ number, alone: alone || isSuspect }, items);
      } catch (error) {
        if (!(error instanceof StaleReply)) throw error;
        this.#number = error.last + 1;
        number = hex(this.#number, 12);
        return this.#options.send({ number, alone: alone || isSuspect }, items);
      }
    });
  }
}
