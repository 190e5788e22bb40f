/** What the experiment says, as JSON and as a table. */
import { table } from '../../src/cli/output.ts';
import type { LoadUnit } from '../../src/base/options.ts';
import { quantile } from '../lib/measure/statistics.ts';
import type { Figures } from './figures.ts';
import type { IdleDelay } from './idle-front.ts';
import type { Ask, Policy } from './options.ts';
import type { LiveOutcome } from './run.ts';

/** One policy, one plan. Times of requests are ms of the engines' time; what is real says so. */
export interface RunReport extends Figures {
  policy: Policy;
  trace: string;
  load: number;
  /** Share of large requests, before tight engines; null: the engines have room for all. */
  large: number | null;
  /** null: owners round robin. */
  skew: number | null;
  seed: number;
  /** Those with an engine. */
  nodes: number;
  /** Those without; 0: the requests enter at the others. */
  fronts: number;
  /** Of our policies. */
  loadUnit: LoadUnit;
  /** Of our policies. */
  ask: Ask;
  /** Real ms per ms of the engines. */
  scale: number;
  /** p99 of the queueing delay, as a multiple of the ideal's. */
  r99: number;
  /** Missing for `ideal`, which uses none. */
  commandsPerRequest?: number;
  redisCpuUsPerRequest?: number;
  /** Real ms by which the engines' timers were late. */
  lateTimersMs?: { p50: number; p99: number };
  /** Share of the time in which the process of all nodes was busy. */
  clientBusy?: number;
  /** With fronts: real ms from a put to its result beside an idle engine, medians. */
  idleMs?: IdleDelay[];
}

/** What a live run adds to the figures of its history. */
export function costsOf({ history, cost, lateness, busy }: LiveOutcome) {
  const requests = history.journeys.length;
  return {
    commandsPerRequest: rounded(cost.sent / requests, 2),
    redisCpuUsPerRequest: rounded(cost.cpuMicros / requests, 1),
    lateTimersMs: {
      p50: rounded(quantile(lateness, 0.5), 2),
      p99: rounded(quantile(lateness, 0.99), 2),
    },
    clientBusy: rounded(busy, 3),
  };
}

export function roundDelay({ generationMs, front, owner }: IdleDelay): IdleDelay {
  return { generationMs, front: rounded(front, 2), owner: rounded(owner, 2) };
}

export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** Figures with no more digits than they are worth. */
export function roundFigures(figures: Figures): Figures {
  const {
    queueDelayMs,
    longestMs,
    largeP99Ms,
    smallP99Ms,
    ttftP99Ms,
    stolenShare,
    inversions,
    workConservation,
  } = figures;
  return {
    ...figures,
    queueDelayMs: { p50: rounded(queueDelayMs.p50, 1), p99: rounded(queueDelayMs.p99, 1) },
    longestMs: rounded(longestMs, 1),
    largeP99Ms: largeP99Ms === null ? null : rounded(largeP99Ms, 1),
    smallP99Ms: smallP99Ms === null ? null : rounded(smallP99Ms, 1),
    ttftP99Ms: rounded(ttftP99Ms, 1),
    stolenShare: rounded(stolenShare, 4),
    inversions: rounded(inversions, 3),
    workConservation: rounded(workConservation, 5),
  };
}

const HEADER = [
  ...['policy', 'large %', 'load', 'seed', 'delay p50', 'p99 ms', 'R99'],
  ...['small p99', 'large p99', 'longest', 'TTFT p99', 'stolen %', 'inversions'],
  ...['idle %', 'commands', 'CPU us', 'late ms'],
];

/** All that is said of the runs. */
export function toText(runs: readonly RunReport[]): string {
  const policies = new Map(runs.map(({ policy, idleMs }) => [policy, idleMs]));
  const idle = [...policies].flatMap(([policy, delays = []]) => delays.map((one) => idleLine(policy, one)));
  const { fronts, nodes } = runs[0]!;
  const where = `All requests enter at ${fronts} nodes without an engine, beside ${nodes} with one.`;
  return [...(fronts === 0 ? [] : [where]), toTable(runs), ...idle].join('\n');
}

function idleLine(policy: Policy, { generationMs, front, owner }: IdleDelay): string {
  const handler = generationMs === 0 ? 'a handler that answers at once' : `a handler of ${generationMs} ms`;
  return (
    `${policy}: beside an idle engine a put has its result after ${front} ms at a front, ${owner} ms at an owner with the engine: ` +
    `${rounded(front / owner, 2)} times, ${rounded(front - owner, 2)} ms are added (medians, real ms, ${handler})`
  );
}

/** One row a run; `inversions`, `commands` and `CPU us` are per request. */
export function toTable(runs: readonly RunReport[]): string {
  return table(
    HEADER,
    runs.map((run) => [
      run.policy,
      run.large === null ? '-' : rounded(run.large * 100, 1),
      run.load,
      run.seed,
      Math.round(run.queueDelayMs.p50),
      Math.round(run.queueDelayMs.p99),
      rounded(run.r99, 2).toFixed(2),
      run.smallP99Ms === null ? '-' : Math.round(run.smallP99Ms),
      run.largeP99Ms === null ? '-' : Math.round(run.largeP99Ms),
      Math.round(run.longestMs),
      Math.round(run.ttftP99Ms),
      rounded(run.stolenShare * 100, 1),
      rounded(run.inversions, 2),
      rounded(run.workConservation * 100, 2),
      run.commandsPerRequest ?? '-',
      run.redisCpuUsPerRequest ?? '-',
      run.lateTimersMs?.p99 ?? '-',
    ]),
  );
}
