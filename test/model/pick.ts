/** What a claim takes, by lua/README.md#claim: bounds, what is stepped over, the kept ticket, and the policies. */
import type { ClaimBounds } from '../lua/wire.ts';
import { Chance } from './chance.ts';
import { pausedFor } from './pauses.ts';
import { OWNER_LOST, byBytes, type Request, type ShardState } from './state.ts';

export interface Picked {
  request: Request;
  /** Its body is sent along. */
  bodied: boolean;
}

/** What a claim came to. */
export interface Picking {
  picks: Picked[];
  /** How many were stepped over: never here, not now. */
  never: number;
  notNow: number;
  /** The first that the caller gave back and does not take yet, and in how many ms it may take one of them. */
  aside: Request | undefined;
  freeIn: number;
  /** Least tokens of what it left. */
  least: number;
  /** Nothing more may be looked at, though nothing was taken. */
  spent: boolean;
  /** Some left their lines without being taken. */
  removed: boolean;
  /** How many lines were opened, and whose were looked through to an end that stays. */
  opened: number;
  through: Set<string>;
  /** Rank of the last head whose line was opened, plus one. */
  reached: number;
}

interface Line {
  owner: string;
  /** What has not been looked at; what was stepped over has gone to `stays`. */
  tickets: Request[];
  stays: Request[];
  rank: number;
}

const LOOKS = 100;
const NEVER = 64;
const NOT_NOW = 16;
const TRIES = 10;
/** One claim by `lucky` in so many looks first at what waits longest, among so many tickets. */
const TURNS = 8;
const LONGEST = 8;

class Walk implements Picking {
  readonly picks: Picked[] = [];
  never = 0;
  notNow = 0;
  aside: Request | undefined;
  freeIn = Infinity;
  least = Infinity;
  spent = false;
  removed = false;
  reached: number;
  readonly #lines = new Map<string, Line>();
  readonly #state: ShardState;
  readonly #bounds: ClaimBounds;
  #limit: number;
  #looks: number;
  #tokens = 0;
  #bytes = 0;
  #full = false;
  #peers: string[] = [];
  #paused = 0;

  constructor(state: ShardState, bounds: ClaimBounds) {
    this.#state = state;
    this.#bounds = bounds;
    this.#limit = bounds.limit;
    this.#looks = bounds.limit + LOOKS;
    this.reached = Math.max(0, bounds.askOn - 1);
  }

  get through(): Set<string> {
    const through = [...this.#lines.values()].filter(
      ({ tickets, stays }) => stays.length > 0 && tickets.length === 0,
    );
    return new Set(through.map(({ owner }) => owner));
  }

  get opened(): number {
    return this.#lines.size;
  }

  kept(): void {
    const { kept, node, now } = this.#state;
    if (!kept || kept.until <= now) return;
    const { limit, total, alone, keepFor } = this.#bounds;
    const request = this.#state.standing(kept.ticket);
    if (!request || request.runner !== undefined || request.deadline <= now || this.#state.isLost(request))
      this.#state.kept = undefined;
    else if (kept.runner === node && limit > 0 && request.tokens <= alone) {
      this.#state.kept = undefined;
      this.#accept(request);
      request.runner = node;
    } else if (kept.runner === node) {
      const keeps = request.tokens <= total && keepFor > 0;
      this.#state.kept = keeps ? { ...kept, until: now + keepFor } : undefined;
    }
  }

  oldest(): void {
    const { rules, node } = this.#state;
    const ranks = this.#state.heads().sort((a, b) => a[1] - b[1] || byBytes(a[0], b[0]));
    const from = Math.max(0, this.#bounds.askOn - 1);
    const peers = ranks.flatMap(([owner], rank) =>
      rank < from || owner === node ? [] : [{ owner, rank: rank + 1 }],
    );
    const lines = peers.map(({ owner, rank }) => this.#lineOf(owner, rank));
    const own = this.#open(this.#lineOf(node, 0));
    while (!this.#full) {
      const oldest = this.#oldestOf(lines);
      const mine = this.#bounds.askOn === 0 && own.tickets.length > 0 ? own : undefined;
      const mineFirst = mine && (!oldest || orderOf(mine) <= orderOf(oldest) + rules.stealAfter * 1000);
      const next = mineFirst ? mine : oldest;
      if (!next) break;
      if (next !== own) this.reached = this.#open(next).rank;
      this.#look(next);
    }
  }

  own(): void {
    this.#lookThrough(this.#open(this.#lineOf(this.#state.node, 0)));
  }

  /** Of what has waited for the patience and is before the own line, the oldest that can be taken. */
  longWaiting(): void {
    // as the tables have it, which a call changes at its end
    this.#peers = this.#luckyPeers();
    const { node, now } = this.#state;
    const { entropy, patience } = this.#bounds;
    if (this.picks.length > 0 || entropy % TURNS !== 0) return;
    const [own] = this.#state.line(node);
    const peers = this.#state.heads().filter(([owner]) => owner !== node);
    const lines = peers.map(([owner]) => this.#lineOf(owner, 0));
    for (let looks = 0; looks < LONGEST && !this.#hasEnough(); looks += 1) {
      const oldest = this.#oldestOf(lines, now - patience);
      if (!oldest || (own && orderOf(oldest) >= own.order)) return;
      this.#look(this.#open(oldest));
    }
  }

  lucky(): void {
    if (this.#hasEnough()) return;
    this.#limit = Math.ceil(this.#limit / 2);
    const peers = this.#peers;
    const chance = new Chance(this.#bounds.entropy);
    for (let tries = Math.min(TRIES, peers.length); tries > 0; tries -= 1) {
      const [owner] = peers.splice(chance.below(peers.length), 1);
      this.#lookThrough(this.#lines.get(owner!) ?? this.#open(this.#lineOf(owner!, 0)));
      if (this.#hasEnough()) return;
    }
  }

  #hasEnough(): boolean {
    return this.picks.length > 0 || this.#full;
  }

  /** The most loaded first, then those that may be stolen from whatever their load, at last those whose order lies ahead. */
  #luckyPeers(): string[] {
    const { rules, now, node } = this.#state;
    const loaded = this.#state
      .loads()
      .filter(([, load]) => load >= rules.minLoad)
      .sort((a, b) => b[1] - a[1] || byBytes(b[0], a[0]));
    const heads = this.#state.heads().sort((a, b) => a[1] - b[1] || byBytes(a[0], b[0]));
    const isFree = ([owner]: [string, number]): boolean =>
      this.#state.freeIn(this.#state.line(owner)[0]!) <= 0;
    // young ones are of fronts
    const until = this.#state.fronts > now ? now : now - rules.stealAfter;
    const old = heads.filter((head) => head[1] <= until * 1000 && isFree(head));
    const ahead = heads.filter((head) => head[1] > now * 1000 && isFree(head));
    const names = [...loaded, ...old, ...ahead].map(([owner]) => owner);
    return [...new Set(names)].filter((owner) => owner !== node);
  }

  /** Also what was come to and not looked at. */
  end(): void {
    for (const { tickets } of this.#lines.values())
      if (tickets.length > 0 && this.#full) this.least = Math.min(this.least, tickets[0]!.tokens);
  }

  /** Of the lines that may be stolen from, and wait since then at least, the one whose next ticket is first. */
  #oldestOf(lines: readonly Line[], since = Infinity): Line | undefined {
    const open = lines.filter(({ tickets }) => tickets.length > 0 && !this.#isTaken(tickets[0]!));
    const candidates = open.filter((peer) => this.#isStealable(peer, since));
    return candidates.sort((a, b) => orderOf(a) - orderOf(b) || byBytes(a.owner, b.owner))[0];
  }

  #lineOf(owner: string, rank: number): Line {
    return { owner, tickets: this.#state.line(owner).filter((one) => !this.#isTaken(one)), stays: [], rank };
  }

  #open(line: Line): Line {
    this.#lines.set(line.owner, line);
    return line;
  }

  #isTaken(request: Request): boolean {
    return this.picks.some((one) => one.request === request);
  }

  #isStealable({ tickets, stays }: Line, since: number): boolean {
    const waiting = [...stays, ...tickets];
    return this.#state.isStealable(waiting) && this.#state.waitsSince(waiting[0]!) <= since;
  }

  #lookThrough(line: Line): void {
    while (!this.#full && line.tickets.length > 0) this.#look(line);
  }

  #look(line: Line): void {
    this.#looks -= 1;
    this.#judge(line, line.tickets[0]!);
    this.spent ||= this.#looks <= 0;
    this.#full ||= this.spent;
  }

  #judge(line: Line, request: Request): void {
    const { alone, sum, total, bytes } = this.#bounds;
    const { now, node } = this.#state;
    const kept = this.#state.standingKept();
    const isFirst = this.picks.length === 0;
    if (request.deadline <= now) {
      line.tickets.shift();
      this.removed = true;
      this.#state.finish(request, 'expired', '');
    } else if (this.#state.isLost(request)) {
      line.tickets.shift();
      this.removed = true;
      this.#state.finish(request, 'cancelled', OWNER_LOST);
    } else if (request.tokens > total) {
      this.never += 1;
      this.#leaveInLine(line, request.tokens);
    } else if (this.#isPaused(request)) {
      this.#leaveInLine(line, Infinity);
    } else if (this.#tokens + request.tokens > (isFirst ? alone : sum)) {
      this.#notNow(line, request);
    } else if (kept?.runner === node && request.order > kept.order) {
      this.#full = true;
    } else if (this.#isBodied(request) && !isFirst && this.#bytes + request.body.length > bytes) {
      this.#full = true;
    } else {
      line.tickets.shift();
      if (kept?.ticket === request.ticket) this.#state.kept = undefined;
      this.#accept(request);
    }
  }

  #isPaused(request: Request): boolean {
    const { now, node } = this.#state;
    const ms = pausedFor(request, node, now, request.tokens <= this.#bounds.elsewhere);
    if (ms === 0) return false;
    this.#paused += 1;
    this.aside ??= request;
    this.freeIn = Math.min(this.freeIn, ms);
    return true;
  }

  #leaveInLine(line: Line, tokens: number): void {
    this.#full = this.spent = this.never + this.#paused === NEVER;
    this.#stepOver(line, tokens);
  }

  #notNow(line: Line, request: Request): void {
    const { alone, patience, keepFor } = this.#bounds;
    const { now, node } = this.#state;
    const kept = this.#state.standingKept();
    if (request.arrival > now || now - request.arrival >= patience) {
      const isLarge = request.tokens > alone;
      if (isLarge && request.order < (kept?.order ?? Infinity) && keepFor > 0) {
        this.#state.kept = {
          runner: node,
          until: now + keepFor,
          ticket: request.ticket,
          order: request.order,
        };
        this.#full = true;
        return;
      }
      if (!isLarge && request.ticket !== kept?.ticket) {
        this.#full = true;
        return;
      }
    }
    this.notNow += 1;
    this.#full = this.notNow === NOT_NOW;
    this.#stepOver(line, request.tokens);
  }

  #stepOver(line: Line, tokens: number): void {
    line.stays.push(line.tickets.shift()!);
    this.least = Math.min(this.least, tokens);
  }

  #isBodied({ owner, arrival }: Request): boolean {
    return owner !== this.#state.node || arrival * 1000 < parseInt(this.#bounds.since, 16);
  }

  #accept(request: Request): void {
    const bodied = this.#isBodied(request);
    this.picks.push({ request, bodied });
    this.#tokens += request.tokens;
    if (bodied) this.#bytes += request.body.length;
    this.#full = this.picks.length === this.#limit;
  }
}

function orderOf({ tickets }: Line): number {
  return tickets[0]!.order;
}

export function pick(state: ShardState, bounds: ClaimBounds): Picking {
  const walk = new Walk(state, bounds);
  if (bounds.limit > 0 || bounds.keepFor === 0) walk.kept();
  if (bounds.limit === 0) return walk;
  if (state.rules.policy === 'oldest') {
    walk.oldest();
  } else {
    if (state.rules.policy === 'lucky') walk.longWaiting();
    walk.own();
    if (state.rules.policy === 'lucky') walk.lucky();
  }
  walk.end();
  return walk;
}
