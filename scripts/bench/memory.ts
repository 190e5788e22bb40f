/**
 * `npm run bench -- memory`: what a waiting request costs Redis in memory over its payload, table by table, and the longest command
 * while a shard grows. On a server of its own: what others use there would count.
 */
import { shardKey, SHARD_TABLES } from '../../src/base/keys.ts';
import { table } from '../../src/cli/output.ts';
import { openClient } from '../../src/redis/connection.ts';
import { ready } from '../../src/redis/ready.ts';
import type { Client } from '../../src/redis/run-script.ts';
import { Longest, readServer, readVersion } from '../lib/measure/meter.ts';
import { median } from '../lib/measure/statistics.ts';
import { writeMeasurements } from '../lib/measure/write.ts';
import { findRedis } from '../lib/redis/find.ts';
import { newTopic, removeKeys } from '../lib/redis/topics.ts';
import { integer, parse } from '../lib/tool/arguments.ts';
import type { Open } from '../lib/tool/process.ts';
import { newTool } from '../lib/tool/usage.ts';
import { startNode, type BenchNode } from './contenders/ours.ts';
import { bytesOf, requestsOf } from './loads.ts';

interface Options {
  json: boolean;
  write: boolean;
  requests: number;
  tokens: number;
  owners: number;
  rounds: number;
}

interface Place {
  url: string;
  topic: string;
  client: Client;
  /** Nobody else uses the server: it may be made to forget what it has counted. */
  isOwn: boolean;
  open: Open;
}

/** While a shard grew from one number of requests to another. */
interface Step {
  /** Of the longest command. */
  ms: number;
  /** CPU of the server for each put, ms. */
  cpuMs: number;
  from: number;
  to: number;
}

/** One of a shard's tables. */
interface Share {
  name: string;
  type: string;
  encoding: string;
  entries: number;
  /** Of a request: all that the table takes; what stands in it; and the rest, which is the server's. */
  bytes: number;
  content: number;
  overhead: number;
}

interface Memory {
  redis: string;
  requests: number;
  owners: number;
  rounds: number;
  /** Of a request. */
  payload: number;
  /** Of a request, over its payload: by what the server uses more, and by what it says of the tables. */
  over: number;
  told: number;
  shares: Share[];
  /** The longest steps; of each, its shortest round. */
  longest: Step[];
  /** The dearest steps; of each, its cheapest round. */
  dearest: Step[];
  /** The middle ones of all steps, ms. */
  usual: { ms: number; cpuMs: number } | undefined;
}

const CONNECT_MS = 10_000;
/** A number that no request of a round has. */
const WARM = 1e9;
/** Of a put. */
const BATCH = 128;
/** Between two looks at the longest command. */
const STEP = 8 * BATCH;
/** The longest steps that are told. */
const TOLD = 5;
/** Every so many entries of a table one is looked at. */
const SAMPLE = 64;

export function parseMemoryOptions(args: readonly string[]): Options | undefined {
  const program = newTool({
    name: 'bench',
    description: 'Measures the memory of waiting requests, and the longest command while a shard grows.',
    fine: 'measured',
    failed: 'a run failed',
    measures: true,
    notes: ['On a server that others use it counts their memory, too.'],
  })
    .name('npm run bench -- memory')
    .option('--requests <n>', 'requests that wait', integer(1, 10_000_000), 100_000)
    .option('--tokens <n>', 'prompt tokens of one', integer(0, 1_000_000), 128)
    .option('--owners <n>', 'nodes that put them', integer(1, 1_000), 1)
    .option('--rounds <n>', 'times that a shard grows', integer(1, 100), 3);
  return parse(program, args.slice(1))?.opts<Options>();
}

export async function benchMemory(options: Options, open: Open): Promise<boolean> {
  const log = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
  const server = await findRedis({ log });
  open.add(() => server.stop());
  const topic = newTopic('bench');
  open.add(() => removeKeys(server.url, topic));
  const client = openClient(server.url);
  open.add(() => client.disconnect());
  await ready(client, server.url, CONNECT_MS);
  const memory = await measure(options, {
    url: server.url,
    topic,
    client,
    isOwn: server.kind !== 'url',
    open,
  });
  const text = textOf(memory);
  process.stdout.write(`${options.json ? JSON.stringify(memory) : text}\n`);
  if (options.write) writeMeasurements('bench', text, { block: 'memory' });
  return true;
}

async function measure(options: Options, place: Place): Promise<Memory> {
  const { requests, tokens, owners, rounds } = options;
  let steps: Step[] = [];
  let grown: Pick<Memory, 'over' | 'told' | 'shares'> | undefined;
  const payload = bytesOf(tokens) + 'owner-0'.length - 'owner'.length;
  for (let round = 0; round < rounds; round += 1) {
    const topic = `${place.topic}-${round}`;
    const { used, ...more } = await grow(options, place, topic);
    // what else the machine does meets another step each time; what a step does itself, each time the same
    steps = more.steps.map((step, i) => ({
      ...step,
      ms: Math.min(step.ms, steps[i]?.ms ?? Infinity),
      cpuMs: Math.min(step.cpuMs, steps[i]?.cpuMs ?? Infinity),
    }));
    const shares = more.shares;
    const told = shares.reduce((sum, { bytes }) => sum + bytes, 0) - payload;
    // of the first: what a round leaves is freed later, in the background
    grown ??= { over: used / requests - payload, told, shares };
  }
  const { program, version } = await readVersion(place.client);
  return {
    ...{ redis: `${program} ${version}`, requests, owners, rounds, payload, ...grown! },
    ...{ longest: most(steps, 'ms'), dearest: most(steps, 'cpuMs') },
    usual: steps.length === 0 ? undefined : { ms: middle(steps, 'ms'), cpuMs: middle(steps, 'cpuMs') },
  };
}

function most(steps: readonly Step[], key: 'ms' | 'cpuMs'): Step[] {
  return [...steps].sort((a, b) => b[key] - a[key]).slice(0, TOLD);
}

function middle(steps: readonly Step[], key: 'ms' | 'cpuMs'): number {
  return median(steps.map((step) => step[key]));
}

/** A shard from nothing to so many requests, which are then gone again. */
async function grow(
  { requests, tokens, owners }: Options,
  { url, client, isOwn, open }: Place,
  topic: string,
) {
  const nodes: BenchNode[] = [];
  for (let i = 0; i < owners; i += 1) {
    const node = await startNode(url, topic, `owner-${i}`, { maxWaiting: requests });
    open.add(() => node.close({ drainMs: 0 }));
    nodes.push(node);
  }
  const make = requestsOf(tokens);
  const longest = isOwn ? new Longest(client) : undefined;
  // the scripts are loaded, and the tables of the nodes are there
  for (const node of nodes) {
    const [first] = await node.putRequests([make(WARM, node.node)]);
    if (first?.error) throw first.error;
    await node.cancel(first!.id);
  }
  const before = await usedMemory(client);
  const steps: Step[] = [];
  for (let from = 0; from < requests;) {
    const to = Math.min(from + STEP, requests);
    await longest?.begin();
    const { cpuMicros } = await readServer(client);
    for (let at = from; at < to; at += BATCH) {
      const node = nodes[(at / BATCH) % owners]!;
      const some = Array.from({ length: Math.min(BATCH, to - at) }, (_, i) => make(at + i, node.node));
      for (const { error } of await node.putRequests(some)) if (error) throw error;
    }
    const micros = await longest?.read();
    const cpuMs = ((await readServer(client)).cpuMicros - cpuMicros) / 1000 / Math.ceil((to - from) / BATCH);
    if (micros !== undefined) steps.push({ ms: micros / 1000, cpuMs, from, to });
    from = to;
  }
  const used = (await usedMemory(client)) - before;
  const shares: Share[] = [];
  for (const name of SHARD_TABLES) {
    const share = await shareOf(client, shardKey(topic, 0, name), name, requests);
    if (share) shares.push(share);
  }
  for (const node of nodes) await node.close({ drainMs: 0 });
  await removeKeys(url, topic);
  return { steps, used, shares };
}

/** Without what the server keeps for its clients: that comes and goes. */
async function usedMemory(client: Client): Promise<number> {
  const stats = (await client.call('MEMORY', 'STATS')) as (string | number)[];
  const at = (name: string): number => Number(stats[stats.indexOf(name) + 1]);
  return at('total.allocated') - at('clients.normal');
}

async function shareOf(
  client: Client,
  key: string,
  name: string,
  requests: number,
): Promise<Share | undefined> {
  const type = await client.type(key);
  if (type === 'none') return undefined;
  const bytes = Number(await client.call('MEMORY', 'USAGE', key, 'SAMPLES', '0'));
  const encoding = String(await client.call('OBJECT', 'ENCODING', key));
  const [entries, content] = await contentOf(client, key, type);
  return {
    ...{ name, type, encoding, entries, bytes: bytes / requests },
    ...{ content: content / requests, overhead: (bytes - content) / requests },
  };
}

/** How many entries, and the bytes of their names and values, from a sample; a score has 8. */
async function contentOf(client: Client, key: string, type: string): Promise<[number, number]> {
  if (type !== 'zset' && type !== 'hash') return [type === 'stream' ? await client.xlen(key) : 0, 0];
  const entries = type === 'zset' ? await client.zcard(key) : await client.hlen(key);
  const asked = Math.max(1, Math.ceil(entries / SAMPLE));
  // a positive count: each at most once
  const random = type === 'zset' ? 'ZRANDMEMBER' : 'HRANDFIELD';
  const tail = type === 'zset' ? [] : ['WITHVALUES'];
  const some = (await client.callBuffer(random, key, String(asked), ...tail)) as (Buffer | Buffer[])[];
  const bytes = some.flat().reduce((sum, { length }) => sum + length, 0);
  return [entries, (bytes / asked + (type === 'zset' ? 8 : 0)) * entries];
}

function textOf(memory: Memory): string {
  const { redis, requests, owners, rounds, payload, over, told, shares, longest, dearest, usual } = memory;
  const rows = shares.map(({ name, type, encoding, entries, bytes, content, overhead }) => [
    ...[name, type, encoding, entries, bytes.toFixed(1), content.toFixed(1), overhead.toFixed(1)],
  ]);
  const growth = (of: readonly Step[], key: 'ms' | 'cpuMs'): string =>
    `${of.map((step) => `${step[key].toFixed(1)} at ${step.from} to ${step.to}`).join(', ')}; usual ${usual![key].toFixed(1)}`;
  return [
    `${redis}, ${requests} requests of ${payload} B wait, put by ${owners} owner${owners === 1 ? '' : 's'}. Bytes of one:`,
    `${over.toFixed(0)} over its payload by what the server allocated, ${told.toFixed(0)} by what it says of the tables.`,
    table(['table', 'type', 'encoding', 'entries', 'bytes', 'content', 'of the server'], rows),
    ...(usual === undefined
      ? ['While it grew: this server does not tell.']
      : [
          `While it grew, in ms, each the least of ${rounds} rounds:`,
          `CPU of Redis for a put of ${BATCH}: ${growth(dearest, 'cpuMs')}.`,
          `The longest command: ${growth(longest, 'ms')}.`,
        ]),
  ].join('\n');
}
