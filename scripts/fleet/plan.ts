/** Which requests arrive when and at which node, in model time. */
import { fitsEngine } from '../../src/base/budget.ts';
import { capacity } from '../../src/testing/engine/capacity.ts';
import { DEFAULT_ENGINE, type EngineOptions } from '../../src/testing/engine/engine-model.ts';
import { assignOwners, scaleToLoad, type OwnedArrival } from '../lib/traffic/scale.ts';
import { openTraffic, type Source } from '../lib/traffic/source.ts';
import type { Arrival } from '../lib/traffic/trace.ts';
import { badUsage } from './options.ts';
import { tightEngine, withLarge } from './tight.ts';

export interface PlanOptions {
  /** Nodes with an engine, numbered from 0. */
  nodes: number;
  /** Nodes without one, numbered on from there: all requests enter at them. 0: they enter at the others. */
  fronts: number;
  requests: number;
  load: number;
  seed: number;
  /** Share of large requests, before tight engines; undefined: the engines are as they are, and so is the trace. */
  large?: number | undefined;
  /** Share of the arrivals at the first node at which they enter; undefined: round robin. */
  skew: number | undefined;
}

/** Requests that an engine can hold. @throws UsageError if the trace cannot be used */
export function openSource(file: string | undefined): Promise<Source> {
  const keep = ({ promptTokens }: Arrival): boolean => fitsEngine(promptTokens, DEFAULT_ENGINE);
  return openTraffic({ file, keep, badUsage });
}

/** The engines of a plan. */
export function engineOf(
  source: Source,
  { requests, seed, large }: Pick<PlanOptions, 'requests' | 'seed' | 'large'>,
): EngineOptions {
  return large === undefined ? DEFAULT_ENGINE : tightEngine(source.take(requests, seed));
}

/** @throws UsageError if the source has no traffic that could be scaled */
export function makePlan(source: Source, options: PlanOptions): OwnedArrival[] {
  const { nodes, fronts, requests, load, seed, skew, large } = options;
  const engine = engineOf(source, options);
  const recorded = source.take(requests, seed);
  const taken = large === undefined ? recorded : withLarge(recorded, { share: large, engine, seed });
  try {
    const arrivals = scaleToLoad(taken, { load, nodes, capacityPerNode: capacity(taken, engine) });
    const entries = { nodes: fronts || nodes, seed, ...(skew === undefined ? {} : { skew }) };
    const first = fronts === 0 ? 0 : nodes;
    return assignOwners(arrivals, entries).map((one) => ({ ...one, owner: first + one.owner }));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw badUsage(`--trace: ${source.name} has no traffic that could be replayed: ${error.message}`);
  }
}
