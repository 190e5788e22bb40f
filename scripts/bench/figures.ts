/** What rounds say: medians, and ratios of rounds that ran side by side. Pure. */
import { median, quantile } from '../lib/measure/statistics.ts';

/** A round of one entry. All costs are of a unit: a request or a chunk. */
export interface Sample {
  count: number;
  perSecond: number;
  /** CPU of the server. */
  redisMicros: number;
  /** CPU of both processes. */
  clientMicros: number;
  ownerMicros: number;
  runnerMicros: number;
  /** Commands that clients sent. */
  sent: number;
  /** Commands that the server ran, those inside scripts included. */
  run: number;
  /** The longest command of the round; missing: the server does not tell. */
  longestMicros?: number | undefined;
  /** ms. */
  waits: number[];
  /** ms. */
  pings: number[];
}

export type Cost = Exclude<keyof Sample, 'waits' | 'pings'>;

const COSTS: readonly Cost[] = [
  ...(['count', 'perSecond', 'redisMicros', 'clientMicros', 'ownerMicros', 'runnerMicros'] as const),
  ...(['sent', 'run', 'longestMicros'] as const),
];

export interface Figure {
  median: number;
  min: number;
  max: number;
}

/** How long units took, in µs and as multiples of the PINGs of the same moments; of all rounds together. */
export interface Wait {
  p50: number;
  p99: number;
  pingP50: number;
  pingP99: number;
  /** p50 / p50 of PING; its range is that of the rounds. */
  pings: Figure;
  /** p99 / p99 of PING. */
  pingsP99: number;
  samples: number;
}

export interface Row {
  name: string;
  costs: Partial<Record<Cost, Figure>>;
  wait?: Wait;
}

/** The first entry of a cell over another one. */
export interface Ratio {
  of: string;
  to: string;
  redisCpu: Figure;
  clientCpu: Figure;
  rate: Figure;
}

export interface CellFigures {
  name: string;
  unit: 'request' | 'chunk';
  shows: readonly ('cost' | 'wait')[];
  rounds: number;
  rows: Row[];
  ratios: Ratio[];
}

function figureOf(values: readonly number[]): Figure {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

export function rowOf(name: string, samples: readonly Sample[]): Row {
  const costs: Row['costs'] = {};
  for (const cost of COSTS) {
    const values = samples.flatMap((sample) => sample[cost] ?? []);
    if (values.length > 0) costs[cost] = figureOf(values);
  }
  const wait = waitOf(samples);
  return { name, costs, ...(wait && { wait }) };
}

function waitOf(samples: readonly Sample[]): Wait | undefined {
  const timed = samples.filter(({ waits, pings }) => waits.length > 0 && pings.length > 0);
  if (timed.length === 0) return undefined;
  const micros = (key: 'waits' | 'pings'): number[] =>
    timed.flatMap((one) => one[key]).map((ms) => ms * 1000);
  const [waits, pings] = [micros('waits'), micros('pings')];
  const [p50, p99] = [quantile(waits, 0.5), quantile(waits, 0.99)];
  const [pingP50, pingP99] = [quantile(pings, 0.5), quantile(pings, 0.99)];
  const each = timed.map((one) => median(one.waits) / median(one.pings));
  return {
    ...{ p50, p99, pingP50, pingP99, samples: waits.length },
    pings: { ...figureOf(each), median: p50 / pingP50 },
    pingsP99: p99 / pingP99,
  };
}

/** Of the same rounds. */
function ratioOf(
  [of, first]: readonly [string, readonly Sample[]],
  [to, other]: readonly [string, readonly Sample[]],
): Ratio {
  const over = (cost: 'redisMicros' | 'clientMicros' | 'perSecond'): Figure =>
    figureOf(first.map((sample, i) => sample[cost] / other[i]![cost]));
  return {
    ...{ of, to },
    ...{ redisCpu: over('redisMicros'), clientCpu: over('clientMicros'), rate: over('perSecond') },
  };
}

/** @param samples by entry, in the order of the entries */
export function figuresOf(
  { name, unit, shows }: Pick<CellFigures, 'name' | 'unit' | 'shows'>,
  samples: ReadonlyMap<string, readonly Sample[]>,
): CellFigures {
  const [first, ...others] = [...samples];
  return {
    ...{ name, unit, shows, rounds: first![1].length },
    rows: [...samples].map(([entry, some]) => rowOf(entry, some)),
    ratios: shows.includes('cost') ? others.map((other) => ratioOf(first!, other)) : [],
  };
}
