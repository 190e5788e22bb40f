import { NO_TICK, hex, type Tick } from '../../base/ticket.ts';
import type * as wire from '../../protocol/wire.ts';
import { Idle } from './idle.ts';
import { OWNER_LOST, byBytes, byPlace, type End, type LineRules, type Request } from './lines.ts';
import type { Peers } from './listener.ts';
import { Mailboxes } from './mailboxes.ts';
import { loseWith } from './pauses.ts';

/** ms of a clock that never runs back. */
export function wallClock(): number {
  return performance.timeOrigin + performance.now();
}

/** What one shard holds in memory, and the acts that several of its calls share. */
export class MemoryStore extends Idle {
  readonly number: number;
  protected readonly peers: Peers;
  protected readonly mailboxes = new Mailboxes();
  readonly #clock: () => number;
  /** What waits, by owner; none is empty. */
  readonly #lines = new Map<string, Request[]>();
  #rules: LineRules = { policy: 'oldest', minLoad: 0, loadUnit: 'requests', stealAfter: 0 };
  #tick = 0;

  /** @param clock ms */
  constructor(number: number, peers: Peers, clock = wallClock) {
    super();
    this.number = number;
    this.peers = peers;
    this.#clock = clock;
  }

  /** Of the node that calls, or called last. */
  get rules(): LineRules {
    return this.#rules;
  }

  get waiting(): number {
    return [...this.#lines.values()].reduce((sum, line) => sum + line.length, 0);
  }

  /** The highest tick so far. */
  get tick(): Tick {
    return hex(this.#tick, 14);
  }

  override line(owner: string): readonly Request[] {
    return this.#lines.get(owner) ?? [];
  }

  override owners(): Iterable<string> {
    return this.#lines.keys();
  }

  override hold(request: Request, runner: string): void {
    this.#leaveLine(request);
    super.hold(request, runner);
  }

  override silentIn(owner: string): number {
    const until = owner === this.node ? undefined : this.peers.aliveUntil(owner);
    return until === undefined ? Infinity : Math.max(0, until + 1 - this.now);
  }

  protected override wake(node: string, delayMs: number): void {
    this.peers.get(node)?.rings?.claim(this.number, delayMs);
  }

  /** This node calls. */
  protected calls(node: string, rules: LineRules): void {
    this.#begin();
    this.node = node;
    this.#rules = rules;
  }

  #begin(): void {
    this.now = Math.floor(this.#clock());
    this.#tick = Math.max(Math.floor(this.#clock() * 1000) - 1, this.#tick);
  }

  /** The node of this name holds nothing any more, and waits for nothing. One that died has lost a try of each. */
  lapse(name: string, hasDied: boolean): void {
    this.#begin();
    this.idle.delete(name);
    this.rooms.delete(name);
    const held = [...this.requests.values()].filter(({ runner }) => runner === name);
    const back = held.filter((request) => !hasDied || this.loseTry(request, 'lost it'));
    for (const request of back) this.release(request);
    this.ringFor(back);
  }

  /** An owner counts as silent: what its loss ends, ends. */
  loseOwner(name: string): void {
    this.#begin();
    const ended = [...this.requests.values()].filter(({ owner, endsAlone }) => owner === name && endsAlone);
    for (const request of ended) this.finish(request, 'cancelled', OWNER_LOST);
  }

  override finish(request: Request, ...[kind, reason]: End): void {
    this.finishTold(request, kind, reason, false);
  }

  protected finishTold(request: Request, kind: wire.MailKind, reason: string, isTold: boolean): void {
    const { owner, ticket } = request;
    const story = storyOf(request);
    this.end(request, isTold);
    this.post(owner, { ticket, fence: NO_TICK, number: 0, kind, story, payload: Buffer.from(reason) });
  }

  /** @param isTold its runner, if there is one, knows */
  protected end(request: Request, isTold = false): void {
    const { owner, id, runner } = request;
    if (runner === undefined) this.#leaveLine(request);
    else if (!isTold) this.peers.get(runner)?.rings?.refresh(this.number);
    this.requests.delete(`${owner}|${id}`);
  }

  /** False: none was left, it has ended. */
  protected loseTry(request: Request, how: string, isTold = false): boolean {
    const triesSpent = request.triesSpent + 1;
    if (request.triesLeft <= 1) {
      this.finishTold(request, 'failed', `no tries left: ${triesSpent} runners ${how}`, isTold);
      return false;
    }
    request.triesLeft -= 1;
    request.triesSpent = triesSpent;
    loseWith(request, request.runner!);
    return true;
  }

  /** Ends what is past its deadline, the first ones first. */
  protected endOverdue(limit: number): void {
    const overdue: Request[] = [];
    for (const request of this.requests.values()) if (request.deadline <= this.now) overdue.push(request);
    overdue.sort((a, b) => a.deadline - b.deadline || byBytes(a.ticket, b.ticket));
    for (const request of overdue.slice(0, limit)) this.finish(request, 'expired', '');
  }

  /** @param backIn ms until the caller must come back for another reason */
  protected due(backIn: number): { dueMs?: number } {
    let first = this.now + backIn;
    for (const { deadline } of this.requests.values()) first = Math.min(first, deadline);
    return first < Infinity ? { dueMs: Math.max(0, first - this.now) } : {};
  }

  protected nextTick(): Tick {
    this.#tick += 1;
    return this.tick;
  }

  protected post(owner: string, mail: Omit<wire.Mail, 'tick'>): void {
    this.mailboxes.post(owner, { tick: this.nextTick(), ...mail });
    this.peers.get(owner)?.rings?.results(this.number);
  }

  /** Back to its exact place. */
  protected release(request: Request): void {
    request.runner = undefined;
    request.fence = undefined;
    this.enqueue(request);
  }

  /** @param giver not woken */
  protected ringFor(back: readonly Request[], giver?: string): void {
    const least = new Map<string, number>();
    for (const { owner, tokens } of back) least.set(owner, Math.min(tokens, least.get(owner) ?? Infinity));
    for (const [owner, tokens] of least) this.ring(owner, tokens, undefined, giver);
  }

  protected enqueue(request: Request): void {
    const line = this.#lines.get(request.owner) ?? [];
    const behind = line.findLastIndex((other) => byPlace(other, request) < 0) + 1;
    line.splice(behind, 0, request);
    this.#lines.set(request.owner, line);
  }

  #leaveLine(request: Request): void {
    const line = this.#lines.get(request.owner);
    const at = line?.indexOf(request) ?? -1;
    if (!line || at < 0) return;
    line.splice(at, 1);
    if (line.length === 0) this.#lines.delete(request.owner);
  }
}

export function arrivalOf({ arrival }: Request): Tick {
  return hex(arrival * 1_000, 14);
}

/** What its final says of it. */
export function storyOf(request: Request): wire.Story {
  const { triesSpent, fence = NO_TICK, runner = '' } = request;
  return { triesSpent, arrival: arrivalOf(request), claimedAt: fence, runner };
}
