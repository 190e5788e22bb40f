/** Whether a request of which no client was told the end has ended with the process that accepted it. Pure. */
import { parseTicket } from '../../../src/base/ticket.ts';
import { describe, nameOf, type Entry, type ProcessHistory } from '../harness/happenings.ts';
import type { Evidence } from './evidence.ts';
import type { Life, Seen } from './lives.ts';
import { isGone, type Loss } from './losses.ts';

/** Which of the four proofs of {@link withOwner}. */
export type Proof = 'ownResult' | 'taken' | 'dropped' | 'forgotten';

/** For how long a process may have a final that it has not told: its put, or its result, is still without an answer. */
const HOLD_MS = 6_000;
const US_PER_MS = 1_000;
/**
 * What an owner has answered until it has put a lost request again: a refresh, then a look into its mailbox, then the put. Twice
 * each, as the first answer may be to a call that was on its way.
 */
const NOTICED_BY = ['refresh', 'refresh', 'take_results', 'take_results', 'put_requests', 'put_requests'];

/**
 * Its owner was killed or evicted, Redis has nothing of it, and one of these is proven; or why not:
 *
 * - `ownResult`: the last claim was granted to its owner, or to a successor by takeover, while that lived, which sent
 *   the final and died, Redis having answered it for {@link HOLD_MS} at most: only that process knows its own result;
 * - `taken`: its owner, or a successor by takeover, had the final from Redis, and died within {@link HOLD_MS}; only in a
 *   run with outages, as undisturbed a result is told before Redis forgets it;
 * - `dropped`: a process that had taken the name without takeover got the final: it sent it itself, or had it from Redis;
 * - `forgotten`: Redis had it and came back without it; its owner, which alone had the payload, did not put it again, and
 *   died before Redis had answered it what that takes ({@link NOTICED_BY}).
 */
export function withOwner(
  life: Life,
  { lives: { started }, losses, left, outageMs }: Omit<Evidence, 'leaseMs'>,
): { proof: Proof } | { proof?: undefined; why: string } {
  const { put, accepted, claimed, sent, taken, placed, granted, id } = life;
  const owner = accepted!.by;
  const name = nameOf(owner);
  const last = [...granted].sort((one, other) => (one.fence < other.fence ? -1 : 1)).at(-1);
  const key = `${name}|${id}`;
  if (left.mails.has(key)) return { why: 'a result of it is in Redis, and nobody took it' };
  if (left.records.has(key))
    return { why: `it is still in Redis; it was last claimed by ${last ? describe(last.by) : 'nobody'}` };
  if (owner.diedAt === undefined) return { why: 'it is gone from Redis, and its owner was told nothing' };

  const heirs = new Set(started.filter(({ takeover }) => takeover).map(({ by }) => by));
  const tells = (by: ProcessHistory): boolean => nameOf(by) === name && (by === owner || heirs.has(by));
  const drops = (by: ProcessHistory): boolean => nameOf(by) === name && by !== owner && !heirs.has(by);

  const final = sent.find((one) => one.final && one.fence === last?.fence && one.by === last.by);
  const { diedAt = Infinity } = last?.by ?? {};
  if (final && tells(final.by) && last!.at < diedAt && heardLittle(final.by, final.at, HOLD_MS))
    return { proof: 'ownResult' };
  const ticket = latest([...placed, ...granted].map((one) => one.ticket));
  const finals = taken.filter((one) => one.final && one.ticket === ticket);
  if (outageMs > 0 && finals.some(({ by, at }) => tells(by) && diedSoon(by, at, HOLD_MS)))
    return { proof: 'taken' };
  if ((final && drops(final.by)) || finals.some(({ by }) => drops(by))) return { proof: 'dropped' };
  const isForgotten = losses.some(
    (loss) =>
      isGone(loss, id) &&
      placed.every((one) => one.at <= loss.at || wasRun(loss, one, put?.priority)) &&
      !couldPutAgain(owner, placed.at(-1)?.shard, loss.at),
  );
  if (isForgotten) return { proof: 'forgotten' };
  const by = claimed.at(-1)?.by;
  const how = final ? 'it sent its final' : 'it did not send its final';
  const who = by ? `${describe(by)} claimed it last; ${how}` : 'nobody claimed it';
  return { why: `it is gone from Redis; its owner was killed, and ${who}` };
}

/** Nothing more was seen of it later than that; a process that is stopped sees nothing. */
function diedSoon({ diedAt, entries }: ProcessHistory, after: number, ms: number): boolean {
  return diedAt !== undefined && (entries.at(-1)?.at ?? 0) <= after + ms;
}

/** It died, and Redis answered it nothing later than that: what it did meanwhile needs no Redis. */
function heardLittle({ diedAt, entries }: ProcessHistory, after: number, ms: number): boolean {
  return diedAt !== undefined && (entries.findLast(isAnswer)?.at ?? 0) <= after + ms;
}

/** Redis had run the put before it was lost, though its process, which stood still, read the answer later. */
function wasRun({ had }: Loss, { ticket, shard }: Seen<'placed'>, headStartMs = 0): boolean {
  const order = parseInt(parseTicket(ticket).order, 16);
  return order + headStartMs * US_PER_MS <= parseInt(had.ticks[shard] ?? '0', 16);
}

/** Whether Redis answered it, after that, all that a put of what was lost takes. */
function couldPutAgain({ entries }: ProcessHistory, shard: number | undefined, after: number): boolean {
  let steps = 0;
  for (const entry of entries)
    if (
      entry.what === 'answered' &&
      entry.at > after &&
      entry.shard === shard &&
      entry.script === NOTICED_BY[steps]
    )
      steps += 1;
  return steps === NOTICED_BY.length;
}

function isAnswer({ what }: Entry): boolean {
  return what === 'placed' || what === 'granted' || what === 'taken';
}

/** Tickets of one request begin alike, up to their order. */
function latest(tickets: readonly string[]): string | undefined {
  return [...tickets].sort().at(-1);
}
