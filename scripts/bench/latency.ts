/**
 * How long a request that meets an idle node waits: from the call of `putRequests` to the claim in that node's hands,
 * beside the PING of the same moment.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { shardKey } from '../../src/keys.ts';
import type { Client } from '../../src/script.ts';
import { budgetFor, type BenchScheduler, type Pair } from './ours.ts';
import { idOf } from './payloads.ts';
import { median, quantile } from './statistics.ts';

/** One idle node's latencies. */
export interface Latency {
  /** `owner`: the node that puts is idle and claims it itself. `peer`: another is, and gets it by a ring. */
  idle: 'owner' | 'peer';
  p50Micros: number;
  p99Micros: number;
  pingP50Micros: number;
  /** p50 / p50 of PING. */
  ratio: number;
  samples: number;
}

/** How long an idle node waits here; a sample takes a thousandth of it. */
const WAIT_MS = 10_000;
/** An idle node's `getRequests` has its answer, and rests, so long after Redis knows that it is idle. */
const SETTLE_MS = 3;

/** Samples of the two cases by turns. */
export async function measureLatency(
  { owner, runner }: Pair,
  control: Client,
  request: { body: unknown; tokens: number; output: unknown },
  options: { samples: number; signal: AbortSignal },
): Promise<Latency[]> {
  const cases = [
    { idle: 'owner' as const, node: runner, putBy: runner, waits: [] as number[] },
    { idle: 'peer' as const, node: runner, putBy: owner, waits: [] as number[] },
  ];
  const pings: number[] = [];
  for (let i = 0; i < options.samples; i += 1) {
    for (const { node, putBy, waits } of cases) {
      options.signal.throwIfAborted();
      const claimed = node.getRequests(budgetFor(1, request.tokens), { waitMs: WAIT_MS });
      await untilIdle(control, node);
      // the first PING wakes what fell asleep meanwhile: neither figure pays for that
      await control.ping();
      pings.push(await microsOf(() => control.ping()));
      waits.push(await microsOf(() => handOver(putBy, claimed, { ...request, id: idOf(i) })));
      await finish(node, putBy, await claimed, request.output);
    }
  }
  const pingP50Micros = median(pings);
  return cases.map(({ idle, waits }) => ({
    idle,
    p50Micros: median(waits),
    p99Micros: quantile(waits, 0.99),
    pingP50Micros,
    ratio: median(waits) / pingP50Micros,
    samples: waits.length,
  }));
}

type Claimed = ReturnType<BenchScheduler['getRequests']>;

async function handOver(
  putBy: BenchScheduler,
  claimed: Claimed,
  request: { id: string; body: unknown; tokens: number },
): Promise<void> {
  const put = putBy.putRequests([request]);
  await claimed;
  const [outcome] = await put;
  if (outcome?.error) throw outcome.error;
}

async function finish(
  node: BenchScheduler,
  putBy: BenchScheduler,
  claims: Awaited<Claimed>,
  output: unknown,
): Promise<void> {
  const [claim] = claims;
  if (!claim) throw new Error(`an idle node was not given its request within ${WAIT_MS} ms`);
  await node.putResults([{ claim: claim.claim, output, finished: true }]);
  while (putBy.getResults().size === 0) await sleep(1);
}

/** Until Redis knows that the node is idle, and the node rests. */
async function untilIdle(control: Client, node: BenchScheduler): Promise<void> {
  const key = shardKey(node.topic, node.shard, 'idle');
  while ((await control.zscore(key, node.node)) === null) await sleep(1);
  await sleep(SETTLE_MS);
}

async function microsOf(act: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await act();
  return (performance.now() - from) * 1000;
}
