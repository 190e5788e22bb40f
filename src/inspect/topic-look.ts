/**
 * The look at a whole topic that its metrics are made of. What it sends grows with the nodes of the topic and its shards, never with
 * what waits: each command reads one entry, or a count, of a table.
 */
import { shardKey } from '../base/keys.ts';
import { parseTicket, type Ticket, type TicketParts } from '../base/ticket.ts';
import type { Client } from '../redis/run-script.ts';
import { parseRecord, type RequestRecord, type ShardFigures } from './decode.ts';
import { readFigures } from './figures.ts';
import { readRegistry, type Registry } from './registry.ts';
import { statusOf, type ShardStatus } from './shard-status.ts';

/** What waits of one owner in a shard. */
export interface Line {
  readonly owner: string;
  readonly waiting: number;
  /** The first ticket. */
  readonly head: TicketParts & { readonly ticket: Ticket };
  /** Of the head; undefined: it has just been taken. */
  readonly record: RequestRecord | undefined;
}

export interface ShardLines {
  readonly status: ShardStatus;
  readonly figures: ShardFigures;
  /** Of at most 1,000 owners, those with the oldest heads. */
  readonly lines: readonly Line[];
  /** Idle node -> tokens that it has room for; missing: as many as its engine can hold. */
  readonly room: ReadonlyMap<string, number>;
  /** Memory of the requests that wait or run, as Redis estimates it from a few; undefined: this user may not ask. */
  readonly bytes: number | undefined;
}

export interface TopicLook {
  readonly topic: string;
  readonly registry: Registry;
  readonly shards: readonly ShardLines[];
}

/** @throws what Redis says, and SchedulerError CONFIG for a topic of another schema */
export async function lookAtTopic(client: Client, topic: string): Promise<TopicLook> {
  const registry = await readRegistry(client, topic);
  const shards: ShardLines[] = [];
  // one after the other: a topic may have thousands
  for (let shard = 0; shard < registry.shards; shard += 1)
    shards.push(await lookAtShard(client, topic, shard));
  return { topic, registry, shards };
}

async function lookAtShard(client: Client, topic: string, shard: number): Promise<ShardLines> {
  const figures = await readFigures(client, topic, shard);
  const [lines, room, bytes] = await Promise.all([
    linesOf(client, topic, shard, [...figures.head.keys()]),
    roomOf(client, shardKey(topic, shard, 'calls'), [...figures.idle.keys()]),
    bytesOf(client, shardKey(topic, shard, 'body')),
  ]);
  return { status: statusOf(shard, figures), figures, lines, room, bytes };
}

async function linesOf(
  client: Client,
  topic: string,
  shard: number,
  owners: readonly string[],
): Promise<Line[]> {
  if (owners.length === 0) return [];
  const waiting = shardKey(topic, shard, 'waiting');
  const reads = client.pipeline();
  for (const owner of owners) {
    const [from, to] = [`[${owner}|`, `(${owner}}`];
    reads.zrangebylex(waiting, from, to, 'LIMIT', 0, 1).zlexcount(waiting, from, to);
  }
  const replies = await answersOf(reads.exec());
  const found = owners.flatMap((owner, at) => {
    const [ticket] = replies[2 * at] as Ticket[];
    return ticket === undefined ? [] : [{ owner, ticket, waiting: replies[2 * at + 1] as number }];
  });
  if (found.length === 0) return [];
  const heads = found.map(({ ticket }) => parseTicket(ticket));
  const fields = heads.map(({ owner, id }) => `${owner}|${id}`);
  const records = await client.hmget(shardKey(topic, shard, 'request'), ...fields);
  return found.map(({ owner, ticket, waiting: count }, at) => ({
    owner,
    waiting: count,
    head: { ...heads[at]!, ticket },
    record: parseRecord(records[at] ?? ''),
  }));
}

/** What idle nodes said of their room when they got nothing for want of it, see lua/README.md#tables. */
async function roomOf(client: Client, calls: string, nodes: readonly string[]): Promise<Map<string, number>> {
  if (nodes.length === 0) return new Map();
  const said = await client.hmget(calls, ...nodes.map((node) => `${node}|room`));
  const known = nodes.flatMap((node, at): [string, number][] => {
    const tokens = said[at];
    return tokens == null ? [] : [[node, Number(tokens)]];
  });
  return new Map(known);
}

/** Redis looks at a few entries, and multiplies. */
async function bytesOf(client: Client, body: string): Promise<number | undefined> {
  try {
    return (await client.memory('USAGE', body)) ?? 0;
  } catch (error) {
    if ((error as Error).name === 'ReplyError') return undefined;
    throw error;
  }
}

/** @throws the first error among them */
async function answersOf(sent: Promise<[Error | null, unknown][] | null>): Promise<unknown[]> {
  return ((await sent) ?? []).map(([error, reply]) => {
    if (error) throw error;
    return reply;
  });
}
