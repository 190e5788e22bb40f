/**
 * In which shard to ask for work, and when. A shard is asked only for a reason: the start; a ring; work that was taken, as
 * more may wait; a peer's head coming of age; a budget that grew after a refusal. As a ring may get lost, one shard in
 * rotation is asked every `pollMs`. Pure: the caller brings the time (monotonic ms).
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
  readonly #refused = new Map<number, { bounds: ClaimBounds; until: number }>();
  /** Shards that believe this node idle, and until when: work there rings. */
  readonly #idle = new Map<number, number>();
  readonly #topic: TopicShards;
  readonly #pollMs: number;
  readonly #lookup: number;
  #pollAt = 0;
  #rotation = 0;
  #next = 0;

  constructor(topic: TopicShards, options: { loadLookup: number; pollMs: number }) {
    this.#topic = topic;
    this.#lookup = options.loadLookup;
    this.#pollMs = options.pollMs;
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
    this.#refused.set(shard, { bounds, until: now + this.#pollMs });
    this.at(shard, now);
  }

  /** The shard to ask now, taken off the agenda; undefined: there is no reason to. */
  next(now: number, bounds: ClaimBounds): number | undefined {
    this.#poll(now);
    let chosen: number | undefined;
    for (const [shard, time] of this.#due) {
      if (time > now || this.isRefused(shard, bounds, now)) continue;
      if (shard === this.#home) chosen = shard;
      chosen ??= shard;
    }
    if (chosen !== undefined) {
      this.#due.delete(chosen);
      this.#refused.delete(chosen);
      this.#pollAt = now + jittered(this.#pollMs);
    }
    return chosen;
  }

  /** When there will be a reason at the latest, for these bounds. */
  nextAt(bounds: ClaimBounds, now: number): number {
    let at = this.#pollAt;
    for (const [shard, time] of this.#due) {
      const refusal = this.#refused.get(shard);
      at = Math.min(at, refusal && this.isRefused(shard, bounds, now) ? refusal.until : time);
    }
    return at;
  }

  #poll(now: number): void {
    if (now < this.#pollAt) return;
    this.#pollAt = now + jittered(this.#pollMs);
    this.at((this.#home + this.#rotation) % this.#shards, now);
    this.#rotation = (this.#rotation + 1) % this.rotation;
  }

  /** Whether so much was refused here, and nothing has grown since. */
  isRefused(shard: number, bounds: ClaimBounds, now: number): boolean {
    const refusal = this.#refused.get(shard);
    if (!refusal || now >= refusal.until) return false;
    const { limit, aloneTokens, sumTokens } = refusal.bounds;
    return bounds.limit <= limit && bounds.aloneTokens <= aloneTokens && bounds.sumTokens <= sumTokens;
  }
}
