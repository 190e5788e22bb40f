/**
 * Asks for work: when there is a reason (agenda.ts), as much as the budget may hold (budget.ts). What the budget refuses
 * is given back to its place. A ring that finds this node busy is passed on. A shard that does not answer soon holds up no
 * other: it is not asked until it has answered, and what it then gives goes to a call that waits, or back.
 */
import { admit, claimBounds, validateBudget, type Budget, type ClaimBounds } from '../base/budget.ts';
import { monotonic, soon } from '../base/clock.ts';
import type { Rules } from '../base/options.ts';
import { parseTicket } from '../base/ticket.ts';
import type { ClaimAnswer, ClaimItem, ClaimedTicket, Held } from '../protocol/wire.ts';
import type { Agenda } from './agenda.ts';
import { Alarms } from './alarms.ts';
import { Askers, type LateWork, type Woken } from './askers.ts';
import type { ClaimedRequest } from './claims.ts';
import { EngineSize } from './engine-size.ts';
import { NOTHING, search } from './search.ts';

/**
 * How soon this node must be able to claim to keep a wake-up instead of passing it on: SOON x stealAfterMs, at most SOON_MS.
 * One that asked in vain so recently is taken to ask again as soon.
 */
const SOON = 2.5;
const SOON_MS = 50;
/** How long a call waits for the answer of one shard. Then it asks others, and that shard is slow. */
const ANSWER_MS = 250;
/** A keeper that asked for the last time so many polls ago keeps room no more. */
const KEEP_POLLS = 2;

/** What the claimer needs of its node. Shards go by number. */
export interface ClaimerNode<Request> {
  /** Fires when the node is over. */
  readonly over: AbortSignal;
  /** A call has waited for commandTimeout, and no shard answers: TIMEOUT, with what Redis said. */
  timedOut(operation: string): Error;
  /** Whether this node holds a claim: its engine is not empty. */
  holdsAny(): boolean;
  /** Its engine can ever hold a prompt of so many tokens; asked often, it changes rarely. */
  engineHolds(tokens: number): void;
  /** Tokens of the largest prompt that another living engine can ever hold, if that matters to this node; else -1. */
  elsewhereHold(): Promise<number> | number;
  /** Called before a claim: after a stall what is held must be refreshed first. */
  beforeClaim(shard: number): Promise<void>;
  claim(shard: number, item: ClaimItem): Promise<ClaimAnswer>;
  /** Looks up where work waits; see Lookout. */
  look(shards: readonly number[], found: (shard: number) => void): void;
  /** The first `due` of a shard is near. */
  due(shard: number, dueMs: number): void;
  /** Holds a claim and decodes its request; undefined: there is nothing to run. */
  open(shard: number, claimed: ClaimedTicket): ClaimedRequest<Request> | undefined;
  /** Never rejects. */
  pushBack(shard: number, claims: readonly Held[]): Promise<void>;
}

type ClaimerRules = Pick<Rules, 'pollMs' | 'patienceMs' | 'stealAfterMs' | 'leaseMs' | 'commandTimeout'>;

export class Claimer<Request> {
  readonly engineSize = new EngineSize();
  readonly #node: ClaimerNode<Request>;
  readonly #rules: ClaimerRules;
  readonly #agenda: Agenda;
  readonly #askers = new Askers();
  /** Per shard: when a peer's head there comes of age. */
  readonly #alarms = new Alarms();
  /** Per shard: when a ring that was kept is passed on, if no call here has asked the shard by then. */
  readonly #kept = new Alarms();
  readonly #keepForMs: number;
  #askedInVainAt = -Infinity;
  #stopped = false;

  constructor(node: ClaimerNode<Request>, rules: ClaimerRules, agenda: Agenda) {
    this.#node = node;
    this.#rules = rules;
    this.#agenda = agenda;
    this.#keepForMs = KEEP_POLLS * rules.pollMs;
  }

  /** Waits for work at most `waitMs`, or until the budget is `stale`; then `[]`. */
  async getRequests(budget: Budget, waitMs: number, stale?: AbortSignal): Promise<ClaimedRequest<Request>[]> {
    validateBudget(budget);
    this.#node.engineHolds(this.engineSize.says(budget));
    const bounds = claimBounds(budget);
    const from = monotonic();
    // what it could never hold, as far as was known, it may hold
    if (this.engineSize.grows(bounds, this.#node.holdsAny())) this.#agenda.sweepAll(from);
    const wait = { bounds, readyAt: from + (budget.readyInMs ?? 0), until: from + waitMs, stale };
    for (let looked = false, woken: Woken = false; ;) {
      if (this.#node.over.aborted) throw this.#node.over.reason;
      if (typeof woken === 'object') {
        const requests = this.#admit(woken.shard, woken.answer, bounds, budget);
        if (requests.length > 0) return requests;
      }
      if (bounds.limit === 0 || this.#stopped) return [];
      const now = monotonic();
      if (now >= from + this.#rules.commandTimeout && this.#agenda.allSlow)
        throw this.#node.timedOut('getRequests');
      const isReady = now >= wait.readyAt;
      // after the first look, no claim once `until` has passed unless a ring woke us: the answer would arrive after the
      // engine's iteration began
      const asks = isReady && (!looked || woken || now < wait.until);
      if (asks) this.#poll(now);
      const shard = asks ? this.#agenda.next(now, bounds) : undefined;
      // what answers the first look, or a ring, is worth more than an end in time
      const patience = !looked || woken ? ANSWER_MS : Math.min(ANSWER_MS, wait.until - now);
      looked ||= isReady;
      woken = false;
      if (shard !== undefined) {
        const requests = await this.#claim(shard, bounds, budget, patience);
        // the other calls wait for what the agenda said before
        this.#askers.wake();
        if (requests.length > 0) return requests;
      } else if (now >= wait.until || stale?.aborted) {
        this.#askedInVainAt = now;
        return [];
      } else {
        const at = isReady ? this.#agenda.nextAt(bounds, now) : wait.readyAt;
        const last = this.#agenda.allSlow ? from + this.#rules.commandTimeout : Infinity;
        woken = await this.#askers.woken(wait, Math.min(wait.until, at, last) - now);
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
    else this.#alarms.of(shard, () => this.#rang(shard)).within(delayMs);
  }

  /**
   * A put of this node is leaving for the shard, whose shortest prompt has so many tokens. Answers in how many ms a claim of
   * this node follows: then no node need be rung, which saves an idle owner a message and a round trip. Undefined: none follows.
   */
  claimsBehind(shard: number, tokens: number): number | undefined {
    const now = monotonic();
    if (this.#askers.haveRoom(tokens)) this.#agenda.lift(shard);
    const inMs = this.#readyIn(shard, now);
    if (inMs === Infinity) return undefined;
    // on the agenda now, as the call may be woken by another shard's put first; woken when this put is written
    if (inMs === 0) {
      this.#agenda.promise(shard, now);
      queueMicrotask(() => this.#askers.wake());
    } else this.#agenda.at(shard, now);
    this.#keep(shard, inMs);
    return inMs;
  }

  /** Work may be in this shard: it is asked if a call here waits for work. */
  claimIfWaiting(shard: number): void {
    if (!this.#askers.any) return;
    this.#agenda.at(shard, monotonic());
    this.#askers.wake();
  }

  /** ms until a waiting call can ask this shard; Infinity: none waits that may. */
  #readyIn(shard: number, now: number): number {
    if (this.#agenda.isSlow(shard)) return Infinity;
    return this.#askers.readyIn(now, (bounds) => this.#agenda.isRefused(shard, bounds, now));
  }

  /** Work can be taken in this shard now. It is asked for if that can be soon; else the ring is passed on at once. */
  #rang(shard: number): void {
    const now = monotonic();
    this.#agenda.notIdle(shard);
    this.#agenda.lift(shard);
    this.#agenda.at(shard, now);
    // a ring cannot be passed on in a shard that does not answer; it is looked after when it does
    if (this.#agenda.isSlow(shard)) return;
    const soonMs = Math.min(SOON_MS, SOON * this.#rules.stealAfterMs);
    const readyIn = this.#readyIn(shard, now);
    const asksIn = now - this.#askedInVainAt < soonMs ? Math.min(soonMs, readyIn) : readyIn;
    if (asksIn > soonMs) this.#passOnQuietly(shard);
    else this.#keep(shard, asksIn);
    if (asksIn === 0) this.#askers.wake();
  }

  /** A call here asks this shard within `ms`. If none did, the ring is passed on. */
  #keep(shard: number, ms: number): void {
    this.#kept.of(shard, () => this.#passOnQuietly(shard)).within(ms + SOON_MS);
  }

  /** Rings may have been missed: every shard is asked once. */
  lookAround(): void {
    this.#agenda.sweepAll(monotonic());
    this.#askers.wake();
  }

  /** Leaves `idle` and rings the next runner, if work waits. A node that leaves keeps room for nothing. */
  async passOn(shard: number, leaves = false): Promise<void> {
    this.#agenda.notIdle(shard);
    await this.#node.claim(shard, { ...NOTHING, keepForMs: leaves ? 0 : this.#keepForMs });
  }

  #passOnQuietly(shard: number): void {
    this.passOn(shard).catch(() => undefined);
  }

  /** A ring may have been lost: where work waits, it is asked for. */
  #poll(now: number): void {
    this.#node.look(this.#agenda.poll(now), (shard) => {
      this.#agenda.at(shard, monotonic());
      this.#askers.wake();
    });
  }

  /** Asks a shard, and waits for its answer for so long. */
  async #claim(
    shard: number,
    bounds: ClaimBounds,
    budget: Budget,
    patienceMs: number,
  ): Promise<ClaimedRequest<Request>[]> {
    this.#kept.clear(shard);
    const from = monotonic();
    const asked = this.#ask(shard, bounds, budget);
    const answer = await soon(patienceMs, asked);
    if (answer) return this.#admit(shard, answer, bounds, budget);
    this.#agenda.slow(shard);
    const goOn = (late?: ClaimAnswer): void => {
      this.#agenda.answered(shard);
      // more may wait behind what it gives, and a ring may have come meanwhile
      const rings = late?.claims.length !== 0 || this.#agenda.isDue(shard, monotonic());
      if (late?.claims.length === 0) this.#admit(shard, late, bounds, budget);
      else if (late) this.#handOut({ shard, answer: late }, monotonic() - from);
      if (rings) this.#rang(shard);
      this.#askers.wake();
    };
    asked.then(goOn, () => goOn());
    return [];
  }

  /** Late work goes to a call that waits. Without one it goes back, and so does what may have been given to others since. */
  #handOut(late: LateWork, afterMs: number): void {
    const { shard, answer } = late;
    const isHeld = afterMs < this.#rules.leaseMs / 2;
    if (!(isHeld && this.#askers.give(late, monotonic()))) void this.#node.pushBack(shard, answer.claims);
  }

  async #ask(shard: number, bounds: ClaimBounds, budget: Budget): Promise<ClaimAnswer> {
    await this.#node.beforeClaim(shard);
    const idleForMs = 1.5 * this.#rules.pollMs * this.#agenda.rotation;
    const idleUntil = monotonic() + idleForMs;
    const { patienceMs } = this.#rules;
    const totalTokens = this.engineSize.largestPrompt(budget);
    const hold = this.#node.elsewhereHold();
    // no hop more where it does not matter: a claim leaves right behind its put
    const elsewhereTokens = typeof hold === 'number' ? hold : await hold;
    const rules = { idleForMs, patienceMs, keepForMs: this.#keepForMs, elsewhereTokens };
    const item = { ...bounds, totalTokens, ...rules, askOn: 0 };
    const answer = await search(
      (one) => this.#node.claim(shard, one),
      item,
      () => this.#stopped,
    );
    if (answer.status === 'IDLE' || answer.status === 'BLOCKED') this.#agenda.idle(shard, idleUntil);
    else this.#agenda.notIdle(shard);
    return answer;
  }

  #admit(shard: number, answer: ClaimAnswer, bounds: ClaimBounds, budget: Budget): ClaimedRequest<Request>[] {
    const now = monotonic();
    const { claims } = answer;
    if (this.#stopped) {
      void this.#node.pushBack(shard, claims);
      return [];
    }
    if (answer.dueMs !== undefined) this.#node.due(shard, answer.dueMs);
    if (answer.status === 'BLOCKED' || answer.status === 'KEEPING') this.#agenda.refused(shard, bounds, now);
    this.#agenda.keeps(shard, answer.status === 'KEEPING' ? now + this.#keepForMs : undefined);
    // after a refusal it comes as a ring does: what comes of age may fit
    if (answer.againMs !== undefined && answer.status === 'BLOCKED') this.ring(shard, answer.againMs);
    else if (answer.againMs !== undefined) this.#agenda.at(shard, now + answer.againMs);
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
      void this.#node.pushBack(shard, claims.slice(count));
      // behind admitted ones it may be first, and fit, the next time
      if (count === 0 && !answer.remembered) this.#agenda.refused(shard, bounds, now);
      else this.#agenda.at(shard, now);
    }
    return claims.slice(0, count).flatMap((claimed) => this.#node.open(shard, claimed) ?? []);
  }

  /** No more claims: waiting `getRequests` answer `[]`, or throw if the node is over. */
  stop(): void {
    this.#stopped = true;
    this.#alarms.clearAll();
    this.#kept.clearAll();
    this.#askers.wake();
  }
}
