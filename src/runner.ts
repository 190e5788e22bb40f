/**
 * Asks for work: when there is a reason (agenda.ts), as much as the budget may hold (budget.ts). What the budget refuses
 * is given back to its place. A ring that finds this node busy is passed on.
 */
import type { Agenda, Bounds } from './agenda.ts';
import { admit, claimBounds, validateBudget, type Budget } from './budget.ts';
import type { ClaimedRequest, Claims } from './claims.ts';
import { Alarm, monotonic } from './clock.ts';
import type { Membership } from './membership.ts';
import type { ClaimAnswer } from './messages.ts';
import type { Rules } from './options.ts';
import type { Shard } from './shard.ts';
import type { Shards } from './shards.ts';
import { parseTicket } from './ticket.ts';

/** A node that asked in vain this recently is not busy, even if it asks without waiting. */
const HUNGRY_MS = 100;
const ANY_TOKENS = 2 ** 32 - 1;

export class Runner<Request, Output> {
  readonly #shards: Shards;
  readonly #membership: Membership;
  readonly #rules: Rules;
  readonly #claims: Claims<Request, Output>;
  readonly #agenda: Agenda;
  /** Who waits for work: how to wake it, and what it would ask for. */
  readonly #waiting = new Map<() => void, Bounds>();
  /** Per shard: when a peer's head there comes of age. */
  readonly #alarms = new Map<number, Alarm>();
  readonly #timers = new Set<NodeJS.Timeout>();
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
    const until = monotonic() + waitMs;
    for (;;) {
      if (this.#membership.over.aborted) throw this.#membership.over.reason;
      if (bounds.limit === 0 || this.#stopped) return [];
      const now = monotonic();
      const shard = this.#agenda.next(now, bounds);
      if (shard !== undefined) {
        const requests = await this.#claim(this.#shards.get(shard), bounds, budget);
        // the others wait for what was on the agenda before
        this.#wake();
        if (requests.length > 0) return requests;
      } else if (now >= until || stale?.aborted) {
        this.#askedInVainAt = now;
        return [];
      } else {
        await this.#rung(bounds, Math.min(until, this.#agenda.nextAt(bounds, now)) - now, stale);
      }
    }
  }

  #rung(bounds: Bounds, ms: number, stale?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        stale?.removeEventListener('abort', wake);
        this.#waiting.delete(wake);
        resolve();
      };
      // a timer may fire up to 1 ms early
      const timer = setTimeout(wake, Math.ceil(ms) + 1);
      this.#waiting.set(wake, bounds);
      stale?.addEventListener('abort', wake);
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiting.keys()]) wake();
  }

  /** Work can be taken in this shard in `delayMs`; of several delays the first is enough, it leads to a claim. */
  ring(shard: number, delayMs: number): void {
    if (delayMs <= 0) {
      this.#rang(shard);
      return;
    }
    let alarm = this.#alarms.get(shard);
    if (!alarm) this.#alarms.set(shard, (alarm = new Alarm(() => this.#rang(shard))));
    alarm.within(delayMs);
  }

  /**
   * A put of this node is leaving for the shard: whether a claim leaves right behind it, so that nobody need be rung. It
   * saves the idle owner a message and a round trip.
   */
  claimsBehind(shard: number): boolean {
    const now = monotonic();
    const follows = [...this.#waiting.values()].some((bounds) => !this.#agenda.isRefused(shard, bounds, now));
    if (follows) {
      // on the agenda whoever is woken first, by another shard's put, say; woken when the put is written
      this.#agenda.at(shard, now);
      queueMicrotask(() => this.#wake());
    }
    return follows;
  }

  /** Work may be in this shard: it is asked if anybody here waits. */
  claimIfWaiting(shard: number): void {
    if (this.#waiting.size === 0) return;
    this.#agenda.at(shard, monotonic());
    this.#wake();
  }

  /** A busy node passes the ring on at once; one that asked in vain just now gets the chance to ask again. */
  #rang(shard: number): void {
    this.#agenda.notIdle(shard);
    this.#agenda.at(shard, monotonic());
    if (this.#waiting.size > 0) {
      this.#wake();
      return;
    }
    const hungry = monotonic() - this.#askedInVainAt < HUNGRY_MS;
    this.#later(hungry ? HUNGRY_MS : 0, () => {
      const asking = this.#waiting.size > 0 || (hungry && monotonic() - this.#askedInVainAt < HUNGRY_MS);
      if (!asking && !this.#stopped) this.passOn(this.#shards.get(shard)).catch(() => undefined);
    });
  }

  #later(ms: number, act: () => void): void {
    if (ms <= 0) {
      act();
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }

  /** Work may wait that nobody rang for: asks every shard once. */
  lookAround(): void {
    this.#agenda.sweepAll(monotonic());
    this.#wake();
  }

  /** Leaves `idle` and rings the next runner, if work waits. */
  async passOn(shard: Shard): Promise<void> {
    this.#agenda.notIdle(shard.number);
    await shard.claim({ limit: 0, aloneTokens: 0, sumTokens: 0, totalTokens: 0, idleForMs: 0 });
  }

  async #claim(shard: Shard, bounds: Bounds, budget: Budget): Promise<ClaimedRequest<Request>[]> {
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

  #admit(shard: Shard, answer: ClaimAnswer, bounds: Bounds, budget: Budget): ClaimedRequest<Request>[] {
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
    for (const alarm of this.#alarms.values()) alarm.clear();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#wake();
  }
}

/** Tokens of the largest prompt that the engine can ever hold. */
function largestPrompt({ totalBlocks, reservedOutputBlocks, blockSize }: Budget): number {
  if (totalBlocks === undefined) return ANY_TOKENS;
  return Math.min(ANY_TOKENS, Math.max(0, totalBlocks - reservedOutputBlocks) * blockSize);
}
