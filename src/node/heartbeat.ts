/**
 * What keeps a node alive in the topic: its registration, renewed every half of `keepAliveMs`, and a refresh of its home
 * shard, every shard where it has pending requests or claims, and one other in rotation, every third of a lease. A
 * shard whose first `due` is nearer than that is visited then. Results are taken every `pollMs`, as their ring may have
 * been lost. No shard waits for another, nor for the registry: one that does not answer costs what is in it.
 */
import { Alarm, jittered, monotonic, sleep } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Rules } from '../base/options.ts';
import type { Owner } from '../owner/owner.ts';
import type { Membership } from '../protocol/membership.ts';
import type { Shard } from '../protocol/shard.ts';
import type { Shards } from '../protocol/shards.ts';
import type { Claims } from '../runner/claims.ts';

type OwnerSide = Pick<Owner<unknown>, 'mailbox' | 'pendingIn' | 'shardsInUse' | 'unknown'>;
type ClaimsSide = Pick<Claims<unknown, unknown>, 'heldIn' | 'ending' | 'lose' | 'orphan' | 'shards'>;

/** Claims and pending tickets named by one refresh. */
const SLICE = 500;
/** Refreshes in a row for a shard that has more to reap. */
const MAX_ROUNDS = 1000;
/** A visit for the sake of a due ticket comes up to this much later: many nodes hear of it. */
const DUE_SPREAD_MS = 500;

export class Heartbeat {
  readonly #shards: Shards;
  readonly #membership: Membership;
  readonly #rules: Rules;
  readonly #owner: OwnerSide;
  readonly #claims: ClaimsSide;
  /** Per shard: the last of the visits that were asked for, until it is over. */
  readonly #refreshes = new Map<Shard, Promise<void>>();
  /** Those of them that have not begun. */
  readonly #waiting = new Map<Shard, Promise<void>>();
  readonly #refreshedAt = new Map<Shard, number>();
  readonly #alarms = new Map<Shard, Alarm>();
  #rotation = 0;
  readonly #loops: Promise<void>[] = [];
  readonly #stop = new AbortController();

  constructor(shards: Shards, membership: Membership, settings: Rules, owner: OwnerSide, claims: ClaimsSide) {
    this.#shards = shards;
    this.#membership = membership;
    this.#rules = settings;
    this.#owner = owner;
    this.#claims = claims;
    membership.over.addEventListener('abort', () => this.#stop.abort());
  }

  start(): void {
    this.#loops.push(
      this.#every(this.#rules.keepAliveMs / 2, () => this.renew()),
      this.#every(this.#rules.leaseMs / 3, () => this.#refreshAll()),
      this.#every(this.#rules.pollMs, () => this.#takeResults()),
    );
  }

  /** Nothing begins any more. Resolves when no renewal is under way. */
  async stop(): Promise<void> {
    this.#stop.abort();
    for (const alarm of this.#alarms.values()) alarm.clear();
    await Promise.all(this.#loops);
  }

  /** Resolves when nothing of it is under way. */
  async ended(): Promise<void> {
    await this.stop();
    await Promise.allSettled(this.#refreshes.values());
  }

  async #every(ms: number, act: () => Promise<void> | void): Promise<void> {
    for (;;) {
      await sleep(jittered(ms) * 0.8, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      try {
        await act();
      } catch (error) {
        // a loop never dies of an error; the next round tries again
        if (!this.#membership.over.aborted) this.#rules.onWarning(`heartbeat: ${messageOf(error)}`);
      }
    }
  }

  /** Keeps the name, and tells the registry what this node's engine can hold. */
  async renew(): Promise<void> {
    if (!(await this.#membership.renew())) this.#membership.evicted();
  }

  /** Where the visit before has not come back yet, none is added: it waits for Redis. */
  #refreshAll(): void {
    const { home, shardsInUse } = this.#membership;
    const other = (home + 1 + (this.#rotation++ % Math.max(1, shardsInUse - 1))) % shardsInUse;
    const shards = new Set([
      this.#shards.get(home),
      ...this.#owner.shardsInUse(),
      ...this.#claims.shards(),
      this.#shards.get(other),
    ]);
    for (const shard of shards)
      if (!this.#refreshes.has(shard)) this.#quietly('refresh', this.refresh(shard));
  }

  /** Where requests are pending; after a takeover everywhere, as the predecessor's may have been in any shard. */
  #takeResults(): void {
    const shards = this.#rules.takeover ? this.#shards.all() : this.#owner.shardsInUse();
    for (const shard of shards) this.#quietly('take_results', this.#owner.mailbox(shard).empty());
  }

  #quietly(what: string, work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!this.#membership.over.aborted) this.#rules.onWarning(`${what}: ${messageOf(error)}`);
    });
  }

  /** After a stall of more than half a lease, what is held is refreshed before more is claimed. */
  async beforeClaim(shard: Shard): Promise<void> {
    const last = this.#refreshedAt.get(shard);
    if (last === undefined || monotonic() - last < this.#rules.leaseMs / 2) return;
    if (this.#claims.heldIn(shard).length > 0) await this.refresh(shard);
  }

  /** The first `due` of a shard is this near. */
  due(shard: Shard, dueMs: number): void {
    if (this.#stop.signal.aborted || dueMs > this.#rules.leaseMs / 3) return;
    let alarm = this.#alarms.get(shard);
    if (!alarm) {
      alarm = new Alarm(() => this.#quietly('refresh', this.refresh(shard)));
      this.#alarms.set(shard, alarm);
    }
    alarm.within(dueMs + Math.random() * DUE_SPREAD_MS);
  }

  /** One refresh of everything this node has in the shard. All who ask while one is under way get the one that follows it. */
  refresh(shard: Shard): Promise<void> {
    const waiting = this.#waiting.get(shard);
    if (waiting) return waiting;
    const before = this.#refreshes.get(shard) ?? Promise.resolve();
    const visit = before
      .catch(() => undefined)
      .then(() => {
        this.#waiting.delete(shard);
        return this.#refreshOnce(shard);
      })
      .finally(() => {
        if (this.#refreshes.get(shard) === visit) this.#refreshes.delete(shard);
      });
    this.#waiting.set(shard, visit);
    this.#refreshes.set(shard, visit);
    return visit;
  }

  async #refreshOnce(shard: Shard): Promise<void> {
    const { cursor } = this.#owner.mailbox(shard);
    let held = this.#claims.heldIn(shard);
    let pending = this.#owner.pendingIn(shard);
    const missing = [];
    let dueMs = Infinity;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const answer = await shard.refresh(held.slice(0, SLICE), pending.slice(0, SLICE), cursor);
      held = held.slice(SLICE);
      pending = pending.slice(SLICE);
      for (const claim of answer.orphans) this.#claims.orphan(claim);
      // the answer to an end that is on its way says whether that was taken
      for (const claim of answer.lost) if (!claim.ending) this.#claims.lose(claim);
      missing.push(...answer.unknown);
      const done = held.length === 0 && pending.length === 0 && !answer.more;
      // each answer also speaks of the owners of the claims that it was asked about; what is due now the next round reaps
      if (!answer.more) dueMs = Math.min(dueMs, answer.dueMs ?? Infinity);
      if (done && dueMs < Infinity) this.due(shard, dueMs);
      if (done) break;
    }
    this.#refreshedAt.set(shard, monotonic());
    // such an end may also be why it is unknown: the next refresh looks again
    const ending = this.#claims.ending();
    const unknown = missing.filter((ticket) => !ending.has(ticket));
    if (unknown.length > 0) await this.#owner.unknown(shard, unknown);
  }
}
