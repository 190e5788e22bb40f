import { monotonic } from '../base/clock.ts';
import { hex, type Tick, type Ticket } from '../base/ticket.ts';
import type { Shard } from '../protocol/shard.ts';
import type { ClaimedTicket, SentClaim, Story } from '../protocol/wire.ts';
import { Halt } from './halt.ts';

/** What this node holds of one request. */
export class Claim implements SentClaim {
  readonly key: string;
  readonly shard: Shard;
  readonly ticket: Ticket;
  readonly fence: Tick;
  readonly owner: string;
  readonly id: string;
  readonly #triesSpent: number;
  readonly #arrival: Tick;
  /** On the monotonic clock. */
  readonly #grantedAt = monotonic();
  /** Of its last result. */
  number = 0;
  readonly fenceNumber: number;
  isHeld = true;
  vouchedIn: number;
  introducedTo: Tick = '';
  introducedAt = -Infinity;
  /** Its final result, or its give-back, is on its way. */
  ending = false;
  /** It was told that its owner is silent. */
  orphaned = false;
  /** Bytes of its results on their way to Redis. */
  bytesAhead = 0;
  #halt: Halt | undefined;
  #lost: unknown;
  #controller: AbortController | undefined;

  constructor(
    key: string,
    shard: Shard,
    { ticket, fence, vouchedIn = -1, triesSpent, arrival }: ClaimedTicket,
    owner: string,
    id: string,
  ) {
    this.key = key;
    this.shard = shard;
    this.ticket = ticket;
    this.fence = fence;
    this.fenceNumber = parseInt(fence, 16);
    this.vouchedIn = vouchedIn;
    this.owner = owner;
    this.id = id;
    this.#triesSpent = triesSpent;
    this.#arrival = arrival;
  }

  /** ms from the put to this claim. */
  get queuedMs(): number {
    return Math.max(0, (this.fenceNumber - parseInt(this.#arrival, 16)) / 1_000);
  }

  /** ms since this claim. */
  get heldMs(): number {
    return monotonic() - this.#grantedAt;
  }

  /** What a final of an own request says, as Redis would have written it now. */
  storyNow(): { tick: Tick; story: Story } {
    const us = Math.round(1_000 * this.heldMs);
    return {
      tick: hex(this.fenceNumber + us, 14),
      story: {
        triesSpent: this.#triesSpent,
        arrival: this.#arrival,
        claimedAt: this.fence,
        runner: this.owner,
      },
    };
  }

  /** Made when it is first asked for: an AbortController costs more than everything else here. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#lost !== undefined) this.#controller.abort(this.#lost);
    }
    return this.#controller.signal;
  }

  /** Its owner has asked to wait with the next chunk. */
  get isHalted(): boolean {
    return this.#halt?.isOn === true;
  }

  /** @param ms 0: it goes on. True: that is news */
  halt(ms: number): boolean {
    const was = this.isHalted;
    this.#halt ??= new Halt();
    this.#halt.set(ms);
    return was !== this.isHalted;
  }

  /** Resolves when it goes on, or its signal fires. */
  async goesOn(): Promise<void> {
    await this.#halt?.over(this.signal);
  }

  /** Fires the signal. */
  abort(reason: unknown): void {
    this.#lost ??= reason;
    this.#controller?.abort(reason);
  }
}
