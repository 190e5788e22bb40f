import type { RedisServer } from '../lib/redis/find.ts';
import type { Load } from './feed.ts';
import { idleTopic, measureIdleFleet, type IdleFleet } from './idle.ts';
import { latencyTopic, measureLatency, withTrio, type Latency } from './latency.ts';
import { readServer, readVersion } from '../lib/measure/meter.ts';
import type { Options } from './options.ts';
import { bodiesOf, outputOf } from './payloads.ts';
import { NOTE, type Report } from './report.ts';
import { measure, type Bench } from './rounds.ts';

/** Both sides run so long before anything counts: code is compiled, connections and scripts are there. */
const WARM_UP_MS = 300;
const LATENCY_TOKENS = 128;

/** Everything the options ask for, one after another. */
export async function runSuite(
  bench: Bench,
  kind: RedisServer['kind'],
  options: Options,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<Report> {
  const { batch, tokens, codec, inFlight, rounds, requests, seconds } = options;
  const { bytes } = outputOf(codec);
  const until: Load['until'] = requests === undefined ? { ms: seconds * 1000 } : { requests };
  const loads = tokens.flatMap((count) => {
    const bodies = bodiesOf(count, codec);
    return batch.map((size): Load => ({
      batch: size,
      inFlight,
      tokens: count,
      bodies,
      codec,
      until,
      signal,
    }));
  });
  log('warming up');
  await measure(bench, { ...loads[0]!, until: { ms: WARM_UP_MS } }, 1, () => undefined);
  const runs = [];
  for (const [i, load] of loads.entries()) {
    const name = `[${i + 1}/${loads.length}] batch ${load.batch}, ${load.tokens} tokens`;
    const run = await measure(bench, load, rounds, (line) => log(`${name}: ${line}`));
    log(
      `${name}: ${run.ratio.toFixed(3)} of the bound's requests/s, ${run.redisCpuMicros.toFixed(1)} µs of Redis`,
    );
    runs.push(run);
  }
  return {
    note: NOTE,
    redis: {
      ...(await readVersion(bench.control)),
      kind,
      mainThreadCpu: (await readServer(bench.control)).mainThread,
    },
    inFlight,
    codec,
    resultBytes: bytes,
    runs,
    latency: await latencyOf(bench, options, signal, log),
    ...(await idleFleetOf(bench, options, signal, log)),
  };
}

async function latencyOf(
  { redis, topic, control }: Bench,
  { latencySamples: samples, codec }: Options,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<Latency[]> {
  if (samples === 0) return [];
  log(`latency at an idle node: ${samples} samples each`);
  const probe = {
    body: bodiesOf(LATENCY_TOKENS, codec)[0],
    tokens: LATENCY_TOKENS,
    output: outputOf(codec).output,
  };
  return withTrio(redis, latencyTopic(topic), codec, (trio) =>
    measureLatency(trio, control, probe, { samples, signal }),
  );
}

async function idleFleetOf(
  { redis, topic, control }: Bench,
  { idleNodes: nodes, idleSeconds: seconds }: Options,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<{ idleFleet?: IdleFleet }> {
  if (nodes === 0) return {};
  log(`an idle fleet: ${nodes} nodes for ${seconds} s`);
  return { idleFleet: await measureIdleFleet(redis, idleTopic(topic), control, { nodes, seconds, signal }) };
}
