import { monotonic } from '../base/clock.ts';
import { samePayload, type Payload } from '../base/codec.ts';
import type { OnOwnerLoss } from '../base/options.ts';
import type { Ticket } from '../base/ticket.ts';
import type { Shard } from '../protocol/shard.ts';
import type { PutItem } from '../protocol/wire.ts';
import type { Attempts } from './attempts.ts';
import type { FinalResult, Sink } from './results.ts';

/** One accepted (or being accepted) request of this node, from its put to its final. */
export interface Pending<Output> {
  readonly id: string;
  readonly shard: Shard;
  readonly promptTokens: number;
  readonly headStartMs: number;
  readonly onOwnerLoss: OnOwnerLoss;
  /** On the monotonic clock, as `deadlineAt`. Missing for a predecessor's request. */
  readonly putAt: number | undefined;
  deadlineAt: number;
  readonly attempts: Attempts;
  /** Missing for a predecessor's request. */
  payload?: Payload;
  /** Of the payload. */
  readonly bytes?: number;
  sink: Sink<Output>;
  /** Tries left and tries used; losing its runner uses one. */
  triesLeft: number;
  triesSpent: number;
  /** Missing until the put is answered. */
  ticket?: Ticket;
  /** With waitReplicas: whether they had it in time. */
  replicated?: boolean;
  /** Settles with the answer to the last put. */
  accepted?: Promise<void>;
  /**
   * Nobody waits for it any more: its caller gave up waiting for the put, or was told how it ended. If its put is answered
   * after that, it is cancelled.
   */
  abandoned: boolean;
}

/** Tickets of the last `ms` to `2 ms`. */
export class RecentTickets {
  readonly #ms: number;
  #recent = new Set<Ticket>();
  #former = new Set<Ticket>();
  #turnAt: number;

  constructor(ms: number) {
    this.#ms = ms;
    this.#turnAt = monotonic() + ms;
  }

  add(ticket: Ticket): void {
    if (monotonic() > this.#turnAt) {
      this.#former = this.#recent;
      this.#recent = new Set();
      this.#turnAt = monotonic() + this.#ms;
    }
    this.#recent.add(ticket);
  }

  has(ticket: Ticket): boolean {
    return this.#recent.has(ticket) || this.#former.has(ticket);
  }
}

type PendingCount = 'unanswered' | 'pending' | 'pendingBytes' | 'puttingAgain' | 'unread' | 'unreadBytes';

type OnEnd<Output> = (pending: Pending<Output>, final: FinalResult<Output>) => void;

/** The pending requests of this node, by id and by ticket. */
export class PendingTable<Output> {
  readonly #byId = new Map<string, Pending<Output>>();
  readonly #byTicket = new Map<Ticket, Pending<Output>>();
  readonly #over: RecentTickets | undefined;
  readonly #onEnd: OnEnd<Output>;

  /**
   * @param onEnd told of every request that ends here
   * @param rememberMs for how long to know tickets that are no longer pending
   */
  constructor(onEnd: OnEnd<Output> = () => undefined, rememberMs?: number) {
    this.#onEnd = onEnd;
    if (rememberMs !== undefined) this.#over = new RecentTickets(rememberMs);
  }

  add(pending: Pending<Output>): void {
    this.#byId.set(pending.id, pending);
  }

  /** The put was answered, or the request was put again. */
  setTicket(pending: Pending<Output>, ticket: Ticket): void {
    this.clearTicket(pending);
    pending.ticket = ticket;
    this.#byTicket.set(ticket, pending);
  }

  /** It is being put again: results of the old ticket are no longer its own. */
  clearTicket(pending: Pending<Output>): void {
    if (pending.ticket === undefined) return;
    this.#byTicket.delete(pending.ticket);
    this.#over?.add(pending.ticket);
  }

  /** A request of this ticket was pending here, and no longer is. */
  wasPending(ticket: Ticket): boolean {
    return this.#over?.has(ticket) === true && !this.#byTicket.has(ticket);
  }

  remove(pending: Pending<Output>): void {
    this.clearTicket(pending);
    if (this.#byId.get(pending.id) === pending) this.#byId.delete(pending.id);
  }

  /** It has ended: its sink gets its final, the last that this node tells of it. Once: it may end while it is put again. */
  end(pending: Pending<Output>, final: FinalResult<Output>): void {
    if (pending.abandoned) return;
    pending.abandoned = true;
    this.remove(pending);
    this.#onEnd(pending, final);
    pending.sink.deliver(final);
  }

  /** Its ticket was lost, and the next one is not known yet. */
  isPutAgain(pending: Pending<Output>): boolean {
    return (
      pending.ticket !== undefined && this.#byTicket.get(pending.ticket) !== pending && !pending.abandoned
    );
  }

  /** Those that this process accepted and that have not ended. */
  *accepted(): Generator<Pending<Output>, void, undefined> {
    for (const pending of this.#byId.values())
      if (pending.ticket !== undefined && !pending.abandoned) yield pending;
  }

  /** Of this process' own: those without an answer to their put, those accepted, and of these what became of them. */
  counts(): Record<PendingCount, number> {
    const counts = { unanswered: 0, pending: 0, pendingBytes: 0, puttingAgain: 0, unread: 0, unreadBytes: 0 };
    for (const pending of this.#byId.values()) {
      if (pending.abandoned) continue;
      if (pending.ticket === undefined) counts.unanswered += 1;
      else {
        counts.pending += 1;
        counts.pendingBytes += pending.bytes ?? 0;
      }
      if (this.isPutAgain(pending)) counts.puttingAgain += 1;
      const { results, bytes } = pending.sink.backlog;
      counts.unread += results;
      counts.unreadBytes += bytes;
    }
    return counts;
  }

  withId(id: string): Pending<Output> | undefined {
    return this.#byId.get(id);
  }

  withTicket(ticket: Ticket): Pending<Output> | undefined {
    return this.#byTicket.get(ticket);
  }

  /** A put of the same id and bytes whose caller gave up: the new put takes it over. */
  adoptable(id: string, payload: Payload): Pending<Output> | undefined {
    const standing = this.#byId.get(id);
    return standing?.abandoned && standing.payload && samePayload(standing.payload, payload)
      ? standing
      : undefined;
  }

  ticketsIn(shard: Shard): Ticket[] {
    const tickets: Ticket[] = [];
    for (const [ticket, pending] of this.#byTicket) if (pending.shard === shard) tickets.push(ticket);
    return tickets;
  }

  shards(): Set<Shard> {
    return new Set([...this.#byTicket.values()].map(({ shard }) => shard));
  }

  all(): Set<Pending<Output>> {
    return new Set([...this.#byId.values(), ...this.#byTicket.values()]);
  }

  clear(): void {
    this.#byId.clear();
    this.#byTicket.clear();
  }
}

/** The put of it, now: with the rest of its deadline and the tries left. */
export function itemOf(pending: Pending<unknown>): PutItem {
  return {
    id: pending.id,
    promptTokens: pending.promptTokens,
    deadlineMs: Math.max(0, pending.deadlineAt - monotonic()),
    headStartMs: pending.headStartMs,
    triesLeft: pending.triesLeft,
    triesSpent: pending.triesSpent,
    onOwnerLoss: pending.onOwnerLoss,
    payload: pending.payload!,
  };
}
