/**
 * The owner's clock for the deadlines of its requests. When one has passed, Redis is asked to end the request: a final that
 * is in the mailbox by then still counts. If Redis has not said how it ended soon after, it has expired. So the caller is
 * told within a second, whatever else is down.
 */
import { Alarm, monotonic } from '../base/clock.ts';
import type { Ticket } from '../base/ticket.ts';
import type { Shard } from '../protocol/shard.ts';
import type { Pending, PendingTable } from './pending.ts';

/** How long Redis may take to say how a request ended whose deadline has passed. */
export const PATIENCE_MS = 500;
/** All pending requests are looked at, so not more often than this. */
const ROUND_MS = 50;

export interface DeadlineActs<Output> {
  /** Ends tickets in Redis, and takes what the mailbox has. */
  expire: (shard: Shard, tickets: readonly Ticket[]) => void;
  /** Redis has not said how it ended. */
  giveUp: (pending: Pending<Output>) => void;
}

export class Deadlines<Output> {
  readonly #pendings: PendingTable<Output>;
  readonly #acts: DeadlineActs<Output>;
  readonly #alarm = new Alarm(() => this.#look());
  /** Since when Redis is being asked, on the monotonic clock. */
  readonly #askedAt = new WeakMap<Pending<Output>, number>();
  #lookedAt = -Infinity;

  constructor(pendings: PendingTable<Output>, acts: DeadlineActs<Output>) {
    this.#pendings = pendings;
    this.#acts = acts;
  }

  /** A request was accepted. */
  watch({ deadlineAt }: Pending<Output>): void {
    this.#lookAt(deadlineAt);
  }

  stop(): void {
    this.#alarm.clear();
  }

  /** @param at Infinity: not at all */
  #lookAt(at: number): void {
    this.#alarm.within(Math.max(at, this.#lookedAt + ROUND_MS) - monotonic());
  }

  #look(): void {
    const now = monotonic();
    this.#lookedAt = now;
    let next = Infinity;
    const late = new Map<Shard, Ticket[]>();
    for (const pending of this.#pendings.accepted()) {
      const askedAt = this.#askedAt.get(pending);
      const at = askedAt === undefined ? pending.deadlineAt : askedAt + PATIENCE_MS;
      if (now < at) {
        next = Math.min(next, at);
      } else if (askedAt !== undefined) {
        this.#acts.giveUp(pending);
      } else {
        next = Math.min(next, now + PATIENCE_MS);
        this.#askedAt.set(pending, now);
        const tickets = late.get(pending.shard);
        if (tickets) tickets.push(pending.ticket!);
        else late.set(pending.shard, [pending.ticket!]);
      }
    }
    for (const [shard, tickets] of late) this.#acts.expire(shard, tickets);
    this.#lookAt(next);
  }
}
