/** What the naive twin puts into Redis, and its clock. */
import type * as reference from '../lib/reference/reference.ts';
import { now } from '../lib/harness/history.ts';
import type { Output } from '../lib/harness/happenings.ts';
import type { ChaosRequest } from './node.ts';

export interface Element extends reference.Element {
  /** Hex digits: when it was put. */
  order: string;
  raw: ChaosRequest;
}

export interface Reply {
  ticket: string;
  output: Output;
  finished: boolean;
}

/** µs of the machine's monotonic clock: no two calls of a process get the same. */
let last = 0;
export function ticks(): number {
  last = Math.max(last + 1, Math.floor(now() * 1000));
  return last;
}

export function hex(tick: number): string {
  return tick.toString(16).padStart(14, '0');
}
