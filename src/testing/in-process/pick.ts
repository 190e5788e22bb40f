/** Which requests a claim takes: the kept one, and what the policy says (lua/README.md#claim). */
import { Chance } from './chance.ts';
import { byScore, type Lines, type Request } from './lines.ts';
import type { Bounds, Picking } from './picking.ts';
import { Walk, type Passage } from './walk.ts';

/** Heads that one search looks at. */
const HEADS = 50;
const TRIES = 10;
/** One claim by `lucky` in so many looks first at what waits longest, among so many requests. */
const TURNS = 8;
const LONGEST = 8;

class Policies<R extends Request> extends Walk<R> {
  #peers: string[] = [];

  /** Who keeps room for a request takes it as soon as it fits, whoever may be stolen from. */
  kept(): void {
    const { kept, node, now } = this.lines;
    if (!kept || kept.until <= now) return;
    const { limit, total, alone, keepFor } = this.bounds;
    const request = this.lines.standing(kept.ticket);
    if (!request || request.runner !== undefined || this.lines.endsAs(request)) this.lines.kept = undefined;
    else if (kept.runner === node && limit > 0 && request.tokens <= alone) {
      this.lines.kept = undefined;
      this.accept(request);
      this.lines.hold(request, node);
    } else if (kept.runner === node) {
      const keeps = request.tokens <= total && keepFor > 0;
      this.lines.kept = keeps ? { ...kept, until: now + keepFor } : undefined;
    }
  }

  /** One line of all owners, but that the caller's own first goes first unless a peer's is much older. */
  oldest(): void {
    const { rules, node } = this.lines;
    const ranks = this.lines.heads().sort(byScore);
    const from = Math.max(0, this.bounds.askOn - 1);
    const peers = ranks
      .slice(from, from + HEADS)
      .flatMap(([owner], i) => (owner === node ? [] : [this.passageOf(owner, from + i + 1)]));
    const own = this.open(this.passageOf(node));
    while (!this.isFull) {
      const oldest = this.#oldestOf(peers);
      const mine = this.bounds.askOn === 0 && own.ahead.length > 0 ? own : undefined;
      const isMineFirst = mine && (!oldest || orderOf(mine) <= orderOf(oldest) + rules.stealAfter * 1000);
      const next = isMineFirst ? mine : oldest;
      if (!next) break;
      if (next !== own) this.reached = this.open(next).rank;
      this.look(next);
    }
    if (!this.spent) this.reached = from + HEADS;
    if (!this.isFull && ranks.length >= from + HEADS) this.spent = true;
  }

  own(): void {
    this.lookThrough(this.open(this.passageOf(this.lines.node)));
  }

  /** Of what has waited for the patience and is before the own line, the oldest that can be taken. */
  longWaiting(): void {
    // as they stand before the call
    this.#peers = this.#luckyPeers();
    const { node, now } = this.lines;
    const { entropy, patience } = this.bounds;
    if (this.picks.length > 0 || entropy % TURNS !== 0) return;
    const [own] = this.lines.line(node);
    const peers = this.lines
      .heads()
      .sort(byScore)
      .filter(([owner]) => owner !== node);
    const passages = peers.map(([owner]) => this.passageOf(owner));
    for (let looks = 0; looks < LONGEST && !this.hasEnough(); looks += 1) {
      const oldest = this.#oldestOf(passages, now - patience);
      if (!oldest || (own && orderOf(oldest) >= own.order)) return;
      this.look(this.open(oldest));
    }
  }

  /** Peers at random, until one gives something: half of the batch. */
  lucky(): void {
    if (this.hasEnough()) return;
    this.limit = Math.ceil(this.limit / 2);
    const peers = this.#peers;
    const chance = new Chance(this.bounds.entropy);
    for (let tries = Math.min(TRIES, peers.length); tries > 0; tries -= 1) {
      const [owner] = peers.splice(chance.below(peers.length), 1);
      this.lookThrough(this.opening(owner!));
      if (this.hasEnough()) return;
    }
  }

  /** The most loaded first, then those that may be stolen from whatever their load, at last those whose order lies ahead. */
  #luckyPeers(): string[] {
    const { rules, now, node, fronts } = this.lines;
    const loaded = this.lines
      .loads()
      .filter(([, load]) => load >= rules.minLoad)
      .sort((a, b) => byScore(b, a));
    const heads = this.lines.heads().sort(byScore);
    const isFree = ([owner]: [string, number]): boolean => this.lines.freeIn(this.lines.line(owner)[0]!) <= 0;
    // young ones are of fronts
    const until = fronts > now ? now : now - rules.stealAfter;
    const old = heads.filter((head) => head[1] <= until * 1000 && isFree(head));
    const ahead = heads.filter((head) => head[1] > now * 1000 && isFree(head));
    const names = [...loaded, ...old, ...ahead].map(([owner]) => owner);
    return [...new Set(names)].filter((owner) => owner !== node).slice(0, HEADS);
  }

  /**
   * Of those that may be stolen from, and wait since then at least, the one whose next request is first; of equals, the one
   * whose head was first before the call.
   */
  #oldestOf(passages: readonly Passage<R>[], since = Infinity): Passage<R> | undefined {
    const open = passages.filter(({ ahead }) => ahead.length > 0 && !this.isTaken(ahead[0]!));
    const candidates = open.filter((peer) => this.#isStealable(peer, since));
    return candidates.sort((a, b) => orderOf(a) - orderOf(b))[0];
  }

  #isStealable({ ahead, stays }: Passage<R>, since: number): boolean {
    const head = stays[0] ?? ahead[0]!;
    const load = this.lines.weigh(stays) + this.lines.weigh(ahead);
    return this.lines.isStealable(head, load) && this.lines.waitsSince(head) <= since;
  }
}

function orderOf<R extends Request>({ ahead }: Passage<R>): number {
  return ahead[0]!.order;
}

/** What a claim takes of what waits. What it ends or keeps room for is done; what it picked, its caller holds. */
export function pick<R extends Request>(lines: Lines<R>, bounds: Bounds): Picking<R> {
  const picking = new Policies(lines, bounds);
  if (bounds.limit > 0 || bounds.keepFor === 0) picking.kept();
  if (bounds.limit === 0) return picking;
  if (lines.rules.policy === 'oldest') {
    picking.oldest();
  } else {
    if (lines.rules.policy === 'lucky') picking.longWaiting();
    picking.own();
    if (lines.rules.policy === 'lucky') picking.lucky();
  }
  picking.end();
  return picking;
}
