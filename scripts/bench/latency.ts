/**
 * How long a request waits where nobody is busy: from the call of `putRequests` to the claim in hand, beside the PINGs
 * of the same moments.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { shardKey } from '../../src/base/keys.ts';
import { settle } from '../../src/base/settle.ts';
import type { Client } from '../../src/redis/run-script.ts';
import { budgetFor, startNode, type BenchScheduler } from './ours.ts';
import { idOf, type CodecName } from './payloads.ts';
import { median, quantile } from '../lib/measure/statistics.ts';

/** One idle node's latencies. */
export interface Latency {
  /**
   * `owner`: the node that puts is idle, and claims it itself. `peer`: another is idle; the owner, which does not ask for
   * work, becomes overloaded by the put, and the peer gets what waits there.
   */
  idle: 'owner' | 'peer';
  p50Micros: number;
  p99Micros: number;
  pingP50Micros: number;
  pingP99Micros: number;
  /** p50 / p50 of PING. */
  ratio: number;
  /** p99 / p99 of PING. */
  p99Ratio: number;
  samples: number;
}

export interface Trio {
  owner: BenchScheduler;
  /** Puts, and never asks for work; `minLoadScore` is its and the peer's. */
  busy: BenchScheduler;
  peer: BenchScheduler;
  minLoadScore: number;
}

export function latencyTopic(topic: string): string {
  return `${topic}-latency`;
}

/** Starts the three nodes, with the default `minLoadScore`, and closes them afterwards. */
export async function withTrio<T>(
  redis: string,
  topic: string,
  codec: CodecName,
  use: (trio: Trio) => Promise<T>,
): Promise<T> {
  const { minLoadScore, policy } = settle({});
  const nodes: BenchScheduler[] = [];
  try {
    for (const name of ['owner', 'busy', 'peer'])
      // the owner takes nothing of what the other two do
      nodes.push(
        await startNode(redis, topic, name, codec, {
          policy: name === 'owner' ? 'none' : policy,
          minLoadScore,
          // by its load, never by its age, however slow the machine is
          stealAfterMs: WAIT_MS,
        }),
      );
    const [owner, busy, peer] = nodes as [BenchScheduler, BenchScheduler, BenchScheduler];
    return await use({ owner, busy, peer, minLoadScore });
  } finally {
    await Promise.all(nodes.map((node) => node.close()));
  }
}

interface Probe {
  body: unknown;
  tokens: number;
  output: unknown;
}

/** How long an idle node waits here; a sample takes a thousandth of it. */
const WAIT_MS = 10_000;

/** Samples of the two cases by turns. */
export async function measureLatency(
  { owner, busy, peer, minLoadScore }: Trio,
  control: Client,
  probe: Probe,
  options: { samples: number; signal: AbortSignal },
): Promise<Latency[]> {
  const cases = [
    { idle: 'owner' as const, node: owner, putBy: owner, before: 0, waits: [] as number[] },
    { idle: 'peer' as const, node: peer, putBy: busy, before: minLoadScore - 1, waits: [] as number[] },
  ];
  const pings: number[] = [];
  for (let i = 0; i < options.samples; i += 1) {
    for (const { node, putBy, before, waits } of cases) {
      options.signal.throwIfAborted();
      const claimed = node.getRequests(budgetFor(1, probe.tokens), { waitMs: WAIT_MS });
      await untilIdle(control, node);
      // the first PING wakes what fell asleep meanwhile: neither figure pays for that
      await control.ping();
      pings.push(await microsOf(() => control.ping()));
      for (let j = 0; j < before; j += 1) await put(putBy, probe, idOf(i * minLoadScore + j));
      waits.push(
        await microsOf(async () => {
          const accepted = put(putBy, probe, idOf((i + 1) * minLoadScore - 1));
          await claimed;
          await accepted;
        }),
      );
      await finish(node, putBy, await claimed, probe.output);
      // what waits below minLoadScore is left to its owner
      for (let left = before; left > 0; left -= 1)
        await finish(putBy, putBy, await putBy.getRequests(budgetFor(1, probe.tokens)), probe.output);
    }
  }
  const ping = { pingP50Micros: median(pings), pingP99Micros: quantile(pings, 0.99) };
  return cases.map(({ idle, waits }) => {
    const [p50Micros, p99Micros] = [median(waits), quantile(waits, 0.99)];
    const ratios = { ratio: p50Micros / ping.pingP50Micros, p99Ratio: p99Micros / ping.pingP99Micros };
    return { idle, p50Micros, p99Micros, ...ping, ...ratios, samples: waits.length };
  });
}

async function put(node: BenchScheduler, { body, tokens }: Probe, id: string): Promise<void> {
  const [outcome] = await node.putRequests([{ id, body, tokens }]);
  if (outcome?.error) throw outcome.error;
}

async function finish(
  node: BenchScheduler,
  putBy: BenchScheduler,
  [claim]: readonly { claim: string }[],
  output: unknown,
): Promise<void> {
  if (!claim) throw new Error(`an idle node was not given its request within ${WAIT_MS} ms`);
  await node.putResults([{ claim: claim.claim, output, finished: true }]);
  while (putBy.getResults().size === 0) await sleep(1);
}

/** Until Redis knows that the node is idle; the node itself hears of it during the PINGs that follow. */
async function untilIdle(control: Client, node: BenchScheduler): Promise<void> {
  const key = shardKey(node.topic, node.shard, 'idle');
  while ((await control.zscore(key, node.node)) === null) await sleep(1);
}

async function microsOf(act: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await act();
  return (performance.now() - from) * 1000;
}
