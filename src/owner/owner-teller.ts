import { monotonic } from '../base/clock.ts';
import { parseTicket, type Ticket } from '../base/ticket.ts';
import type { Teller } from '../observe/events.ts';
import type { Shard } from '../protocol/shard.ts';
import type { Mail } from '../protocol/wire.ts';
import type { Pending } from './pending.ts';
import type { FinalResult } from './results.ts';

/** Tells what becomes of the requests that this node accepted; see `observe/events.ts`. */
export class OwnerTeller {
  readonly #teller: Teller;

  constructor(teller: Teller) {
    this.#teller = teller;
  }

  accepted({ id, shard, promptTokens, replicated }: Pending<unknown>, ticket: Ticket): void {
    this.#teller.heard('accepted')?.({ id, ticket, shard: shard.number, promptTokens, replicated });
  }

  /** @param lost the ticket that Redis does not know any more */
  putAgain({ id, shard }: Pending<unknown>, lost: Ticket): void {
    this.#teller.tally.putAgain += 1;
    this.#teller.heard('putAgain')?.({ id, ticket: lost, shard: shard.number });
  }

  taken({ number: shard }: Shard, { ticket, fence, number, kind, payload }: Mail): void {
    this.#teller.tally.resultsTaken += 1;
    const taken = this.#teller.heard('resultTaken');
    if (!taken) return;
    const { id } = parseTicket(ticket);
    taken({ id, ticket, shard, fence, number, kind, bytes: payload.length });
  }

  ended(
    { id, ticket = '', shard, putAt }: Pending<unknown>,
    { kind, reason, node: ranOn, attempt, queuedMs, ranMs }: FinalResult,
  ): void {
    // a predecessor's was not accepted here
    if (putAt !== undefined) this.#teller.tally.ended[kind] += 1;
    this.#count(ranOn, queuedMs);
    const ended = this.#teller.heard('ended');
    if (!ended) return;
    const afterMs = putAt === undefined ? undefined : monotonic() - putAt;
    const course = { ranOn, attempt, queuedMs, ranMs };
    ended({ id, ticket, shard: shard.number, kind, reason, afterMs, ...course });
  }

  /** For the card. */
  #count(ranOn: string | undefined, queuedMs: number | undefined): void {
    const { recent, node } = this.#teller;
    if (queuedMs !== undefined) recent.queued.add(queuedMs);
    if (ranOn !== undefined && ranOn !== node) recent.ranElsewhere += 1;
  }
}
