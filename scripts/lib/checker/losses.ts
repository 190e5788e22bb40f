/** What Redis lost, and brought back, when it died and came back with less than it had. Pure. */

import type { Grant } from './lives.ts';

/** What a Redis held of the fleet's requests; their ids are never used twice. */
export interface Holding {
  /** Id -> fence of the claim; undefined: it waits. */
  readonly records: ReadonlyMap<string, string | undefined>;
  /** Ids whose final result is on its way. */
  readonly finals: ReadonlySet<string>;
  /** Per shard its clock: no claim of a later fence had been granted. */
  readonly ticks: readonly string[];
}

/** Redis died, and came back with none of its data, with those of an earlier moment, or with a replica's. */
export interface Loss {
  /** When it died and when it was back; ms of the histories' clock. */
  readonly from: number;
  readonly at: number;
  readonly had: Holding;
  readonly has: Holding;
}

export const NOTHING_HELD: Holding = { records: new Map(), finals: new Set(), ticks: [] };

/** Redis had the request, or its end, and came back without either. */
export function isGone({ had, has }: Loss, id: string): boolean {
  return holds(had, id) && !holds(has, id);
}

/** Redis came back with the request, or its end, after `from` and before `to`: whatever became of it in between is undone. */
export function cameBack(losses: readonly Loss[], id: string, from: number, to: number): boolean {
  return losses.some((loss) => loss.at > from && loss.from < to && holds(loss.has, id));
}

/** The claim `undone` was forgotten, and the earlier one `fence` of the same request stood again. */
export function stoodAgain(
  losses: readonly Loss[],
  id: string,
  fence: string,
  undone: { shard: number; fence: string },
): boolean {
  return losses.some(
    ({ had, has }) => has.records.get(id) === fence && undone.fence <= (had.ticks[undone.shard] ?? ''),
  );
}

/**
 * Between which losses the claim was granted, by its fence and by when its process got it. The two differ for a process that
 * stood still and got it late, and for a shard that was emptied and counts from its clock again. Such a claim is of no era that
 * another one is of, but for those that are like it.
 */
export function eraOf(losses: readonly Loss[], { shard, fence, at }: Grant): string {
  const byFence = losses.filter(({ had }) => (had.ticks[shard] ?? '') < fence).length;
  return `${byFence} ${losses.filter((loss) => loss.at < at).length}`;
}

function holds({ records, finals }: Holding, id: string): boolean {
  return records.has(id) || finals.has(id);
}
