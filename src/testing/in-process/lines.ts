/**
 * What waits in one shard, owner by owner and in order, and from whom it may be taken: the part of lua/README.md that a claim reads.
 * The model test (test/model) stands on the same code, and compares it with the scripts step by step.
 */
import type { LoadUnit, StealPolicy } from '../../base/options.ts';
import { parseTicket, type Tick, type Ticket } from '../../base/ticket.ts';
import type { Pause } from './pauses.ts';

/** One accepted request. Times are ms. */
export interface Request {
  readonly ticket: Ticket;
  readonly owner: string;
  readonly id: string;
  /** Its place in line, in µs: when it was put, less its head start. */
  readonly order: number;
  readonly tokens: number;
  readonly arrival: number;
  readonly deadline: number;
  readonly body: Buffer;
  triesLeft: number;
  triesSpent: number;
  /** The loss of its owner ends it. */
  readonly endsAlone: boolean;
  /** Who holds it; undefined: it waits. */
  runner: string | undefined;
  /** Of the claim that holds it. */
  fence: Tick | undefined;
  /** Of the nodes that gave it back, the last one last. */
  pauses: Pause[];
}

/** Of the node that calls. Times are ms. */
export interface LineRules {
  readonly policy: StealPolicy;
  readonly minLoad: number;
  readonly loadUnit: LoadUnit;
  readonly stealAfter: number;
}

/** A large request, and who takes nothing younger until it has room for it. */
export interface Kept {
  readonly runner: string;
  readonly until: number;
  readonly ticket: Ticket;
  readonly order: number;
}

export function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** As a zset has its members. */
export function byScore(a: readonly [string, number], b: readonly [string, number]): number {
  return a[1] - b[1] || byBytes(a[0], b[0]);
}

/** In the order of a line. */
export function byPlace(a: Request, b: Request): number {
  return a.order - b.order || byBytes(a.ticket, b.ticket);
}

/** Why a request was cancelled whose owner is silent. */
export const OWNER_LOST = 'its owner was silent for too long (option onOwnerLoss)';

/** How a request ends otherwise than by its runner, and why. */
export type End = readonly [kind: 'failed' | 'expired' | 'cancelled', reason: string];

export abstract class Lines<R extends Request = Request> {
  /** By `owner|id`. */
  readonly requests = new Map<string, R>();
  /** When owners said that they claim by themselves, ms; never: fronts, and who leaves its own to others. */
  readonly asks = new Map<string, number | 'never'>();
  /** Until then there may be fronts. */
  fronts = 0;
  /** For which ticket a runner keeps room; over when the time is. */
  kept: Kept | undefined;
  now = 0;
  /** Who calls. */
  node = '';

  abstract readonly rules: LineRules;

  /** Its owner is told. */
  abstract finish(request: R, ...end: End): void;

  /** ms until an owner counts as silent; 0: it does. Infinity: it is the caller, or unknown. */
  abstract silentIn(owner: string): number;

  /** How a request ends that is met, in line or by its runner; undefined: it does not. */
  endsAs({ deadline, endsAlone, owner }: R): End | undefined {
    if (deadline <= this.now) return ['expired', ''];
    return endsAlone && this.silentIn(owner) === 0 ? ['cancelled', OWNER_LOST] : undefined;
  }

  /** It leaves its line: this node is to run it. */
  hold(request: R, runner: string): void {
    request.runner = runner;
  }

  /** What waits of this owner, in order. */
  line(owner: string): readonly R[] {
    return [...this.requests.values()]
      .filter((request) => request.owner === owner && request.runner === undefined)
      .sort(byPlace);
  }

  /** Owners with a line. */
  owners(): Iterable<string> {
    return new Set([...this.requests.values()].map(({ owner }) => owner));
  }

  loads(): [string, number][] {
    return [...this.owners()]
      .map((owner): [string, number] => [owner, this.weigh(this.line(owner))])
      .filter(([, size]) => size > 0);
  }

  /** The load of these requests. */
  weigh(line: readonly R[]): number {
    if (this.rules.loadUnit === 'requests') return line.length;
    return line.reduce((sum, { tokens }) => sum + Math.max(1, tokens), 0);
  }

  /** The order of each line's first, by owner. */
  heads(): [string, number][] {
    return [...this.owners()].flatMap((owner): [string, number][] => {
      const [head] = this.line(owner);
      return head ? [[owner, head.order]] : [];
    });
  }

  /** ms until the first request of an owner that is not overloaded may be stolen; 0 or less: it may. A front's may at once. */
  freeIn(head: R): number {
    const asks = this.asks.get(head.owner) ?? 0;
    if (asks === 'never') return 0;
    const ofAge = Math.ceil(this.rules.stealAfter - (this.now - this.waitsSince(head)));
    return Math.max(ofAge, asks - this.now);
  }

  /** ms; by its order, unless that lies ahead of the clock. Since ever, if its arrival lies ahead too. */
  waitsSince({ order, arrival }: R): number {
    if (order / 1000 <= this.now) return order / 1000;
    return arrival <= this.now ? arrival : 0;
  }

  /** Whether a peer may take from a line with this first request, and this load. */
  isStealable(head: R, load: number): boolean {
    return load >= this.rules.minLoad || this.freeIn(head) <= 0;
  }

  standingKept(): Kept | undefined {
    return this.kept && this.kept.until > this.now ? this.kept : undefined;
  }

  standing(ticket: Ticket): R | undefined {
    const { owner, id } = parseTicket(ticket);
    const request = this.requests.get(`${owner}|${id}`);
    return request?.ticket === ticket ? request : undefined;
  }

  holding(ticket: Ticket, fence: Tick): R | undefined {
    const request = this.standing(ticket);
    return request?.fence === fence ? request : undefined;
  }

  /** ms after which an owner whose line is full may try again: a tenth of the time that its head has waited. */
  retryAfter(owner: string): number {
    const [head] = this.line(owner);
    const since = head ? this.waitsSince(head) : this.now;
    return Math.min(60_000, Math.max(100, Math.floor((this.now - since) / 10)));
  }
}
