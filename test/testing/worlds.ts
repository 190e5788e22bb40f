// The same test on two fleets: one whose topic is in Redis, one whose topic is in memory.
import { Scheduler, type RedisSource, type SchedulerOptions } from '../../src/index.ts';
import { InProcessRedis } from '../../src/testing/index.ts';
import { QUICK, type Prompt } from '../support/fleet.ts';
import { freshTopic, redisUrl } from '../support/server.ts';

export interface World {
  start<Request = Prompt, Output = unknown>(
    node: string,
    options?: SchedulerOptions<Request, Output>,
  ): Promise<Scheduler<Request, Output>>;
  /** Aborts what runs. */
  close(): Promise<void>;
}

/** Long enough for a busy machine, short enough to wait for: a lease in Redis ends in this test. */
const OPTIONS = { ...QUICK, commandTimeout: 30_000, onWarning: () => undefined } as const;

export function inRedis(): World {
  return worldOf(redisUrl(), freshTopic());
}

function worldOf(redis: RedisSource, topic: string): World {
  const nodes: { close(options: { drainMs: number }): Promise<void> }[] = [];
  return {
    start: async (node, options = {}) => {
      const scheduler = await Scheduler.start({ redis, topic, node, ...OPTIONS, ...options });
      nodes.push(scheduler);
      return scheduler;
    },
    close: async () => {
      await Promise.all(nodes.splice(0).map((node) => node.close({ drainMs: 0 })));
    },
  };
}

export function inMemory(): World & { redis: InProcessRedis } {
  const redis = new InProcessRedis();
  return { redis, ...worldOf(redis, 'default') };
}

export const WORLDS: Readonly<Record<string, () => World>> = { Redis: inRedis, memory: inMemory };
