/** What the checker of a chaos run judges by. */
import type { ProcessHistory } from './lives.ts';
import type { Loss } from './losses.ts';

/** What Redis holds when everything should have ended. */
export interface Leftovers {
  /** As `owner|id`. */
  readonly records: ReadonlySet<string>;
  readonly mails: ReadonlySet<string>;
  /** Tables that should be empty, and broken invariants, in words. */
  readonly complaints: readonly string[];
}

export interface Evidence {
  readonly processes: readonly ProcessHistory[];
  /** In the order of time. */
  readonly losses: readonly Loss[];
  readonly leaseMs: number;
  readonly left: Leftovers;
}
