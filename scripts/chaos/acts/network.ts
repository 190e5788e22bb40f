/** Faults of the network between the processes and Redis. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe } from '../../lib/harness/happenings.ts';
import type { Trap } from '../proxy.ts';
import { only, type Act, type Scene } from '../scene.ts';

/** A connection that says nothing is noticed by its client within a third of a lease, twice that when it waits for no answer. */
const NOTICED_LEASES = 2 / 3;

export function networkActs(scene: Scene) {
  const { network, leaseMs, keyspace } = scene.stage;
  const { windows } = scene;
  /** One shard. */
  let isDown = false;

  const trap = (kind: Trap, share: number, much: number, lastsMs: number): Promise<string | undefined> => {
    // the same connections for the same seed, as far as there are the same
    const chosen = (index: number): boolean => (index * 0.618 + much) % 1 < Math.max(0.15, share);
    const { count, urls } = network.trap(kind, chosen);
    windows.add(kind, { labels: scene.labelsOf(urls) }, lastsMs);
    return Promise.resolve(count > 0 ? `${count} connections` : undefined);
  };

  return {
    'cut-before': (_, share, much) => trap('before', share, much, 0),
    'cut-after': (_, share, much) => trap('after', share, much, 0),
    silence: (_, share, much) => trap('silence', share / 2, much, NOTICED_LEASES * leaseMs + 1_000),
    readonly: (_, share, much) => trap('readonly', share / 2, much, 0),
    latency: (_, long, much) => {
      const [ms, forMs] = [Math.round(5 + 145 * much), Math.round(500 + 1500 * long)];
      return windows.during('latency', {}, async () => {
        network.delay(ms);
        await sleep(forMs);
        network.delay(0);
        return `${ms} ms each way for ${forMs} ms`;
      });
    },
    'slow-link': (whom, long, much) => {
      const victim = scene.victim(whom);
      if (!victim) return Promise.resolve(undefined);
      const [rate, forMs] = [Math.round(250_000 + 500_000 * much), Math.round(1_500 + 2_000 * long)];
      const { redis } = victim.settings;
      return windows.awayDuring('slow-link', { labels: scene.labelsOf(new Set([redis])) }, async () => {
        network.throttle(redis, rate);
        victim.order({ order: 'bring', what: 'heavy', count: 1 });
        await sleep(forMs);
        network.throttle(redis, undefined);
        return `${describe(victim)} has ${Math.round(rate / 1000)} KB/s for ${forMs} ms`;
      });
    },
    'one-shard-down': (whom, long) => {
      if (isDown) return Promise.resolve(undefined);
      isDown = true;
      const shard = Math.floor(whom * scene.shards);
      const ms = Math.round(700 + 2_300 * long);
      return windows.awayDuring('one-shard-down', { shards: new Set([shard]) }, async () => {
        network.loseShard(shard);
        await sleep(ms);
        network.loseShard(undefined);
        isDown = false;
        return `shard ${shard} for ${ms} ms`;
      });
    },
    'client-kill': async () => {
      const client = await scene.readyClient();
      windows.add('client-kill', {});
      const killed = [
        await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'),
        await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub'),
      ];
      return `${killed.map(Number).reduce((sum, count) => sum + count, 0)} connections`;
    },
    poison: (whom, long) => {
      const victim = scene.victim(whom);
      if (!victim) return Promise.resolve(undefined);
      const ms = Math.round(2_500 + 1_500 * long);
      return windows.during('poison', only(victim), async () => {
        await keyspace.client.config('SET', 'client-query-buffer-limit', '1mb');
        victim.order({ order: 'bring', what: 'poison', count: 1 });
        await sleep(ms);
        await keyspace.client.config('SET', 'client-query-buffer-limit', '1gb');
        return `${describe(victim)} puts what breaks its connection for ${ms} ms`;
      });
    },
  } satisfies Record<string, Act>;
}
