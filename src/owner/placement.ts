/**
 * Puts requests in line: once when they are accepted, and again when Redis has lost them. What nobody waits for any more
 * when its put is answered is taken out of line.
 */
import { backoff, monotonic, sleep } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Rules } from '../base/options.ts';
import type { Ticket } from '../base/ticket.ts';
import type { Membership } from '../protocol/membership.ts';
import type { PutAnswer, PutItem } from '../protocol/wire.ts';
import type { Delivery } from './delivery.ts';
import type { OwnerTeller } from './owner-teller.ts';
import { itemOf, type Pending, type PendingTable } from './pending.ts';
import { duplicate, expired, full } from './refusals.ts';

export interface PlacementOptions<Output> {
  membership: Membership;
  rules: Rules;
  pendings: PendingTable<Output>;
  delivery: Delivery<Output>;
  teller: OwnerTeller;
  /** Its ticket stands: results and deadline are watched from now on. */
  accepted: (pending: Pending<Output>) => void;
  /** Ends a ticket in Redis, its final is dropped. Never rejects. */
  disown: (pending: Pending<Output>, ticket: Ticket) => Promise<void>;
}

type Placed = Extract<PutAnswer, { ticket: Ticket }>;

export class Placement<Output> {
  readonly #options: PlacementOptions<Output>;

  constructor(options: PlacementOptions<Output>) {
    this.#options = options;
  }

  /** Resolves when it is in line; rejects with why it is not. */
  first(pending: Pending<Output>, item: PutItem): Promise<void> {
    const { delivery, disown, membership, pendings, rules } = this.#options;
    const { epoch } = membership;
    return delivery.during(pending.shard, async () => {
      try {
        let answer = await pending.shard.put(item);
        // one that was told its end here, and whose cancel is late
        while (answer.status === 'DUPLICATE' && delivery.disowns(answer.ticket)) {
          await disown(pending, answer.ticket);
          answer = await pending.shard.put(itemOf(pending));
        }
        // under a new epoch the lane was forgotten, and the resend met its own first run: what stands has its body
        const resent = epoch !== membership.epoch;
        if (answer.status === 'OK' || (answer.status === 'DUPLICATE' && resent && answer.same))
          await this.#accept(pending, answer);
        else if (answer.status === 'EXPIRED') throw expired(pending.id);
        else if (answer.status === 'FULL') throw full(pending.id, rules.maxWaiting, answer.retryAfterMs);
        else throw duplicate(pending.id);
      } catch (error) {
        pendings.remove(pending);
        throw error;
      }
    });
  }

  /**
   * Its ticket was lost, or results of it. Resolves when it is in line again or has ended.
   * @param keep a ticket that may go on, should Redis know it after all; any other is cancelled
   */
  again(pending: Pending<Output>, keep?: Ticket): Promise<void> {
    const { delivery, pendings, teller } = this.#options;
    if (pending.payload === undefined) {
      pendings.end(pending, { kind: 'failed', reason: 'Redis lost the request of a predecessor' });
      return Promise.resolve();
    }
    pendings.clearTicket(pending);
    pending.accepted = delivery.during(pending.shard, () => this.#untilPlaced(pending, keep));
    // a listener may cancel it
    teller.putAgain(pending, pending.ticket!);
    return pending.accepted;
  }

  /** Until Redis has it, or it has ended here: it was accepted, so a refusal is no answer. */
  async #untilPlaced(pending: Pending<Output>, keep: Ticket | undefined): Promise<void> {
    const { disown, membership, pendings, rules } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const answer = await pending.shard.put(itemOf(pending)).catch((error: unknown) => {
        if (membership.over.aborted) throw error;
        return { status: 'REFUSED' as const, reason: messageOf(error) };
      });
      if (answer.status === 'OK' || (answer.status === 'DUPLICATE' && answer.ticket === keep)) {
        await this.#accept(pending, answer);
        return;
      }
      // an ended one that came back with a rollback, or one whose results were lost
      if (answer.status === 'DUPLICATE') await disown(pending, answer.ticket);
      if (pending.abandoned) return;
      if (answer.status === 'EXPIRED' || monotonic() > pending.deadlineAt) {
        pendings.end(pending, { kind: 'expired' });
        return;
      }
      if (answer.status === 'REFUSED' && attempt === 1) rules.onWarning(`put again: ${answer.reason}`);
      const waitMs = answer.status === 'FULL' ? answer.retryAfterMs : backoff(attempt);
      await sleep(waitMs, membership.over);
    }
  }

  #accept(pending: Pending<Output>, { ticket, replicated }: Placed): Promise<void> | undefined {
    const { accepted, delivery, disown, pendings, teller } = this.#options;
    if (replicated !== undefined) pending.replicated = replicated;
    pendings.setTicket(pending, ticket);
    delivery.placed(pending);
    if (pending.abandoned) {
      pendings.remove(pending);
      return disown(pending, ticket);
    }
    teller.accepted(pending, ticket);
    accepted(pending);
    return undefined;
  }
}
