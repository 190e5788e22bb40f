/** What a gateway counts. Labels are of bounded number: no client can make new ones. docs/gateway.md has a row for each. */
import type { Definition } from '../metrics/exposition.ts';

export const GATEWAY_METRICS = {
  sched_lua_http_requests_total: {
    type: 'counter',
    help: 'Requests that ended, by the status that was told',
    labels: ['route', 'model', 'code'],
  },
  sched_lua_rejected_total: {
    type: 'counter',
    help: 'Requests that the gateway refused or gave up, by its code',
    labels: ['reason'],
  },
  sched_lua_migrations_total: {
    type: 'counter',
    help: 'Requests moved to another worker',
    labels: ['model'],
  },
  sched_lua_client_gone_total: {
    type: 'counter',
    help: 'Requests whose client went away or was too slow',
    labels: ['model'],
  },
  sched_lua_tokens_total: {
    type: 'counter',
    help: 'Tokens by the usage that engines told',
    labels: ['model', 'kind'],
  },
  sched_lua_request_duration_seconds: {
    type: 'histogram',
    help: 'From arrival to the last byte',
    labels: ['route', 'model'],
  },
  sched_lua_time_to_first_token_seconds: {
    type: 'histogram',
    help: 'Of streams, from arrival to the first byte',
    labels: ['model'],
  },
  sched_lua_queue_duration_seconds: {
    type: 'histogram',
    help: 'From the put to the claim of a worker',
    labels: ['model'],
  },
  sched_lua_inflight: { type: 'gauge', help: 'Requests in this gateway' },
  sched_lua_waiting: { type: 'gauge', help: 'Requests in this gateway without a worker' },
} as const satisfies Readonly<Record<string, Definition>>;
