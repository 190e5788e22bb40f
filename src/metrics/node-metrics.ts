/** The metrics of one scheduler, as `metrics()` registers them. docs/metrics.md has a row for each. */
import type { Definition } from './exposition.ts';

/** Each has also `topic`, and `node` if `from` and `to` do not name it. */
export const NODE_METRICS = {
  sched_lua_pending_requests: {
    type: 'gauge',
    help: 'Requests that this node accepted and that have not ended, waiting or running',
  },
  sched_lua_pending_bytes: { type: 'gauge', help: 'Bytes of the pending requests, as they were encoded' },
  sched_lua_running_requests: { type: 'gauge', help: 'Requests that this node holds to run them' },
  sched_lua_unread_results: {
    type: 'gauge',
    help: 'Results of pending requests that wait in this process for their readers',
  },
  sched_lua_unread_bytes: { type: 'gauge', help: 'Bytes of the unread results' },
  sched_lua_ready: { type: 'gauge', help: 'Whether health().ok: the node may be sent requests' },
  sched_lua_draining: { type: 'gauge', help: 'Whether close() was called' },
  sched_lua_circuit_open: {
    type: 'gauge',
    help: 'Whether the breaker of run() is open: the engine fails, and nothing is claimed but trials',
  },
  sched_lua_circuit_failures: { type: 'gauge', help: 'Failures of the engine in a row' },
  sched_lua_connection_up: {
    type: 'gauge',
    help: 'Whether a connection to Redis is usable',
    labels: ['connection'],
  },
  sched_lua_shard_answer_age_seconds: {
    type: 'gauge',
    help: 'Time since Redis last ran a script in a shard for this process',
    labels: ['shard'],
  },
  sched_lua_requests_accepted_total: {
    type: 'counter',
    help: 'Requests that Redis has accepted for this node',
  },
  sched_lua_requests_refused_total: { type: 'counter', help: 'Puts that were refused', labels: ['code'] },
  sched_lua_requests_ended_total: {
    type: 'counter',
    help: 'Requests of this node that have ended',
    labels: ['outcome'],
  },
  sched_lua_requests_put_again_total: {
    type: 'counter',
    help: 'Requests that Redis lost and that were put again',
  },
  sched_lua_tries_lost_total: {
    type: 'counter',
    help: 'Tries of ended requests of this node beyond their last: a lease ran out, or an engine failed',
  },
  sched_lua_claims_total: { type: 'counter', help: 'Claims that Redis granted to this node' },
  sched_lua_steals_total: {
    type: 'counter',
    help: 'Claims of requests that another node accepted',
    labels: ['from', 'to', 'reason'],
  },
  sched_lua_claims_given_back_total: { type: 'counter', help: 'Claims that this node gave back' },
  sched_lua_leases_lost_total: {
    type: 'counter',
    help: 'Claims that this node no longer held: the lease ran out, or the request was cancelled',
  },
  sched_lua_results_total: {
    type: 'counter',
    help: 'Results of this node that Redis answered',
    labels: ['kind', 'answer'],
  },
  sched_lua_result_bytes_total: { type: 'counter', help: 'Bytes of these results, as they were encoded' },
  sched_lua_results_taken_total: {
    type: 'counter',
    help: 'Results that came out of the mailbox of this node',
  },
  sched_lua_wakeups_total: { type: 'counter', help: 'Wake-ups that came', labels: ['what'] },
  sched_lua_connections_lost_total: {
    type: 'counter',
    help: 'Usable connections to Redis that broke',
    labels: ['connection'],
  },
  sched_lua_slow_calls_total: {
    type: 'counter',
    help: 'Calls that Redis took over a second to answer, or did not answer for 5 s, or refused for now',
  },
  sched_lua_warnings_total: { type: 'counter', help: 'Warnings to the operator' },
  sched_lua_request_queue_duration_seconds: {
    type: 'histogram',
    help: 'From the put of a request to its last claim, or to its end if it was waiting',
    labels: ['outcome'],
  },
  sched_lua_request_run_duration_seconds: {
    type: 'histogram',
    help: 'From the last claim of a request to its end',
    labels: ['outcome'],
  },
  sched_lua_request_duration_seconds: {
    type: 'histogram',
    help: 'From the put of a request to its end, as its node saw it',
    labels: ['outcome'],
  },
  sched_lua_script_duration_seconds: {
    type: 'histogram',
    help: 'From the sending of a script to its answer',
    labels: ['script'],
  },
} as const satisfies Readonly<Record<string, Definition>>;

export type NodeMetric = keyof typeof NODE_METRICS;
export type NodeHistogram = {
  [Name in NodeMetric]: (typeof NODE_METRICS)[Name]['type'] extends 'histogram' ? Name : never;
}[NodeMetric];

/** Upper bounds in seconds. Of a request: those of the Gateway API inference extension, up to the default deadline. */
export const REQUEST_BUCKETS = [
  ...[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5],
  ...[1, 2.5, 5, 10, 30, 60, 120, 300, 900],
];
export const SCRIPT_BUCKETS = [
  0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5,
];
