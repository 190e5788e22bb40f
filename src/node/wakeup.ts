import { SchedulerError, messageOf } from '../base/errors.ts';
import { wakePrefix } from '../base/keys.ts';
import type { Teller } from '../observe/events.ts';
import type { Client } from '../redis/run-script.ts';
import { verdictOf } from '../redis/verdicts.ts';

export interface Rings {
  /** Work waits in this shard, or will be free to take in `delayMs`. */
  claim(shard: number, delayMs: number): void;
  /** Results wait in this shard's mailbox. */
  results(shard: number): void;
  /** A claim of this node in this shard was cancelled: refresh. */
  refresh(shard: number): void;
  /** Subscribed, or subscribed again: rings may have been missed. */
  subscribed(): void;
}

type What = 'claim' | 'results' | 'refresh';
/** What, the number of the shard, ms. */
const RING = /^(claim|results|refresh) (\d{1,5}) (\d{1,15})$/;
/** The longest time of a Node.js timer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface WakeupOptions {
  topic: string;
  node: string;
  /** Whether the topic has a shard of this number: anybody who may publish can send any number. */
  isShard: (number: number) => boolean;
  /** ms between two questions whether the server is there. */
  silenceMs: number;
  teller: Teller;
  onWarning: (message: string) => void;
}

/**
 * This node's wake-up channel, on a connection of its own. A lost message costs at most one fallback poll. The server
 * is asked now and then whether it is still there: a subscriber sends nothing else, and would never notice.
 */
export class Wakeup {
  readonly #client: Client;
  readonly #rings: Rings;
  readonly #options: WakeupOptions;
  /** Redis refused to subscribe again: warned of, and asked for again until it does. */
  #isRefused = false;

  constructor(client: Client, rings: Rings, options: WakeupOptions) {
    this.#client = client;
    this.#rings = rings;
    this.#options = options;
    client.on('message', (_channel: string, message: string) => this.#hear(message));
  }

  get #channel(): string {
    return wakePrefix(this.#options.topic) + this.#options.node;
  }

  /**
   * Resolves when the server has the subscription.
   * @throws SchedulerError CONFIG if the Redis user may not subscribe
   */
  async subscribe(): Promise<void> {
    try {
      await this.#client.subscribe(this.#channel);
    } catch (error) {
      throw messageOf(error).startsWith('NOPERM') ? this.#refused(error) : error;
    }
    this.#client.on('ready', () => void this.#resubscribe());
    this.#keepAsking();
    this.#rings.subscribed();
  }

  #refused(cause: unknown): SchedulerError {
    const allow = `allow the channels ${wakePrefix(this.#options.topic)}* and the command SUBSCRIBE`;
    const message = `the Redis user may not subscribe to ${this.#channel}; ${allow}`;
    return new SchedulerError('CONFIG', 'subscribe', message, { cause });
  }

  /** An answer that does not come breaks the connection (`socketTimeout`), and the next one subscribes again. */
  #keepAsking(): void {
    let asked = false;
    const timer = setInterval(() => {
      if (this.#isRefused) void this.#resubscribe();
      if (asked) return;
      asked = true;
      const answered = (): void => void (asked = false);
      this.#client.ping().then(answered, answered);
    }, this.#options.silenceMs);
    this.#client.once('end', () => clearInterval(timer));
  }

  async #resubscribe(): Promise<void> {
    try {
      await this.#client.subscribe(this.#channel);
      this.#isRefused = false;
      this.#rings.subscribed();
    } catch (error) {
      // the connection broke again: the next 'ready' comes
      if (verdictOf(error) !== 'refuse' || this.#isRefused) return;
      this.#isRefused = true;
      this.#options.onWarning(`${this.#refused(error).message}: work and results are found late`);
    }
  }

  #hear(message: string): void {
    const [, what, number, delay] = (RING.exec(message) ?? []) as [string?, What?, string?, string?];
    if (what === undefined) return;
    const shard = Number(number);
    if (!this.#options.isShard(shard)) return;
    const delayMs = Math.min(MAX_TIMER_MS, Number(delay));
    this.#options.teller.heard('ring')?.({ what, shard, delayMs });
    if (what === 'claim') this.#rings.claim(shard, delayMs);
    else this.#rings[what](shard);
  }
}
