/** The twelve tables of a shard in plain objects, and the acts that several scripts share. Written from lua/README.md#tables. */
import { NO_TICK, hex, parseTicket, type Tick, type Ticket } from '../../src/base/ticket.ts';
import type { LoadUnit, Policy, Wish } from '../lua/wire.ts';
import { Idle } from '../../src/testing/in-process/idle.ts';
import { byBytes, type Request as Entry } from '../../src/testing/in-process/lines.ts';
import { loseWith, nodesOf } from '../../src/testing/in-process/pauses.ts';

/** A clock that is behind tells nothing of what was given within so long. */
const MINUTE_MS = 60_000;

export interface Rules {
  /** What each life of a node has, in turn. */
  ttls: readonly number[];
  lease: number;
  policy: Policy;
  minLoad: number;
  loadUnit: LoadUnit;
  stealAfter: number;
}

export interface Request extends Entry {
  due: number;
  /** What of it is kept in `dead`. */
  wish: Wish;
  /** Why it was last given back, as far as somebody said; latin1. */
  reason: string;
}

/** What an owner's mailbox says of itself: chunks that were ever put into it, and those taken. */
export interface Box {
  id: Tick;
  put: number;
  taken: number;
}

/** Many chunks as one entry. */
export interface Frame {
  chunks: readonly string[];
}

export interface Mail {
  ticket: Ticket;
  fence: Tick;
  number: number;
  kind: string;
  /** Of a final: who held the request. */
  runner: string;
  /** Of a final: tries spent, arrival, fence of the one who held it. */
  story: string;
  payload: string;
}

/** What a final says of the request that it ends. */
export function endOf(request: Request): Pick<Mail, 'runner' | 'story'> {
  const { triesSpent, arrival, fence = NO_TICK, runner = '' } = request;
  return { runner, story: `${hex(triesSpent, 2)} ${hex(arrival * 1000, 14)} ${fence}` };
}

/** What waits, who is idle and what a claim picks is the same code as of a topic in memory (src/testing/in-process). */
export class ShardState extends Idle<Request> {
  readonly rules: Rules;
  readonly mailboxes = new Map<string, (Mail | Frame)[]>();
  readonly boxes = new Map<string, Box>();
  /** Of the boxes as the real shard has them: what new ones are called is not for the model to choose. */
  boxIds: ReadonlyMap<string, Tick> = new Map();
  /** Of each runner: fence of its last grant, and of the one before. */
  readonly marks = new Map<string, string>();
  /** Fences that were taken away from a runner, joined. */
  readonly taken = new Map<string, string>();
  readonly nodes = new Map<string, number>();
  readonly epochs = new Map<string, number>();
  readonly lanes = new Map<string, { number: number; answer: string }>();
  readonly dead: string[] = [];
  /** How often each accepted ticket has ended. */
  readonly ends = new Map<Ticket, number>();
  visited = 0;
  grace = 0;
  expiry = 0;
  /** The longest that any caller had. */
  ttl = 0;
  /** The caller's. */
  ownTtl = 0;
  #lastTick: Tick = NO_TICK;

  constructor(rules: Rules) {
    super();
    this.rules = rules;
  }

  /** The ticks that a call gives are later. */
  tickFrom(now: number, last: number, seen: number): number {
    if (seen > 0 || now * 1_000 > last) return Math.max(now * 1_000 - 1, last, seen);
    const sinceVisit = now - this.visited;
    return last + (sinceVisit < 0 || sinceVisit >= MINUTE_MS ? MINUTE_MS : sinceVisit + 1) * 1_000;
  }

  /** What comes before anything else; the answer that refuses the call, or undefined. */
  enter(
    { node, epoch, ttl }: { node: string; epoch: number; ttl: number },
    now: number,
    lane?: string,
    number = 0,
    refuse?: (isNew: boolean) => string | undefined,
  ): string[] | undefined {
    [this.now, this.node, this.ownTtl] = [now, node, ttl];
    const standing = this.epochs.get(node) ?? 0;
    if (epoch < standing) return ['EVICTED', standing.toString(16).padStart(14, '0')];
    const last = lane === undefined ? undefined : this.lanes.get(`${node}|${lane}`);
    if (epoch === standing && last && number === last.number) return ['OK', last.answer];
    if (epoch === standing && last && number < last.number) {
      return ['STALE', last.number.toString(16).padStart(12, '0')];
    }
    const refused = refuse?.(epoch > standing);
    if (refused !== undefined) return [refused];
    this.ttl = Math.max(this.ttl, ttl);
    if (this.expiry === 0) this.outlast(now + this.ttl);
    if (epoch > standing) {
      for (const each of ['put', 'claim', 'result']) this.lanes.delete(`${node}|${each}`);
      this.asks.delete(node);
      this.rooms.delete(node);
      this.marks.delete(node);
      this.taken.delete(node);
      this.epochs.set(node, epoch);
      this.nodes.set(node, now + this.rules.lease);
    }
    return undefined;
  }

  /** Keeps a lane's answer. */
  leave(lane: string, number: number, answer: string): void {
    this.lanes.set(`${this.node}|${lane}`, { number, answer });
  }

  /** The shard is kept until then. The expiry never moves back, and moves a lease further than it must. */
  outlast(time: number): void {
    if (time > this.expiry) this.expiry = time + this.rules.lease;
  }

  /** @param totals that the cursor hands back: id of the box, and how many chunks */
  acknowledge(count: number, totals: string): void {
    this.confirm(count);
    const box = this.boxes.get(this.node);
    const chunks = parseInt(totals.slice(14, 28), 16);
    if (box && totals.startsWith(box.id) && chunks <= box.put) box.taken = Math.max(box.taken, chunks);
  }

  /** Nothing waits for the caller. */
  emptied(): void {
    const box = this.boxes.get(this.node);
    if (box) box.taken = box.put;
  }

  /** So many chunks enter the mailbox of an owner. */
  fill(owner: string, chunks: number): void {
    const box = this.boxes.get(owner) ?? { id: this.boxIds.get(owner) ?? NO_TICK, put: 0, taken: 0 };
    box.put += chunks;
    this.boxes.set(owner, box);
  }

  /** Chunks that wait for an owner. */
  waitsIn(owner: string): number {
    const box = this.boxes.get(owner);
    return box ? box.put - box.taken : 0;
  }

  /** The claim is its runner's no more, and its runner does not know. */
  takeAway({ fence, runner }: Request): void {
    const before = this.taken.get(runner ?? '') ?? '';
    if (fence === undefined || !this.marks.has(runner!) || before.endsWith('*')) return;
    const all = before + fence;
    this.taken.set(runner!, all.length > 256 * 14 ? `${all.slice(0, 256 * 14)}*` : all);
  }

  confirm(count: number): void {
    const left = (this.mailboxes.get(this.node) ?? []).slice(count);
    if (left.length > 0) this.mailboxes.set(this.node, left);
    else this.mailboxes.delete(this.node);
  }

  /** ms until the first request is due, or until the caller must come back for another reason; -1: never. */
  due(backIn = Infinity): number {
    const dues = [...this.requests.values()].map(({ due }) => due - this.now);
    const first = Math.min(backIn, ...dues);
    return first === Infinity ? -1 : Math.max(0, first);
  }

  /** ms until an owner counts as silent; 0: it does. Infinity: it is the caller, or unknown. */
  silentIn(owner: string): number {
    const until = owner === this.node ? undefined : this.nodes.get(owner);
    return until === undefined ? Infinity : Math.max(0, Math.max(until + 1, this.grace) - this.now);
  }

  overdue(now: number): number {
    return [...this.requests.values()].filter(({ due }) => due <= now).length;
  }

  visit(): void {
    const { visited, now, grace } = this;
    if (visited > 0 && now - visited > this.rules.lease / 2 && visited > grace)
      this.grace = now + this.rules.lease;
    this.visited = now;
  }

  reap(limit: number): number {
    const overdue = [...this.requests.values()]
      .filter(({ due }) => due <= this.now)
      .sort((a, b) => a.due - b.due || byBytes(a.ticket, b.ticket))
      .slice(0, limit);
    const back: Request[] = [];
    for (const request of overdue) {
      if (request.deadline <= this.now) this.finish(request, 'expired', '');
      else if (this.grace > this.now) request.due = Math.min(this.grace, request.deadline);
      else if (this.loseTry(request, 'lost it', '')) back.push(request);
    }
    for (const [owner, tokens] of leastTokens(back)) this.ring(owner, tokens);
    return overdue.length;
  }

  /** It waits again with one try fewer, or has ended as none was left. */
  loseTry(request: Request, how: string, error: string): boolean {
    const triesSpent = request.triesSpent + 1;
    if (request.triesLeft <= 1) {
      this.copyToDead(request, 'lost', error);
      this.post(
        request.owner,
        this.finalOf(request, 'failed', `no tries left: ${triesSpent} runners ${how}${error}`),
      );
      this.end(request);
      return false;
    }
    request.triesLeft -= 1;
    request.triesSpent = triesSpent;
    loseWith(request, request.runner!);
    this.giveBack(request);
    return true;
  }

  giveBack(request: Request): void {
    this.takeAway(request);
    Object.assign(request, { runner: undefined, fence: undefined, due: request.deadline });
  }

  finish(request: Request, kind: string, payload: string): void {
    if (kind === 'failed' || kind === 'expired') this.copyToDead(request, kind, payload);
    this.end(request);
    this.post(request.owner, this.finalOf(request, kind, payload));
  }

  finalOf(request: Request, kind: string, payload: string): Mail {
    return { ticket: request.ticket, fence: NO_TICK, number: 0, kind, ...endOf(request), payload };
  }

  /** @param isResult its runner has ended it */
  end(request: Request, isResult = false): void {
    const { ticket, owner, id } = request;
    if (!isResult) this.takeAway(request);
    this.requests.delete(`${owner}|${id}`);
    this.ends.set(ticket, this.ends.get(ticket)! + 1);
  }

  /** If its owner wants that. */
  copyToDead(request: Request, kind: 'lost' | 'undecodable' | 'failed' | 'expired', error: string): void {
    const { ticket, triesSpent, runner, body, wish } = request;
    if (kind === 'failed' && wish.dead === 'lost') return;
    if (kind === 'expired' && wish.dead !== 'all') return;
    const spent = triesSpent + (runner === undefined ? 0 : 1);
    const last = error === '' ? request.reason : error;
    const kept = body.length > wish.deadBytes ? '' : body.toString('latin1');
    this.dead.push([ticket, kind, last, spent, nodesOf(request).join(' '), body.length, kept].join(' '));
  }

  post(owner: string, mail: Mail | Frame): void {
    this.mailboxes.set(owner, [...(this.mailboxes.get(owner) ?? []), mail]);
    if (!this.nodes.has(owner)) this.nodes.set(owner, this.now + this.rules.lease);
  }

  forget(name: string): void {
    const { mailboxes, boxes, idle, nodes, epochs, asks, rooms, marks, taken } = this;
    for (const table of [mailboxes, boxes, idle, nodes, epochs, asks, rooms, marks, taken])
      table.delete(name);
    for (const lane of ['put', 'claim', 'result']) this.lanes.delete(`${name}|${lane}`);
  }

  /** Who is woken shows in `idle`. */
  protected override wake(): void {
    // nobody listens
  }

  learn(tick: number): void {
    const text = tick.toString(16).padStart(14, '0');
    if (!(text > this.#lastTick)) throw new Error(`tick ${text} came after ${this.#lastTick}`);
    this.#lastTick = text;
  }
}

/** Per owner, the least tokens of its requests. */
export function leastTokens(requests: readonly Request[]): Map<string, number> {
  const least = new Map<string, number>();
  for (const { owner, tokens } of requests) least.set(owner, Math.min(tokens, least.get(owner) ?? Infinity));
  return least;
}

export function stampOf(ticket: Ticket): string {
  const { owner } = parseTicket(ticket);
  return ticket.slice(owner.length + 1, owner.length + 37);
}
