/** What a worker counts. docs/worker.md has a row for each. */
import { expose, type Definition, type Sample, type Samples } from '../metrics/exposition.ts';
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

export const WORKER_METRICS = {
  sched_lua_engine_up: { type: 'gauge', help: 'Whether the engine answers', labels: ['kind'] },
  sched_lua_engine_slots: { type: 'gauge', help: 'Requests that the engine runs at once' },
  sched_lua_engine_requests: { type: 'gauge', help: 'Requests of this worker in the engine' },
  sched_lua_engine_waiting: { type: 'gauge', help: 'Requests that wait inside the engine' },
  sched_lua_engine_blocks: {
    type: 'gauge',
    help: 'KV-cache blocks: all, reserved by this worker, used by others, free',
    labels: ['state'],
  },
  sched_lua_engine_breaker_open: {
    type: 'gauge',
    help: 'Whether the engine is left alone because it failed',
    labels: ['model'],
  },
  sched_lua_worker_draining: { type: 'gauge', help: 'Whether the worker is about to stop' },
  sched_lua_worker_claimed_total: { type: 'counter', help: 'Requests taken, each time' },
  sched_lua_worker_results_total: { type: 'counter', help: 'Results with bytes of the engine' },
  sched_lua_worker_result_bytes_total: {
    type: 'counter',
    help: 'Bytes of the engine that were passed on',
  },
  sched_lua_worker_given_back_total: { type: 'counter', help: 'Requests given back unanswered' },
  sched_lua_worker_engine_failures_total: {
    type: 'counter',
    help: 'Times that the engine failed before it answered',
  },
  sched_lua_worker_engine_busy_total: {
    type: 'counter',
    help: 'Times that the engine said that it has too much',
  },
  sched_lua_worker_interrupted_total: { type: 'counter', help: 'Answers that were cut off' },
} as const satisfies Readonly<Record<string, Definition>>;

export function metricsText(figures: WorkerFigures): string {
  return expose(WORKER_METRICS, samplesOf(figures));
}

function samplesOf({ kind, room, tally, isDraining, models }: WorkerFigures): Samples {
  const blocks = Object.entries(room.blocks);
  const samples: Record<keyof typeof WORKER_METRICS, readonly Sample[]> = {
    sched_lua_engine_up: [{ labels: { kind }, value: Number(room.isUp) }],
    sched_lua_engine_slots: one(room.slots),
    sched_lua_engine_requests: one(room.requests),
    sched_lua_engine_waiting: one(room.waitingInside),
    sched_lua_engine_blocks: blocks.map(([state, value]): Sample => ({ labels: { state }, value })),
    sched_lua_engine_breaker_open: models.map(({ name, isBreakerOpen }): Sample => ({
      labels: { model: name },
      value: Number(isBreakerOpen),
    })),
    sched_lua_worker_draining: one(Number(isDraining)),
    sched_lua_worker_claimed_total: one(tally.claimed),
    sched_lua_worker_results_total: one(tally.results),
    sched_lua_worker_result_bytes_total: one(tally.bytes),
    sched_lua_worker_given_back_total: one(tally.givenBack),
    sched_lua_worker_engine_failures_total: one(tally.failed),
    sched_lua_worker_engine_busy_total: one(tally.busy),
    sched_lua_worker_interrupted_total: one(tally.interrupted),
  };
  return new Map(Object.entries(samples));
}

function one(value: number): Sample[] {
  return [{ labels: {}, value }];
}
