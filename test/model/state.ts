/** The twelve tables of a shard in plain objects, and the acts that several scripts share. Written from lua/README.md#tables. */
import { NO_TICK, parseTicket, type Tick, type Ticket } from '../../src/base/ticket.ts';
import type { LoadUnit, Policy } from '../lua/wire.ts';

export interface Rules {
  /** What each life of a node has, in turn. */
  ttls: readonly number[];
  lease: number;
  policy: Policy;
  minLoad: number;
  loadUnit: LoadUnit;
  stealAfter: number;
}

export interface Request {
  ticket: Ticket;
  owner: string;
  id: string;
  /** As a number of µs. */
  order: number;
  tokens: number;
  deadline: number;
  triesLeft: number;
  triesSpent: number;
  body: Buffer;
  runner: string | undefined;
  fence: Tick | undefined;
  due: number;
}

export interface Mail {
  ticket: Ticket;
  fence: Tick;
  number: number;
  kind: string;
  /** Of a final: who held the request. */
  runner: string;
  payload: string;
}

export function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

export function byScore(a: [string, number], b: [string, number]): number {
  return a[1] - b[1] || byBytes(a[0], b[0]);
}

export class ShardState {
  readonly rules: Rules;
  readonly requests = new Map<string, Request>();
  readonly mailboxes = new Map<string, Mail[]>();
  readonly nodes = new Map<string, number>();
  readonly epochs = new Map<string, number>();
  readonly lanes = new Map<string, { number: number; answer: string }>();
  readonly idle = new Map<string, number>();
  /** When owners said that they claim by themselves. */
  readonly asks = new Map<string, number>();
  readonly dead: string[] = [];
  /** How often each accepted ticket has ended. */
  readonly ends = new Map<Ticket, number>();
  visited = 0;
  grace = 0;
  expiry = 0;
  /** The longest that any caller had. */
  ttl = 0;
  now = 0;
  /** Who calls. */
  node = '';
  /** The caller's. */
  ownTtl = 0;
  #lastTick: Tick = NO_TICK;

  constructor(rules: Rules) {
    this.rules = rules;
  }

  /** What comes before anything else; the answer that refuses the call, or undefined. */
  enter(
    { node, epoch, ttl }: { node: string; epoch: number; ttl: number },
    now: number,
    lane?: string,
    number = 0,
  ): string[] | undefined {
    [this.now, this.node, this.ownTtl] = [now, node, ttl];
    const standing = this.epochs.get(node) ?? 0;
    if (epoch < standing) return ['EVICTED', standing.toString(16).padStart(14, '0')];
    const last = lane === undefined ? undefined : this.lanes.get(`${node}|${lane}`);
    if (epoch === standing && last && number === last.number) return ['OK', last.answer];
    if (epoch === standing && last && number < last.number) {
      return ['STALE', last.number.toString(16).padStart(12, '0')];
    }
    this.ttl = Math.max(this.ttl, ttl);
    if (this.expiry === 0) this.outlast(now + this.ttl);
    if (epoch > standing) {
      for (const each of ['put', 'claim', 'result']) this.lanes.delete(`${node}|${each}`);
      this.asks.delete(node);
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

  confirm(count: number): void {
    const left = (this.mailboxes.get(this.node) ?? []).slice(count);
    if (left.length > 0) this.mailboxes.set(this.node, left);
    else this.mailboxes.delete(this.node);
  }

  /** ms until the first request is due, -1 if there is none. */
  due(): number {
    const dues = [...this.requests.values()].map(({ due }) => due);
    return dues.length === 0 ? -1 : Math.max(0, Math.min(...dues) - this.now);
  }

  loads(): [string, number][] {
    const owners = new Set([...this.requests.values()].map(({ owner }) => owner));
    return [...owners]
      .map((owner): [string, number] => [owner, this.weigh(this.line(owner))])
      .filter(([, size]) => size > 0);
  }

  /** The load of these requests. */
  weigh(line: readonly Request[]): number {
    if (this.rules.loadUnit === 'requests') return line.length;
    return line.reduce((sum, { tokens }) => sum + Math.max(1, tokens), 0);
  }

  heads(): [string, number][] {
    return this.loads().map(([owner]) => [owner, this.line(owner)[0]!.order]);
  }

  overdue(now: number): number {
    return [...this.requests.values()].filter(({ due }) => due <= now).length;
  }

  line(owner: string): Request[] {
    return [...this.requests.values()]
      .filter((request) => request.owner === owner && request.runner === undefined)
      .sort((a, b) => a.order - b.order || byBytes(a.ticket, b.ticket));
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
    const owners = new Set<string>();
    for (const request of overdue) {
      if (request.deadline <= this.now) this.finish(request, 'expired', '');
      else if (this.grace > this.now) request.due = Math.min(this.grace, request.deadline);
      else if (request.triesLeft <= 1) {
        const triesSpent = request.triesSpent + 1;
        this.copyToDead(request, 'no tries left', triesSpent);
        this.finish(request, 'failed', `no tries left: ${triesSpent} runners lost it`);
      } else {
        request.triesLeft -= 1;
        request.triesSpent += 1;
        this.giveBack(request);
        owners.add(request.owner);
      }
    }
    for (const owner of owners) this.ring(owner);
    return overdue.length;
  }

  giveBack(request: Request): void {
    Object.assign(request, { runner: undefined, fence: undefined, due: request.deadline });
  }

  finish(request: Request, kind: string, payload: string): void {
    this.end(request);
    const { owner, ticket, runner = '' } = request;
    this.post(owner, { ticket, fence: NO_TICK, number: 0, kind, runner, payload });
  }

  end({ ticket, owner, id }: Request): void {
    this.requests.delete(`${owner}|${id}`);
    this.ends.set(ticket, this.ends.get(ticket)! + 1);
  }

  copyToDead(request: Request, reason: string, triesSpent: number): void {
    this.dead.push(
      `${request.ticket} ${reason} ${triesSpent} ${request.body.length} ${request.body.toString('latin1')}`,
    );
  }

  post(owner: string, mail: Mail): void {
    this.mailboxes.set(owner, [...(this.mailboxes.get(owner) ?? []), mail]);
    if (!this.nodes.has(owner)) this.nodes.set(owner, this.now);
  }

  forget(name: string): void {
    for (const table of [this.mailboxes, this.idle, this.nodes, this.epochs, this.asks]) table.delete(name);
    for (const lane of ['put', 'claim', 'result']) this.lanes.delete(`${name}|${lane}`);
  }

  /** @param claimsIn ms in which the owner, who is not idle, claims by itself */
  ring(owner: string, claimsIn?: number): void {
    for (const [name, until] of this.idle) if (until < this.now) this.idle.delete(name);
    if (claimsIn === undefined && this.idle.delete(owner)) return;
    if (this.rules.policy === 'none') return;
    if (claimsIn !== undefined) {
      const line = this.line(owner);
      if (claimsIn <= (this.isStealable(line) ? 0 : this.freeIn(line[0]!))) return;
      this.idle.delete(owner);
    }
    const next = [...this.idle].sort(byScore)[0];
    if (next && this.isStealable(this.line(owner))) this.idle.delete(next[0]);
  }

  /** ms until the first request of an owner that is not overloaded may be stolen; 0 or less: it may. */
  freeIn({ owner, order }: Request): number {
    const ofAge = Math.ceil(this.rules.stealAfter - (this.now - order / 1000));
    return Math.max(ofAge, (this.asks.get(owner) ?? 0) - this.now);
  }

  /** Whether a peer may take the first of these waiting requests of one owner. */
  isStealable(line: readonly Request[]): boolean {
    if (line.length === 0) return false;
    return this.weigh(line) >= this.rules.minLoad || this.freeIn(line[0]!) <= 0;
  }

  standing(ticket: Ticket): Request | undefined {
    const { owner, id } = parseTicket(ticket);
    const request = this.requests.get(`${owner}|${id}`);
    return request?.ticket === ticket ? request : undefined;
  }

  holding(ticket: Ticket, fence: Tick): Request | undefined {
    const request = this.standing(ticket);
    return request?.fence === fence ? request : undefined;
  }

  learn(tick: number): void {
    const text = tick.toString(16).padStart(14, '0');
    if (!(text > this.#lastTick)) throw new Error(`tick ${text} came after ${this.#lastTick}`);
    this.#lastTick = text;
  }
}

export function stampOf(ticket: Ticket): string {
  const { owner } = parseTicket(ticket);
  return ticket.slice(owner.length + 1, owner.length + 37);
}
