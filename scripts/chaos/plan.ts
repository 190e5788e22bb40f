/** Which faults strike when: drawn from the seed before the run begins, so that a seed can be replayed. Pure. */
import type { StealPolicy } from '../../src/base/options.ts';
import { Random } from '../lib/traffic/random.ts';

/** Name of a fault -> how often it strikes, relative to the others. */
const WEIGHTS = {
  kill: 4,
  takeover: 1,
  'stall-short': 4,
  'stall-long': 3,
  'cut-before': 5,
  'cut-after': 6,
  silence: 3,
  latency: 3,
  'script-flush': 4,
  'client-kill': 3,
  'client-pause': 3,
  'restart-aof': 2,
  'restart-empty': 1,
  rollback: 1,
  failover: 1,
  maxmemory: 2,
  'clock-step': 3,
  'shard-added': 1,
  'ttl-short-node': 1,
  oversize: 3,
  overflow: 2,
  'one-shard-down': 3,
  'slow-link': 2,
  readonly: 3,
  poison: 1,
  'garbage-ring': 3,
  'clock-behind': 1,
} as const;

export type FaultName = keyof typeof WEIGHTS;

export const FAULT_NAMES = Object.keys(WEIGHTS) as FaultName[];

/** How the fleet is set up. */
export interface Setup {
  loadShards: number;
  /** `none` is never drawn: with it a front's requests are stranded, which the checker must see. */
  policy: StealPolicy;
}

export interface PlannedFault {
  atMs: number;
  name: FaultName;
  /** Whom, how long, how much: each in [0, 1). */
  draws: [whom: number, long: number, much: number];
}

const MEAN_GAP_MS = 430;
/** Of one kind: between two faults of it there is time in which nothing excuses a wait. */
const GAP_OF_ONE_MS = 3_000;
const MOST_SHARDS = 4;
const SETUP = 1_000_000_000;
const THIRD = 2_000_000_000;
const THIRD_LASTS_S = 30;
/** Time for the fleet to fill its lines. */
const FIRST_MS = 500;

/** What strikes in a run: these kinds; or a third of all kinds at a time, each drawn from the seed. */
export type Kinds = readonly FaultName[] | 'third';

export function makePlan(seed: number, seconds: number, faults: Kinds): PlannedFault[] {
  if (faults !== 'third') return planOf(seed, seconds, faults);
  const plan: PlannedFault[] = [];
  for (let from = 0; from < seconds; from += THIRD_LASTS_S) {
    const third = new Random(seed + from + THIRD)
      .shuffle(FAULT_NAMES)
      .slice(0, Math.ceil(FAULT_NAMES.length / 3));
    for (const { atMs, ...more } of planOf(seed + from, Math.min(THIRD_LASTS_S, seconds - from), third))
      plan.push({ ...more, atMs: from * 1000 + atMs });
  }
  return plan;
}

/** Every kind once, in an order of the seed's, so that a short run has them all; then by their weights. */
function planOf(seed: number, seconds: number, names: readonly FaultName[]): PlannedFault[] {
  if (names.length === 0) return [];
  const random = new Random(seed);
  const plan: PlannedFault[] = [];
  const round = random.shuffle(names);
  const total = names.reduce((sum, name) => sum + WEIGHTS[name], 0);
  const gapMs = Math.max(MEAN_GAP_MS, GAP_OF_ONE_MS / names.length);
  for (let atMs = FIRST_MS; ; atMs += random.exponential(gapMs)) {
    if (atMs > seconds * 1000) return plan;
    let left = random.uniform() * total;
    const name = round.pop() ?? names.find((one) => (left -= WEIGHTS[one]) < 0) ?? names[0]!;
    plan.push({
      atMs: Math.round(atMs),
      name,
      draws: [random.uniform(), random.uniform(), random.uniform()],
    });
  }
}

/** From the same seed, and apart from the plan. */
export function drawSetup(seed: number): Setup {
  const random = new Random(seed + SETUP);
  return { loadShards: random.int(1, MOST_SHARDS), policy: random.uniform() < 0.5 ? 'oldest' : 'lucky' };
}
