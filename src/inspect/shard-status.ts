/** What an operator wants to know of one shard, computed from its figures. */
import type { Client } from '../redis/run-script.ts';
import type { ShardFigures } from './decode.ts';
import { readFigures } from './figures.ts';
import { tooLargeHeads, type TooLarge } from './too-large.ts';

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
}

export interface ShardLook {
  status: ShardStatus;
  /** Of at most 1,000 owners, those with the oldest heads. */
  tooLarge: TooLarge[];
}

/**
 * Cost and size do not depend on the number waiting.
 * @param largest tokens of the largest prompt that a living engine can ever hold; undefined: nobody knows
 */
export async function inspectShard(
  client: Client,
  topic: string,
  shard: number,
  largest: number | undefined,
): Promise<ShardLook> {
  const figures = await readFigures(client, topic, shard);
  const owners = largest === undefined ? [] : [...figures.head.keys()];
  const tooLarge = await tooLargeHeads(client, topic, shard, { owners, largest: largest ?? 0 });
  return { status: statusOf(shard, figures), tooLarge };
}

export function statusOf(shard: number, { now, load, head, sizes }: ShardFigures): ShardStatus {
  const { waiting, request, out, dead, overdue } = sizes;
  const [first] = head.values();
  const claims = request - waiting;
  return {
    shard,
    waiting,
    load: [...load.values()].reduce((sum, one) => sum + one, 0),
    oldestMs: first === undefined ? null : Math.max(0, now - Math.floor(first / 1000)),
    claims,
    leases: { inTime: Math.max(0, claims - overdue), overdue },
    results: out,
    dead,
  };
}
