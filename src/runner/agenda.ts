/**
 * In which shard to ask for work, and when. A shard is asked only for a reason: the start; a ring; work that was taken, as
 * more may wait; a peer's head coming of age; a budget that grew after a refusal. Of several, the one that was asked
 * longest ago is asked first, so that a busy shard starves no other. As a ring may get lost, every shard is looked at every
 * `pollMs`, whatever else is asked meanwhile. Pure: the caller brings the time (monotonic ms).
 */
import type { ClaimBounds } from '../base/budget.ts';
import { jittered } from '../base/clock.ts';

/** The topic's shards, read whenever they are needed: a renewal of the registration may bring more. */
export interface TopicShards {
  readonly home: number;
  readonly shardsInUse: number;
}

export class Agenda {
  readonly #due = new Map<number, number>();
  /** Per shard: how many were asked before it, the last time that it was. */
  readonly #askedAs = new Map<number, number>();
  #asked = 0;
  /** Shards that have not answered a claim in time. They are not asked until they have. */
  readonly #slow = new Set<number>();
  readonly #refused = new Map<number, { bounds: ClaimBounds; until: number }>();
  /** Shards where something came that may fit since they were asked: an answer that is on its way may not know of it. */
  readonly #lifted = new Set<number>();
  /** Shards that believe this node idle, and until when: work there rings. */
  readonly #idle = new Map<number, number>();
  readonly #topic: TopicShards;
  readonly #pollMs: number;
  readonly #lookup: number;
  /** The node keeps room for a request of this shard, until then unless it says so again: it asks no other. */
  #keeping: { shard: number; until: number } | undefined;
  #pollAt = 0;
  #rotation = 0;
  #next = 0;
  #learnt: { home: number; shards: number };

  constructor(topic: TopicShards, options: { loadLookup: number; pollMs: number }) {
    this.#topic = topic;
    this.#lookup = options.loadLookup;
    this.#pollMs = options.pollMs;
    this.#learnt = { home: this.#home, shards: this.rotation };
  }

  get #home(): number {
    return this.#topic.home;
  }

  get #shards(): number {
    return this.#topic.shardsInUse;
  }

  /** Shards that the fallback poll goes round: the home shard, and the others if it may look at any. */
  get rotation(): number {
    return this.#lookup === 0 ? 1 : this.#shards;
  }

  /** The home shard, then up to `loadLookup` others, rotating over the shards in use; not those that would ring. */
  sweep(now: number): void {
    if (!this.#wouldRing(this.#home, now)) this.at(this.#home, now);
    let left = this.#lookup;
    for (let i = 1; i < this.#shards && left > 0; i += 1) {
      const shard = (this.#home + 1 + (this.#next++ % (this.#shards - 1))) % this.#shards;
      if (this.#wouldRing(shard, now)) continue;
      this.at(shard, now);
      left -= 1;
    }
  }

  /** Every shard that this node may look at: rings may have been missed in any. */
  sweepAll(now: number): void {
    this.#idle.clear();
    for (let i = 0; i < this.rotation; i += 1) this.at((this.#home + i) % this.#shards, now);
  }

  /** This shard believes the node idle until then. */
  idle(shard: number, until: number): void {
    this.#idle.set(shard, until);
  }

  /** This shard no longer does: it rang, or gave work. */
  notIdle(shard: number): void {
    this.#idle.delete(shard);
  }

  #wouldRing(shard: number, now: number): boolean {
    return now < (this.#idle.get(shard) ?? 0);
  }

  /** Ask this shard at this time, or earlier if it is already wanted. */
  at(shard: number, time: number): void {
    this.#due.set(shard, Math.min(time, this.#due.get(shard) ?? Infinity));
  }

  /** Whether this shard is to be asked now. */
  isDue(shard: number, now: number): boolean {
    return (this.#due.get(shard) ?? Infinity) <= now;
  }

  /** What did not fit is not asked for again until the budget grew or `pollMs` passed. */
  refused(shard: number, bounds: ClaimBounds, now: number): void {
    if (!this.#lifted.has(shard)) this.#refused.set(shard, { bounds, until: now + this.#pollMs });
    this.at(shard, now);
  }

  /** It has not answered a claim in time: it is left off the agenda until it has. */
  slow(shard: number): void {
    this.#slow.add(shard);
  }

  /** It has answered. */
  answered(shard: number): void {
    this.#slow.delete(shard);
  }

  get slowShards(): number[] {
    return [...this.#slow].sort((a, b) => a - b);
  }

  isSlow(shard: number): boolean {
    return this.#slow.has(shard);
  }

  /** No shard is left to ask. */
  get allSlow(): boolean {
    return Array.from({ length: this.rotation }).every((_, i) =>
      this.#slow.has((this.#home + i) % this.#shards),
    );
  }

  /** This shard is asked before any other: a put that leaves for it has said so. */
  promise(shard: number, now: number): void {
    this.at(shard, now);
    this.#askedAs.delete(shard);
  }

  /**
   * The fallback poll. One shard in rotation is to be asked, so that each goes on believing this node idle. Answers the
   * others if the poll is due: whether work waits there is to be looked up, and those where it does are to be asked too.
   */
  poll(now: number): number[] {
    this.#learn(now);
    if (now < this.#pollAt) return [];
    this.#pollAt = now + jittered(this.#pollMs);
    const shards = Array.from({ length: this.rotation }, (_, i) => (this.#home + i) % this.#shards);
    this.at(shards[this.#rotation % shards.length]!, now);
    this.#rotation += 1;
    return shards.filter((shard) => !this.isDue(shard, now) && !this.#slow.has(shard));
  }

  /** Something came that may fit: what was refused here says nothing of it. */
  lift(shard: number): void {
    if (this.#keeping?.shard === shard) return;
    this.#refused.delete(shard);
    this.#lifted.add(shard);
  }

  /** @param until undefined: the node keeps room for no request of this shard */
  keeps(shard: number, until: number | undefined): void {
    if (until !== undefined) this.#keeping = { shard, until };
    else if (this.#keeping?.shard === shard) this.#keeping = undefined;
  }

  #isElsewhere(shard: number, now: number): boolean {
    return this.#keeping !== undefined && now < this.#keeping.until && shard !== this.#keeping.shard;
  }

  /** The shard to ask now, taken off the agenda; undefined: there is no reason to. */
  next(now: number, bounds: ClaimBounds): number | undefined {
    let chosen: number | undefined;
    for (const [shard, time] of this.#due) {
      if (time > now || this.#slow.has(shard) || this.isRefused(shard, bounds, now)) continue;
      if (chosen === undefined || this.#isBefore(shard, chosen)) chosen = shard;
    }
    if (chosen !== undefined) {
      this.#due.delete(chosen);
      this.#refused.delete(chosen);
      this.#lifted.delete(chosen);
      this.#askedAs.set(chosen, (this.#asked += 1));
    }
    return chosen;
  }

  #isBefore(shard: number, other: number): boolean {
    const [asked, before] = [this.#askedAs.get(shard) ?? 0, this.#askedAs.get(other) ?? 0];
    return asked < before || (asked === before && shard === this.#home);
  }

  /** When there will be a reason at the latest, for these bounds. */
  nextAt(bounds: ClaimBounds, now: number): number {
    let at = this.#pollAt;
    for (const [shard, time] of this.#due) {
      if (this.#slow.has(shard) || this.#isElsewhere(shard, now)) continue;
      const refusal = this.#refused.get(shard);
      at = Math.min(at, refusal && this.isRefused(shard, bounds, now) ? refusal.until : time);
    }
    return at;
  }

  /** Shards that have come since, and a home shard that has moved, are asked for the first time. */
  #learn(now: number): void {
    const before = this.#learnt;
    if (before.home === this.#home && before.shards === this.rotation) return;
    this.#learnt = { home: this.#home, shards: this.rotation };
    this.at(this.#home, now);
    for (let shard = before.shards; shard < this.rotation; shard += 1) this.at(shard, now);
  }

  /** Whether so much was refused here, and nothing has grown since; or the node keeps room for a request of another shard. */
  isRefused(shard: number, bounds: ClaimBounds, now: number): boolean {
    if (this.#isElsewhere(shard, now)) return true;
    const refusal = this.#refused.get(shard);
    if (!refusal || now >= refusal.until) return false;
    const { limit, aloneTokens, sumTokens } = refusal.bounds;
    return bounds.limit <= limit && bounds.aloneTokens <= aloneTokens && bounds.sumTokens <= sumTokens;
  }
}
