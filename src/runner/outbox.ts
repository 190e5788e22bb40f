/**
 * Results of claims on their way to Redis. Each carries its claim's fence and the next number of that claim; Redis refuses
 * them once the fence no longer holds. What is put together is sent and answered together. A result of a request that this node
 * accepted itself does not travel: Redis fences it, and it is delivered here.
 */
import { toPayload, type Codec, type Payload } from '../base/codec.ts';
import type { SchedulerError } from '../base/errors.ts';
import type { Ticket } from '../base/ticket.ts';
import type { Teller } from '../observe/events.ts';
import type { Membership } from '../protocol/membership.ts';
import { PoisonError } from '../protocol/resend.ts';
import type { ResultOutcome } from '../protocol/result-lane.ts';
import type { Shard } from '../protocol/shard.ts';
import type { Delivered, ResultAnswer, ResultItem } from '../protocol/wire.ts';
import type { Claim } from './claim.ts';

/** One result of a claimed request: a chunk, or its end. */
export type RunnerResult<Output = unknown> = RunnerChunk<Output> | RunnerFinished<Output> | RunnerFailed;

interface OfClaim {
  /** Of the claimed request. */
  claim: string;
}

interface RunnerChunk<Output = unknown> extends OfClaim {
  output: Output;
  finished?: false;
  failed?: undefined;
}

/** Ends it with success. */
interface RunnerFinished<Output = unknown> extends OfClaim {
  output?: Output;
  finished: true;
  failed?: undefined;
}

/** Ends it as failed. */
interface RunnerFailed extends OfClaim {
  /** Why. */
  failed: string;
  output?: undefined;
  finished?: false;
}

/**
 * `ok`: accepted. `orphan`: accepted, but its owner is silent. `lost`: this node no longer holds the claim, or it has
 * ended. `overflow`: its owner had no room, the request has ended as failed. `too_large`: over maxResultBytes or what
 * the server takes, send it in chunks. `encode`: the codec could not encode it. The last two were not sent; the claim stands.
 */
export type ResultStatus = 'ok' | 'orphan' | 'lost' | 'overflow' | 'too_large' | 'encode';

/** Why a request ends as failed whose result was not sent. */
export const REFUSALS = {
  encode: 'a result could not be encoded',
  too_large: 'a result was over maxResultBytes; send it in chunks',
} as const satisfies Partial<Record<ResultStatus, string>>;

/** What the runner asks of the requests that this node accepted itself. */
export interface OwnRequests {
  /** The payload of a request that this process accepted; undefined: it did not. */
  payloadOf(ticket: Ticket): Payload | undefined;
  /** A result of an own request is being sent; call what this gives when it was answered and delivered. */
  sending(ticket: Ticket): () => void;
  /** A result of an own request that Redis accepted. */
  deliver(shard: Shard, result: Delivered): void;
}

/** What this node holds, told of what the outbox learns about it. */
export interface HeldClaims {
  /** Redis has accepted its final result. */
  ended(claim: Claim): void;
  /** Its fence no longer holds. */
  lose(claim: Claim): void;
  /** Its owner has no room: Redis has ended it as failed. */
  overflowed(claim: Claim): void;
}

export interface OutboxRules<Output> {
  outputCodec: Codec<Output>;
  maxResultBytes: number;
}

/** A result without its place in the stream; `dead`: Redis keeps a copy of the request among its dead letters. */
type Encoded = Pick<ResultItem, 'kind' | 'payload' | 'bare'> & Partial<Pick<ResultItem, 'dead'>>;

/** A result as it is sent. */
export interface SentResult extends ResultItem {
  readonly claim: Claim;
  /** Of an own request: called when it was answered and delivered. */
  readonly sent: (() => void) | undefined;
}

export class Outbox<Output> {
  readonly #membership: Membership;
  readonly #rules: OutboxRules<Output>;
  readonly #own: OwnRequests;
  readonly #held: HeldClaims;
  readonly #teller: Teller;

  constructor(
    membership: Membership,
    rules: OutboxRules<Output>,
    own: OwnRequests,
    held: HeldClaims,
    teller: Teller,
  ) {
    this.#membership = membership;
    this.#rules = rules;
    this.#own = own;
    this.#held = held;
    this.#teller = teller;
  }

  /**
   * What cannot be sent is answered at once, before anything that follows it is sent.
   * Rejects with SchedulerError REDIS if Redis refuses it: the claim stands, and the result was not taken.
   */
  put(claim: Claim, item: RunnerResult<Output>): ResultStatus | Promise<ResultStatus> {
    const result = this.#next(claim, item);
    if (typeof result === 'string') return result;
    return this.#send(claim.shard, [result]).then(([status]) => status!);
  }

  /**
   * The same for results of any claims, in order: those of one shard are one unit up to the answer.
   * @param claimOf the claim of one; undefined: it is lost
   */
  async putAll(
    items: readonly RunnerResult<Output>[],
    claimOf: (item: RunnerResult<Output>) => Claim | undefined,
  ): Promise<ResultStatus[]> {
    const list: (SentResult | ResultStatus)[] = [];
    let thrown: { error: unknown } | undefined;
    for (const item of items) {
      try {
        const claim = claimOf(item);
        list.push(claim ? this.#next(claim, item) : 'lost');
      } catch (error) {
        // an item of the user's own making; what was numbered before it must be sent
        thrown ??= { error };
        list.push('encode');
      }
    }
    const statuses = await this.#sendAll(list);
    if (thrown) throw thrown.error;
    return statuses;
  }

  /** Ends a request that this node cannot decode. */
  async fail(claim: Claim, reason: string): Promise<void> {
    const failed = { kind: 'failed', payload: reason, dead: true } as const;
    await this.#send(claim.shard, [this.#numbered(claim, failed, Buffer.byteLength(reason))]);
  }

  /** The next result of a claim; it must be sent then. What cannot be sent takes no number. */
  #next(claim: Claim, item: RunnerResult<Output>): SentResult | 'encode' | 'too_large' {
    let result: Encoded;
    try {
      result = this.#encode(item);
    } catch {
      return 'encode';
    }
    const bytes = Buffer.byteLength(result.payload);
    return bytes > this.#rules.maxResultBytes ? 'too_large' : this.#numbered(claim, result, bytes);
  }

  #numbered(claim: Claim, { kind, payload, bare, dead = false }: Encoded, bytes: number): SentResult {
    claim.number += 1;
    claim.bytesAhead += bytes;
    if (kind !== 'chunk') claim.ending = true;
    this.#teller.tally.resultsUnanswered += 1;
    const sent = claim.owner === this.#membership.name ? this.#own.sending(claim.ticket) : undefined;
    const { number } = claim;
    const result: SentResult = { claim, number, kind, dead, payload, bytes, sent };
    return bare ? { ...result, bare } : result;
  }

  /** Throws what the codec throws; a chunk must have an output. */
  #encode({ output, finished, failed }: RunnerResult<Output>): Encoded {
    if (failed !== undefined) return { kind: 'failed', payload: cut(failed, this.#rules.maxResultBytes) };
    if (finished && output === undefined) return { kind: 'finished', payload: '', bare: true };
    const payload = toPayload(this.#rules.outputCodec.encode(output as Output));
    return { kind: finished ? 'finished' : 'chunk', payload };
  }

  /** Results of claims in one shard. Rejects with the first error that Redis refused one with. */
  async #send(shard: Shard, results: readonly SentResult[]): Promise<ResultStatus[]> {
    const outcomes = await shard.putResults(results);
    const statuses: ResultStatus[] = [];
    let refusal: SchedulerError | undefined;
    for (const [i, result] of results.entries()) {
      const outcome = outcomes[i]!;
      this.#settle(shard, result, outcome);
      if (typeof outcome === 'string') {
        statuses.push(STATUS[outcome]);
      } else {
        if (!(outcome instanceof PoisonError) || result.kind === 'failed') refusal ??= outcome;
        statuses.push('too_large');
      }
    }
    if (refusal) throw refusal;
    return statuses;
  }

  async #sendAll(list: readonly (SentResult | ResultStatus)[]): Promise<ResultStatus[]> {
    const byShard = new Map<Shard, SentResult[]>();
    for (const one of list) {
      if (typeof one === 'string') continue;
      const results = byShard.get(one.claim.shard);
      if (results) results.push(one);
      else byShard.set(one.claim.shard, [one]);
    }
    const [only] = byShard;
    if (only?.[1].length === list.length) return this.#send(...only);
    const sent = [...byShard].map(
      async ([shard, results]) => [shard, (await this.#send(shard, results)).values()] as const,
    );
    const statuses = new Map(await Promise.all(sent));
    return list.map((one) => (typeof one === 'string' ? one : statuses.get(one.claim.shard)!.next().value!));
  }

  #settle(shard: Shard, result: SentResult, outcome: ResultOutcome): void {
    const { claim, number, kind, bytes, sent } = result;
    try {
      if (typeof outcome === 'string') this.#answered(shard, result, outcome);
      else {
        // refused: neither its number nor its end was taken
        claim.number = Math.min(claim.number, number - 1);
        if (kind !== 'chunk') claim.ending = false;
      }
    } finally {
      this.#teller.tally.resultsUnanswered -= 1;
      claim.bytesAhead -= bytes;
      sent?.();
    }
  }

  #answered(shard: Shard, result: SentResult, answer: ResultAnswer): void {
    const { claim, number, kind, payload, bare, sent } = result;
    this.#tell(result, answer);
    if (answer === 'LOST') {
      this.#held.lose(claim);
    } else if (answer === 'OVERFLOW') {
      this.#held.overflowed(claim);
    } else {
      if (kind !== 'chunk') this.#held.ended(claim);
      if (sent === undefined) return;
      const { ticket, fence } = claim;
      const told = kind === 'chunk' ? { tick: fence } : claim.storyNow();
      this.#own.deliver(shard, { kind, payload, ...(bare ? { bare } : {}), ticket, fence, number, ...told });
    }
  }

  #tell({ claim, number, kind, bytes }: SentResult, answer: ResultAnswer): void {
    const { tally, recent } = this.#teller;
    if (answer === 'OK' || answer === 'ORPHAN') {
      tally.resultsSent += 1;
      recent.resultBytes += bytes;
      if (kind !== 'chunk') recent.ran.add(claim.heldMs);
    } else tally.resultsRefused += 1;
    const tell = this.#teller.heard('resultSent');
    if (!tell) return;
    const { id, ticket, fence, owner, shard } = claim;
    tell({ id, ticket, fence, owner, shard: shard.number, number, kind, bytes, answer });
  }
}

const STATUS: Record<ResultAnswer, ResultStatus> = {
  OK: 'ok',
  ORPHAN: 'orphan',
  LOST: 'lost',
  OVERFLOW: 'overflow',
};

/** The text, or as much of its beginning as this many bytes hold. */
function cut(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  return Buffer.from(text)
    .toString('utf8', 0, bytes)
    .replace(/\uFFFD$/, '');
}
