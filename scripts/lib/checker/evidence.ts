/** What the checker of a run judges by. */
import type { Lives } from './lives.ts';
import type { Loss } from './losses.ts';
import type { Watch } from './stranded.ts';

/** What Redis holds when everything should have ended. */
export interface Leftovers {
  /** As `owner|id`. */
  readonly records: ReadonlySet<string>;
  readonly mails: ReadonlySet<string>;
  /** Tables that should be empty, and broken invariants, in words. */
  readonly complaints: readonly string[];
}

/** The clock of Redis jumped; a negative `byMs`: back. */
export interface ClockStep {
  /** ms of the histories' clock. */
  readonly at: number;
  readonly byMs: number;
}

export interface Evidence {
  readonly lives: Lives;
  /** In the order of time. */
  readonly losses: readonly Loss[];
  /** In the order of time. */
  readonly clockSteps?: readonly ClockStep[];
  readonly leaseMs: number;
  /**
   * For how long the faults of this run may keep a living process and Redis apart, in ms. 0: nothing but SIGKILL
   * disturbs the run, and the checker forgives nothing that only a broken connection or a stall could explain.
   */
  readonly outageMs: number;
  readonly left: Leftovers;
  /** Undefined: the run does not say enough of its engines and its faults to judge how long a request may wait. */
  readonly watch?: Watch;
}
