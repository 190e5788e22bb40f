/**
 * `npm run soak`: streams and requests for a while; the clients' heap is flat, what takes time takes no longer at the end, and
 * no key is left.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { shardKey } from '../../src/base/keys.ts';
import { Keyspace } from '../lib/checker/keyspace.ts';
import { findRedis } from '../lib/redis/find.ts';
import { newTopic, removeKeys } from '../lib/redis/topics.ts';
import { runTool, type Open } from '../lib/tool/process.ts';
import { judge, type Sample } from './judge.ts';
import { Load } from './load.ts';
import { parseOptions, type Options } from './options.ts';

const SAMPLES = 20;
/** What closing nodes leave goes in this time. */
const REST_MS = 5_000;
const LOOK_MS = 100;

function log(line: string): void {
  process.stderr.write(`soak: ${line}\n`);
}

async function soak(options: Options, open: Open): Promise<boolean> {
  const server = await findRedis({ log });
  open.add(() => server.stop());
  log(server.description);
  const topic = newTopic('soak');
  open.add(() => removeKeys(server.url, topic));
  const keyspace = new Keyspace(server.url, topic, 1);
  open.add(() => keyspace.close());
  // an interrupt may come while it starts
  const starting = Load.start(server.url, topic, options);
  open.add(() => starting.then((one) => one.end()).catch(() => undefined));
  const load = await starting;
  const samples: Sample[] = [];
  load.begin();
  for (let i = 0; i < SAMPLES; i += 1) {
    await sleep((options.seconds * 1000) / SAMPLES);
    const sample = load.sample(heapMb());
    samples.push(sample);
    log(
      `heap ${sample.heapMb.toFixed(1)} MB, p99 of a chunk ${sample.chunkP99Ms.toFixed(1)} ms, ` +
        `of a request ${sample.requestP99Ms.toFixed(1)} ms`,
    );
  }
  await load.end();
  if (options.plant.includes('key')) await keyspace.client.set(`${shardKey(topic, 0, 'shard')}:planted`, '1');
  const complaints = [...judge(samples), ...(await leftIn(keyspace))];
  const { ends, chunks } = load;
  if (options.json)
    process.stdout.write(`${JSON.stringify({ ...options, ends, chunks, samples, complaints })}\n`);
  else process.stdout.write(`${textOf(load, complaints)}\n`);
  return complaints.length === 0;
}

/** Of what still lives. */
function heapMb(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

/** What is left in Redis when all has ended. */
async function leftIn(keyspace: Keyspace): Promise<readonly string[]> {
  for (let waited = 0; ; waited += LOOK_MS) {
    const { complaints } = await keyspace.leftovers();
    if (complaints.length === 0 || waited >= REST_MS) return complaints;
    await sleep(LOOK_MS);
  }
}

function textOf({ ends, chunks }: Load, complaints: readonly string[]): string {
  const each = Object.entries(ends).map(([end, count]) => `${count} ${end}`);
  const verdict = complaints.length === 0 ? ['Nothing grew, drifted or was left.'] : complaints;
  return [`${each.join(', ')}; ${chunks} chunks`, ...verdict].join('\n');
}

await runTool(parseOptions, soak);
