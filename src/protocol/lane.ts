import type { SchedulerError } from '../base/errors.ts';
import { hex, type Tick } from '../base/ticket.ts';
import { StaleReply } from './resend.ts';

interface Waiting<Item, Answer> {
  item: Item;
  resolve: (answer: Answer) => void;
  reject: (error: SchedulerError) => void;
}

export interface LaneOptions<Item, Answer> {
  /** Named in errors. */
  operation: string;
  /** The node's epoch: a new one begins with number 1. */
  epoch: () => Tick;
  /** Sends until it is answered; see `Resend`. */
  answered: <T>(operation: string, send: () => Promise<T>) => Promise<T>;
  /** How many from the front of the queue go together in one call, at least 1. */
  cut: (queue: readonly { item: Item }[]) => number;
  /** One attempt of a call. @throws StaleReply */
  send: (laneCall: string, items: Item[]) => Promise<Answer[]>;
}

/**
 * One numbered call in flight; what comes meanwhile goes out together in the next (lua/README.md#lanes). A number is
 * sent until it is answered; it is never used for another call, and the server answers a number it has seen from
 * memory. So a call whose answer was lost takes effect once.
 */
export class Lane<Item, Answer> {
  readonly #options: LaneOptions<Item, Answer>;
  #queue: Waiting<Item, Answer>[] = [];
  #flying: Promise<void> | undefined;
  #number = 0;
  #epoch: Tick = '';

  constructor(options: LaneOptions<Item, Answer>) {
    this.#options = options;
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
      const batch = this.#queue.splice(0, this.#options.cut(this.#queue));
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
    return this.#options.answered(this.#options.operation, async () => {
      const epoch = this.#options.epoch();
      if (this.#epoch !== epoch) {
        this.#epoch = epoch;
        this.#number = 0;
        laneCall = '';
      }
      if (laneCall === '') laneCall = hex(++this.#number, 12);
      try {
        return await this.#options.send(laneCall, items);
      } catch (error) {
        if (!(error instanceof StaleReply)) throw error;
        this.#number = error.last + 1;
        laneCall = hex(this.#number, 12);
        return this.#options.send(laneCall, items);
      }
    });
  }
}
