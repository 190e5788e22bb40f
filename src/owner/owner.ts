/**
 * For the requests this node accepted: puts them, gets their results delivered, cancels them, and puts again what Redis
 * lost. The encoded payload is kept from the put to the final: a node that runs its own request needs no body, and a loss
 * in Redis can be mended.
 */
import { monotonic, sleep } from '../base/clock.ts';
import type { Payload } from '../base/codec.ts';
import { messageOf, type SchedulerError } from '../base/errors.ts';
import type { Rules, Settings } from '../base/options.ts';
import { parseTicket, type Ticket } from '../base/ticket.ts';
import type { Teller } from '../observe/events.ts';
import type { Engines } from '../protocol/engines.ts';
import type { Membership } from '../protocol/membership.ts';
import type { Shard, Shards } from '../protocol/shard.ts';
import { MAX_ITEMS, type Delivered } from '../protocol/wire.ts';
import { Attempts } from './attempts.ts';
import { Deadlines, PATIENCE_MS } from './deadlines.ts';
import { Delivery } from './delivery.ts';
import { Mailbox } from './mailbox.ts';
import { OwnerTeller } from './owner-teller.ts';
import { PendingTable, itemOf, type Pending } from './pending.ts';
import type { NewRequest } from './prepare.ts';
import { Readers } from './readers.ts';
import { Placement } from './placement.ts';
import { duplicate, late, tooLarge } from './refusals.ts';
import type { Sink } from './results.ts';

/** What the topic's engines can hold. */
type EngineSizes = Pick<Engines, 'mayHold' | 'refusal'>;

export class Owner<Output> {
  readonly #shards: Shards;
  readonly #engines: EngineSizes;
  readonly #membership: Membership;
  readonly #rules: Rules;
  readonly #pendings: PendingTable<Output>;
  readonly #readers: Readers<Output>;
  readonly #delivery: Delivery<Output>;
  readonly #placement: Placement<Output>;
  readonly #deadlines: Deadlines<Output>;
  readonly #teller: OwnerTeller;
  readonly #mailboxes = new Map<Shard, Mailbox>();

  /** @param predecessor where results of unknown tickets go; undefined: they are dropped */
  constructor(
    shards: Shards,
    engines: EngineSizes,
    membership: Membership,
    settings: Rules & Pick<Settings<never, Output>, 'outputCodec'>,
    predecessor: ((id: string) => Sink<Output>) | undefined,
    teller: Teller,
  ) {
    this.#teller = new OwnerTeller(teller);
    this.#shards = shards;
    this.#engines = engines;
    this.#membership = membership;
    this.#rules = settings;
    // results of tickets that it does not know are a predecessor's; those that a rollback of Redis brings back are not,
    // and what is older than ttl has expired
    this.#pendings = new PendingTable((...end) => this.#teller.ended(...end), predecessor && settings.ttlMs);
    this.#readers = new Readers(settings, {
      tell: (shard) => void this.#quietly(this.mailbox(shard).empty()),
      giveUp: (pending, reason) => this.#failEarly(pending, reason),
    });
    this.#delivery = new Delivery(this.#pendings, {
      outputCodec: settings.outputCodec,
      onRestart: settings.onRestart,
      readers: this.#readers,
      ttlMs: settings.ttlMs,
      predecessor,
      failEarly: (pending, reason) => this.#failEarly(pending, reason),
      onLost: (pending) => void this.#quietly(this.#placement.again(pending)),
      onGap: (pending) => this.#mend(pending),
    });
    this.#deadlines = new Deadlines(this.#pendings, {
      expire: (shard, tickets) => void this.#quietly(this.#expire(shard, tickets)),
      giveUp: (pending) => this.#expireHere(pending),
    });
    this.#placement = new Placement({
      membership,
      rules: settings,
      pendings: this.#pendings,
      delivery: this.#delivery,
      teller: this.#teller,
      accepted: (pending) => this.#deadlines.watch(pending),
      disown: (pending, ticket) => this.#disown(pending, ticket),
    });
  }

  /** Resolves when the request is in Redis, once; rejects with why it is not, or TIMEOUT if that is not known. */
  async put(request: NewRequest<Output>): Promise<Pending<Output>> {
    const { id, payload, sink, promptTokens, deadlineAt } = request;
    if (!this.#engines.mayHold(promptTokens)) await this.#refuseTooLarge(request);
    const adopted = this.#pendings.adoptable(id, payload);
    if (!adopted && this.#pendings.withId(id)) throw duplicate(id);
    const pending = adopted ?? this.#newPending(request);
    pending.sink = sink;
    pending.deadlineAt = deadlineAt;
    pending.abandoned = false;
    const item = itemOf(pending);
    pending.accepted ??= this.#placement.first(pending, item);
    try {
      await this.#membership.within('putRequests', this.#inTime(pending, pending.accepted));
    } catch (error) {
      // what was not sent yet is as if it had never been put; the rest is cancelled if it is accepted
      pending.abandoned = !pending.shard.withdraw(item, error as SchedulerError);
      throw error;
    }
    return pending;
  }

  /** @throws SchedulerError TOO_LARGE; a registry that does not answer refuses nobody */
  async #refuseTooLarge({ id, promptTokens, deadlineAt }: NewRequest<Output>): Promise<void> {
    const largest = await this.#engines.refusal(promptTokens, deadlineAt - monotonic());
    if (largest !== undefined) throw tooLarge(id, promptTokens, largest);
  }

  /** The put's answer, or EXPIRED: a caller is told in time, also if Redis does not answer. */
  #inTime({ id, deadlineAt }: Pending<Output>, answered: Promise<void>): Promise<void> {
    const ms = Math.max(0, deadlineAt - monotonic()) + PATIENCE_MS;
    if (ms > this.#rules.commandTimeout) return answered;
    const over = new AbortController();
    const passed = sleep(ms, over.signal).then(() => {
      if (!over.signal.aborted) throw late(id);
    });
    return Promise.race([answered, passed]).finally(() => over.abort());
  }

  #newPending({
    id,
    promptTokens,
    payload,
    sink,
    headStartMs,
    deadlineAt,
    onOwnerLoss,
  }: NewRequest<Output>): Pending<Output> {
    const pending: Pending<Output> = {
      id,
      promptTokens,
      headStartMs,
      onOwnerLoss,
      payload,
      sink,
      shard: this.#shards.get(this.#membership.home),
      putAt: monotonic(),
      deadlineAt,
      attempts: new Attempts(),
      triesLeft: this.#rules.tries,
      triesSpent: 0,
      abandoned: false,
    };
    this.#pendings.add(pending);
    return pending;
  }

  /** Ends a ticket and drops its final: the caller was told otherwise, or has gone. Never rejects. @param failed why it failed */
  #disown({ shard }: Pending<Output>, ticket: Ticket, failed?: string): Promise<void> {
    this.#delivery.disown(ticket);
    return this.#quietly(shard.cancel([ticket], failed === undefined ? 'cancelled' : 'failed', failed));
  }

  #quietly(work: Promise<unknown>): Promise<void> {
    return work.then(
      () => undefined,
      (error: unknown) => {
        if (!this.#membership.over.aborted) this.#rules.onWarning(`owner: ${messageOf(error)}`);
      },
    );
  }

  mailbox(shard: Shard): Mailbox {
    let mailbox = this.#mailboxes.get(shard);
    if (!mailbox) {
      mailbox = new Mailbox(
        shard,
        (mail) => this.deliver(shard, mail),
        () => this.#readers.halts(shard),
      );
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

  counts(): ReturnType<PendingTable<Output>['counts']> {
    return this.#pendings.counts();
  }

  /** Shards where requests of this node are pending. */
  shardsInUse(): Set<Shard> {
    return this.#pendings.shards();
  }

  /** Ends a pending request here, and what is left of it in Redis. */
  #failEarly(pending: Pending<Output>, reason: string): void {
    void this.#disown(pending, pending.ticket!, reason);
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
    await this.mailbox(shard).empty();
  }

  async #expire(shard: Shard, tickets: readonly Ticket[]): Promise<void> {
    await shard.cancel(tickets, 'expired');
    await this.mailbox(shard).empty();
  }

  /** Redis has been asked to end it, and has not said how it ended: what it says later is dropped. */
  #expireHere(pending: Pending<Output>): void {
    this.#delivery.disown(pending.ticket!);
    this.#pendings.end(pending, { kind: 'expired' });
  }

  /** The shard does not know these: what the mailbox does not end either was lost by Redis, and is put again. */
  async unknown(shard: Shard, tickets: readonly Ticket[]): Promise<void> {
    const mailbox = this.mailbox(shard);
    await mailbox.empty();
    // nobody has looked whether it is there
    if (mailbox.isClosed) return;
    const lost = [...tickets].sort().flatMap((ticket) => this.#pendings.withTicket(ticket) ?? []);
    for (const pending of lost) void this.#quietly(this.#placement.again(pending, pending.ticket));
  }

  /** Results of this request were lost: what stands is cancelled and it is put again, if a try is left (a predecessor's: none). */
  #mend(pending: Pending<Output>): void {
    pending.triesLeft -= 1;
    pending.triesSpent += 1;
    if (pending.triesLeft < 1) {
      this.#failEarly(pending, 'results were lost');
      return;
    }
    this.#delivery.disown(pending.ticket!);
    void this.#quietly(this.#placement.again(pending));
  }

  /** Drops everything this node has in every shard where it has something; answers the dropped ids. */
  async reset(): Promise<string[]> {
    const ids: string[] = [];
    // Redis has no ticket of those that are being put again
    for (const pending of [...this.#pendings.accepted()])
      if (this.#pendings.isPutAgain(pending)) ids.push(this.#dropPending(pending));
    for (const shard of new Set([this.#shards.get(this.#membership.home), ...this.shardsInUse()])) {
      const pending = this.pendingIn(shard);
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

  /** Takes no more results here; what was told is removed from Redis. What is pending is left to a successor. */
  leave(shard: Shard): Promise<void> {
    return this.mailbox(shard).leave();
  }

  /** Tells every pending request that this node is over. */
  close(error: SchedulerError): void {
    this.#deadlines.stop();
    for (const mailbox of this.#mailboxes.values()) mailbox.close();
    for (const pending of this.#pendings.all()) pending.sink.fail(error);
    this.#pendings.clear();
  }
}
