/**
 * For the requests this node accepted: puts them, gets their results delivered, cancels them, and puts again what Redis
 * lost. The encoded payload is kept from the put to the final: a node that runs its own request needs no body, and a loss
 * in Redis can be mended.
 */
import { backoff, monotonic, sleep } from '../base/clock.ts';
import type { Payload } from '../base/codec.ts';
import { messageOf, type SchedulerError } from '../base/errors.ts';
import type { Rules, Settings } from '../base/options.ts';
import { parseTicket, type Ticket } from '../base/ticket.ts';
import type { Teller } from '../observe/events.ts';
import type { Membership } from '../protocol/membership.ts';
import type { Shard, Shards } from '../protocol/shard.ts';
import { MAX_ITEMS, type Delivered } from '../protocol/wire.ts';
import { Attempts } from './attempts.ts';
import { Delivery } from './delivery.ts';
import { Mailbox } from './mailbox.ts';
import { OwnerTeller } from './owner-teller.ts';
import { PendingTable, itemOf, type Pending } from './pending.ts';
import type { NewRequest } from './prepare.ts';
import { duplicate, expired, full } from './refusals.ts';
import type { Sink } from './results.ts';

export class Owner<Output> {
  readonly #shards: Shards;
  readonly #membership: Membership;
  readonly #rules: Rules;
  readonly #pendings: PendingTable<Output>;
  readonly #delivery: Delivery<Output>;
  readonly #teller: OwnerTeller;
  readonly #mailboxes = new Map<Shard, Mailbox>();

  /** @param predecessor where results of unknown tickets go; undefined: they are dropped */
  constructor(
    shards: Shards,
    membership: Membership,
    settings: Rules & Pick<Settings<never, Output>, 'outputCodec'>,
    predecessor: ((id: string) => Sink<Output>) | undefined,
    teller: Teller,
  ) {
    this.#teller = new OwnerTeller(teller);
    this.#shards = shards;
    this.#membership = membership;
    this.#rules = settings;
    // results of tickets that it does not know are a predecessor's; those that a rollback of Redis brings back are not,
    // and what is older than ttl has expired
    this.#pendings = new PendingTable((...end) => this.#teller.ended(...end), predecessor && settings.ttlMs);
    this.#delivery = new Delivery(this.#pendings, {
      outputCodec: settings.outputCodec,
      onRestart: settings.onRestart,
      predecessor,
      failEarly: (pending, reason) => this.#failEarly(pending, reason),
      onGap: (pending) => this.#quietly(this.#mend(pending)),
    });
  }

  /** Resolves when the request is in Redis, once; rejects with why it is not, or TIMEOUT if that is not known. */
  async put(request: NewRequest<Output>): Promise<Pending<Output>> {
    const { id, payload, sink } = request;
    const adopted = this.#pendings.adoptable(id, payload);
    if (!adopted && this.#pendings.withId(id)) throw duplicate(id);
    const pending = adopted ?? this.#newPending(request);
    pending.sink = sink;
    pending.abandoned = false;
    pending.accepted ??= this.#send(pending);
    try {
      await this.#membership.within('putRequests', pending.accepted);
    } catch (error) {
      pending.abandoned = true;
      throw error;
    }
    return pending;
  }

  #newPending({
    id,
    promptTokens,
    payload,
    sink,
    headStartMs,
    deadlineMs,
  }: NewRequest<Output>): Pending<Output> {
    const now = monotonic();
    const pending: Pending<Output> = {
      id,
      promptTokens,
      headStartMs,
      payload,
      sink,
      shard: this.#shards.get(this.#membership.home),
      putAt: now,
      deadlineAt: now + deadlineMs,
      attempts: new Attempts(),
      triesLeft: this.#rules.tries,
      triesSpent: 0,
      abandoned: false,
    };
    this.#pendings.add(pending);
    return pending;
  }

  #send(pending: Pending<Output>): Promise<void> {
    const { epoch } = this.#membership;
    return this.#delivery.during(pending.shard, async () => {
      try {
        const answer = await pending.shard.put(itemOf(pending));
        // under a new epoch the lane was forgotten, and the resend met its own first run
        const resent = epoch !== this.#membership.epoch;
        if (answer.status === 'OK' || (answer.status === 'DUPLICATE' && resent))
          this.#accept(pending, answer);
        else if (answer.status === 'EXPIRED') throw expired(pending.id);
        else if (answer.status === 'FULL')
          throw full(pending.id, this.#rules.maxWaiting, answer.retryAfterMs);
        else throw duplicate(pending.id);
      } catch (error) {
        this.#pendings.remove(pending);
        throw error;
      }
    });
  }

  #accept(pending: Pending<Output>, { ticket, replicated }: { ticket: Ticket; replicated?: boolean }): void {
    if (replicated !== undefined) pending.replicated = replicated;
    this.#pendings.setTicket(pending, ticket);
    if (pending.abandoned) {
      this.#pendings.remove(pending);
      this.#disown(pending.shard, ticket);
      return;
    }
    this.#teller.accepted(pending, ticket);
  }

  /** Cancels a ticket and drops its final: the caller was told otherwise, or has gone. */
  #disown(shard: Shard, ticket: Ticket): void {
    this.#delivery.disown(ticket);
    this.#quietly(this.#cancelTicket(shard, ticket));
  }

  #quietly(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!this.#membership.over.aborted) this.#rules.onWarning(`owner: ${messageOf(error)}`);
    });
  }

  mailbox(shard: Shard): Mailbox {
    let mailbox = this.#mailboxes.get(shard);
    if (!mailbox) {
      mailbox = new Mailbox(shard, (mail) => this.deliver(shard, mail));
      this.#mailboxes.set(shard, mailbox);
    }
    return mailbox;
  }

  /** A result from the mailbox, or of a request that this node ran itself. */
  deliver(shard: Shard, mail: Delivered): void {
    this.#delivery.deliver(shard, mail);
  }

  /** A result of a request of this node is sent from here; call what this answers when it has been delivered. */
  sending(ticket: Ticket): () => void {
    return this.#delivery.sending(ticket);
  }

  /** The payload of a request that this process accepted. */
  payloadOf(ticket: Ticket): Payload | undefined {
    return this.#pendings.withTicket(ticket)?.payload;
  }

  /** Accepted requests of this shard that have not ended. */
  pendingIn(shard: Shard): Ticket[] {
    return this.#pendings.ticketsIn(shard);
  }

  /** Shards where requests of this node are pending. */
  shardsInUse(): Set<Shard> {
    return this.#pendings.shards();
  }

  /** Ends a pending request here and cancels what is left of it in Redis. */
  #failEarly(pending: Pending<Output>, reason: string): void {
    this.#disown(pending.shard, pending.ticket!);
    this.#pendings.end(pending, { kind: 'failed', reason });
  }

  /** Ends a pending request at once, waiting or claimed; its final comes as a result. */
  async cancel(pending: Pending<Output>): Promise<void> {
    await this.#membership.within('cancel', this.#cancelPlaced(pending));
  }

  async #cancelPlaced(pending: Pending<Output>): Promise<void> {
    await pending.accepted;
    if (pending.ticket === undefined || this.#pendings.withTicket(pending.ticket) !== pending) return;
    await this.#cancelTicket(pending.shard, pending.ticket);
  }

  async #cancelTicket(shard: Shard, ticket: Ticket): Promise<void> {
    await shard.cancel([ticket]);
    await this.mailbox(shard).empty();
  }

  /** The shard does not know these: what the mailbox does not end either was lost by Redis, and is put again. */
  async unknown(shard: Shard, tickets: readonly Ticket[]): Promise<void> {
    await this.mailbox(shard).empty();
    const lost = [...tickets].sort().flatMap((ticket) => this.#pendings.withTicket(ticket) ?? []);
    for (const pending of lost) this.#quietly(this.#putAgain(pending));
  }

  /** Results of this request were lost: cancel what stands and put it again, if a try is left. */
  async #mend(pending: Pending<Output>): Promise<void> {
    pending.triesLeft -= 1;
    pending.triesSpent += 1;
    if (pending.triesLeft < 1 || pending.payload === undefined) {
      this.#failEarly(pending, 'results were lost');
      return;
    }
    this.#pendings.clearTicket(pending);
    this.#delivery.disown(pending.ticket!);
    await pending.shard.cancel([pending.ticket!]);
    await this.#putAgain(pending);
  }

  async #putAgain(pending: Pending<Output>): Promise<void> {
    const lost = pending.ticket!;
    if (pending.payload === undefined) {
      this.#pendings.end(pending, { kind: 'failed', reason: 'Redis lost the request of a predecessor' });
      return;
    }
    this.#teller.putAgain(pending, lost);
    this.#pendings.clearTicket(pending);
    // a cancel meanwhile waits for the new ticket
    pending.accepted = this.#delivery.during(pending.shard, () => this.#place(pending, lost));
    await pending.accepted;
  }

  /** Until Redis has it, or its deadline has passed: it was accepted, so a refusal is no answer. */
  async #place(pending: Pending<Output>, lost: Ticket): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await pending.shard.put(itemOf(pending)).catch((error: unknown) => {
        if (this.#membership.over.aborted) throw error;
        return { status: 'REFUSED' as const, reason: messageOf(error) };
      });
      if (answer.status === 'OK' || (answer.status === 'DUPLICATE' && answer.ticket === lost)) {
        this.#accept(pending, answer);
        return;
      } else if (answer.status === 'EXPIRED' || monotonic() > pending.deadlineAt) {
        this.#pendings.end(pending, { kind: 'expired' });
        return;
      } else if (answer.status === 'FULL') {
        await sleep(answer.retryAfterMs, this.#membership.over);
      } else if (answer.status === 'REFUSED') {
        if (attempt === 1) this.#rules.onWarning(`put again: ${answer.reason}`);
        await sleep(backoff(attempt), this.#membership.over);
      } else {
        // an ended one came back with a rollback
        this.#delivery.disown(answer.ticket);
        await pending.shard.cancel([answer.ticket]);
      }
    }
  }

  /** Drops everything this node has in every shard where it has something; answers the dropped ids. */
  async reset(): Promise<string[]> {
    const ids: string[] = [];
    for (const shard of new Set([this.#shards.get(this.#membership.home), ...this.shardsInUse()])) {
      const pending = this.pendingIn(shard);
      let more = true;
      while (more || pending.length > 0) {
        const named = pending.splice(0, MAX_ITEMS);
        const answer = await this.#membership.within('reset', shard.reset(named));
        more = answer.more;
        for (const ticket of answer.dropped) ids.push(this.#drop(ticket));
      }
    }
    return ids;
  }

  #drop(ticket: Ticket): string {
    const pending = this.#pendings.withTicket(ticket);
    if (!pending) return parseTicket(ticket).id;
    this.#pendings.end(pending, { kind: 'cancelled', reason: 'reset' });
    return pending.id;
  }

  /** Every pending request of a shard, for `close({ pending: 'cancel' })`. */
  async cancelIn(shard: Shard): Promise<void> {
    const pending = [...this.#pendings.all()].filter((one) => one.shard === shard);
    await Promise.all(pending.map((one) => this.cancel(one).catch(() => undefined)));
  }

  /** Tells every pending request that this node is over. */
  close(error: SchedulerError): void {
    for (const mailbox of this.#mailboxes.values()) mailbox.close();
    for (const pending of this.#pendings.all()) pending.sink.fail(error);
    this.#pendings.clear();
  }
}
