import { checkInvariants, type BodySnapshot, type ShardSnapshot, type Violation } from './invariants.ts';
import { SHARD_TABLES, registryKeys, shardKey, type ShardTable } from '../base/keys.ts';
import type { LoadUnit } from '../base/options.ts';
import type { Client } from '../redis/run-script.ts';

/** Bodies whose size is looked at when payloads are not read: an HSTRLEN each, in one transaction. */
const MAX_SIZES = 10_000;
/** PTTL and TIME are read within one transaction, but not within one ms. */
const PTTL_TOLERANCE_MS = 50;

export interface SnapshotOptions {
  /** Read the bodies and the stream `dead` too; false: only the sizes of bodies. Default true. */
  payloads?: boolean;
}

/**
 * Reads the twelve tables of a shard at one instant: one transaction of reads, all in one slot. Its cost grows with
 * the number of requests in the shard; `inspect` is the cheap look. A server over maxmemory refuses transactions, also of
 * reads: the error says OOM.
 */
export async function readSnapshot(
  client: Client,
  topic: string,
  shard: number,
  { payloads = true }: SnapshotOptions = {},
): Promise<ShardSnapshot> {
  const key = (table: ShardTable): string => shardKey(topic, shard, table);
  const sized = payloads ? [] : (await client.hkeys(key('body'))).slice(0, MAX_SIZES);
  const { replies, absolute } = await transact(client, key, payloads, sized);
  const next = replies[Symbol.iterator]();
  const take = (): unknown => next.next().value;

  const [seconds, micros] = take() as [string, string];
  const now = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  const [waiting, head, load, due, out, node, idle] = [
    take(),
    take(),
    take(),
    take(),
    take(),
    take(),
    take(),
  ];
  const [request, calls, state] = [take(), take(), take()] as Record<string, string>[];
  const [bodies, dead] = [take(), take()];
  const expiry = new Map<ShardTable, number>();
  for (const table of SHARD_TABLES) {
    const at = Number(take());
    if (at !== -2) expiry.set(table, at === -1 || absolute ? at : now + at);
  }
  const sizes = new Map(sized.map((field) => [field, Number(take())]));
  return {
    shard,
    now,
    waiting: waiting as string[],
    head: scores(head),
    load: scores(load),
    request: new Map(Object.entries(request!)),
    body: bodiesOf(bodies, sizes),
    due: scores(due),
    out: out as Buffer[],
    node: scores(node),
    idle: scores(idle),
    calls: new Map(Object.entries(calls!)),
    state: new Map(Object.entries(state!)),
    dead: payloads ? (dead as [Buffer, Buffer[]][]).map(([, fields]) => pairs(fields)) : [],
    expiry,
    expiryTolerance: absolute ? 0 : PTTL_TOLERANCE_MS,
  };
}

async function transact(
  client: Client,
  key: (table: ShardTable) => string,
  payloads: boolean,
  sized: readonly string[],
): Promise<{ replies: unknown[]; absolute: boolean }> {
  const run = async (expiry: 'pexpiretime' | 'pttl'): Promise<unknown[]> => {
    const reads = client.multi().time();
    reads.zrange(key('waiting'), '0', '-1');
    for (const table of ['head', 'load', 'due'] as const) reads.zrange(key(table), '0', '-1', 'WITHSCORES');
    reads.zrangeBuffer(key('out'), '0', '-1');
    for (const table of ['node', 'idle'] as const) reads.zrange(key(table), '0', '-1', 'WITHSCORES');
    for (const table of ['request', 'calls', 'shard'] as const) reads.hgetall(key(table));
    if (payloads) reads.hgetallBuffer(key('body')).xrangeBuffer(key('dead'), '-', '+');
    else reads.hkeys(key('body')).xlen(key('dead'));
    for (const table of SHARD_TABLES) reads[expiry](key(table));
    for (const field of sized) reads.hstrlen(key('body'), field);
    const replies = (await reads.exec()) ?? [];
    return replies.map(([error, reply]) => {
      if (error) throw error;
      return reply;
    });
  };
  try {
    return { replies: await run('pexpiretime'), absolute: true };
  } catch (error) {
    // a refused transaction says why in the errors of its commands
    const [reason] = (error as { previousErrors?: Error[] }).previousErrors ?? [];
    // before Redis 7 there is no PEXPIRETIME
    if (!/unknown command/i.test(reason?.message ?? '')) throw reason ?? error;
    return { replies: await run('pttl'), absolute: false };
  }
}

function scores(reply: unknown): Map<string, number> {
  const list = reply as string[];
  const map = new Map<string, number>();
  for (let i = 0; i < list.length; i += 2) map.set(list[i]!, Number(list[i + 1]));
  return map;
}

function pairs(fields: readonly Buffer[]): Map<string, Buffer> {
  const map = new Map<string, Buffer>();
  for (let i = 0; i < fields.length; i += 2) map.set(fields[i]!.toString(), fields[i + 1]!);
  return map;
}

function bodiesOf(reply: unknown, sizes: ReadonlyMap<string, number>): Map<string, BodySnapshot> {
  if (Array.isArray(reply))
    return new Map((reply as string[]).map((field) => [field, { bytes: sizes.get(field) }]));
  const entries = Object.entries(reply as Record<string, Buffer>);
  return new Map(entries.map(([field, payload]) => [field, { bytes: payload.length, payload }]));
}

/** How many shards of a topic are in use: the highest `loadShards` any registered node ever gave; 0: nobody came yet. */
export async function shardsInUse(client: Client, topic: string): Promise<number> {
  return (await readMeta(client, topic)).shards;
}

/** Shards in use, and the unit of the load tables. */
async function readMeta(client: Client, topic: string): Promise<{ shards: number; loadUnit: LoadUnit }> {
  const [, meta] = registryKeys(topic);
  const [shards, unit] = await client.hmget(meta, 'shards', 'unit');
  return { shards: Number(shards ?? 0), loadUnit: unitOf(unit) };
}

/** @param unit the registry's word; null before a node came */
export function unitOf(unit: string | null | undefined): LoadUnit {
  return unit === 'tokens' ? unit : 'requests';
}

/** Checks the invariants of every shard in use. Each shard is read at one instant, one after the other. */
export async function verifyTopic(client: Client, topic: string): Promise<Violation[]> {
  const { shards, loadUnit } = await readMeta(client, topic);
  const violations: Violation[] = [];
  for (let shard = 0; shard < shards; shard += 1) {
    const snapshot = await readSnapshot(client, topic, shard, { payloads: false });
    violations.push(...checkInvariants(snapshot, { loadUnit }));
  }
  return violations;
}
