/**
 * What this node holds. A claim is held from its answer to its final result, its give-back or its loss. Losing it fires
 * its `signal`.
 */
import { copyOf, isAlone } from '../base/codec.ts';
import { SchedulerError, messageOf } from '../base/errors.ts';
import type { Settings } from '../base/options.ts';
import { parseTicket, type Tick, type Ticket } from '../base/ticket.ts';
import type { Teller } from '../observe/events.ts';
import type { GiveBackOptions, GivenBack } from '../protocol/give-back.ts';
import type { Membership } from '../protocol/membership.ts';
import type { Shard } from '../protocol/shard.ts';
import type { ClaimedTicket } from '../protocol/wire.ts';
import { Claim } from './claim.ts';
import { Outbox, type OwnRequests, type ResultStatus, type RunnerResult } from './outbox.ts';
import { checkGiveBack } from './retry.ts';
import { Returned } from './returned.ts';

/** A request to execute. */
export interface ClaimedRequest<Request> {
  id: string;
  /** The node that accepted it; results go there. */
  owner: string;
  request: Request;
  promptTokens: number;
  /** 1 for the first runner; grows when a runner was lost. */
  attempt: number;
  /** ms from its put to this claim, on the shard's clock. */
  queuedMs: number;
  /** Another node accepted it. */
  stolen: boolean;
  /** Fires when this node no longer holds the request: stop, what it yields is refused. */
  signal: AbortSignal;
  /** Its reader is behind: its owner asks to wait with the next chunk. `run` waits by itself. */
  readonly isHalted: boolean;
  /** Names the claim in `putResults`. */
  claim: string;
  /**
   * Returns the request to its place in line: others may take it at once, this node after `afterMs`. No attempt is counted
   * unless asked for. What this node sends for it afterwards is refused.
   * @throws ConfigError for bad options: the request is still held then
   */
  giveBack(options?: GiveBackOptions): Promise<void>;
}

export class Claims<Request, Output> {
  readonly #byKey = new Map<string, Claim>();
  readonly #membership: Membership;
  readonly #settings: Settings<Request, Output>;
  readonly #own: OwnRequests;
  readonly #outbox: Outbox<Output>;
  readonly #teller: Teller;
  #leftToOthers = 0;
  readonly #returned = new Returned();

  constructor(membership: Membership, settings: Settings<Request, Output>, own: OwnRequests, teller: Teller) {
    this.#membership = membership;
    this.#settings = settings;
    this.#own = own;
    this.#teller = teller;
    const held = {
      ended: (claim: Claim) => void this.#letGo(claim),
      lose: (claim: Claim) => this.lose(claim),
      overflowed: (claim: Claim) => this.#overflowed(claim),
    };
    this.#outbox = new Outbox(membership, settings, own, held, teller);
  }

  /**
   * Holds what a claim answered and decodes it. Answers undefined if there is nothing to run: an undecodable request is
   * ended as failed, one whose body is not here is given back.
   */
  open(shard: Shard, claimed: ClaimedTicket): ClaimedRequest<Request> | undefined {
    const { ticket, fence } = claimed;
    const { owner, id, tokens } = parseTicket(ticket);
    const body = this.#bodyOf(claimed);
    if (body === undefined) {
      // own by name, but not known to this process: ask for bodies again
      shard.forgetSince();
      void this.pushBack(shard, [claimed]);
      return undefined;
    }
    const key = `${shard.number}.${fence}`;
    const claim = new Claim(key, shard, claimed, owner, id);
    this.#byKey.set(key, claim);
    const request = this.#decode(claim, body);
    if (request === undefined) return undefined;
    return {
      id,
      owner,
      request: request.value,
      promptTokens: tokens,
      attempt: claimed.triesSpent + 1,
      queuedMs: claim.queuedMs,
      stolen: owner !== this.#membership.name,
      get signal() {
        return claim.signal;
      },
      get isHalted() {
        return claim.isHalted;
      },
      claim: key,
      giveBack: async (options = {}) =>
        this.#giveBack(claim, this.#returned.pausing(ticket, checkGiveBack(options))),
    };
  }

  /**
   * In memory that is the codec's, as it may give views on it: the owner's payload is put again as it was, and a body off the wire
   * stands among other replies, unless it is so large that it came in pieces.
   */
  #bodyOf({ body, ticket }: ClaimedTicket): Buffer | undefined {
    if (body !== undefined) return isAlone(body) ? body : copyOf(body);
    const own = this.#own.payloadOf(ticket);
    return own === undefined ? undefined : copyOf(own);
  }

  #decode(claim: Claim, body: Buffer): { value: Request } | undefined {
    try {
      return { value: this.#settings.codec.decode(body) };
    } catch (error) {
      const reason = `the request could not be decoded: ${messageOf(error)}`;
      this.#outbox.fail(claim, reason).catch((unsent: unknown) => {
        if (this.#membership.over.aborted) return;
        this.#settings.onWarning(`${claim.id}: ${reason}; ${messageOf(unsent)}`);
        void this.surrender(claim.key);
      });
      return undefined;
    }
  }

  counts(): Record<'held' | 'ending', number> {
    let ending = 0;
    for (const claim of this.#byKey.values()) if (claim.ending) ending += 1;
    return { held: this.#byKey.size, ending };
  }

  get count(): number {
    return this.#byKey.size;
  }

  /** What this node holds in a shard. */
  heldIn(shard: Shard): Claim[] {
    return [...this.#byKey.values()].filter((claim) => claim.shard === shard);
  }

  shards(): Set<Shard> {
    return new Set([...this.#byKey.values()].map(({ shard }) => shard));
  }

  /** Tickets whose end is on its way from here: their records may be gone already. */
  ending(): Set<Ticket> {
    const ending = [...this.#byKey.values()].filter((claim) => claim.ending);
    return new Set(ending.map(({ ticket }) => ticket));
  }

  /** Whether the claim stands, and neither its final nor its give-back is on its way. */
  holds(key: string): boolean {
    return this.#byKey.get(key)?.ending === false;
  }

  /** How many requests this node has left to other engines: with any it matters which of these live. */
  get leftToOthers(): number {
    return this.#leftToOthers;
  }

  /** The claim with this key, if it is still held; see {@link pushBack}. */
  async giveBack(key: string, how: GivenBack['how']): Promise<void> {
    const claim = this.#byKey.get(key);
    if (claim) await this.#giveBack(claim, how);
  }

  async #giveBack(claim: Claim, how: GivenBack['how']): Promise<void> {
    if (claim.ending || !this.#letGo(claim)) return;
    claim.ending = true;
    if (how?.elsewhere) this.#leftToOthers += 1;
    const { ticket, fence } = claim;
    await this.pushBack(claim.shard, [{ ticket, fence, ...(how ? { how } : {}) }]);
  }

  /** Never rejects: what could not be given back returns after its lease. */
  async pushBack(shard: Shard, claims: readonly GivenBack[]): Promise<void> {
    if (claims.length === 0) return;
    try {
      await shard.pushBack(claims);
    } catch (error) {
      if (this.#membership.over.aborted) return;
      this.#settings.onWarning(
        `${claims.length} claims could not be given back, they return after their lease: ${messageOf(error)}`,
      );
    }
  }

  /** See {@link Outbox.put}. */
  put(item: RunnerResult<Output>): ResultStatus | Promise<ResultStatus> {
    const claim = this.#claimOf(item);
    return claim ? this.#outbox.put(claim, item) : 'lost';
  }

  /** What is put together leaves together; see {@link Outbox.putAll}. */
  putAll(items: readonly RunnerResult<Output>[]): Promise<ResultStatus[]> {
    return this.#outbox.putAll(items, (item) => this.#claimOf(item));
  }

  /** The claim that a result is of, if it has not ended. */
  #claimOf(item: RunnerResult<Output>): Claim | undefined {
    const claim = this.#byKey.get(item.claim);
    this.#returned.forget();
    return claim?.ending === false ? claim : undefined;
  }

  /** The owner of a claim has heard that its reader is behind, or has caught up (0 ms). */
  halt(shard: number, fence: Tick, ms: number): void {
    const claim = this.#byKey.get(`${shard}.${fence}`);
    if (!claim?.halt(ms)) return;
    const { id, ticket, owner, isHalted } = claim;
    this.#teller.heard('halted')?.({ id, ticket, fence, owner, shard, isHalted });
  }

  /** Resolves when the next chunk of the claim may be asked for, at once if it is not held any more. */
  async goesOn(key: string): Promise<void> {
    await this.#byKey.get(key)?.goesOn();
  }

  /** So many bytes of its results are on their way to Redis. */
  bytesAhead(key: string): number {
    return this.#byKey.get(key)?.bytesAhead ?? 0;
  }

  /** The owner of a claim is silent. Told once: it may speak again, or a successor of its name. */
  orphan(claim: Claim): void {
    if (claim.orphaned) return;
    claim.orphaned = true;
    const { id, ticket, fence, owner, shard } = claim;
    this.#teller.heard('ownerSilent')?.({ id, ticket, fence, owner, shard: shard.number });
  }

  /** Redis says that it has taken this claim from this node. */
  taken(shard: number, fence: Tick): void {
    const claim = this.#byKey.get(`${shard}.${fence}`);
    if (claim) this.lose(claim);
  }

  /** Redis says that this node no longer holds the claim: its handler is aborted. */
  lose(claim: Claim): void {
    if (!this.#drop(claim, notHeld(claim))) return;
    this.#teller.tally.lost += 1;
    const { id, ticket, fence, owner, shard } = claim;
    this.#teller.heard('lost')?.({ id, ticket, fence, owner, shard: shard.number });
  }

  #overflowed(claim: Claim): void {
    this.#drop(
      claim,
      new SchedulerError('FULL', 'putResults', `the owner of ${claim.id} has no room for results`),
    );
  }

  /** Its handler is aborted with the reason. False: it was not held any more. */
  #drop(claim: Claim, reason: SchedulerError): boolean {
    if (!this.#letGo(claim)) return false;
    claim.ending = true;
    claim.abort(reason);
    return true;
  }

  /** False: it was not held any more. */
  #letGo(claim: Claim): boolean {
    claim.isHeld = false;
    return this.#byKey.delete(claim.key);
  }

  /** Redis refuses this claim's results: its handler is aborted, and the request given back. */
  async surrender(key: string): Promise<void> {
    const claim = this.#byKey.get(key);
    if (!claim || !this.#drop(claim, notHeld(claim))) return;
    await this.pushBack(claim.shard, [{ ticket: claim.ticket, fence: claim.fence, how: {} }]);
  }

  /** Aborts every claim of a shard and gives those that are not ending back. */
  async giveBackIn(shard: Shard): Promise<void> {
    const claims = this.heldIn(shard).filter((claim) => !claim.ending);
    for (const claim of claims) this.#drop(claim, notHeld(claim));
    await this.pushBack(shard, claims);
  }

  /** The node is over: every handler is aborted with the reason. */
  abandon(reason: SchedulerError): void {
    for (const claim of this.#byKey.values()) claim.abort(reason);
    this.#byKey.clear();
  }
}

function notHeld({ id, owner, orphaned }: Claim): SchedulerError {
  const why = orphaned ? `: its owner ${owner} is silent` : '';
  return new SchedulerError('CANCELLED', 'refresh', `this node no longer holds ${id}${why}`);
}
