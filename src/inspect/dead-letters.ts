/** Requests that were given up: the entries of a topic's `dead` streams, how they are read, found and removed. */
import { shardKey } from '../base/keys.ts';
import { MAX_SHARDS } from '../base/suffixes.ts';
import { parseTicket } from '../base/ticket.ts';
import type { Client } from '../redis/run-script.ts';
import { pairsOf } from './decode.ts';

export const DEAD_KINDS = ['lost', 'undecodable', 'failed', 'expired'] as const;
/** `lost`: no try was left. `undecodable`: by its runner. */
export type DeadKind = (typeof DEAD_KINDS)[number];

/** Why a request was given up. */
const REASONS: Readonly<Record<DeadKind, string>> = {
  lost: 'no tries left',
  undecodable: 'a runner could not decode it',
  failed: 'it failed',
  expired: 'past its deadline',
};

export interface DeadEntry {
  /** Its name, `shard:entry`: the shard and the id of the entry in its stream. */
  entry: string;
  shard: number;
  streamId: string;
  id: string;
  owner: string;
  promptTokens: number;
  kind: DeadKind;
  /** Why it was given up, in words. */
  reason: string;
  /** What its last runner, or its owner, said of that; undefined: nothing. */
  error: string | undefined;
  /** Runners that lost the request or gave it up for a try, and the one that had it at its end. */
  tries: number;
  /** Those that had it, the last one last: without those that gave it back at no cost. */
  nodes: string[];
  /** When the request was given up, ms of the server's clock. */
  at: number;
  /** Size of the encoded request as it was put. */
  bytes: number;
  /** undefined: its owner wants no bodies of this size (option maxDeadBodyBytes), and only the size was kept. */
  body: Buffer | undefined;
}

/** An entry holds up to 64 KiB unless its owner wants more, so a page is 6.4 MB as a rule. */
export const PAGE = 100;
const NAME = /^(\d+):(\d+-\d+)$/;

/** The entries of one shard, oldest first. */
export async function* entriesOf(client: Client, topic: string, shard: number): AsyncGenerator<DeadEntry> {
  const key = shardKey(topic, shard, 'dead');
  let from = '-';
  for (;;) {
    const page = await client.xrangeBuffer(key, from, '+', 'COUNT', PAGE);
    for (const [streamId, fields] of page) yield decodeEntry(shard, String(streamId), fields);
    if (page.length < PAGE) return;
    from = `(${String(page.at(-1)![0])}`;
  }
}

/** @param flat names and values as lua/lib/copy_to_dead.lua writes them */
function decodeEntry(shard: number, streamId: string, flat: readonly Buffer[]): DeadEntry {
  const fields = pairsOf(flat);
  const text = (name: string): string => String(fields.get(name));
  const { owner, id, tokens } = parseTicket(text('ticket'));
  const bytes = Number(text('bytes'));
  const kind = text('kind') as DeadKind;
  const body = fields.get('body')!;
  return {
    entry: `${shard}:${streamId}`,
    shard,
    streamId,
    id,
    owner,
    promptTokens: tokens,
    kind,
    reason: REASONS[kind],
    error: errorOf(text('error')),
    tries: Number(text('spent')),
    nodes: text('nodes').split(' ').filter(Boolean),
    at: Number(streamId.split('-')[0]),
    bytes,
    body: body.length === bytes ? body : undefined,
  };
}

/** A long one was cut, perhaps within a character. */
function errorOf(text: string): string | undefined {
  return text.replace(/\uFFFD+$/, '') || undefined;
}

/**
 * The entry of this name (`shard:entry`), or all that are of this request id.
 * @param shards in use; a name is looked up whether or not its shard is among them
 */
export async function findEntries(
  client: Client,
  topic: string,
  shards: number,
  wanted: string,
): Promise<DeadEntry[]> {
  const [, shard, streamId] = NAME.exec(wanted) ?? [];
  if (streamId !== undefined && Number(shard) < MAX_SHARDS) {
    const key = shardKey(topic, Number(shard), 'dead');
    const [found] = await client.xrangeBuffer(key, streamId, streamId);
    if (found) return [decodeEntry(Number(shard), streamId, found[1])];
  }
  const entries: DeadEntry[] = [];
  for (let number = 0; number < shards; number += 1) {
    for await (const entry of entriesOf(client, topic, number)) if (entry.id === wanted) entries.push(entry);
  }
  return entries;
}

/** @param entries of one shard; how many of them were still there */
export async function removeEntries(
  client: Client,
  topic: string,
  entries: readonly DeadEntry[],
): Promise<number> {
  const [first] = entries;
  if (!first) return 0;
  return client.xdel(shardKey(topic, first.shard, 'dead'), ...entries.map(({ streamId }) => streamId));
}
