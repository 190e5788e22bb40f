/**
 * Who is meant: a chunk in a frame names its claim by the fence alone, and the ticket comes with one of them now and then. Here each
 * gets its ticket. A fence leads to a ticket, never to a pending request: what comes late of a request that was put again finds
 * nothing. What nobody has introduced yet waits in order, bounded by its number, its bytes and a lease.
 */
import { monotonic } from '../base/clock.ts';
import { NO_TICK, type Tick, type Ticket } from '../base/ticket.ts';
import { fenceOf, readFrame } from '../protocol/frames.ts';
import type { FrameMail, Mail } from '../protocol/wire.ts';
import type { MailboxReader } from './mailbox.ts';

/** What its runner has said of a claim. */
interface Known {
  readonly ticket: Ticket;
  readonly fence: Tick;
  /** When it was last introduced, on the monotonic clock. */
  at: number;
  /** Results are missing in front of the next one. */
  hasHole: boolean;
}

/** Chunks of a claim that nobody has introduced. */
interface Waiting {
  chunks: { tick: Tick; number: number; payload: Buffer }[];
  /** When the last of them came, on the monotonic clock. */
  at: number;
  /** Some were given up. */
  hasHole: boolean;
}

export interface IntroductionRules {
  /** Chunks that may wait, and bytes of them. */
  readonly maxResults: number;
  readonly maxBytes: number;
  readonly leaseMs: number;
}

/** Whose results they are. */
export interface IntroducedRequests {
  /** A request of this ticket waits for results here. */
  isPending(ticket: Ticket): boolean;
  /** Nothing is missing in front of this result of a pending request. */
  isNext(mail: Mail): boolean;
  /** Told each result with its ticket. */
  deliver(mail: Mail): void;
}

/** Of one shard: another one may give the same fence. */
export class Introductions implements MailboxReader {
  readonly #rules: IntroductionRules;
  readonly #requests: IntroducedRequests;
  readonly #known = new Map<number, Known>();
  readonly #fences = new Map<Ticket, number>();
  readonly #waiting = new Map<number, Waiting>();
  #count = 0;
  #bytes = 0;
  #sweptAt = monotonic();

  constructor(rules: IntroductionRules, requests: IntroducedRequests) {
    this.#rules = rules;
    this.#requests = requests;
  }

  take(one: Mail | FrameMail): void {
    if ('entry' in one) this.#frame(one);
    else this.#mail(one);
    this.#sweep(monotonic());
  }

  /**
   * A frame that a wake-up carried, which waits in the mailbox, too: its chunks are delivered as far as it is known who is meant and
   * nothing is missing in front of them. Answers whether all were.
   */
  takeEarly({ tick, entry, from, count }: FrameMail): boolean {
    let isWhole = true;
    readFrame(entry, from, count, (fence, number, payload, ticket) => {
      const known =
        this.#known.get(fence) ?? (ticket === undefined ? undefined : this.#introduce(fence, ticket));
      const mail =
        known &&
        ({ tick, ticket: known.ticket, fence: known.fence, number, kind: 'chunk', payload } as const);
      if (mail && !known.hasHole && this.#requests.isNext(mail)) this.#requests.deliver(mail);
      else isWhole = false;
    });
    return isWhole;
  }

  /** A result that says its ticket. */
  #mail(mail: Mail): void {
    const { ticket, fence, kind, story } = mail;
    // a final that a script wrote has the fence of the claim in its story
    const named = fence === NO_TICK ? (story?.claimedAt ?? NO_TICK) : fence;
    const known = named === NO_TICK ? undefined : this.#introduce(parseInt(named, 16), ticket);
    this.#tell(mail, known);
    if (kind !== 'chunk') this.#forget(ticket);
  }

  /** Chunks that say their fences. */
  #frame({ tick, entry, from, count }: FrameMail): void {
    readFrame(entry, from, count, (fence, number, payload, ticket) => {
      const known = ticket === undefined ? this.#known.get(fence) : this.#introduce(fence, ticket);
      if (known) this.#tellChunk(known, tick, number, payload);
      else this.#wait(fence, tick, number, payload);
    });
  }

  /** Gives up what has waited for a lease, and forgets claims that nobody speaks of. */
  #sweep(now: number): void {
    const { leaseMs } = this.#rules;
    if (now - this.#sweptAt < leaseMs) return;
    this.#sweptAt = now;
    for (const [fence, { ticket, at }] of this.#known) {
      if (now - at < leaseMs || this.#requests.isPending(ticket)) continue;
      this.#known.delete(fence);
      this.#fences.delete(ticket);
    }
    for (const [fence, waiting] of this.#waiting) {
      if (now - waiting.at < leaseMs) continue;
      if (waiting.chunks.length === 0) this.#waiting.delete(fence);
      this.#giveUp(waiting);
      waiting.at = now;
    }
  }

  #tellChunk(known: Known, tick: Tick, number: number, payload: Buffer): void {
    const { ticket, fence } = known;
    this.#tell({ tick, ticket, fence, number, kind: 'chunk', payload }, known);
  }

  #tell(mail: Mail, known: Known | undefined): void {
    if (known?.hasHole) {
      mail.hasHole = true;
      known.hasHole = false;
    }
    this.#requests.deliver(mail);
  }

  /** What waited for it is delivered. */
  #introduce(fence: number, ticket: Ticket): Known {
    let known = this.#known.get(fence);
    if (!known) {
      known = { ticket, fence: fenceOf(fence), at: 0, hasHole: false };
      const other = this.#fences.get(ticket);
      // of two claims of a ticket the later one counts
      if (other === undefined || other < fence) {
        if (other !== undefined) this.#known.delete(other);
        this.#known.set(fence, known);
        this.#fences.set(ticket, fence);
      }
    }
    known.at = monotonic();
    const waiting = this.#waiting.get(fence);
    if (!waiting) return known;
    this.#waiting.delete(fence);
    known.hasHole = waiting.hasHole;
    const { chunks } = waiting;
    this.#letGo(waiting);
    for (const { tick, number, payload } of chunks) this.#tellChunk(known, tick, number, payload);
    return known;
  }

  #wait(fence: number, tick: Tick, number: number, payload: Buffer): void {
    let waiting = this.#waiting.get(fence);
    if (!waiting) this.#waiting.set(fence, (waiting = { chunks: [], at: 0, hasHole: false }));
    waiting.chunks.push({ tick, number, payload });
    waiting.at = monotonic();
    this.#count += 1;
    this.#bytes += payload.length;
    const { maxResults, maxBytes } = this.#rules;
    // those of the claim that came first
    for (const first of this.#waiting.values()) {
      if (this.#count <= 1 || (this.#count <= maxResults && this.#bytes <= maxBytes)) return;
      this.#giveUp(first);
    }
  }

  #giveUp(waiting: Waiting): void {
    if (waiting.chunks.length > 0) waiting.hasHole = true;
    this.#letGo(waiting);
  }

  #letGo(waiting: Waiting): void {
    for (const { payload } of waiting.chunks) this.#bytes -= payload.length;
    this.#count -= waiting.chunks.length;
    waiting.chunks = [];
  }

  #forget(ticket: Ticket): void {
    const fence = this.#fences.get(ticket);
    if (fence === undefined) return;
    this.#fences.delete(ticket);
    this.#known.delete(fence);
  }
}
