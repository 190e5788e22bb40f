// What is left in Redis.
import { expect } from 'chai';
import { SHARD_TABLES, registryKeys, shardKey } from '../../src/base/keys.ts';
import { findKeys } from '../support/leaks.ts';
import { ended, finish, request, requests, room, serve, take, useFleet } from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';

/** What stays until ttl has passed: who was there, and the shard's clock. */
const STAYS = ['node', 'calls', 'shard'];

/** The answer of PTTL. */
const GONE = -2;

describe('keys', () => {
  const fleet = useFleet();

  it('are those of the registry and of the shards in use, and each has a TTL', async () => {
    const [owner, runner] = [
      await fleet.start('a', { loadShards: 3 }),
      await fleet.start('b', { loadShards: 3 }),
    ];
    await owner.putRequests(requests('r', 5));
    const [claim] = await take(runner, 1);
    await runner.putResults([{ claim: claim!.claim, output: 'part' }]);
    const allowed = new Set<string>(registryKeys(fleet.topic));
    for (let shard = 0; shard < 3; shard += 1)
      for (const table of SHARD_TABLES) allowed.add(shardKey(fleet.topic, shard, table));
    const keys = await findKeys(fleet.redis, `{${fleet.topic}`);
    expect(keys.filter((key) => !allowed.has(key))).to.deep.equal([]);
    const ttls = await Promise.all(keys.map((key) => fleet.redis.pttl(key)));
    for (const [i, ttl] of ttls.entries()) {
      // what its owner has emptied meanwhile has gone
      if (ttl !== GONE) expect(ttl, keys[i]).to.be.within(1, 24 * 3_600_000);
    }
    expect(ttls.filter((ttl) => ttl !== GONE).length).to.be.greaterThan(8);
  });

  it('hold nothing of requests when everything has ended, whichever way it did', async () => {
    const [owner, runner] = [await fleet.start('owner'), await fleet.start('runner')];
    await owner.putRequests(requests('finished', 4));
    const claims = await take(runner, 4);
    await claims[0]!.giveBack();
    await runner.putResults([{ claim: claims[1]!.claim, output: 'part' }]);
    await runner.putResults([{ claim: claims[2]!.claim, failed: 'why not' }]);
    await finish(runner, [claims[1]!, claims[3]!]);
    await finish(runner, await take(runner, 1));
    await owner.putRequests([request('expired')], { deadlineMs: 100 });
    await owner.submit(request('waiting')).cancel();
    const cancelled = owner.submit(request('running'));
    const [running] = await take(runner, 1, room(1));
    await cancelled.cancel();
    await waitUntil(() => running!.signal.aborted, 'the runner has been told');
    await owner.putRequests(requests('reset', 3));
    await ended(owner, ['expired', 'finished0', 'finished1', 'finished2', 'finished3']);
    await owner.reset();
    await owner.putRequests(requests('own', 2));
    await finish(owner, await take(owner, 2));
    await waitUntil(async () => (await fleet.snapshot()).out.length === 0, 'the mailbox is empty');
    await Promise.all([owner.close(), runner.close()]);
    expect(await fleet.leftTables()).to.have.members(STAYS.map((table) => `0:${table}`));
    await fleet.verify();
  });

  it('hold nothing of requests after many were served in several shards', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const nodes = await Promise.all(names.map((name) => fleet.start(name, { loadShards: 3, pollMs: 50 })));
    for (const node of nodes) serve(node, 1, room(8));
    await Promise.all(nodes.map((node) => node.putRequests(requests(node.node, 40))));
    await Promise.all(
      nodes.map((node) =>
        ended(
          node,
          requests(node.node, 40).map(({ request_id }) => request_id),
        ),
      ),
    );
    const empty = async (): Promise<boolean> =>
      !(await fleet.leftTables()).some((table) => table.endsWith(':out'));
    await waitUntil(empty, 'the mailboxes are empty');
    await Promise.all(nodes.map((node) => node.close()));
    const left = (await fleet.leftTables()).map((table) => table.split(':')[1]);
    expect([...new Set(left)]).to.have.members(STAYS);
  });

  it('are gone ttl after the last node has left', async () => {
    const node = await fleet.start('a', { ttlMs: 700, leaseMs: 200, keepAliveMs: 500, pollMs: 100 });
    await node.putRequests(requests('r', 3));
    await node.close();
    const shard = (): Promise<string[]> => findKeys(fleet.redis, `{${fleet.topic}.`);
    expect(await shard()).to.not.be.empty;
    await waitUntil(async () => (await shard()).length === 0, 'the shard has expired');
  });

  it('of another topic are never touched', async () => {
    const [here, there] = [await fleet.start('a'), await fleet.start('a', { topic: `${fleet.topic}-other` })];
    await there.putRequests(requests('r', 3));
    const count = async (): Promise<number> =>
      Number(await fleet.redis.zscore(shardKey(there.topic, 0, 'load'), 'a'));
    await here.putRequests(requests('r', 3));
    await finish(here, await take(here, 3));
    await here.reset();
    await here.close();
    expect(await count()).to.equal(3);
  });
});
