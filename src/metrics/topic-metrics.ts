/** The metrics of a whole topic, as `sched-lua metrics` serves them. docs/metrics.md has a row for each. Pure. */
import type { Violation } from '../inspect/conservation.ts';
import type { TopicLook } from '../inspect/topic-look.ts';
import type { Definition, Labels, Sample } from './exposition.ts';

/** Each has also `topic`. */
export const TOPIC_METRICS = {
  sched_lua_topic_up: { type: 'gauge', help: 'Whether Redis answered this look at the topic' },
  sched_lua_topic_look_duration_seconds: { type: 'gauge', help: 'How long this look at the topic took' },
  sched_lua_topic_nodes: {
    type: 'gauge',
    help: 'Nodes of the topic: registered, or silent (not heard of for keepAliveMs, and not left)',
    labels: ['state', 'role'],
  },
  sched_lua_topic_shards: { type: 'gauge', help: 'Load shards in use' },
  sched_lua_topic_queue_size: { type: 'gauge', help: 'Requests that wait', labels: ['shard'] },
  sched_lua_topic_queue_bytes: {
    type: 'gauge',
    help: 'Memory of the requests that wait or run, as Redis estimates it from a few',
    labels: ['shard'],
  },
  sched_lua_topic_queue_oldest_seconds: {
    type: 'gauge',
    help: 'How long the first waiting request has waited, its head start included',
    labels: ['shard'],
  },
  sched_lua_topic_running_requests: {
    type: 'gauge',
    help: 'Requests that a node holds to run them',
    labels: ['shard'],
  },
  sched_lua_topic_leases_overdue: {
    type: 'gauge',
    help: 'Requests past their lease or deadline that no node has looked at yet',
    labels: ['shard'],
  },
  sched_lua_topic_results_waiting: {
    type: 'gauge',
    help: 'Entries of mailboxes that their owners have not taken yet',
    labels: ['shard'],
  },
  sched_lua_topic_dead_requests: {
    type: 'gauge',
    help: 'Requests given up that are kept',
    labels: ['shard'],
  },
  sched_lua_topic_idle_nodes: {
    type: 'gauge',
    help: 'Nodes that wait for work in the shard',
    labels: ['shard'],
  },
  sched_lua_topic_too_large_heads: {
    type: 'gauge',
    help: 'Lines whose first request no living engine can ever hold',
    labels: ['shard'],
  },
  sched_lua_topic_work_conservation_violations: {
    type: 'gauge',
    help: 'Lines whose first request waits beside an idle engine that could run it, seen so for over a second',
    labels: ['shard'],
  },
  sched_lua_topic_work_conservation_violation_seconds: {
    type: 'gauge',
    help: 'For how long the looks have seen the longest such wait',
    labels: ['shard'],
  },
  sched_lua_topic_node_up: {
    type: 'gauge',
    help: 'Whether the node is registered; 0: it is silent',
    labels: ['node'],
  },
  sched_lua_topic_node_queue_size: {
    type: 'gauge',
    help: 'Requests that wait and that this node accepted',
    labels: ['node'],
  },
  sched_lua_topic_node_queue_oldest_seconds: {
    type: 'gauge',
    help: 'How long ago the first of them was put',
    labels: ['node'],
  },
  sched_lua_topic_node_circuit_open: {
    type: 'gauge',
    help: 'Whether the breaker of the node is open, as of its last renewal',
    labels: ['node'],
  },
  sched_lua_topic_node_largest_prompt_tokens: {
    type: 'gauge',
    help: 'Tokens of the largest prompt that the engine of the node can ever hold',
    labels: ['node'],
  },
} as const satisfies Readonly<Record<string, Definition>>;

export type TopicMetric = keyof typeof TOPIC_METRICS;
export type TopicSamples = Map<TopicMetric, Sample[]>;

type Add = (name: TopicMetric, value: number | boolean, labels?: Labels) => void;

/** @param look undefined: Redis did not answer */
export function topicSamples(
  topic: string,
  look: TopicLook | undefined,
  violations: readonly Violation[],
  tookMs: number,
): TopicSamples {
  const all: TopicSamples = new Map();
  const add: Add = (name, value, labels = {}) => {
    const sample = { labels: { topic, ...labels }, value: Number(value) };
    const known = all.get(name);
    if (known) known.push(sample);
    else all.set(name, [sample]);
  };
  add('sched_lua_topic_up', look !== undefined);
  add('sched_lua_topic_look_duration_seconds', tookMs / 1_000);
  if (!look) return all;
  add('sched_lua_topic_shards', look.registry.shards);
  addShards(add, look, violations);
  addNodes(add, look);
  return all;
}

function addShards(add: Add, { shards, registry }: TopicLook, violations: readonly Violation[]): void {
  for (const { status, figures, lines, bytes } of shards) {
    const of = { shard: String(status.shard) };
    const stranded = violations.filter(({ shard }) => shard === status.shard);
    add('sched_lua_topic_queue_size', status.waiting, of);
    if (bytes !== undefined) add('sched_lua_topic_queue_bytes', bytes, of);
    add('sched_lua_topic_queue_oldest_seconds', (status.oldestMs ?? 0) / 1_000, of);
    add('sched_lua_topic_running_requests', status.claims, of);
    add('sched_lua_topic_leases_overdue', status.leases.overdue, of);
    add('sched_lua_topic_results_waiting', status.results, of);
    add('sched_lua_topic_dead_requests', status.dead, of);
    const idle = [...figures.idle.values()].filter((until) => until > figures.now);
    add('sched_lua_topic_idle_nodes', idle.length, of);
    const { largestPrompt } = registry;
    const tooLarge = lines.filter(({ head }) => largestPrompt !== undefined && head.tokens > largestPrompt);
    add('sched_lua_topic_too_large_heads', tooLarge.length, of);
    add('sched_lua_topic_work_conservation_violations', stranded.length, of);
    const longest = Math.max(0, ...stranded.map(({ seenMs }) => seenMs));
    add('sched_lua_topic_work_conservation_violation_seconds', longest / 1_000, of);
  }
}

function addNodes(add: Add, { shards, registry: { nodes } }: TopicLook): void {
  const present = nodes.filter(({ state }) => state !== 'left');
  for (const state of ['registered', 'silent'] as const) {
    const those = present.filter((node) => node.state === state);
    const engines = those.filter(({ engine }) => engine).length;
    add('sched_lua_topic_nodes', engines, { state, role: 'engine' });
    add('sched_lua_topic_nodes', those.length - engines, { state, role: 'front' });
  }
  const waits = new Map<string, { waiting: number; oldestMs: number }>();
  for (const { figures, lines } of shards) {
    for (const { owner, waiting, record } of lines) {
      const { waiting: before, oldestMs } = waits.get(owner) ?? { waiting: 0, oldestMs: 0 };
      const ageMs = record ? figures.now - record.arrival : 0;
      waits.set(owner, { waiting: before + waiting, oldestMs: Math.max(oldestMs, ageMs) });
    }
  }
  for (const { name: node, state, engine } of present) {
    add('sched_lua_topic_node_up', state === 'registered', { node });
    if (!waits.has(node)) waits.set(node, { waiting: 0, oldestMs: 0 });
    if (!engine) continue;
    add('sched_lua_topic_node_circuit_open', engine.down !== null, { node });
    if (engine.largestPrompt !== null)
      add('sched_lua_topic_node_largest_prompt_tokens', engine.largestPrompt, { node });
  }
  // also of nodes that have left, while something of theirs waits
  for (const [node, { waiting, oldestMs }] of waits) {
    add('sched_lua_topic_node_queue_size', waiting, { node });
    add('sched_lua_topic_node_queue_oldest_seconds', oldestMs / 1_000, { node });
  }
}
