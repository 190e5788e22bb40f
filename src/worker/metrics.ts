/** What a worker counts, in the text form of Prometheus. */
import type { RoomFigures } from './room.ts';

/** Totals since the start. */
export interface Tally {
  /** Requests that were taken, each time. */
  claimed: number;
  /** Results with bytes of the engine. */
  results: number;
  bytes: number;
  /** Requests that went back unanswered, without a try counted. */
  givenBack: number;
  /** Times that the engine failed before it answered. */
  failed: number;
  /** Times that the engine said that it has too much. */
  busy: number;
  /** Answers that were cut off. */
  interrupted: number;
}

export function newTally(): Tally {
  return { claimed: 0, results: 0, bytes: 0, givenBack: 0, failed: 0, busy: 0, interrupted: 0 };
}

export interface WorkerFigures {
  kind: string;
  room: RoomFigures;
  tally: Readonly<Tally>;
  isDraining: boolean;
  /** Models, and whether the breaker of each is open. */
  models: readonly { name: string; isBreakerOpen: boolean }[];
}

/** The content type of {@link metricsText}. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

type Row = readonly [labels: Readonly<Record<string, string>>, value: number];

export function metricsText({ kind, room, tally, isDraining, models }: WorkerFigures): string {
  const { total, own, foreign, free } = room.blocks;
  return [
    gauge('engine_up', 'Whether the engine answers.', [[{ kind }, Number(room.isUp)]]),
    gauge('engine_slots', 'Requests that the engine runs at once.', [[{}, room.slots]]),
    gauge('engine_requests', 'Requests of this worker in the engine.', [[{}, room.requests]]),
    gauge('engine_waiting', 'Requests that wait inside the engine.', [[{}, room.waitingInside]]),
    gauge('engine_blocks', 'KV-cache blocks: all, reserved by this worker, used by others, free.', [
      [{ state: 'total' }, total],
      [{ state: 'own' }, own],
      [{ state: 'foreign' }, foreign],
      [{ state: 'free' }, free],
    ]),
    gauge(
      'engine_breaker_open',
      'Whether the engine is left alone because it failed.',
      models.map(({ name, isBreakerOpen }): Row => [{ model: name }, Number(isBreakerOpen)]),
    ),
    gauge('worker_draining', 'Whether the worker is about to stop.', [[{}, Number(isDraining)]]),
    counter('worker_claimed_total', 'Requests taken, each time.', tally.claimed),
    counter('worker_results_total', 'Results with bytes of the engine.', tally.results),
    counter('worker_result_bytes_total', 'Bytes of the engine that were passed on.', tally.bytes),
    counter('worker_given_back_total', 'Requests given back unanswered.', tally.givenBack),
    counter('worker_engine_failures_total', 'Times that the engine failed before it answered.', tally.failed),
    counter('worker_engine_busy_total', 'Times that the engine said that it has too much.', tally.busy),
    counter('worker_interrupted_total', 'Answers that were cut off.', tally.interrupted),
    '',
  ].join('\n');
}

function counter(name: string, help: string, value: number): string {
  return family(name, 'counter', help, [[{}, value]]);
}

function gauge(name: string, help: string, rows: readonly Row[]): string {
  return family(name, 'gauge', help, rows);
}

function family(name: string, type: string, help: string, rows: readonly Row[]): string {
  const full = `sched_lua_${name}`;
  const lines = rows.map(([labels, value]) => `${full}${labelsText(labels)} ${value}`);
  return [`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`, ...lines].join('\n');
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const all = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return all.length === 0 ? '' : `{${all.join(',')}}`;
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}
