/**
 * For the requests this node accepted: puts them, gets their results delivered, cancels them, and puts again what Redis
 * lost. The encoded payload is kept from the put to the final: a node that runs its own request needs no body, and a loss
 * in Redis can be mended.
 */
import { monotonic, sleep } from '../base/clock.ts';
import type { Payload } from '../base/codec.ts';
import { messageOf, type SchedulerError } from '../base/errors.ts';
import type { Rules, Settings } from '../base/options.ts';
import type { Ticket } from '../base/ticket.ts';
import { UnderWay } from '../base/under-way.ts';
import type { Teller } from '../observe/events.ts';
import type { Engines } from '../protocol/engines.ts';
import type { Membership } from '../protocol/membership.ts';
import type { Shard } from '../protocol/shard.ts';
import type { Shards } from '../protocol/shards.ts';
import { UNREAD_TIMES, type Delivered } from '../protocol/wire.ts';
import { Attempts } from './attempts.ts';
import { Deadlines, PATIENCE_MS } from './deadlines.ts';
import { Delivery } from './delivery.ts';
import { Endings } from './endings.ts';
import { Introductions } from './introductions.ts';
import { Mailbox } from './mailbox.ts';
import { OwnerTeller } from './owner-teller.ts';
import { PendingTable, itemOf, type Pending } from './pending.ts';
import type { NewRequest } from './prepare.ts';
import { Placement } from './placement.ts';
import { Readers } from './readers.ts';
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
  readonly #endings: Endings<Output>;
  readonly #deadlines: Deadlines<Output>;
  readonly #teller: OwnerTeller;
  readonly #mailboxes = new Map<Shard, Mailbox>();
  readonly #puts = new UnderWay();

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
      giveUp: (pending, reason) => this.#endings.failEarly(pending, reason),
    });
    this.#delivery = new Delivery(this.#pendings, {
      outputCodec: settings.outputCodec,
      onRestart: settings.onRestart,
      readers: this.#readers,
      ttlMs: settings.ttlMs,
      predecessor,
      failEarly: (pending, reason) => this.#endings.failEarly(pending, reason),
      onLost: (pending) => void this.#quietly(this.#placement.again(pending)),
      onGap: (pending) => this.#mend(pending),
    });
    this.#endings = new Endings({
      ...{ shards, membership, pendings: this.#pendings, delivery: this.#delivery },
      look: (shard) => this.mailbox(shard).empty(),
      quietly: (work) => this.#quietly(work),
    });
    this.#deadlines = new Deadlines(this.#pendings, {
      expire: (shard, tickets) => void this.#quietly(this.#endings.expire(shard, tickets)),
      giveUp: (pending) => this.#endings.expireHere(pending),
    });
    this.#placement = new Placement({
      membership,
      rules: settings,
      pendings: this.#pendings,
      delivery: this.#delivery,
      teller: this.#teller,
      accepted: (pending) => this.#deadlines.watch(pending),
      disown: (pending, ticket) => this.#endings.disown(pending, ticket),
    });
  }

  /** Resolves when the request is in Redis, once; rejects with why it is not, or TIMEOUT if that is not known. */
  async put(request: NewRequest<Output>): Promise<Pending<Output>> {
    this.#puts.begin();
    try {
      return await this.#put(request);
    } finally {
      this.#puts.end();
    }
  }

  /** Resolves when every put that has begun has its outcome: some wait for the registry before they go to their shard. */
  putsAnswered(): Promise<void> {
    return this.#puts.none();
  }

  async #put(request: NewRequest<Output>): Promise<Pending<Output>> {
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

  #newPending(request: NewRequest<Output>): Pending<Output> {
    const pending: Pending<Output> = {
      ...request,
      shard: this.#shards.get(this.#membership.home),
      putAt: monotonic(),
      attempts: new Attempts(),
      triesLeft: this.#rules.tries,
      triesSpent: 0,
      abandoned: false,
    };
    this.#pendings.add(pending);
    return pending;
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
      mailbox = new Mailbox(shard, this.#introductions(shard), () => this.#readers.halts(shard));
      this.#mailboxes.set(shard, mailbox);
    }
    return mailbox;
  }

  #introductions(shard: Shard): Introductions {
    const { maxResults, maxUnreadBytes, leaseMs } = this.#rules;
    return new Introductions(
      { maxResults, maxBytes: UNREAD_TIMES * maxUnreadBytes, leaseMs },
      {
        isPending: (ticket) => this.#pendings.withTicket(ticket) !== undefined,
        isNext: (mail) => this.#delivery.isNext(mail),
        deliver: (mail) => {
          this.#teller.taken(shard, mail);
          this.deliver(shard, mail);
        },
      },
    );
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
      this.#endings.failEarly(pending, 'results were lost');
      return;
    }
    this.#delivery.disown(pending.ticket!);
    void this.#quietly(this.#placement.again(pending));
  }

  /** Ends a pending request at once, waiting or claimed; its final comes as a result. */
  cancel(pending: Pending<Output>): Promise<void> {
    return this.#endings.cancel(pending);
  }

  /** The same by its id; false: no request of that id is pending here. */
  cancelId(id: string): Promise<boolean> {
    return this.#endings.cancelId(id);
  }

  /** Every pending request of a shard, for `close({ pending: 'cancel' })`. */
  cancelIn(shard: Shard): Promise<void> {
    return this.#endings.cancelIn(shard);
  }

  /** Drops everything this node has in every shard where it has something; answers the dropped ids. */
  reset(): Promise<string[]> {
    return this.#endings.reset();
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
