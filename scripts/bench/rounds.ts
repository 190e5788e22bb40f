/** Ours and the bound by turns, so that what else the machine does meets both alike. */
import type { Client } from '../../src/redis/run-script.ts';
import { runBound, type Lists } from './bound.ts';
import type { Load } from './feed.ts';
import { measureCost } from '../lib/measure/meter.ts';
import { runOurs, type Pair } from './ours.ts';
import { bytesOf } from './payloads.ts';
import { median } from '../lib/measure/statistics.ts';

/** One side's round; all but the first two per request. */
export interface Sample {
  requests: number;
  requestsPerSecond: number;
  /** CPU of the server, in µs. */
  redisCpuMicros: number;
  /** Commands that clients sent. */
  commandsPerRequest: number;
  /** Commands that the server ran, those inside scripts included. */
  commandsRunPerRequest: number;
  /** CPU of this process, which is both nodes, in µs. */
  clientCpuMicros: number;
}

/** One batch size and prompt length: medians of the rounds, each ratio that of its round's pair. */
export interface Run {
  batch: number;
  tokens: number;
  payloadBytes: number;
  requestsPerSecond: number;
  boundRequestsPerSecond: number;
  /** Ours / bound in requests per second; 1 would be as fast as the bound. */
  ratio: number;
  redisCpuMicros: number;
  boundRedisCpuMicros: number;
  /** Ours / bound in CPU of the server; 1 would be as cheap as the bound. */
  redisCpuRatio: number;
  commandsPerRequest: number;
  boundCommandsPerRequest: number;
  commandsRunPerRequest: number;
  clientCpuMicros: number;
  boundClientCpuMicros: number;
  rounds: number;
  samples: { ours: Sample; bound: Sample }[];
}

export interface Bench {
  /** URL of the server. */
  redis: string;
  topic: string;
  pair: Pair;
  lists: Lists;
  /** Reads the server's figures. */
  control: Client;
}

/** One load, as many rounds as wanted. */
export async function measure(
  bench: Bench,
  load: Load,
  rounds: number,
  log: (line: string) => void,
): Promise<Run> {
  const samples: Run['samples'] = [];
  for (let round = 1; round <= rounds; round += 1) {
    log(`round ${round} of ${rounds}`);
    const ours = await sampleOf(bench.control, true, () => runOurs(bench.pair, load));
    const bound = await sampleOf(bench.control, false, () => runBound(bench.lists, load));
    samples.push({ ours, bound });
  }
  const ours = (key: keyof Sample): number => median(samples.map((sample) => sample.ours[key]));
  const bound = (key: keyof Sample): number => median(samples.map((sample) => sample.bound[key]));
  const ratio = (key: keyof Sample): number =>
    median(samples.map((sample) => sample.ours[key] / sample.bound[key]));
  return {
    batch: load.batch,
    tokens: load.tokens,
    payloadBytes: bytesOf(load.bodies, load.codec),
    requestsPerSecond: ours('requestsPerSecond'),
    boundRequestsPerSecond: bound('requestsPerSecond'),
    ratio: ratio('requestsPerSecond'),
    redisCpuMicros: ours('redisCpuMicros'),
    boundRedisCpuMicros: bound('redisCpuMicros'),
    redisCpuRatio: ratio('redisCpuMicros'),
    commandsPerRequest: ours('commandsPerRequest'),
    boundCommandsPerRequest: bound('commandsPerRequest'),
    commandsRunPerRequest: ours('commandsRunPerRequest'),
    clientCpuMicros: ours('clientCpuMicros'),
    boundClientCpuMicros: bound('clientCpuMicros'),
    rounds,
    samples,
  };
}

async function sampleOf(control: Client, scripted: boolean, run: () => Promise<number>): Promise<Sample> {
  const { result: requests, micros, cost, clientMicros } = await measureCost(control, scripted, run);
  return {
    requests,
    requestsPerSecond: (requests / micros) * 1e6,
    redisCpuMicros: cost.cpuMicros / requests,
    commandsPerRequest: cost.sent / requests,
    commandsRunPerRequest: cost.run / requests,
    clientCpuMicros: clientMicros / requests,
  };
}
