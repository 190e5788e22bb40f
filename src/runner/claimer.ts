/**
 * Asks for work: when there is a reason (agenda.ts), as much as the budget may hold (budget.ts). What the budget refuses
 * is given back to its place. A ring that finds this node busy is passed on.
 */
import type { Agenda } from './agenda.ts';
import { admit, claimBounds, validateBudget, type Budget, type ClaimBounds } from '../base/budget.ts';
import type { ClaimedRequest, Claims } from './claims.ts';
import { Alarm, monotonic } from '../base/clock.ts';
import type { Membership } from '../protocol/membership.ts';
import type { ClaimAnswer } from '../protocol/wire.ts';
import type { Rules } from '../base/options.ts';
import type { Shard } from '../protocol/shard.ts';
import type { Shards } from '../protocol/shards.ts';
import { parseTicket } from '../base/ticket.ts';
import { Askers } from './askers.ts';

/**
 * A node that was rung and asks within so many times stealAfterMs keeps the ring, and else passes it on; within so many ms
 * at the most. One that asked in vain so recently is taken to ask again as soon.
 */
const SOON = 2.5;
const SOON_MS = 50;
const ANY_TOKENS = 2 ** 32 - 1;

export class Claimer<Request, Output> {
  readonly #shards: Shards;
  readonly #membership: Membership;
  readonly #rules: Rules;
  readonly #claims: Claims<Request, Output>;
  readonly #agenda: Agenda;
  readonly #waiters = new Askers();
  /** Per shard: when a peer's head there comes of age. */
  readonly #alarms = new Map<number, Alarm>();
  /** Per shard: when a ring that was kept is passed on, should nobody here have asked. */
  readonly #kept = new Map<number, Alarm>();
  #askedInVainAt = -Infinity;
  #stopped = false;
  #engine: Budget | undefined;
  /** Called before a claim: after a stall what is held must be refreshed first. */
  beforeClaim: (shard: Shard) => Promise<void> = () => Promise.resolve();
  /** Told when the first `due` of a shard is near. */
  onDue: (shard: Shard, dueMs: number) => void = () => undefined;

  constructor(
    shards: Shards,
    membership: Membership,
    rules: Rules,
    claims: Claims<Request, Output>,
    agenda: Agenda,
  ) {
    this.#shards = shards;
    this.#membership = membership;
    this.#rules = rules;
    this.#claims = claims;
    this.#agenda = agenda;
  }

  /** The latest budget, which says what this node's engine can ever hold. */
  get engine(): Budget | undefined {
    return this.#engine;
  }

  /** Waits for work at most `waitMs`, or until the budget is `stale`; then `[]`. */
  async getRequests(budget: Budget, waitMs: number, stale?: AbortSignal): Promise<ClaimedRequest<Request>[]> {
    validateBudget(budget);
    this.#engine = budget;
    const bounds = claimBounds(budget);
    const from = monotonic();
    const wait = { bounds, readyAt: from + (budget.readyInMs ?? 0), until: from + waitMs, stale };
    for (let looked = false, woken = false; ;) {
      if (this.#membership.over.aborted) throw this.#membership.over.reason;
      if (bounds.limit === 0 || this.#stopped) return [];
      const now = monotonic();
      const isReady = now >= wait.readyAt;
      // what comes at the last moment is left to the next call: this one's engine has begun before it is here
      const asks = isReady && (!looked || woken || now < wait.until);
      const shard = asks ? this.#agenda.next(now, bounds) : undefined;
      looked ||= isReady;
      woken = false;
      if (shard !== undefined) {
        const requests = await this.#claim(this.#shards.get(shard), bounds, budget);
        // the others wait for what was on the agenda before
        this.#waiters.wake();
        if (requests.length > 0) return requests;
      } else if (now >= wait.until || stale?.aborted) {
        this.#askedInVainAt = now;
        return [];
      } else {
        const at = isReady ? this.#agenda.nextAt(bounds, now) : wait.readyAt;
        woken = await this.#waiters.woken(wait, Math.min(wait.until, at) - now);
      }
    }
  }

  /**
   * Work can be taken in this shard in `delayMs`; of several delays the first is enough, it leads to a claim. A node that has
   * stopped passes it on: it may drain for long, and is believed idle until it leaves.
   */
  ring(shard: number, delayMs: number): void {
    if (this.#stopped) this.#passOnQuietly(shard);
    else if (delayMs <= 0) this.#rang(shard);
    else alarmOf(this.#alarms, shard, () => this.#rang(shard)).within(delayMs);
  }

  /**
   * A put of this node is leaving for the shard: in how many ms a claim follows, so that nobody need be rung. It saves the
   * idle owner a message and a round trip.
   */
  claimsBehind(shard: number): number | undefined {
    const now = monotonic();
    const inMs = this.#readyIn(shard, now);
    if (inMs === Infinity) return undefined;
    // on the agenda whoever is woken first, by another shard's put, say; woken when the put is written
    this.#agenda.at(shard, now);
    if (inMs === 0) queueMicrotask(() => this.#waiters.wake());
    else this.#keep(shard, inMs);
    return inMs;
  }

  /** Work may be in this shard: it is asked if anybody here waits. */
  claimIfWaiting(shard: number): void {
    if (!this.#waiters.any) return;
    this.#agenda.at(shard, monotonic());
    this.#waiters.wake();
  }

  /** ms until somebody who waits here asks this shard if there is a reason to; Infinity: nobody does. */
  #readyIn(shard: number, now: number): number {
    return this.#waiters.readyIn(now, (bounds) => this.#agenda.isRefused(shard, bounds, now));
  }

  /** Work can be taken here now: asked for if that will be soon, else somebody who may be sooner is told at once. */
  #rang(shard: number): void {
    const now = monotonic();
    this.#agenda.notIdle(shard);
    this.#agenda.at(shard, now);
    const soonMs = Math.min(SOON_MS, SOON * this.#rules.stealAfterMs);
    const readyIn = this.#readyIn(shard, now);
    const asksIn = now - this.#askedInVainAt < soonMs ? Math.min(soonMs, readyIn) : readyIn;
    if (asksIn === 0) this.#waiters.wake();
    else if (asksIn <= soonMs) this.#keep(shard, asksIn);
    else this.#passOnQuietly(shard);
  }

  /** Somebody here asks this shard within so many ms; if not, the ring is passed on. */
  #keep(shard: number, ms: number): void {
    const late = (): void => {
      if (this.#agenda.isDue(shard, monotonic())) this.#passOnQuietly(shard);
    };
    alarmOf(this.#kept, shard, late).within(ms + SOON_MS);
  }

  /** Work may wait that nobody rang for: asks every shard once. */
  lookAround(): void {
    this.#agenda.sweepAll(monotonic());
    this.#waiters.wake();
  }

  /** Leaves `idle` and rings the next runner, if work waits. */
  async passOn(shard: Shard): Promise<void> {
    this.#agenda.notIdle(shard.number);
    await shard.claim({ limit: 0, aloneTokens: 0, sumTokens: 0, totalTokens: 0, idleForMs: 0 });
  }

  #passOnQuietly(shard: number): void {
    this.passOn(this.#shards.get(shard)).catch(() => undefined);
  }

  async #claim(shard: Shard, bounds: ClaimBounds, budget: Budget): Promise<ClaimedRequest<Request>[]> {
    await this.beforeClaim(shard);
    const idleForMs = 1.5 * this.#rules.pollMs * this.#agenda.rotation;
    const idleUntil = monotonic() + idleForMs;
    let waited = true;
    const call = shard.claim({
      ...bounds,
      totalTokens: largestPrompt(budget),
      idleForMs,
    });
    const admitted = call.then((answer) => {
      if (answer.status === 'IDLE') this.#agenda.idle(shard.number, idleUntil);
      else this.#agenda.notIdle(shard.number);
      if (waited && !this.#stopped) return this.#admit(shard, answer, bounds, budget);
      void this.#claims.pushBack(shard, answer.claims);
      return [];
    });
    try {
      return await this.#membership.within('getRequests', admitted);
    } catch (error) {
      waited = false;
      throw error;
    }
  }

  #admit(shard: Shard, answer: ClaimAnswer, bounds: ClaimBounds, budget: Budget): ClaimedRequest<Request>[] {
    const now = monotonic();
    const { claims } = answer;
    if (answer.dueMs !== undefined) this.onDue(shard, answer.dueMs);
    if (answer.status === 'BLOCKED') this.#agenda.refused(shard.number, bounds, now);
    if (answer.againMs !== undefined) this.#agenda.at(shard.number, now + answer.againMs);
    if (claims.length === 0) return [];
    this.#agenda.sweep(now);
    // a remembered answer has no bodies: they went with the answer that was lost
    const count = answer.remembered
      ? 0
      : admit(
          claims.map(({ ticket }) => parseTicket(ticket).tokens),
          budget,
        );
    if (count < claims.length) {
      void this.#claims.pushBack(shard, claims.slice(count));
      // behind admitted ones it may be first, and fit, the next time
      if (count === 0 && !answer.remembered) this.#agenda.refused(shard.number, bounds, now);
      else this.#agenda.at(shard.number, now);
    }
    return claims.slice(0, count).flatMap((claimed) => this.#claims.open(shard, claimed) ?? []);
  }

  /** No more claims: waiting `getRequests` answer `[]`, or throw if the node is over. */
  stop(): void {
    this.#stopped = true;
    for (const alarm of [...this.#alarms.values(), ...this.#kept.values()]) alarm.clear();
    this.#waiters.wake();
  }
}

function alarmOf(alarms: Map<number, Alarm>, shard: number, ring: () => void): Alarm {
  let alarm = alarms.get(shard);
  if (!alarm) alarms.set(shard, (alarm = new Alarm(ring)));
  return alarm;
}

/** Tokens of the largest prompt that the engine can ever hold. */
function largestPrompt({ totalBlocks, reservedOutputBlocks, blockSize }: Budget): number {
  if (totalBlocks === undefined) return ANY_TOKENS;
  return Math.min(ANY_TOKENS, Math.max(0, totalBlocks - reservedOutputBlocks) * blockSize);
}
