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
}

/** Of the lines of these owners, the heads of more tokens than `largest`. */
export async function tooLargeHeads(
  client: Client,
  topic: string,
  shard: number,
  { owners, largest }: { owners: readonly string[]; largest: number },
): Promise<TooLarge[]> {
  const waiting = shardKey(topic, shard, 'waiting');
  const heads = await Promise.all(
    owners.map((owner) => client.zrangebylex(waiting, `[${owner}|`, `(${owner}}`, 'LIMIT', 0, 1)),
  );
  return heads.flat().flatMap((ticket) => {
    const { owner, id, tokens } = parseTicket(ticket);
    return tokens > largest ? [{ shard, node: owner, id, tokens }] : [];
  });
}
