/** The thorough look at a shard: its twelve tables as they stand, read in one transaction. */
import type { ChainableCommander } from 'ioredis';
import { timeOf } from '../base/clock.ts';
import { SHARD_TABLES, shardKey, type ShardTable } from '../base/keys.ts';
import type { Ticket } from '../base/ticket.ts';
import type { Client } from '../redis/run-script.ts';
import { pairsOf, scoresOf } from './decode.ts';

/** The twelve tables of one shard at one instant. */
export interface ShardSnapshot {
  readonly shard: number;
  /** ms of the server's clock. */
  readonly now: number;
  /** In the table's own order: byte by byte. */
  readonly waiting: readonly Ticket[];
  /** Owner -> order of its first ticket, a tick as a number. */
  readonly head: ReadonlyMap<string, number>;
  readonly load: ReadonlyMap<string, number>;
  /** `owner|id` -> record; see `parseRecord`. */
  readonly request: ReadonlyMap<string, string>;
  readonly body: ReadonlyMap<string, BodySnapshot>;
  /** Ticket -> ms. */
  readonly due: ReadonlyMap<Ticket, number>;
  /** Members as they stand; the payload at their end may be any bytes. */
  readonly out: readonly Buffer[];
  readonly node: ReadonlyMap<string, number>;
  readonly idle: ReadonlyMap<string, number>;
  readonly calls: ReadonlyMap<string, string>;
  /** The table `shard`. */
  readonly state: ReadonlyMap<string, string>;
  /** Fields of each entry, oldest first; empty unless payloads were read. */
  readonly dead: readonly ReadonlyMap<string, Buffer>[];
  /** When each table that exists expires, ms of the server's clock; -1: never. */
  readonly expiry: ReadonlyMap<ShardTable, number>;
  /** ms by which two readings of one expiry may differ (a server before Redis 7 tells only what is left). */
  readonly expiryTolerance: number;
}

export interface BodySnapshot {
  /** undefined: it was not looked at. */
  readonly bytes: number | undefined;
  readonly payload?: Buffer;
}

export interface SnapshotOptions {
  /** Read the bodies and the stream `dead` too; false: only the sizes of bodies. Default true. */
  payloads?: boolean;
}

/** When payloads are not read, the sizes of at most this many bodies are, by an HSTRLEN each in the transaction. */
const MAX_SIZES = 10_000;
/** PTTL and TIME are read within one transaction, but not within one ms. */
const PTTL_TOLERANCE_MS = 50;

/**
 * Reads the twelve tables of a shard at one instant: one transaction of reads, all in one slot. Its cost grows with the
 * number of requests in the shard; `readFigures` is the cheap look.
 * @throws an error that says OOM on a server over maxmemory, which refuses transactions of reads, too
 */
export async function readSnapshot(
  client: Client,
  topic: string,
  shard: number,
  { payloads = true }: SnapshotOptions = {},
): Promise<ShardSnapshot> {
  const key: KeyOf = (table) => shardKey(topic, shard, table);
  const sized = payloads ? [] : (await client.hkeys(key('body'))).slice(0, MAX_SIZES);
  const { time, tables, expiries, isAbsolute, sizes } = await readAll(client, key, payloads, sized);
  const now = timeOf(time);
  const fields = (table: ShardTable): Map<string, string> =>
    new Map(Object.entries(tables[table] as Record<string, string>));
  const scores = (table: ShardTable): Map<string, number> => scoresOf(tables[table] as string[]);
  return {
    shard,
    now,
    waiting: tables.waiting as Ticket[],
    head: scores('head'),
    load: scores('load'),
    request: fields('request'),
    body: payloads
      ? bodiesOf(tables.body as Record<string, Buffer>)
      : sizesOf(tables.body as string[], sized, sizes),
    due: scores('due'),
    out: tables.out as Buffer[],
    node: scores('node'),
    idle: scores('idle'),
    calls: fields('calls'),
    state: fields('shard'),
    dead: payloads ? (tables.dead as [Buffer, Buffer[]][]).map(([, entry]) => pairsOf(entry)) : [],
    expiry: expiryOf(expiries, isAbsolute ? 0 : now),
    expiryTolerance: isAbsolute ? 0 : PTTL_TOLERANCE_MS,
  };
}

type KeyOf = (table: ShardTable) => string;

/** Adds the read of one table to a transaction. */
type Read = (reads: ChainableCommander, key: string) => unknown;

const members: Read = (reads, key) => reads.zrange(key, '0', '-1');
const scored: Read = (reads, key) => reads.zrange(key, '0', '-1', 'WITHSCORES');
const hash: Read = (reads, key) => reads.hgetall(key);

/** How each table is read whole. */
const WHOLE: Readonly<Record<ShardTable, Read>> = {
  waiting: members,
  head: scored,
  load: scored,
  request: hash,
  body: (reads, key) => reads.hgetallBuffer(key),
  due: scored,
  out: (reads, key) => reads.zrangeBuffer(key, '0', '-1'),
  node: scored,
  idle: scored,
  calls: hash,
  shard: hash,
  dead: (reads, key) => reads.xrangeBuffer(key, '-', '+'),
};

/** How they are read when no payload is wanted. */
const WITHOUT_PAYLOADS: Readonly<Record<ShardTable, Read>> = {
  ...WHOLE,
  body: (reads, key) => reads.hkeys(key),
  dead: (reads, key) => reads.xlen(key),
};

interface Replies {
  time: [seconds: number, micros: number];
  tables: Record<ShardTable, unknown>;
  /** In the order of SHARD_TABLES; -1: never, -2: the table does not exist. */
  expiries: number[];
  /** The expiries are ms of the server's clock; otherwise ms that are left. */
  isAbsolute: boolean;
  /** Of the fields `sized` of `body`. */
  sizes: number[];
}

/** Before Redis 7 there is no PEXPIRETIME; PTTL takes its place. */
async function readAll(
  client: Client,
  key: KeyOf,
  payloads: boolean,
  sized: readonly string[],
): Promise<Replies> {
  const read = payloads ? WHOLE : WITHOUT_PAYLOADS;
  const transact = async (expiry: 'pexpiretime' | 'pttl'): Promise<Replies> => {
    const reads = client.multi().time();
    for (const table of SHARD_TABLES) read[table](reads, key(table));
    for (const table of SHARD_TABLES) reads[expiry](key(table));
    for (const field of sized) reads.hstrlen(key('body'), field);
    const [time, ...rest] = ((await reads.exec()) ?? []).map(([error, reply]) => {
      if (error) throw error;
      return reply;
    });
    const tables = rest.splice(0, SHARD_TABLES.length);
    return {
      time: time as Replies['time'],
      tables: Object.fromEntries(SHARD_TABLES.map((table, at) => [table, tables[at]])) as Replies['tables'],
      expiries: rest.splice(0, SHARD_TABLES.length) as number[],
      isAbsolute: expiry === 'pexpiretime',
      sizes: rest as number[],
    };
  };
  try {
    return await transact('pexpiretime');
  } catch (error) {
    // a refused transaction says why in the errors of its commands
    const [reason] = (error as { previousErrors?: Error[] }).previousErrors ?? [];
    if (!/unknown command/i.test(reason?.message ?? '')) throw reason ?? error;
    return transact('pttl');
  }
}

function bodiesOf(table: Readonly<Record<string, Buffer>>): Map<string, BodySnapshot> {
  const entries = Object.entries(table);
  return new Map(entries.map(([field, payload]) => [field, { bytes: payload.length, payload }]));
}

/** @param sized the fields that `sizes` are of, read a moment before the transaction */
function sizesOf(
  fields: readonly string[],
  sized: readonly string[],
  sizes: readonly number[],
): Map<string, BodySnapshot> {
  const known = new Map(sized.map((field, at) => [field, sizes[at]]));
  return new Map(fields.map((field) => [field, { bytes: known.get(field) }]));
}

/** @param since what the expiries count from */
function expiryOf(expiries: readonly number[], since: number): Map<ShardTable, number> {
  const existing = SHARD_TABLES.map((table, at) => [table, expiries[at]!] as const).filter(
    ([, ms]) => ms !== -2,
  );
  return new Map(existing.map(([table, ms]) => [table, ms === -1 ? ms : since + ms]));
}
