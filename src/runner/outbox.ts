/**
 * Results of claims on their way to Redis. Each carries its claim's fence and the next number of that claim; Redis refuses
 * them once the fence no longer holds. A result of a request that this node accepted itself does not travel: Redis fences
 * it, and it is delivered here.
 */
import { toPayload, type Codec, type Payload } from '../base/codec.ts';
import type { Ticket } from '../base/ticket.ts';
import type { Teller } from '../observe/events.ts';
import type { Membership } from '../protocol/membership.ts';
import { PoisonError } from '../protocol/resend.ts';
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

/** A result as it is sent; `dead`: Redis keeps a copy of the request among its dead letters. */
type Encoded = Pick<ResultItem, 'kind' | 'payload' | 'bare'> & Partial<Pick<ResultItem, 'dead'>>;

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
  put(claim: Claim, item: RunnerResult<Output>): 'encode' | 'too_large' | Promise<ResultStatus> {
    let result: Encoded;
    try {
      result = this.#encode(item);
    } catch {
      return 'encode';
    }
    if (Buffer.byteLength(result.payload) > this.#rules.maxResultBytes) return 'too_large';
    return this.#put(claim, result);
  }

  async #put(claim: Claim, result: Encoded): Promise<ResultStatus> {
    try {
      const answer = await this.send(claim, result);
      return answer.toLowerCase() as ResultStatus;
    } catch (error) {
      if (error instanceof PoisonError && result.kind !== 'failed') return 'too_large';
      throw error;
    }
  }

  /** Throws what the codec throws; a chunk must have an output. */
  #encode({ output, finished, failed }: RunnerResult<Output>): Encoded {
    if (failed !== undefined) return { kind: 'failed', payload: cut(failed, this.#rules.maxResultBytes) };
    if (finished && output === undefined) return { kind: 'finished', payload: '', bare: true };
    const payload = toPayload(this.#rules.outputCodec.encode(output as Output));
    return { kind: finished ? 'finished' : 'chunk', payload };
  }

  async send(claim: Claim, result: Encoded): Promise<ResultAnswer> {
    const { shard, ticket, fence } = claim;
    const { kind, payload } = result;
    const number = ++claim.number;
    if (kind !== 'chunk') claim.ending = true;
    const isOwn = claim.owner === this.#membership.name;
    const bytes = Buffer.byteLength(payload);
    claim.bytesAhead += bytes;
    const sent = isOwn ? this.#own.sending(ticket) : undefined;
    const { tally } = this.#teller;
    tally.resultsUnanswered += 1;
    try {
      const answer = await shard.putResult({ dead: false, ...result, ticket, fence, number });
      this.#tell(claim, number, kind, bytes, answer);
      if (answer === 'LOST') {
        this.#held.lose(claim);
      } else if (answer === 'OVERFLOW') {
        this.#held.overflowed(claim);
      } else {
        if (kind !== 'chunk') this.#held.ended(claim);
        const told = kind === 'chunk' ? { tick: fence } : claim.storyNow();
        if (isOwn) this.#own.deliver(shard, { ...result, ticket, fence, number, ...told });
      }
      return answer;
    } catch (error) {
      // refused: neither its number nor its end was taken
      claim.number = Math.min(claim.number, number - 1);
      if (kind !== 'chunk') claim.ending = false;
      throw error;
    } finally {
      tally.resultsUnanswered -= 1;
      claim.bytesAhead -= bytes;
      sent?.();
    }
  }

  #tell(claim: Claim, number: number, kind: Encoded['kind'], bytes: number, answer: ResultAnswer): void {
    const { tally } = this.#teller;
    if (answer === 'OK' || answer === 'ORPHAN') tally.resultsSent += 1;
    else tally.resultsRefused += 1;
    const { id, ticket, fence, owner, shard } = claim;
    this.#teller.heard('resultSent')?.({
      ...{ id, ticket, fence, owner, shard: shard.number, number, kind, bytes, answer },
    });
  }
}

/** The text, or as much of its beginning as this many bytes hold. */
function cut(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  return Buffer.from(text)
    .toString('utf8', 0, bytes)
    .replace(/\uFFFD$/, '');
}
