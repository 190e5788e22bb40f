/** What an operator wants to know of one shard, computed from its figures. */
import type { ShardPlace } from './places.ts';
import type { ShardFigures } from './decode.ts';

export interface ShardStatus {
  shard: number;
  /** Requests that wait. */
  waiting: number;
  /** Sum of the owners' loads, in the topic's unit; of the 1,000 least loaded if there are more. */
  load: number;
  /** ms that the longest waiting has waited, its priority's head start included; null if none waits. */
  oldestMs: number | null;
  /** Requests that a runner holds. */
  claims: number;
  /** `overdue`: past their lease or deadline and not reaped yet. */
  leases: { inTime: number; overdue: number };
  /** Results that their owners have not taken yet. */
  results: number;
  /** Requests kept in `dead`. */
  dead: number;
  /** ms since a node last claimed from it or refreshed it; null: none ever did. */
  visitedMs: number | null;
  /** In a Redis Cluster: its slot, and the master of it. */
  place?: ShardPlace;
}

export function statusOf(shard: number, { now, state, load, head, sizes }: ShardFigures): ShardStatus {
  const { waiting, request, out, dead, overdue } = sizes;
  const [first] = head.values();
  const claims = request - waiting;
  const visited = Number(state.get('visited') ?? 0);
  return {
    shard,
    waiting,
    load: [...load.values()].reduce((sum, one) => sum + one, 0),
    oldestMs: first === undefined ? null : Math.max(0, now - Math.floor(first / 1000)),
    claims,
    leases: { inTime: Math.max(0, claims - overdue), overdue },
    results: out,
    dead,
    visitedMs: visited === 0 ? null : Math.max(0, now - visited),
  };
}
