/** Who waits for work in one shard, and who is woken for it (lua/README.md#wake-ups). */
import { Lines, byScore, type Request } from './lines.ts';
import { pausedFor } from './pauses.ts';
import type { Bounds, Picking } from './picking.ts';

/** Heads that a claim in vain looks at, to say when to come again, and a claim that rings for what may be stolen now. */
const HEADS = 8;
/** An owner that says that it claims within so many times stealAfter keeps its requests until then. */
const KEEPS = 6;

export type ClaimStatus = 'OK' | 'IDLE' | 'BLOCKED' | 'KEEPING';

export abstract class Idle<R extends Request = Request> extends Lines<R> {
  /** Nodes that are believed to wait for work, and until when, ms. */
  readonly idle = new Map<string, number>();
  /** Tokens for which nodes said to have room. */
  readonly rooms = new Map<string, number>();

  /** Wakes a node to claim, after so many ms. */
  protected abstract wake(node: string, delayMs: number): void;

  /**
   * The owner has put something: the shard notes when it claims by itself, or that nobody is to wait for it, and rings.
   * @param announced in how many ms it claims; never: it is a front, or its engine is down; undefined: it does not say
   */
  hasPut(owner: string, tokens: number, announced: number | 'never' | undefined, ttl: number): void {
    const says = announced === 'never' ? undefined : announced;
    // it takes none that it puts now
    const claimsIn = this.standingKept()?.runner === owner ? undefined : says;
    const keeps = claimsIn !== undefined && claimsIn > 0 && claimsIn <= KEEPS * this.rules.stealAfter;
    if (announced === 'never') this.keepsNone(owner, ttl);
    else if (keeps) this.asks.set(owner, this.now + claimsIn);
    else if (this.asks.get(owner) === 'never') this.asks.delete(owner);
    if (claimsIn !== 0) this.ring(owner, tokens, claimsIn);
  }

  /** What waits of this owner may be taken at once, until a put of it says otherwise. */
  protected keepsNone(owner: string, ttl: number): void {
    this.asks.set(owner, 'never');
    if (this.fronts < this.now + ttl / 2) this.fronts = this.now + ttl;
  }

  /**
   * Wakes at most one node for the waiting work of an owner.
   * @param tokens what the work needs at least
   * @param claimsIn ms in which the owner, who is not idle, claims by itself
   * @param except who gave the work back
   * @param request the only one that it is about
   */
  ring(owner: string, tokens: number, claimsIn?: number, except?: string, request?: R): void {
    const isAside = (name: string): boolean =>
      request !== undefined && pausedFor(request, name, this.now, true) > 0;
    const hasRoom = (name: string): boolean => (this.rooms.get(name) ?? Infinity) >= tokens;
    const mayCome = (name: string): boolean =>
      name !== except && this.idle.has(name) && hasRoom(name) && !isAside(name);
    for (const [name, until] of this.idle) if (until < this.now) this.idle.delete(name);
    if (claimsIn === undefined && mayCome(owner)) {
      this.#wakeNow(owner);
      return;
    }
    const line = this.line(owner);
    if (this.rules.policy === 'none' || line.length === 0) return;
    const delay = this.isStealable(line[0]!, this.weigh(line)) ? 0 : this.freeIn(line[0]!);
    if (claimsIn !== undefined) {
      if (claimsIn <= delay) return;
      this.idle.delete(owner);
    }
    const able = [...this.idle].filter(([name]) => mayCome(name)).sort(byScore);
    if (able.length === 0) return;
    if (delay === 0) this.#wakeNow(able[0]![0]);
    else this.wake(able.at(-1)![0], delay);
  }

  #wakeNow(node: string): void {
    this.idle.delete(node);
    this.wake(node, 0);
  }

  /** A claim ends: the caller is idle or not, and what is left rings; ms until it may steal something, -1: it is not idle. */
  rest(status: ClaimStatus, bounds: Bounds, picking: Picking<R>): number {
    const { limit, total, alone, idleFor, askOn } = bounds;
    const { aside, least, never, notNow } = picking;
    const isIdle = limit > 0 && (status === 'IDLE' || status === 'BLOCKED');
    const isLeft = !isIdle || askOn > 0 || never + notNow > 0;
    if (isIdle) {
      this.idle.set(this.node, this.now + idleFor);
      if (isLeft) this.rooms.set(this.node, Math.min(total, status === 'BLOCKED' ? alone : total));
      else this.rooms.delete(this.node);
    } else this.idle.delete(this.node);
    // somebody else is rung for the first of those that the caller gave back
    if (aside) this.ring(aside.owner, aside.tokens, undefined, this.node, aside);
    if (isLeft) this.#ringFirst(limit === 0 ? 0 : isIdle ? Math.min(least, total + 1) : least);
    return isIdle ? this.#againIn(picking, Math.max(0, askOn - 1)) : -1;
  }

  /** For work that was there before: what may be stolen now, the longest line that may be, or the oldest. */
  #ringFirst(tokens: number): void {
    const heads = this.heads()
      .sort(byScore)
      .slice(0, this.fronts > this.now ? HEADS : 1);
    if (heads.length === 0) return;
    const free = heads.find(([owner]) => this.freeIn(this.line(owner)[0]!) <= 0);
    const longest = this.loads().sort(byScore).at(-1)!;
    this.ring((free ?? (longest[1] >= this.rules.minLoad ? longest : heads[0]!))[0], tokens);
  }

  #againIn({ opened, through }: Picking<R>, from: number): number {
    if (this.rules.policy === 'none') return -1;
    const owners = this.heads()
      .sort(byScore)
      .slice(from, from + HEADS + opened);
    const free = owners.flatMap(([owner]) =>
      owner === this.node || through.has(owner) ? [] : [this.freeIn(this.line(owner)[0]!)],
    );
    const ahead = free.filter((ms) => ms > 0);
    return ahead.length === 0 ? -1 : Math.min(...ahead);
  }
}
