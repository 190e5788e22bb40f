// The cheap look at a shard (`inspect`) and the thorough one (a snapshot) speak of the same shard with the same words.
import { expect } from 'chai';
import { SHARD_TABLES } from '../../src/base/keys.ts';
import { timeOf } from '../../src/base/clock.ts';
import { pairsOf, scoresOf } from '../../src/inspect/decode.ts';
import { readFigures } from '../../src/inspect/figures.ts';
import { readMeta, readRegistry, shardsInUse } from '../../src/inspect/registry.ts';
import { statusOf } from '../../src/inspect/shard-status.ts';
import { readSnapshot } from '../../src/inspect/snapshot.ts';
import { seedNode, withClient } from '../cli/support.ts';
import { freshTopic, redisUrl, waitUntil } from '../support/server.ts';

describe('the figures of a shard', () => {
  it('are those of its snapshot, name by name', async () => {
    const topic = freshTopic();
    await withClient(redisUrl(), async (client) => {
      await seedNode(client, topic, 'a', 1, { puts: 5, claims: 2 });
      await seedNode(client, topic, 'b', 1, { puts: 1 });
      const figures = await readFigures(client, topic, 0);
      const snapshot = await readSnapshot(client, topic, 0);
      expect([...figures.load]).to.deep.equal([
        ['b', 1],
        ['a', 3],
      ]);
      for (const table of ['load', 'head', 'node', 'idle', 'state'] as const)
        expect(Object.fromEntries(figures[table]), table).to.deep.equal(Object.fromEntries(snapshot[table]));
      expect(figures.sizes).to.deep.equal({
        waiting: snapshot.waiting.length,
        request: snapshot.request.size,
        body: snapshot.body.size,
        due: snapshot.due.size,
        out: snapshot.out.length,
        dead: snapshot.dead.length,
        overdue: 0,
      });
      expect(figures.sizes).to.include({ waiting: 4, request: 6, body: 6, due: 6 });
      expect(snapshot.now - figures.now).to.be.within(0, 5_000);
      for (const table of snapshot.expiry.keys()) expect(SHARD_TABLES).to.include(table);
    });
  });

  it('are empty, and no status is made up, where there is no shard', async () => {
    await withClient(redisUrl(), async (client) => {
      const figures = await readFigures(client, freshTopic(), 7);
      const empty = { waiting: 0, load: 0, claims: 0, results: 0, dead: 0 };
      expect(statusOf(7, figures)).to.deep.equal({
        ...{ ...empty, shard: 7, oldestMs: null, visitedMs: null },
        leases: { inTime: 0, overdue: 0 },
      });
    });
  });

  it('make a status: the oldest of all owners, the sum of their loads, and leases in time or not', () => {
    const figures = {
      now: 10_000,
      state: new Map([['visited', '7000']]),
      node: new Map<string, number>(),
      idle: new Map<string, number>(),
      load: new Map([
        ['b', 1],
        ['a', 3],
      ]),
      head: new Map([
        ['a', 9_000_999],
        ['b', 9_500_000],
      ]),
      sizes: { waiting: 4, request: 9, body: 9, due: 9, out: 2, dead: 1, overdue: 3 },
    };
    const leases = { inTime: 2, overdue: 3 };
    expect(statusOf(0, figures)).to.deep.equal({
      ...{ shard: 0, waiting: 4, load: 4, oldestMs: 1000, claims: 5, leases, results: 2, dead: 1 },
      visitedMs: 3_000,
    });
  });
});

describe('the registry', () => {
  it('says the shards in use and the unit, and of each node its home and whether it is registered', async () => {
    const topic = freshTopic();
    await withClient(redisUrl(), async (client) => {
      expect(await readMeta(client, topic)).to.deep.equal({
        ...{ schema: undefined, shards: 0, loadUnit: 'requests', ttlMs: undefined },
      });
      await seedNode(client, topic, 'b', 3, { loadUnit: 'tokens' });
      await seedNode(client, topic, 'a', 2, { loadUnit: 'tokens', keepAliveMs: 1 });
      expect(await shardsInUse(client, topic)).to.equal(3);
      const isOver = async (): Promise<boolean> =>
        (await readRegistry(client, topic)).nodes.some(({ state }) => state === 'silent');
      await waitUntil(isOver, 'its name is valid no more');
      const { shards, loadUnit, nodes, now } = await readRegistry(client, topic);
      expect({ shards, loadUnit }).to.deep.equal({ shards: 3, loadUnit: 'tokens' });
      expect(nodes.map(({ name, state }) => [name, state])).to.deep.equal([
        ['a', 'silent'],
        ['b', 'registered'],
      ]);
      for (const { epoch } of nodes) expect(epoch).to.match(/^[0-9a-f]{14}$/);
      expect(nodes[1]!.registeredUntil).to.be.within(now, now + 30_000);
    });
  });
});

describe('the formats of replies', () => {
  it('reads times, pairs and scores, of text and of bytes, in their order', () => {
    expect(timeOf([12, 345_999])).to.equal(12_345);
    expect(timeOf(['12', '345999'])).to.equal(12_345);
    expect([...pairsOf(['b', '1', 'a', '2'])]).to.deep.equal([
      ['b', '1'],
      ['a', '2'],
    ]);
    expect([...pairsOf([Buffer.from('x'), Buffer.of(0xff)])]).to.deep.equal([['x', Buffer.of(0xff)]]);
    expect([
      ...scoresOf([Buffer.from('a'), Buffer.from('1.5'), Buffer.from('b'), Buffer.from('-2')]),
    ]).to.deep.equal([
      ['a', 1.5],
      ['b', -2],
    ]);
    expect(scoresOf([]).size).to.equal(0);
  });
});
