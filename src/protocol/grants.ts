/**
 * What one shard granted to this node, and how far its results may count on that (lua/README.md#put_results). Chunks of claims that are
 * vouched for travel in frames, into which Redis does not look: it checks that it knows the runner's last grant, the mark, and
 * names what it took away since. All else is checked claim by claim.
 */
import { NO_TICK, laterTick, type Tick } from '../base/ticket.ts';
import type { ClaimedTicket, SentClaim } from './wire.ts';

export class Grants {
  #mark: Tick = NO_TICK;
  /** Claims that were vouched for in this round are. */
  #round = 0;

  /** The highest fence granted to this node, or what an answer named instead. */
  get mark(): Tick {
    return this.#mark;
  }

  /** A claim was answered. @param on the mark that it was granted on: another one than ours was of another history */
  granted(on: Tick, claims: readonly ClaimedTicket[]): void {
    const isKnown = on === this.#mark;
    if (!isKnown) this.doubtAll();
    for (const claim of claims) {
      claim.vouchedIn = isKnown ? this.#round : -1;
      this.#mark = laterTick(this.#mark, claim.fence);
    }
  }

  /** Results were answered. @param sent the mark that their call named: another answer began a new count */
  answered(sent: Tick, mark: Tick): void {
    if (mark !== sent) this.doubtAll();
    this.#mark = laterTick(this.#mark, mark);
  }

  /** Redis has checked it just now. */
  vouchFor(claim: SentClaim): void {
    claim.vouchedIn = this.#round;
  }

  /** Chunks of it need no check of their own. */
  vouchesFor(claim: SentClaim): boolean {
    return claim.isHeld && claim.vouchedIn === this.#round;
  }

  /** Each claim is checked before it is vouched for again. */
  doubtAll(): void {
    this.#round += 1;
  }
}
