/**
 * What this node holds. A claim is held from its answer to its final result, its give-back or its loss; losing it fires
 * its `signal`. Its results carry its fence and consecutive numbers, and are refused once the fence no longer holds.
 */
import { Claim } from './claim.ts';
import { toPayload, type Payload } from '../base/codec.ts';
import { SchedulerError, messageOf } from '../base/errors.ts';
import type { Membership } from '../protocol/membership.ts';
import type { ClaimedTicket, Held, ResultAnswer } from '../protocol/wire.ts';
import type { Settings } from '../base/options.ts';
import type { Owner } from '../owner/owner.ts';
import type { Shard } from '../protocol/shard.ts';
import { parseTicket, type Ticket } from '../base/ticket.ts';

/** A request to execute. */
export interface ClaimedRequest<Request> {
  id: string;
  /** The node that accepted it; results go there. */
  owner: string;
  request: Request;
  promptTokens: number;
  /** 1 for the first runner; grows when a runner was lost. */
  attempt: number;
  /** Fires when this node no longer holds the request: stop, what it yields is refused. */
  signal: AbortSignal;
  /** Names the claim in `putResults`. */
  claim: string;
  /** Returns the request to its place in line; no attempt is counted. */
  giveBack(): Promise<void>;
}

/** One result of a claimed request. `finished` ends it with success, `failed` with a reason; else it is a chunk. */
export interface RunnerResult<Output> {
  claim: string;
  output?: Output;
  finished?: boolean;
  /** Why the request failed; ends it. */
  failed?: string;
}

/**
 * `ok`: accepted. `orphan`: accepted, but its owner is silent. `lost`: this node no longer holds the claim, or it has
 * ended. `overflow`: its owner has no room, the request was ended as failed. `too_large`: over maxResultBytes, send it in
 * chunks. `encode`: the codec could not encode it. The last two were not sent; the claim stands.
 */
export type ResultStatus = 'ok' | 'orphan' | 'lost' | 'overflow' | 'too_large' | 'encode';

type FinalKind = 'finished' | 'failed';

export class Claims<Request, Output> {
  readonly #byKey = new Map<string, Claim>();
  readonly #membership: Membership;
  readonly #settings: Settings<Request, Output>;
  readonly #owner: Owner<Output>;

  constructor(membership: Membership, settings: Settings<Request, Output>, owner: Owner<Output>) {
    this.#membership = membership;
    this.#settings = settings;
    this.#owner = owner;
  }

  /**
   * Holds what a claim answered and decodes it. Answers undefined if there is nothing to run: an undecodable request is
   * ended as failed, one whose body is not here is given back.
   */
  open(shard: Shard, claimed: ClaimedTicket): ClaimedRequest<Request> | undefined {
    const { ticket, fence } = claimed;
    const { owner, id, tokens } = parseTicket(ticket);
    const body = claimed.body ?? this.#owner.payloadOf(ticket);
    if (body === undefined) {
      // own by name, but not known to this process: ask for bodies again
      shard.forgetSince();
      void this.pushBack(shard, [claimed]);
      return undefined;
    }
    const key = `${shard.number}.${fence}`;
    const claim = new Claim(key, shard, ticket, fence, owner, id);
    this.#byKey.set(key, claim);
    const request = this.#decode(claim, body);
    if (request === undefined) return undefined;
    return {
      id,
      owner,
      request: request.value,
      promptTokens: tokens,
      attempt: claimed.triesSpent + 1,
      get signal() {
        return claim.signal;
      },
      claim: key,
      giveBack: () => this.#giveBack(claim),
    };
  }

  #decode(claim: Claim, body: Payload): { value: Request } | undefined {
    try {
      return { value: this.#settings.codec.decode(Buffer.from(body)) };
    } catch (error) {
      const reason = `the request could not be decoded: ${messageOf(error)}`;
      this.#send(claim, 'failed', reason, true).catch((unsent: unknown) => {
        if (this.#membership.over.aborted) return;
        this.#settings.onWarning(`${claim.id}: ${reason}; ${messageOf(unsent)}`);
        void this.surrender(claim.key);
      });
      return undefined;
    }
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

  async #giveBack(claim: Claim): Promise<void> {
    if (claim.ending || !this.#byKey.delete(claim.key)) return;
    claim.ending = true;
    await this.pushBack(claim.shard, [claim]);
  }

  /** Never rejects: what could not be given back returns after its lease. */
  async pushBack(shard: Shard, claims: readonly Held[]): Promise<void> {
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

  async put(item: RunnerResult<Output>): Promise<ResultStatus> {
    const claim = this.#byKey.get(item.claim);
    if (!claim || claim.ending) return 'lost';
    let payload: Payload;
    try {
      payload =
        item.failed === undefined
          ? this.#encode(item.output)
          : cut(item.failed, this.#settings.maxResultBytes);
    } catch {
      return 'encode';
    }
    if (Buffer.byteLength(payload) > this.#settings.maxResultBytes) return 'too_large';
    const kind = item.failed !== undefined ? 'failed' : item.finished ? 'finished' : 'chunk';
    const answer = await this.#send(claim, kind, payload, false);
    return answer.toLowerCase() as ResultStatus;
  }

  #encode(output: Output | undefined): Payload {
    return output === undefined ? '' : toPayload(this.#settings.outputCodec.encode(output));
  }

  async #send(
    claim: Claim,
    kind: 'chunk' | FinalKind,
    payload: Payload,
    dead: boolean,
  ): Promise<ResultAnswer> {
    const { shard, ticket, fence } = claim;
    const number = ++claim.number;
    if (kind !== 'chunk') claim.ending = true;
    const isOwn = claim.owner === this.#membership.name;
    const sent = isOwn ? this.#owner.sending(ticket) : undefined;
    try {
      const answer = await shard.putResult({ ticket, fence, number, kind, dead, payload });
      if (answer === 'LOST') {
        this.lose(claim);
      } else if (answer === 'OVERFLOW') {
        await this.#overflow(claim);
      } else {
        if (kind !== 'chunk') this.#byKey.delete(claim.key);
        if (isOwn) this.#owner.deliver(shard, { tick: fence, ticket, fence, number, kind, payload });
      }
      return answer;
    } catch (error) {
      // refused: neither its number nor its end was taken
      claim.number = Math.min(claim.number, number - 1);
      if (kind !== 'chunk') claim.ending = false;
      throw error;
    } finally {
      sent?.();
    }
  }

  async #overflow(claim: Claim): Promise<void> {
    if (claim.ending) return;
    const end = this.#send(
      claim,
      'failed',
      'its owner has no room for more results (option maxResults)',
      false,
    );
    claim.abort(new SchedulerError('FULL', 'putResults', `the owner of ${claim.id} has no room for results`));
    await end;
  }

  /** This node no longer holds the claim: its handler is aborted. */
  lose(claim: Claim): void {
    if (!this.#byKey.delete(claim.key)) return;
    claim.ending = true;
    claim.abort(new SchedulerError('CANCELLED', 'refresh', `this node no longer holds ${claim.id}`));
  }

  /** Redis refuses this claim's results: its handler is aborted, and the request given back. */
  async surrender(key: string): Promise<void> {
    const claim = this.#byKey.get(key);
    if (!claim) return;
    this.lose(claim);
    await this.pushBack(claim.shard, [claim]);
  }

  /** Aborts every claim and gives those that are not ending back. */
  async giveBackAll(): Promise<void> {
    for (const shard of this.shards()) {
      const claims = this.heldIn(shard).filter((claim) => !claim.ending);
      for (const claim of claims) this.lose(claim);
      await this.pushBack(shard, claims);
    }
  }

  /** The node is over: every handler is aborted with the reason. */
  abandon(reason: SchedulerError): void {
    for (const claim of this.#byKey.values()) claim.abort(reason);
    this.#byKey.clear();
  }
}

/** The text, or as much of its beginning as this many bytes hold. */
function cut(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  return Buffer.from(text)
    .toString('utf8', 0, bytes)
    .replace(/\uFFFD$/, '');
}
