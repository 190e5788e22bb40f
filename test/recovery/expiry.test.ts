// lua/README.md#tables-1 on real nodes: what a topic keeps does not depend on which of its nodes is there.
import { expect } from 'chai';
import { SHARD_TABLES, registryKeys } from '../../src/base/keys.ts';
import { requests, room, take, useFleet } from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';

const HOUR = 3_600_000;

describe('nodes of one topic with different ttlMs', () => {
  const fleet = useFleet();
  const SHORT = { ttlMs: 600, leaseMs: 300, keepAliveMs: 300, pollMs: 100 };

  /** When each table that exists expires. */
  async function expiries(): Promise<number[]> {
    const all = await Promise.all(SHARD_TABLES.map((table) => fleet.redis.pexpiretime(fleet.key(table))));
    return all.filter((at) => at !== -2);
  }

  /** Waits until the node has refreshed the shard some times more. */
  async function refreshed(times: number): Promise<void> {
    for (let i = 0; i < times; i += 1) {
      const visited = await fleet.redis.hget(fleet.key('shard'), 'visited');
      const again = async (): Promise<boolean> =>
        (await fleet.redis.hget(fleet.key('shard'), 'visited')) !== visited;
      await waitUntil(again, 'the shard is refreshed');
    }
  }

  it('keep what the longest of them keeps, while the others come, go and stay', async () => {
    const first = await fleet.start('a');
    await first.putRequests(requests('r', 5));
    const least = Math.min(...(await expiries()));
    await first.close();
    await fleet.start('b', SHORT);
    await refreshed(3);
    expect(Math.min(...(await expiries()))).to.be.at.least(least);
    const second = await fleet.start('a', { takeover: true });
    expect(await take(second, 5)).to.have.length(5);
  });

  it('do not lose the names of nodes that renew more rarely', async () => {
    await fleet.start('a', { keepAliveMs: 60_000 });
    const [names] = registryKeys(fleet.topic);
    const before = await fleet.redis.pexpiretime(names);
    const short = await fleet.start('b', SHORT);
    await short.close();
    expect(await fleet.redis.pexpiretime(names)).to.be.at.least(before);
  });
});

describe('a deadline beyond ttlMs', () => {
  const fleet = useFleet();
  const options = { ttlMs: 400, leaseMs: 200, keepAliveMs: 200, pollMs: 100 };

  it('is kept, though nobody has spoken to the shard for longer than ttlMs', async () => {
    const first = await fleet.start('a', options);
    await first.putRequests(requests('r', 2), { deadlineMs: HOUR });
    await first.close();
    const from = Date.now();
    // twice over: what `ttlMs` and a lease keep is gone then
    await waitUntil(() => Date.now() - from > 2 * (options.ttlMs + options.leaseMs), 'ttlMs is over');
    const next = await fleet.start('a', { ...options, takeover: true });
    expect((await next.getRequests(room(), { waitMs: 5_000 })).map(({ id }) => id)).to.deep.equal([
      'r0',
      'r1',
    ]);
  });
});
