/**
 * What `sched-lua top --json` prints at each refresh, beside `ok`: its schema, which docs/top.md explains field by field. It is that of
 * `status`, with what happens in a second. Times are ms, of the server's clock if they are moments.
 */
import type { Card } from '../protocol/card.ts';
import type { NodeStatus, StatusReport } from './status-report.ts';

/** Durations in ms, at most 9 % off. */
export type Delays = NonNullable<Card['lastMinute']['queued']>;

/** Each per second. */
export interface Rates {
  accepted: number;
  finished: number;
  failed: number;
  cancelled: number;
  expired: number;
  claimed: number;
  /** Of `claimed`: accepted by another node. */
  stolenIn: number;
  /** Own requests that ended at another node. */
  stolenOut: number;
  givenBack: number;
  leasesLost: number;
  results: number;
  resultBytes: number;
}

export interface NodeRates extends Rates {
  /** The stretch that they are of: between two renewals of the node, or since its start if that was within a minute. */
  overMs: number;
}

export interface TopNode extends NodeStatus {
  /** null: it is silent, has left, tells nothing, or has not renewed its name since the first look. */
  rates: NodeRates | null;
}

/** From the look before to this one. */
export interface TopChange {
  overMs: number;
  /** Per second: how what waits grows, or shrinks if it is negative. */
  waiting: number;
  /** Per second: entries that came into `dead`, less those that went. */
  dead: number;
}

export interface TopReport extends StatusReport {
  nodes: TopNode[];
  /** Of all nodes together whose rates are known; null: of none. */
  rates: (Rates & { nodes: number }) | null;
  /** null at the first look. */
  change: TopChange | null;
  /** Over the last minute, as an estimate from those of the nodes. null: there were none. */
  queued: Delays | null;
  ran: Delays | null;
}
