import { monotonic } from '../base/clock.ts';
import type { Rules } from '../base/options.ts';
import { parseTicket, type Tick, type Ticket } from '../base/ticket.ts';
import type { StealReason, Teller } from '../observe/events.ts';
import type { ClaimedTicket, Held, PutAnswer, PutItem } from './wire.ts';

/** A call that Redis took longer to answer is told as `slowShard`. */
const SLOW_MS = 1_000;

/** Tells what passes between this process and one shard; see `observe/events.ts`. */
export class ShardTeller {
  readonly #shard: number;
  readonly #teller: Teller;
  readonly #stealAfterMs: number;

  constructor(shard: number, teller: Teller, { stealAfterMs }: Pick<Rules, 'stealAfterMs'>) {
    this.#shard = shard;
    this.#teller = teller;
    this.#stealAfterMs = stealAfterMs;
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
      const queuedMs = queuedMsOf(claim);
      claimed?.({ ...told, triesSpent: claim.triesSpent, queuedMs });
      if (told.owner !== node) stolen?.({ ...told, reason: this.#reasonOf(claim, queuedMs), queuedMs });
    }
  }

  givenBack(claims: readonly Held[]): void {
    this.#teller.tally.givenBack += claims.length;
    const givenBack = this.#teller.heard('givenBack');
    if (givenBack) for (const claim of claims) givenBack(this.#claimOf(claim));
  }

  /** Redis did not run the script and said why, or has said nothing for `ms`; it is sent again. */
  slow(script: string, ms: number, reason: string | undefined): void {
    this.#teller.heard('slowShard')?.({ shard: this.#shard, script, ms, reason, isAnswered: false });
  }

  #reasonOf({ triesSpent }: ClaimedTicket, queuedMs: number): StealReason {
    if (triesSpent > 0) return 'lost';
    return queuedMs >= this.#stealAfterMs ? 'waited' : 'free';
  }

  /** A script is being sent: call what this gives when it was run and answered. */
  sending(script: string): () => void {
    const from = monotonic();
    return () => {
      const [shard, now] = [this.#shard, monotonic()];
      const ms = now - from;
      this.#teller.tally.answered(shard, script, ms, now);
      this.#teller.heard('answered')?.({ shard, script, ms });
      if (ms > SLOW_MS)
        this.#teller.heard('slowShard')?.({ shard, script, ms, reason: undefined, isAnswered: true });
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

/** ms from the put to the claim, on the shard's clock. */
function queuedMsOf({ fence, arrival }: ClaimedTicket): number {
  return Math.max(0, (parseInt(fence, 16) - parseInt(arrival, 16)) / 1_000);
}
