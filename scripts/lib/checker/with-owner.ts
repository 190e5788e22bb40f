/** Whether a request that nobody was told the end of ended with the process that had accepted it. Pure. */
import type { Evidence } from './evidence.ts';
import type { Entry } from '../harness/happenings.ts';
import { nameOf, type Life, type Lives, type ProcessHistory } from './lives.ts';
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
 * - `ownResult`: its last claim was its owner's, or a successor's in the name, who sent its final and died within
 *   {@link HOLD_MS}: an own result is kept by the process alone;
 * - `taken`: its owner, or a successor by takeover, had its final from Redis, and died within {@link HOLD_MS};
 * - `dropped`: somebody who had taken the name without takeover got its final: sent by itself, or from Redis;
 * - `forgotten`: Redis had it, came back without it, and its owner, who alone had the payload, did not put it again
 *   and died before it heard from Redis again, or within {@link NOTICE_MS}.
 */
export function withOwner(
  life: Life,
  { started }: Lives,
  { losses, left }: Pick<Evidence, 'losses' | 'left'>,
): { proof: Proof } | { proof?: undefined; why: string } {
  const { accepted, claimed, sent, taken, placed, granted, id } = life;
  const owner = accepted!.by;
  const name = nameOf(owner);
  const last = [...granted].sort((one, other) => (one.fence < other.fence ? -1 : 1)).at(-1);
  const key = `${name}|${id}`;
  if (left.mails.has(key)) return { why: 'a result of it is in Redis, and nobody took it' };
  if (left.records.has(key))
    return { why: `it is still in Redis; it was last claimed by ${last?.by.label ?? 'nobody'}` };
  if (owner.diedAt === undefined) return { why: 'it is gone from Redis, and its owner was told nothing' };

  const heirs = new Set(started.filter(({ takeover }) => takeover).map(({ by }) => by));
  const tells = (by: ProcessHistory): boolean => nameOf(by) === name && (by === owner || heirs.has(by));
  const drops = (by: ProcessHistory): boolean => nameOf(by) === name && by !== owner && !heirs.has(by);

  const final = sent.find((one) => one.final && one.fence === last?.fence && one.by === last.by);
  if (final && tells(final.by) && diedSoon(final.by, final.at, HOLD_MS)) return { proof: 'ownResult' };
  const ticket = latest([...placed, ...granted].map((one) => one.ticket));
  const finals = taken.filter((one) => one.final && one.ticket === ticket);
  if (finals.some(({ by, at }) => tells(by) && diedSoon(by, at, HOLD_MS))) return { proof: 'taken' };
  if ((final && drops(final.by)) || finals.some(({ by }) => drops(by))) return { proof: 'dropped' };
  const isForgotten = losses.some(
    (loss) =>
      isGone(loss, id) &&
      placed.every(({ at }) => at <= loss.at) &&
      diedSoon(owner, heardAt(owner, loss.at), NOTICE_MS),
  );
  if (isForgotten) return { proof: 'forgotten' };
  const by = claimed.length > 0 ? `${claimed.at(-1)!.by.label} claimed it last` : 'nobody claimed it';
  return { why: `it is gone from Redis; its owner was killed, and ${by}` };
}

/** Nothing more was seen of it later than that; a process that is stopped sees nothing. */
function diedSoon({ diedAt, entries }: ProcessHistory, after: number, ms: number): boolean {
  return diedAt !== undefined && (entries.at(-1)?.at ?? 0) <= after + ms;
}

/** When Redis first answered it after that; never: Infinity. */
function heardAt({ entries }: ProcessHistory, after: number): number {
  const isAnswer = ({ what }: Entry): boolean => what === 'placed' || what === 'granted' || what === 'taken';
  return entries.find((entry) => entry.at > after && isAnswer(entry))?.at ?? Infinity;
}

/** Tickets of one request begin alike, up to their order. */
function latest(tickets: readonly string[]): string | undefined {
  return [...tickets].sort().at(-1);
}
