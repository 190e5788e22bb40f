import { SchedulerError, messageOf } from '../base/errors.ts';
import { wakePrefix } from '../base/keys.ts';
import type { Tick } from '../base/ticket.ts';
import type { Teller } from '../observe/events.ts';
import type { Sockets } from '../redis/sockets.ts';
import type { Listener } from '../redis/subscriptions.ts';

export interface Rings {
  /** Work waits in this shard, or will be free to take in `delayMs`. */
  claim(shard: number, delayMs: number): void;
  /** Results wait in this shard's mailbox; `entry`: what came, which waits there, too. */
  results(shard: number, entry?: Buffer): void;
  /** A claim of this node in this shard was cancelled: refresh. */
  refresh(shard: number): void;
  /** The reader of a claim's results is behind: wait with its next chunk for so long; 0: go on. */
  halt(shard: number, fence: Tick, ms: number): void;
  /** Subscribed, or subscribed again: rings may have been missed. */
  subscribed(): void;
}

type What = 'claim' | 'results' | 'refresh' | 'halt';
/** What, the number of the shard, ms; of a halt the fence of its claim. */
const RING = /^(?:(claim|results|refresh) (\d{1,5}) (\d{1,15})|(halt) (\d{1,5}) (\d{1,15}) ([0-9a-f]{14}))$/;
/** Results with their entry behind it, which is no text. */
const CARRIED = /^results (\d{1,5}) 0 /;
const MOST_BEFORE_ENTRY = 'results 12345 0 '.length;
/** The longest time of a Node.js timer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface WakeupOptions {
  topic: string;
  node: string;
  /** Whether the topic has a shard of this number: anybody who may publish can send any number. */
  isShard: (number: number) => boolean;
  teller: Teller;
  onWarning: (message: string) => void;
}

/**
 * This node's wake-up channel. A lost message costs at most one fallback poll.
 */
export class Wakeup implements Listener {
  readonly channel: string;
  readonly #rings: Rings;
  readonly #options: WakeupOptions;

  constructor(rings: Rings, options: WakeupOptions) {
    this.channel = wakePrefix(options.topic) + options.node;
    this.#rings = rings;
    this.#options = options;
  }

  /**
   * Resolves when the server has the subscription.
   * @throws SchedulerError CONFIG if the Redis user may not subscribe
   */
  async subscribe(sockets: Sockets): Promise<void> {
    try {
      await sockets.subscribe(this);
    } catch (error) {
      throw messageOf(error).startsWith('NOPERM') ? this.#refusal(error) : error;
    }
    this.#rings.subscribed();
  }

  subscribedAgain(): void {
    this.#rings.subscribed();
  }

  refused(error: unknown): void {
    this.#options.onWarning(`${this.#refusal(error).message}: work and results are found late`);
  }

  #refusal(cause: unknown): SchedulerError {
    const allow = `allow the channels ${wakePrefix(this.#options.topic)}* and the command SUBSCRIBE`;
    const message = `the Redis user may not subscribe to ${this.channel}; ${allow}`;
    return new SchedulerError('CONFIG', 'subscribe', message, { cause });
  }

  hear(message: Buffer): void {
    const [before, number] = CARRIED.exec(message.toString('latin1', 0, MOST_BEFORE_ENTRY)) ?? [];
    if (before !== undefined) {
      const shard = Number(number);
      if (!this.#options.isShard(shard)) return;
      this.#options.teller.heard('ring')?.({ what: 'results', shard, delayMs: 0 });
      this.#rings.results(shard, message.subarray(before.length));
      return;
    }
    const [, ring, ringShard, ringMs, halt, haltShard, haltMs, fence] =
      RING.exec(message.toString('latin1')) ?? [];
    const what = (ring ?? halt) as What | undefined;
    if (what === undefined) return;
    const shard = Number(ringShard ?? haltShard);
    if (!this.#options.isShard(shard)) return;
    const delayMs = Math.min(MAX_TIMER_MS, Number(ringMs ?? haltMs));
    this.#options.teller.heard('ring')?.({ what, shard, delayMs });
    if (what === 'claim') this.#rings.claim(shard, delayMs);
    else if (what === 'halt') this.#rings.halt(shard, fence!, delayMs);
    else this.#rings[what](shard);
  }
}
