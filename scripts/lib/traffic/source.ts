/** Where a run's requests come from: the built-in quantiles, or a recorded trace. */
import { messageOf } from '../../../src/base/errors.ts';
import type { UsageError } from '../../../src/cli/output.ts';
import { drawArrivals } from './quantiles.ts';
import { Random } from './random.ts';
import { readTrace, type Arrival } from './trace.ts';

export interface Source {
  /** For people: the trace's file, or that these are the quantiles. */
  name: string;
  /** At most `count` consecutive arrivals, chosen by the seed; fewer if the trace is too short. */
  take(count: number, seed: number): Arrival[];
}

export interface SourceOptions {
  /** Of the trace; undefined: the quantiles. */
  file: string | undefined;
  /** Whether an arrival of the trace is used. Default: all are. */
  keep?: (arrival: Arrival) => boolean;
  /** Longer outputs are cut; in tokens. Default: none is. */
  mostOutput?: number;
  badUsage: (message: string) => UsageError;
}

/** @throws UsageError if the trace cannot be read */
export async function openTraffic(options: SourceOptions): Promise<Source> {
  const { file, keep = () => true, mostOutput = Infinity, badUsage } = options;
  const cut = (arrival: Arrival): Arrival => ({
    ...arrival,
    outputTokens: Math.max(1, Math.min(arrival.outputTokens, mostOutput)),
  });
  if (file === undefined)
    return {
      name: 'quantiles',
      take: (count, seed) => drawArrivals({ seed, count, ratePerSecond: 1 }).map(cut),
    };
  const all = await readTrace(file).catch((error: unknown) => {
    throw badUsage(`--trace: ${messageOf(error)}`);
  });
  const trace = all.filter(keep).map(cut);
  const take = (count: number, seed: number): Arrival[] => {
    const from = Math.floor(new Random(seed).uniform() * Math.max(0, trace.length - count));
    return trace.slice(from, from + count);
  };
  return { name: file, take };
}
