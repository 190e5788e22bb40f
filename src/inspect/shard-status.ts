/** One shard's figures, from the script `inspect`. */
import { messageOf, SchedulerError } from '../base/errors.ts';
import { shardKeys } from '../base/keys.ts';
import { runScript, type Client } from '../redis/run-script.ts';

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

/** Cost and size do not depend on the number waiting. */
export async function inspectShard(client: Client, topic: string, shard: number): Promise<ShardStatus> {
  const [now, , load, head, , , sizes] = (await inspect(client, shardKeys(topic, shard))) as unknown as Reply;
  const [waiting, requests, , , results, dead, overdue] = sizes.map(Number) as Sizes;
  const first = head[1];
  const claims = requests - waiting;
  return {
    shard,
    waiting,
    load: load.reduce((sum, score, i) => sum + (i % 2 === 1 ? Number(score) : 0), 0),
    oldestMs: first === undefined ? null : Math.max(0, Number(now) - Math.floor(Number(first) / 1000)),
    claims,
    leases: { inTime: Math.max(0, claims - overdue), overdue },
    results,
    dead,
  };
}

type Reply = [
  now: Buffer,
  shard: Buffer[],
  load: Buffer[],
  head: Buffer[],
  node: Buffer[],
  idle: Buffer[],
  Buffer[],
];
type Sizes = [
  waiting: number,
  request: number,
  body: number,
  due: number,
  out: number,
  dead: number,
  overdue: number,
];

/** Without EVAL where the script is there already: an operator's user may have no right to it. */
async function inspect(client: Client, keys: readonly string[]): Promise<Buffer[]> {
  try {
    return await runScript(client, 'preloaded', 'inspect', keys, []);
  } catch (missing) {
    if (!(missing instanceof SchedulerError) || missing.code !== 'SCRIPT') throw missing;
    return runScript(client, 'auto', 'inspect', keys, []).catch((error: unknown) => {
      throw messageOf(error).startsWith('NOPERM') ? missing : error;
    });
  }
}
