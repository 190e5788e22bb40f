/**
 * What `sched-lua status --json` prints of a topic, beside `ok`: its schema, which docs/status.md explains field by field. Times are
 * ms, of the server's clock if they are moments.
 */
import type { LoadUnit } from '../base/options.ts';
import type { Card } from '../protocol/card.ts';
import type { Registration } from '../protocol/registration.ts';
import type { ShardStatus } from './shard-status.ts';
import type { TooLarge } from './too-large.ts';

/** A topic as it was read: its registry, and each of its shards at a moment of its own. */
export interface TopicStatus {
  topic: string;
  /** Where it was read: `host:port`. */
  server: string;
  now: number;
  loadUnit: LoadUnit;
  /** Tokens of the largest prompt that a living engine can ever hold; null: none lives, or one did not say. */
  largestPrompt: number | null;
  /** Of the server, in bytes; `max` 0: no limit. null: this user may not read it. */
  memory: { used: number; max: number } | null;
  /** In the natural order of their names. */
  nodes: NodeStatus[];
  /** Shards in use, by number. */
  shards: ShardStatus[];
  /** Heads of lines that no living engine can ever hold; of at most 1,000 owners a shard. */
  tooLarge: TooLarge[];
}

export interface NodeStatus extends Registration {
  /**
   * `idle`: its engine waits for work. `serving`: it has an engine that does not. `front`: it has none. `down`: its engine fails
   * and is left alone. `silent`: it has missed two refreshes, or its registration is over. `left`: it was closed.
   */
  condition: 'idle' | 'serving' | 'front' | 'down' | 'draining' | 'silent' | 'left';
  /** Of the requests that it accepted, those that wait. */
  waiting: number;
  /** The one of them that has waited longest; null: none waits. */
  oldestMs: number | null;
  /** When it was last heard of, by any shard or the registry; null: nobody knows, as it has no card. */
  heardAt: number | null;
  /** When one request tries its engine, which is down; null: it is not, or that is not known. */
  nextTryAt: number | null;
  /** What it told of itself at `heardAt` or before; null: it has left, or is of a version that tells nothing. */
  card: Card | null;
}

/** Of a finding, what it is about. docs/status.md has a row for each. */
export type FindingKind =
  | 'memory_full'
  | 'no_node'
  | 'no_engine'
  | 'engines_down'
  | 'shard_unseen'
  | 'head_fits_none'
  | 'node_silent'
  | 'circuit_open'
  | 'mixed_versions'
  | 'mixed_policies'
  | 'memory_low'
  | 'draining';

/** What is wrong with a topic, in words. */
export interface StatusFinding {
  kind: FindingKind;
  /** `broken`: work waits that nobody will take, or is refused. `warning`: a part does not work. `note`: it passes by itself. */
  severity: 'broken' | 'warning' | 'note';
  /** What is wrong: a sentence without a full stop. */
  text: string;
  /** What mends it, a command if there is one. */
  step: string;
  /** The nodes that it is about. */
  nodes: string[];
  /** The shards that it is about. */
  shards: number[];
}

export interface StatusReport extends TopicStatus {
  /** What is broken first. */
  findings: StatusFinding[];
}
