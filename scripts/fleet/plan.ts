/** Which requests arrive when and at which node, in model time. */
import { messageOf } from '../../src/base/errors.ts';
import { fitsEngine } from '../../src/base/budget.ts';
import { capacity } from '../../src/testing/engine/capacity.ts';
import { DEFAULT_ENGINE } from '../../src/testing/engine/engine-model.ts';
import { drawArrivals } from '../lib/traffic/quantiles.ts';
import { Random } from '../lib/traffic/random.ts';
import { assignOwners, scaleToLoad, type OwnedArrival } from '../lib/traffic/scale.ts';
import { readTrace, type Arrival } from '../lib/traffic/trace.ts';
import { badUsage } from './options.ts';

export interface PlanOptions {
  nodes: number;
  requests: number;
  load: number;
  seed: number;
  /** Share of the arrivals at node 0; undefined: round robin. */
  skew: number | undefined;
}

/** Where requests come from, before they are scaled to a load. */
export interface Source {
  /** For people. */
  name: string;
  /** At most so many consecutive arrivals, chosen by the seed. */
  take(count: number, seed: number): Arrival[];
}

/** The built-in quantiles, or a recorded trace. @throws UsageError if the trace cannot be used */
export async function openSource(file: string | undefined): Promise<Source> {
  if (file === undefined) {
    return {
      name: 'quantiles',
      take: (count, seed) => drawArrivals({ seed, count, ratePerSecond: 1 }),
    };
  }
  const all = await readTrace(file).catch((error: unknown) => {
    throw badUsage(`--trace: ${messageOf(error)}`);
  });
  const trace = all
    .filter(({ promptTokens }) => fitsEngine(promptTokens, DEFAULT_ENGINE))
    .map((arrival) => ({ ...arrival, outputTokens: Math.max(1, arrival.outputTokens) }));
  return {
    name: file,
    take: (count, seed) => {
      const from = Math.floor(new Random(seed).uniform() * Math.max(0, trace.length - count));
      return trace.slice(from, from + count);
    },
  };
}

/** @throws UsageError if the source has no traffic that could be scaled */
export function makePlan(source: Source, options: PlanOptions): OwnedArrival[] {
  const { nodes, requests, load, seed, skew } = options;
  const taken = source.take(requests, seed);
  try {
    const arrivals = scaleToLoad(taken, { load, nodes, capacityPerNode: capacity(taken) });
    return assignOwners(arrivals, { nodes, seed, ...(skew === undefined ? {} : { skew }) });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw badUsage(`--trace: ${source.name} has no traffic that could be replayed: ${error.message}`);
  }
}
