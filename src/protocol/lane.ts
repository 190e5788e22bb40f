import type { SchedulerError } from '../base/errors.ts';
import type { Membership } from './membership.ts';
import { hex, type Tick } from '../base/ticket.ts';

interface Waiting<Item, Answer> {
  item: Item;
  resolve: (answer: Answer) => void;
  reject: (error: SchedulerError) => void;
}

/** A script answered STALE: the lane's last number on the server. */
export class StaleReply extends Error {
  readonly last: number;
  constructor(last: number) {
    super(`call ${last} was seen`);
    this.last = last;
  }
}

/**
 * One numbered call in flight; what comes meanwhile goes out together in the next (DESIGN.md section 3). A number is
 * sent until it is answered; it is never used for another call, and the server answers a number it has seen from
 * memory. So a call whose answer was lost takes effect once.
 */
export class Lane<Item, Answer> {
  readonly #membership: Membership;
  readonly #operation: string;
  readonly #send: (laneCall: string, items: Item[]) => Promise<Answer[]>;
  readonly #cut: (items: readonly { item: Item }[]) => number;
  #queue: Waiting<Item, Answer>[] = [];
  #flying: Promise<void> | undefined;
  #number = 0;
  #epoch: Tick = '';

  /** @param cut how many from the front of the queue go together in one call, at least 1 */
  constructor(
    membership: Membership,
    operation: string,
    send: (laneCall: string, items: Item[]) => Promise<Answer[]>,
    cut: (items: readonly { item: Item }[]) => number,
  ) {
    this.#membership = membership;
    this.#operation = operation;
    this.#send = send;
    this.#cut = cut;
  }

  /** Items whose answer is not known. */
  get unanswered(): boolean {
    return this.#flying !== undefined;
  }

  push(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ item, resolve, reject });
      this.#flying ??= this.#fly();
    });
  }

  /** Resolves when every item so far has its answer or its error. */
  async flushed(): Promise<void> {
    while (this.#flying) await this.#flying;
  }

  async #fly(): Promise<void> {
    // items pushed in the same turn of the event loop go together
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, this.#cut(this.#queue));
      try {
        const answers = await this.#call(batch.map(({ item }) => item));
        batch.forEach(({ resolve }, i) => resolve(answers[i]!));
      } catch (error) {
        for (const { reject } of batch) reject(error as SchedulerError);
      }
    }
    this.#flying = undefined;
  }

  #call(items: Item[]): Promise<Answer[]> {
    let laneCall = '';
    return this.#membership.answered(this.#operation, async () => {
      if (this.#epoch !== this.#membership.epoch) {
        this.#epoch = this.#membership.epoch;
        this.#number = 0;
        laneCall = '';
      }
      if (laneCall === '') laneCall = hex(++this.#number, 12);
      try {
        return await this.#send(laneCall, items);
      } catch (error) {
        if (!(error instanceof StaleReply)) throw error;
        this.#number = error.last + 1;
        laneCall = hex(this.#number, 12);
        return this.#send(laneCall, items);
      }
    });
  }
}
