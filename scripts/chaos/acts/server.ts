/** Faults of the server: what it forgets, what it refuses, and that it dies and comes back with less. */
import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '../../lib/harness/history.ts';
import type { Act, Scene } from '../scene.ts';

/** Messages that no script sends. */
const GARBAGE = [
  '',
  'claim',
  'claim 70000 0',
  'claim -1 0',
  'claim 0 99999999999',
  'results 99 0',
  'refresh x y',
];
const MOST_BEHIND_MS = 15_000;

export function serverActs(scene: Scene) {
  const { redis, keyspace, leaseMs, fleet, topic } = scene.stage;

  return {
    'script-flush': async () => {
      await keyspace.client.script('FLUSH');
      return 'done';
    },
    'client-pause': (_, long) => {
      const ms = Math.round((0.1 + 1.4 * long) * leaseMs);
      return scene.windows.during('client-pause', {}, async () => {
        await (await scene.readyClient()).client('PAUSE', ms, 'ALL');
        await sleep(ms);
        return `${ms} ms`;
      });
    },
    'restart-aof': (_, long) =>
      scene.alone('restart-aof', async () => {
        await redis.restart(downMs(long));
        return 'Redis came back with its append-only file';
      }),
    'restart-empty': (_, long) =>
      scene.lose('restart-empty', (one, look) => one.restartEmpty(downMs(long), look)),
    rollback: (_, long) =>
      scene.lose('rollback', (one, look) => one.rollBack(100 + 4_000 * long * long, look)),
    failover: (_, long) =>
      scene.lose('failover', (one, look) => one.failOver(100 + 1_500 * long * long, look)),
    'clock-behind': (_, long, much) =>
      scene.alone('clock-behind', async () => {
        const before = redis.behindMs;
        const behindMs = before > 0 && much < 0.5 ? 0 : Math.round(500 + (MOST_BEHIND_MS - 500) * long);
        scene.clockSteps.push({ at: now(), byMs: before - behindMs });
        await redis.restart(0, behindMs);
        return `Redis came back with a clock that is ${behindMs} ms behind; it was ${before} ms behind`;
      }),
    maxmemory: async (_, long) => {
      const { client } = keyspace;
      const ms = Math.round(300 + 1200 * long);
      await client.config('SET', 'maxmemory', '1mb');
      await sleep(ms);
      await client.config('SET', 'maxmemory', '0');
      return `over it for ${ms} ms`;
    },
    'garbage-ring': async (_, long) => {
      const count = 1 + Math.floor(20 * long);
      const nodes = new Set(fleet.up.map(({ node }) => node));
      for (const node of nodes)
        for (let i = 0; i < count; i += 1)
          await keyspace.client.publish(`{${topic}}:wake:${node}`, GARBAGE[i % GARBAGE.length]!);
      return `${count} at each of ${nodes.size} nodes`;
    },
  } satisfies Record<string, Act>;
}

function downMs(long: number): number {
  return Math.round(1_000 * long * long);
}
