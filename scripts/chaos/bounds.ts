/** How long a request may wait, as lua/README.md#wake-ups and lua/README.md#promises say for the options of a chaos run. */
import type { Bounds } from '../lib/checker/stranded.ts';
import type { Setup } from './plan.ts';
import { LONGEST_MS } from './requests.ts';

/** As the library's default: the policy `lucky` leaves a peer with little to do its own work for a lease. */
const STEAL_AFTER_MS = { oldest: 20, lucky: undefined };
/** An idle node looks at every shard so often. */
const POLLS = 1.25;
/** The longest iteration of an engine of the fleet. */
const ITERATION_MS = 50;
/** A reap comes so much later than the moment that its node had set. */
const JITTER_MS = 500;
const PATIENCE_MS = 2_000;
/** A dozen processes share the cores: the way of a call, a claim and a first result. */
const BUSY_MS = 1_000;

export function boundsOf(
  { policy }: Setup,
  { leaseMs, pollMs, shards }: { leaseMs: number; pollMs: number; shards: number },
): Bounds {
  const foundMs = (STEAL_AFTER_MS[policy] ?? leaseMs) + POLLS * pollMs + ITERATION_MS + BUSY_MS;
  return {
    foundMs,
    // a grace, a refresh, its jitter, and a ring that may get lost
    reapedMs: leaseMs + leaseMs / 3 + JITTER_MS + POLLS * pollMs,
    patienceMs: PATIENCE_MS,
    // each engine keeps room in one shard at a time, and a keeper that dies is noticed after two polls
    ...(policy === 'oldest' && { roomMs: PATIENCE_MS + shards * LONGEST_MS + 2 * pollMs + foundMs }),
  };
}
