/** What a fleet costs that has nothing to do: every node waits for work, and no request comes. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../src/redis/run-script.ts';
import { measureCost } from '../lib/measure/meter.ts';
import { budgetFor, startNode, type BenchNode } from './contenders/ours.ts';

export interface IdleFleet {
  nodes: number;
  seconds: number;
  /** Commands that the clients sent, heartbeats and PINGs included. */
  commandsPerNodeSecond: number;
  /** CPU of this process, which is all nodes, per node: share of one core. */
  clientCpuPerNode: number;
  redisCpuPerNode: number;
}

/** The first looks into the shards belong to the start. */
const SETTLE_MS = 2_000;

export async function measureIdleFleet(
  redis: string,
  topic: string,
  control: Client,
  options: { nodes: number; seconds: number; signal: AbortSignal },
): Promise<IdleFleet> {
  const { nodes, seconds, signal } = options;
  const fleet: BenchNode[] = [];
  try {
    for (let i = 0; i < nodes; i += 1) {
      const node = await startNode(redis, topic, `node-${i}`);
      fleet.push(node);
      void node.run(() => undefined, { budget: budgetFor(8, 1) });
    }
    await sleep(SETTLE_MS, undefined, { signal });
    const idle = (): Promise<void> => sleep(seconds * 1000, undefined, { signal });
    const { micros, clientMicros, cost, pings } = await measureCost(control, true, idle);
    const nodeMicros = micros * nodes;
    return {
      nodes,
      seconds,
      commandsPerNodeSecond: ((cost.sent + pings) / nodeMicros) * 1e6,
      clientCpuPerNode: clientMicros / nodeMicros,
      redisCpuPerNode: cost.cpuMicros / nodeMicros,
    };
  } finally {
    await Promise.all(fleet.map((node) => node.close()));
  }
}
