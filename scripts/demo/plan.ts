/** Which requests arrive when and at which node. */
import { fitsEngine } from '../../src/base/budget.ts';
import { capacity } from '../../src/testing/engine/capacity.ts';
import { DEFAULT_ENGINE } from '../../src/testing/engine/engine-model.ts';
import { assignOwners, scaleToLoad, type OwnedArrival } from '../lib/traffic/scale.ts';
import { openTraffic, type Source } from '../lib/traffic/source.ts';
import type { Arrival } from '../lib/traffic/trace.ts';
import { badUsage, type DemoOptions } from './options.ts';

export interface Plan {
  /** In order of time; ms from the start of the run, real time. */
  arrivals: OwnedArrival[];
  /** Where the requests come from, for people. */
  source: string;
  /** Real ms per ms of the engines. */
  timeScale: number;
  /** Offered work as a share of what all nodes can serve. */
  load: number;
  /** Share of the arrivals at node 0. */
  skew: number;
}

const LOAD = 0.85;
/** At node 0 of four nodes; 1.4 times the share of a node, so that it cannot serve alone what it accepts. */
const SKEW = 0.35;
/** Of four nodes; the more nodes, the slower each, so that two cores keep up. An iteration takes 5 to 7 ms of real time. */
const TIME_SCALE = 0.125;
/** Longer outputs are cut, or the last one would keep everybody waiting: this is 6 to 8 s of real time. */
const MAX_OUTPUT = 1_200;
const SAMPLE = 1_000;
const ROUNDS = 4;

/** @throws UsageError if the trace cannot be used */
export async function makePlan({ nodes, seconds, seed, trace }: DemoOptions): Promise<Plan> {
  const timeScale = (TIME_SCALE * Math.max(nodes, 4)) / 4;
  const source = await openTraffic({ file: trace, mostOutput: MAX_OUTPUT, badUsage });
  const skew = Math.max(SKEW, 1.4 / nodes);
  try {
    return {
      arrivals: assignOwners(schedule(source, { nodes, seconds, seed }, timeScale), { nodes, skew, seed }),
      source: trace ?? 'quantiles of the Azure conversation trace',
      timeScale,
      load: LOAD,
      skew,
    };
  } catch (error) {
    if (trace === undefined || !(error instanceof RangeError)) throw error;
    throw badUsage(`--trace: ${trace} has no traffic that the engines could serve: ${error.message}`);
  }
}

function schedule(
  source: Source,
  { nodes, seconds, seed }: Pick<DemoOptions, 'nodes' | 'seconds' | 'seed'>,
  timeScale: number,
): Arrival[] {
  let arrivals = source.take(SAMPLE, seed);
  let load = { load: LOAD, nodes, capacityPerNode: 0 };
  for (let round = 0; round < ROUNDS; round += 1) {
    // how many fill the time depends on what they ask for, and that on how many they are
    const capacityPerNode = capacity(arrivals.filter(fits)) / timeScale;
    load = { ...load, capacityPerNode };
    arrivals = source.take(Math.max(2, Math.round(LOAD * nodes * capacityPerNode * seconds)), seed);
  }
  return scaleToLoad(arrivals, load);
}

/** Whether an engine can hold it at all. A node refuses the others when they are put. */
function fits({ promptTokens }: Arrival): boolean {
  return fitsEngine(promptTokens, DEFAULT_ENGINE);
}
