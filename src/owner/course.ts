import type { Tick } from '../base/ticket.ts';
import type { Story } from '../protocol/wire.ts';

/** How it went with a request that has ended. */
export interface Course {
  /** The node that ran it last. Missing: it was still waiting. */
  node?: string;
  /** Runners that had it: 1 if the first one ended it, 0 if none had it. */
  attempt: number;
  /** ms from its put to its last claim, or to its end if it was waiting. */
  queuedMs: number;
  /** ms from its last claim to its end. */
  ranMs?: number;
}

/** @param endedAt tick of its final */
export function courseOf({ triesSpent, arrival, claimedAt, runner }: Story, endedAt: Tick): Course {
  if (runner === '') return { attempt: triesSpent, queuedMs: msBetween(arrival, endedAt) };
  return {
    node: runner,
    attempt: triesSpent + 1,
    queuedMs: msBetween(arrival, claimedAt),
    ranMs: msBetween(claimedAt, endedAt),
  };
}

/** Ticks are µs of the shard's clock. */
function msBetween(from: Tick, to: Tick): number {
  return Math.max(0, (parseInt(to, 16) - parseInt(from, 16)) / 1_000);
}
