import { monotonic } from '../base/clock.ts';
import { parseTicket, type Tick, type Ticket } from '../base/ticket.ts';
import type { Teller } from '../observe/events.ts';
import type { ClaimedTicket, Held, PutAnswer, PutItem } from './wire.ts';

/** A call that Redis took longer to answer is told as `slowShard`. */
const SLOW_MS = 1_000;

/** Tells what passes between this process and one shard; see `observe/events.ts`. */
export class ShardTeller {
  readonly #shard: number;
  readonly #teller: Teller;

  constructor(shard: number, teller: Teller) {
    this.#shard = shard;
    this.#teller = teller;
  }

  placed(items: readonly PutItem[], answers: readonly PutAnswer[]): void {
    const placed = this.#teller.heard('placed');
    if (!placed) return;
    answers.forEach((answer, i) => {
      if (!('ticket' in answer)) return;
      const { ticket, status } = answer;
      placed({ id: items[i]!.id, ticket, shard: this.#shard, stands: status === 'DUPLICATE' });
    });
  }

  /** @param node the caller: what another accepted was stolen */
  claimed(claims: readonly ClaimedTicket[], node: string): void {
    const { tally } = this.#teller;
    tally.claimed += claims.length;
    for (const { ticket } of claims) if (!ticket.startsWith(`${node}|`)) tally.stolen += 1;
    const claimed = this.#teller.heard('claimed');
    const stolen = this.#teller.heard('stolen');
    if (!claimed && !stolen) return;
    for (const claim of claims) {
      const told = this.#claimOf(claim);
      claimed?.({ ...told, triesSpent: claim.triesSpent });
      if (told.owner !== node) stolen?.(told);
    }
  }

  givenBack(claims: readonly Held[]): void {
    this.#teller.tally.givenBack += claims.length;
    const givenBack = this.#teller.heard('givenBack');
    if (givenBack) for (const claim of claims) givenBack(this.#claimOf(claim));
  }

  /** Redis did not run the script and said why, or has said nothing for `ms`; it is sent again. */
  slow(script: string, ms: number, reason: string | undefined): void {
    this.#teller.heard('slowShard')?.({ shard: this.#shard, script, ms, reason });
  }

  /** A script is being sent: call what this gives when it was run and answered. */
  sending(script: string): () => void {
    const from = monotonic();
    return () => {
      const ms = monotonic() - from;
      this.#teller.tally.answered(script, ms);
      this.#teller.heard('answered')?.({ shard: this.#shard, script, ms });
      if (ms > SLOW_MS) this.slow(script, ms, undefined);
    };
  }

  #claimOf({ ticket, fence }: Held): {
    id: string;
    owner: string;
    ticket: Ticket;
    fence: Tick;
    shard: number;
  } {
    const { id, owner } = parseTicket(ticket);
    return { id, owner, ticket, fence, shard: this.#shard };
  }
}
