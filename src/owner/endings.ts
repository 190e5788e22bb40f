/**
 * Ends requests of this node from here, before their runners do: cancelled, expired, failed, or dropped by `reset`. What Redis still
 * has of them ends there, too.
 */
import { parseTicket, type Ticket } from '../base/ticket.ts';
import type { Membership } from '../protocol/membership.ts';
import type { Shard } from '../protocol/shard.ts';
import type { Shards } from '../protocol/shards.ts';
import { MAX_ITEMS } from '../protocol/wire.ts';
import type { Delivery } from './delivery.ts';
import type { Pending, PendingTable } from './pending.ts';

export interface EndingsContext<Output> {
  shards: Shards;
  membership: Membership;
  pendings: PendingTable<Output>;
  delivery: Pick<Delivery<Output>, 'disown'>;
  /** Looks into a shard's mailbox, for the finals. */
  look: (shard: Shard) => Promise<void>;
  /** Waits for work that nobody else waits for; warns if it fails. */
  quietly: (work: Promise<unknown>) => Promise<void>;
}

export class Endings<Output> {
  readonly #context: EndingsContext<Output>;
  readonly #membership: Membership;
  readonly #pendings: PendingTable<Output>;
  readonly #delivery: Pick<Delivery<Output>, 'disown'>;

  constructor(context: EndingsContext<Output>) {
    this.#context = context;
    this.#membership = context.membership;
    this.#pendings = context.pendings;
    this.#delivery = context.delivery;
  }

  /** Ends a ticket and drops its final: the caller was told otherwise, or has gone. Never rejects. @param failed why it failed */
  disown({ shard }: Pending<Output>, ticket: Ticket, failed?: string): Promise<void> {
    this.#delivery.disown(ticket);
    return this.#context.quietly(
      shard.cancel([ticket], failed === undefined ? 'cancelled' : 'failed', failed),
    );
  }

  /** Ends a pending request here, and what is left of it in Redis. */
  failEarly(pending: Pending<Output>, reason: string): void {
    void this.disown(pending, pending.ticket!, reason);
    this.#pendings.end(pending, { kind: 'failed', reason });
  }

  /** Ends a pending request at once, waiting or claimed; its final comes as a result. */
  async cancel(pending: Pending<Output>): Promise<void> {
    // no ticket of it stands that a result could come from
    if (this.#pendings.isPutAgain(pending)) this.#pendings.end(pending, { kind: 'cancelled' });
    await this.#membership.within('cancel', this.#cancelPlaced(pending));
  }

  /** The same by its id; false: no request of that id is pending here. */
  async cancelId(id: string): Promise<boolean> {
    const pending = this.#pendings.withId(id);
    if (pending === undefined || pending.abandoned) return false;
    await this.cancel(pending);
    return true;
  }

  async #cancelPlaced(pending: Pending<Output>): Promise<void> {
    await pending.accepted;
    if (pending.ticket === undefined || this.#pendings.withTicket(pending.ticket) !== pending) return;
    await this.#cancelTicket(pending.shard, pending.ticket);
  }

  async #cancelTicket(shard: Shard, ticket: Ticket): Promise<void> {
    await shard.cancel([ticket]);
    await this.#context.look(shard);
  }

  async expire(shard: Shard, tickets: readonly Ticket[]): Promise<void> {
    await shard.cancel(tickets, 'expired');
    await this.#context.look(shard);
  }

  /** Redis has been asked to end it, and has not said how it ended: what it says later is dropped. */
  expireHere(pending: Pending<Output>): void {
    this.#delivery.disown(pending.ticket!);
    this.#pendings.end(pending, { kind: 'expired' });
  }

  /** Drops everything this node has in every shard where it has something; answers the dropped ids. */
  async reset(): Promise<string[]> {
    const ids: string[] = [];
    // Redis has no ticket of those that are being put again
    for (const pending of [...this.#pendings.accepted()])
      if (this.#pendings.isPutAgain(pending)) ids.push(this.#dropPending(pending));
    for (const shard of new Set([
      this.#context.shards.get(this.#membership.home),
      ...this.#pendings.shards(),
    ])) {
      const pending = this.#pendings.ticketsIn(shard);
      let more = true;
      while (more || pending.length > 0) {
        const named = pending.splice(0, MAX_ITEMS);
        const answer = await this.#membership.within('reset', shard.reset(named));
        more = answer.more;
        for (const ticket of answer.dropped) ids.push(this.#drop(ticket));
        // the final of one that Redis did not know was in the mailbox, and went with it
        for (const ticket of named) if (this.#pendings.withTicket(ticket)) ids.push(this.#drop(ticket));
      }
    }
    return ids;
  }

  #drop(ticket: Ticket): string {
    const pending = this.#pendings.withTicket(ticket);
    return pending ? this.#dropPending(pending) : parseTicket(ticket).id;
  }

  #dropPending(pending: Pending<Output>): string {
    this.#pendings.end(pending, { kind: 'cancelled', reason: 'reset' });
    return pending.id;
  }

  /** Every pending request of a shard, for `close({ pending: 'cancel' })`. */
  async cancelIn(shard: Shard): Promise<void> {
    const pending = [...this.#pendings.all()].filter((one) => one.shard === shard);
    await Promise.all(pending.map((one) => this.cancel(one).catch(() => undefined)));
  }
}
