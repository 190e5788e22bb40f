/** How long a request may wait, as lua/README.md#wake-ups and lua/README.md#promises say for the options of a chaos run. */
import { settle } from '../../src/base/settle.ts';
import type { Bounds } from '../lib/checker/stranded.ts';
import type { Setup } from './plan.ts';
import { LONGEST_MS } from './requests.ts';
import { LEASE_MS as leaseMs, POLL_MS as pollMs } from './roles.ts';

/** An idle node looks at every shard so often. */
const POLLS = 1.25;
/** The longest iteration of an engine of the fleet. */
const ITERATION_MS = 50;
/** A reap comes so much later than the moment that its node had set. */
const JITTER_MS = 500;
/** A dozen processes share the cores: the way of a call, a claim and a first result. */
const BUSY_MS = 1_000;

/** @param shards how many there were in the end */
export function boundsOf({ policy }: Setup, shards: number): Bounds {
  const { stealAfterMs, patienceMs } = settle({ policy, leaseMs, pollMs });
  const foundMs = stealAfterMs + POLLS * pollMs + ITERATION_MS + BUSY_MS;
  return {
    ...{ foundMs, patienceMs },
    // a grace, a refresh, its jitter, and a ring that may get lost
    reapedMs: leaseMs + leaseMs / 3 + JITTER_MS + POLLS * pollMs,
    // other policies take what is their own first, whatever its age
    aheadMs: policy === 'oldest' ? stealAfterMs : Infinity,
    // each engine keeps room in one shard at a time, and a keeper that dies is noticed after two polls
    ...(policy === 'oldest' && { roomMs: patienceMs + shards * LONGEST_MS + 2 * pollMs + foundMs }),
  };
}
