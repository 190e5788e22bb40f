/** Requests that wait in vain: no living engine of the topic can ever hold them (lua/README.md#never-anywhere). */
import { shardKey } from '../base/keys.ts';
import { parseTicket } from '../base/ticket.ts';
import type { Client } from '../redis/run-script.ts';

export interface TooLarge {
  shard: number;
  /** Its owner, the head of whose line it is. */
  node: string;
  id: string;
  /** Of its prompt. */
  tokens: number;
  /** Requests of the same owner that wait in that shard behind it. */
  behind: number;
}

/** Of the lines of these owners, with how many wait in each, the heads of more tokens than `largest`. */
export async function tooLargeHeads(
  client: Client,
  topic: string,
  shard: number,
  { waiting: counts, largest }: { waiting: ReadonlyMap<string, number>; largest: number },
): Promise<TooLarge[]> {
  const waiting = shardKey(topic, shard, 'waiting');
  const heads = await Promise.all(
    [...counts.keys()].map((owner) => client.zrangebylex(waiting, `[${owner}|`, `(${owner}}`, 'LIMIT', 0, 1)),
  );
  return heads.flat().flatMap((ticket) => {
    const { owner, id, tokens } = parseTicket(ticket);
    return tokens > largest
      ? [{ shard, node: owner, id, tokens, behind: Math.max(0, counts.get(owner)! - 1) }]
      : [];
  });
}
