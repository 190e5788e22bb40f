/**
 * Back-pressure: what a reader is behind with is not kept without bound, and its runner feels it. At a mark the runner is asked
 * to wait with its next chunk, until half has been read. It waits for a while only, and is asked again as long as it must: so
 * a lost message, or the death of this process, holds up nobody. What was under way still comes, so the bounds at which a
 * request ends lie higher. The mailbox goes on meanwhile: other readers share it.
 */
import { monotonic } from '../base/clock.ts';
import type { Tick, Ticket } from '../base/ticket.ts';
import type { Shard } from '../protocol/shard.ts';
import { MAX_ITEMS, UNREAD_TIMES, type Halt } from '../protocol/wire.ts';
import type { Pending } from './pending.ts';
import type { Result } from './results.ts';

export interface ReaderRules {
  maxResults: number;
  maxUnread: number;
  maxUnreadBytes: number;
  readTimeoutMs: number;
  /** Results are taken at least so often. */
  pollMs: number;
}

export interface ReaderActs<Output> {
  /** Runners of this shard are to be told something: `halts` gives it to the next call that takes results. */
  tell: (shard: Shard) => void;
  /** The request ends as failed. */
  giveUp: (pending: Pending<Output>, reason: string) => void;
}

/** A request whose reader is behind. */
interface Behind {
  readonly ticket: Ticket;
  fence: Tick;
  /** When its runner was last told to wait, on the monotonic clock. */
  toldAt: number;
  /** What had been read at the last look, and since when no more was. */
  read: number;
  readAt: number;
  /** It has caught up. */
  isOver: boolean;
}

export class Readers<Output> {
  readonly #rules: ReaderRules;
  readonly #acts: ReaderActs<Output>;
  readonly #behind = new Map<Shard, Map<Pending<Output>, Behind>>();
  /** Results at which a runner is asked to wait, and at which the request ends. */
  readonly #mark: number;
  readonly #most: number;

  constructor(rules: ReaderRules, acts: ReaderActs<Output>) {
    this.#rules = rules;
    this.#acts = acts;
    // a reader that keeps up still finds the results of one call at once
    this.#most = Math.max(rules.maxResults, MAX_ITEMS);
    this.#mark = Math.min(rules.maxUnread, this.#most / 2);
  }

  deliver(pending: Pending<Output>, chunk: Result<Output>, bytes: number, fence: Tick): void {
    const { backlog } = pending.sink;
    const { maxUnreadBytes } = this.#rules;
    if (backlog.results >= this.#most) {
      this.#acts.giveUp(pending, `nobody has read ${this.#most} of its results (option maxResults)`);
    } else if (backlog.results > 0 && backlog.bytes + bytes > UNREAD_TIMES * maxUnreadBytes) {
      const most = `${UNREAD_TIMES} x ${maxUnreadBytes} bytes`;
      this.#acts.giveUp(pending, `nobody has read ${most} of its results (option maxUnreadBytes)`);
    } else {
      pending.sink.deliver(chunk, bytes);
      if (backlog.results >= this.#mark || backlog.bytes >= maxUnreadBytes) this.#fellBehind(pending, fence);
    }
  }

  #fellBehind(pending: Pending<Output>, fence: Tick): void {
    const { shard, ticket, sink } = pending;
    const { backlog } = sink;
    let behind = this.#behind.get(shard);
    if (!behind) this.#behind.set(shard, (behind = new Map<Pending<Output>, Behind>()));
    const known = behind.get(pending);
    if (known?.ticket === ticket && known?.fence === fence && !known.isOver) return;
    const now = monotonic();
    const entry = {
      ...{ ticket: ticket!, fence, toldAt: -Infinity, read: backlog.read, readAt: now, isOver: false },
    };
    behind.set(pending, entry);
    backlog.whenDown({
      results: this.#mark / 2,
      bytes: this.#rules.maxUnreadBytes / 2,
      act: () => {
        entry.isOver = true;
        this.#acts.tell(shard);
      },
    });
    this.#acts.tell(shard);
  }

  /** What the runners of a shard are to be told now. Asked with every take: who is still behind is told again in time. */
  halts(shard: Shard): Halt[] {
    const halts: Halt[] = [];
    const behind = this.#behind.get(shard);
    if (!behind) return halts;
    for (const [pending, entry] of behind) {
      if (halts.length === MAX_ITEMS) break;
      if (pending.abandoned || pending.ticket !== entry.ticket) behind.delete(pending);
      else if (entry.isOver) {
        halts.push({ ticket: entry.ticket, fence: entry.fence, ms: 0 });
        behind.delete(pending);
      } else this.#haltAgain(pending, entry, halts);
    }
    if (behind.size === 0) this.#behind.delete(shard);
    return halts;
  }

  #haltAgain(pending: Pending<Output>, entry: Behind, halts: Halt[]): void {
    const { readTimeoutMs, pollMs } = this.#rules;
    const { read } = pending.sink.backlog;
    const now = monotonic();
    if (read > entry.read) [entry.read, entry.readAt] = [read, now];
    if (now - entry.readAt >= readTimeoutMs) {
      this.#acts.giveUp(
        pending,
        `nobody has read any of its results for ${readTimeoutMs} ms (option readTimeoutMs)`,
      );
    } else if (now - entry.toldAt >= pollMs / 2) {
      entry.toldAt = now;
      // two polls, and what a busy machine adds to them
      halts.push({ ticket: entry.ticket, fence: entry.fence, ms: 2.5 * pollMs });
    }
  }
}
