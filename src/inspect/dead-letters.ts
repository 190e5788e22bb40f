/** Entries of a topic's `dead` streams: how they are read, found and removed. */
import type { Redis } from 'ioredis';
import type { RedisSource } from '../redis/connection.ts';
import { shardKey } from '../base/keys.ts';
import type { LoadUnit } from '../base/options.ts';
import { parseTicket } from '../base/ticket.ts';
import { oneLine, UsageError } from '../cli/output.ts';

export interface DeadEntry {
  /** `<shard>:<stream id>`, its address. */
  entry: string;
  shard: number;
  streamId: string;
  id: string;
  owner: string;
  promptTokens: number;
  reason: string;
  /** Runners that had it. */
  tries: number;
  /** When it was given up, ms of the server's clock. */
  at: number;
  /** Of the request as it was put. */
  bytes: number;
  /** undefined: it was over 64 KiB, and only its size was kept. */
  body: Buffer | undefined;
}

/** An entry, and where it was found. */
export interface Found {
  redis: Redis;
  /** Where the same server is, for connections of one's own. */
  source: RedisSource;
  topic: string;
  /** Shards in use. */
  shards: number;
  /** Of the topic. */
  loadUnit: LoadUnit;
  entry: DeadEntry;
}

/** Said of an entry without its body. */
export const NOT_KEPT = 'its payload is over 64 KiB and was not kept';

/** Entries hold up to 64 KiB each. */
const PAGE = 100;
const ADDRESS = /^(\d+):(\d+-\d+)$/;

/** The entries of one shard, oldest first. */
export async function* entriesOf(redis: Redis, topic: string, shard: number): AsyncGenerator<DeadEntry> {
  const key = shardKey(topic, shard, 'dead');
  let from = '-';
  for (;;) {
    const page = await redis.xrangeBuffer(key, from, '+', 'COUNT', PAGE);
    for (const [streamId, fields] of page) yield parseEntry(shard, String(streamId), fields);
    if (page.length < PAGE) return;
    from = `(${String(page.at(-1)![0])}`;
  }
}

function parseEntry(shard: number, streamId: string, fields: readonly Buffer[]): DeadEntry {
  const field = (name: string): Buffer =>
    fields[fields.findIndex((text, i) => i % 2 === 0 && String(text) === name) + 1]!;
  const { owner, id, tokens } = parseTicket(String(field('ticket')));
  const bytes = Number(String(field('bytes')));
  const body = field('body');
  return {
    entry: `${shard}:${streamId}`,
    shard,
    streamId,
    id,
    owner,
    promptTokens: tokens,
    reason: String(field('reason')),
    tries: Number(String(field('spent'))),
    at: Number(streamId.split('-')[0]),
    bytes,
    body: body.length === bytes ? body : undefined,
  };
}

/**
 * The entry at an address, or the one of this request id.
 * @throws UsageError if several entries are of that id
 */
export async function findEntry(
  redis: Redis,
  topic: string,
  shards: number,
  wanted: string,
): Promise<DeadEntry | undefined> {
  const [, shard, streamId] = ADDRESS.exec(wanted) ?? [];
  if (streamId !== undefined) {
    const [found] = await redis.xrangeBuffer(shardKey(topic, Number(shard), 'dead'), streamId, streamId);
    if (found) return parseEntry(Number(shard), streamId, found[1]);
  }
  const found: DeadEntry[] = [];
  for (let number = 0; number < shards; number += 1) {
    for await (const one of entriesOf(redis, topic, number)) if (one.id === wanted) found.push(one);
  }
  if (found.length <= 1) return found[0];
  const entries = found.map(({ entry }) => entry).join(', ');
  throw new UsageError(
    `${found.length} entries are of request ${oneLine(wanted)}: ${entries}`,
    'name one of them by its entry',
  );
}

export async function removeEntry(
  redis: Redis,
  topic: string,
  { shard, streamId }: DeadEntry,
): Promise<void> {
  await redis.xdel(shardKey(topic, shard, 'dead'), streamId);
}
