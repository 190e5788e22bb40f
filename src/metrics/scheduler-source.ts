/** One scheduler as a source of samples: what its stats and its health say, and what its events tell from now on. */
import type { EventEmitter } from 'node:events';
import type { EventName, EventOf } from '../observe/events.ts';
import type { Scheduler } from '../scheduler.ts';
import type { Labels, Sample } from './exposition.ts';
import type { NodeHistogram, NodeMetric } from './node-metrics.ts';

/** A `Scheduler`, whatever its requests and outputs are. */
export type AnyScheduler = Pick<Scheduler, 'topic' | 'node' | 'events' | 'over' | 'stats' | 'health'>;

export type Observe = (name: NodeHistogram, labels: Labels, ms: number | undefined) => void;

/** Names of other nodes that are kept apart: pods come and go, and a process may outlive thousands. */
const MAX_PEERS = 1_000;
const OTHER = 'other';

type OnEvent = (event: never) => void;

export class SchedulerSource {
  readonly scheduler: AnyScheduler;
  /** Label sets of histograms that have samples of this scheduler. */
  readonly observed = new Map<string, { name: NodeHistogram; labels: Labels }>();
  readonly #base: Labels;
  readonly #observe: Observe;
  readonly #counts = new Map<NodeMetric, Map<string, { labels: Labels; value: number }>>();
  readonly #peers = new Set<string>();
  readonly #listeners: [EventName, OnEvent][] = [];

  constructor(scheduler: AnyScheduler, observe: Observe) {
    this.scheduler = scheduler;
    this.#observe = observe;
    this.#base = { topic: scheduler.topic, node: scheduler.node };
    this.#listen();
  }

  get #emitter(): EventEmitter {
    return this.scheduler.events;
  }

  /** Nothing is counted any more. */
  stop(): void {
    for (const [name, listener] of this.#listeners.splice(0)) this.#emitter.off(name, listener as () => void);
  }

  samples(): Map<NodeMetric, Sample[]> {
    const all = new Map<NodeMetric, Sample[]>();
    const add = (name: NodeMetric, value: number | boolean, more: Labels = {}): void => {
      const sample = { labels: { ...this.#base, ...more }, value: Number(value) };
      const known = all.get(name);
      if (known) known.push(sample);
      else all.set(name, [sample]);
    };
    const { requests, claims, breaker, totals, connections } = this.scheduler.stats();
    const { ok, draining, shards } = this.scheduler.health();
    add('sched_lua_pending_requests', requests.pending);
    add('sched_lua_pending_bytes', requests.pendingBytes);
    add('sched_lua_running_requests', claims.held);
    add('sched_lua_unread_results', requests.unread);
    add('sched_lua_unread_bytes', requests.unreadBytes);
    add('sched_lua_ready', ok);
    add('sched_lua_draining', draining);
    if (breaker) {
      add('sched_lua_circuit_open', breaker.state === 'open');
      add('sched_lua_circuit_failures', breaker.failures);
    }
    for (const [connection, state] of Object.entries(connections))
      add('sched_lua_connection_up', state === 'up', { connection });
    for (const { shard, answeredMs } of shards)
      add('sched_lua_shard_answer_age_seconds', answeredMs / 1_000, { shard: String(shard) });
    add('sched_lua_requests_accepted_total', totals.accepted);
    for (const [outcome, count] of Object.entries(totals.ended))
      add('sched_lua_requests_ended_total', count, { outcome });
    add('sched_lua_requests_put_again_total', totals.putAgain);
    add('sched_lua_claims_total', totals.claimed);
    add('sched_lua_claims_given_back_total', totals.givenBack);
    add('sched_lua_leases_lost_total', totals.lost);
    add('sched_lua_results_taken_total', totals.resultsTaken);
    for (const [name, counts] of this.#counts) all.set(name, [...counts.values()]);
    return all;
  }

  /** Of this scheduler alone: an emitter may serve several. */
  #on<Name extends EventName>(name: Name, act: (event: EventOf<Name>) => void): void {
    const { topic, node } = this.#base;
    const listener = (event: EventOf<Name>): void => {
      if (event.node === node && event.topic === topic) act(event);
    };
    this.#listeners.push([name, listener]);
    this.#emitter.on(name, listener);
  }

  #listen(): void {
    this.#start('sched_lua_tries_lost_total');
    this.#start('sched_lua_result_bytes_total');
    this.#start('sched_lua_slow_calls_total');
    this.#start('sched_lua_warnings_total');
    this.#on('refused', ({ code }) => this.#count('sched_lua_requests_refused_total', { code }));
    this.#on('stolen', ({ owner, reason }) => {
      const { topic, node } = this.#base;
      this.#add('sched_lua_steals_total', 1, { topic: topic!, from: this.#peer(owner), to: node!, reason });
    });
    this.#on('resultSent', ({ kind, answer, bytes }) => {
      this.#count('sched_lua_results_total', { kind, answer: answer.toLowerCase() });
      this.#add('sched_lua_result_bytes_total', bytes, this.#base);
    });
    this.#on('ring', ({ what }) => this.#count('sched_lua_wakeups_total', { what }));
    this.#on('connectionDown', ({ connection }) =>
      this.#count('sched_lua_connections_lost_total', { connection }),
    );
    this.#on('slowShard', () => this.#count('sched_lua_slow_calls_total'));
    this.#on('warning', () => this.#count('sched_lua_warnings_total'));
    this.#on('answered', ({ script, ms }) => this.#time('sched_lua_script_duration_seconds', { script }, ms));
    this.#on('ended', ({ kind: outcome, afterMs, queuedMs, ranMs, attempt = 0, ranOn }) => {
      // a predecessor's was accepted elsewhere
      if (afterMs === undefined) return;
      this.#time('sched_lua_request_duration_seconds', { outcome }, afterMs);
      this.#time('sched_lua_request_queue_duration_seconds', { outcome }, queuedMs);
      this.#time('sched_lua_request_run_duration_seconds', { outcome }, ranMs);
      const lost = ranOn === undefined ? attempt : attempt - 1;
      if (lost > 0) this.#add('sched_lua_tries_lost_total', lost, this.#base);
    });
  }

  #peer(name: string): string {
    if (!this.#peers.has(name)) {
      if (this.#peers.size >= MAX_PEERS) return OTHER;
      this.#peers.add(name);
    }
    return name;
  }

  /** It is there with 0 before its first event. */
  #start(name: NodeMetric): void {
    this.#add(name, 0, this.#base);
  }

  #count(name: NodeMetric, more: Labels = {}): void {
    this.#add(name, 1, { ...this.#base, ...more });
  }

  #add(name: NodeMetric, value: number, labels: Labels): void {
    let counts = this.#counts.get(name);
    if (!counts) {
      counts = new Map<string, { labels: Labels; value: number }>();
      this.#counts.set(name, counts);
    }
    const key = Object.values(labels).join('|');
    const count = counts.get(key);
    if (count) count.value += value;
    else counts.set(key, { labels, value });
  }

  #time(name: NodeHistogram, more: Labels, ms: number | undefined): void {
    if (ms === undefined) return;
    const labels = { ...this.#base, ...more };
    const key = `${name} ${Object.values(more).join('|')}`;
    if (!this.observed.has(key)) this.observed.set(key, { name, labels });
    this.#observe(name, labels, ms);
  }
}
