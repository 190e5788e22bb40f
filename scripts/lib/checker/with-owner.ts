/** Whether a request of which no client was told the end has ended with the process that accepted it. Pure. */
import { describe, nameOf, type Entry, type ProcessHistory } from '../harness/happenings.ts';
import type { Evidence } from './evidence.ts';
import type { Life } from './lives.ts';
import { isGone } from './losses.ts';

/** Which of the four proofs of {@link withOwner}. */
export type Proof = 'ownResult' | 'taken' | 'dropped' | 'forgotten';

/** For how long a process may have a final that it has not told: its put, or its result, is still without an answer. */
const HOLD_MS = 6_000;
/** An owner that hears from Redis notices a loss at its next refresh, and puts again; a fault may delay that. */
const NOTICE_MS = 6_000;

/**
 * Its owner was killed or evicted, Redis has nothing of it, and one of these is proven; or why not:
 *
 * - `ownResult`: the last claim was granted to its owner, or to a successor by takeover, while that lived, which sent
 *   the final and died, Redis having answered it for {@link HOLD_MS} at most: only that process knows its own result;
 * - `taken`: its owner, or a successor by takeover, had the final from Redis, and died within {@link HOLD_MS}; only in a
 *   run with outages, as undisturbed a result is told before Redis forgets it;
 * - `dropped`: a process that had taken the name without takeover got the final: it sent it itself, or had it from Redis;
 * - `forgotten`: Redis had it and came back without it; its owner, which alone had the payload, did not put it again,
 *   and died before it heard from Redis again, or for longer than {@link NOTICE_MS}.
 */
export function withOwner(
  life: Life,
  { lives: { started }, losses, left, outageMs }: Omit<Evidence, 'leaseMs'>,
): { proof: Proof } | { proof?: undefined; why: string } {
  const { accepted, claimed, sent, taken, placed, granted, id } = life;
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
      placed.every(({ at }) => at <= loss.at) &&
      heardLittle(owner, heardAt(owner, loss.at), NOTICE_MS),
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

/** When Redis first answered it after that; never: Infinity. */
function heardAt({ entries }: ProcessHistory, after: number): number {
  return entries.find((entry) => entry.at > after && isAnswer(entry))?.at ?? Infinity;
}

function isAnswer({ what }: Entry): boolean {
  return what === 'placed' || what === 'granted' || what === 'taken';
}

/** Tickets of one request begin alike, up to their order. */
function latest(tickets: readonly string[]): string | undefined {
  return [...tickets].sort().at(-1);
}
