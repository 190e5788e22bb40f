import { capacity } from '../../../src/testing/engine/capacity.ts';
import { Random } from './random.ts';
import type { Arrival } from './trace.ts';

export interface LoadOptions {
  /** Wanted arrivals as a share of what the nodes can serve together; 0.9 is a busy fleet. */
  load: number;
  /** How many nodes serve. */
  nodes: number;
  /** Requests per second that one node can serve; by default what the engine model serves of these arrivals. */
  capacityPerNode?: number;
}

/** An arrival and the node that accepts it, from 0. */
export interface OwnedArrival extends Arrival {
  owner: number;
}

export interface OwnerOptions {
  /** How many nodes accept requests. */
  nodes: number;
  /** Share of the arrivals at node 0, e.g. 0.3 of eight nodes; the others share the rest. Without: round robin. */
  skew?: number;
  /** Which arrivals make up the skewed share. */
  seed?: number;
}

/**
 * The same arrivals, closer together or further apart, so that they load a fleet as wanted. Requests are not
 * changed, and neither is the pattern of the gaps.
 */
export function scaleToLoad(arrivals: readonly Arrival[], options: LoadOptions): Arrival[] {
  const { load, nodes } = options;
  if (!(load > 0 && load < Infinity)) throw new RangeError(`load is ${load}; it must be above 0`);
  requireNodes(nodes);
  const first = arrivals[0]?.atMs ?? 0;
  const spanMs = (arrivals.at(-1)?.atMs ?? 0) - first;
  if (spanMs <= 0) throw new RangeError('arrivals must span some time to be scaled');
  const offered = ((arrivals.length - 1) * 1000) / spanMs;
  const capacityPerNode = options.capacityPerNode ?? capacity(arrivals);
  if (!(capacityPerNode > 0 && capacityPerNode < Infinity)) {
    throw new RangeError(`capacityPerNode is ${capacityPerNode}; it must be above 0`);
  }
  const wanted = load * nodes * capacityPerNode;
  return arrivals.map((arrival) => ({ ...arrival, atMs: (arrival.atMs - first) * (offered / wanted) }));
}

/** Gives every arrival an owner: round robin, or a share of exactly `skew` at node 0, which ones by the seed. */
export function assignOwners(arrivals: readonly Arrival[], options: OwnerOptions): OwnedArrival[] {
  const { nodes, skew, seed = 1 } = options;
  requireNodes(nodes);
  if (skew === undefined || nodes === 1) {
    return arrivals.map((arrival, index) => ({ ...arrival, owner: index % nodes }));
  }
  if (!(skew >= 0 && skew <= 1)) throw new RangeError(`skew is ${skew}; it must be in 0..1`);
  const share = Math.round(arrivals.length * skew);
  const atNode0 = new Random(seed).shuffle(arrivals.map((_, index) => index < share));
  let others = 0;
  return arrivals.map((arrival, index) => ({
    ...arrival,
    owner: atNode0[index] ? 0 : 1 + (others++ % (nodes - 1)),
  }));
}

function requireNodes(nodes: number): void {
  if (!Number.isSafeInteger(nodes) || nodes < 1)
    throw new RangeError(`nodes is ${nodes}; it must be at least 1`);
}
