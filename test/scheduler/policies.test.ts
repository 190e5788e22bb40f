import { expect } from 'chai';
import { shardOf } from '../../src/base/keys.ts';
import {
  PATIENT,
  bringEngine,
  ended,
  endings,
  requests,
  room,
  serve,
  take,
  useFleet,
  type Node,
  type NodeOptions,
} from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';

const SHARDS = 4;

/** A name that begins so and whose home is this shard. */
function nameIn(shard: number, prefix = 'n'): string {
  for (let i = 0; ; i += 1) if (shardOf(`${prefix}${i}`, SHARDS) === shard) return `${prefix}${i}`;
}

describe('stealing', () => {
  const fleet = useFleet();

  for (const policy of ['oldest', 'lucky'] as const) {
    describe(`by the policy ${policy}`, () => {
      const options: NodeOptions = { policy, loadShards: SHARDS };

      it('reaches peers in every load shard', async () => {
        const owners = await Promise.all([0, 1, 2, 3].map((shard) => fleet.start(nameIn(shard), options)));
        expect(owners.map(({ shard }) => shard)).to.deep.equal([0, 1, 2, 3]);
        for (const [i, owner] of owners.entries()) await owner.putRequests(requests(`${i}.`, 6));
        const thief = await fleet.start('thief', { ...options, leaseMs: 600, pollMs: 60_000 });
        serve(thief, 0, room(4));
        for (const [i, owner] of owners.entries()) {
          const ids = requests(`${i}.`, 6).map(({ request_id }) => request_id);
          expect(endings(await ended(owner, ids))).to.deep.equal(
            Object.fromEntries(ids.map((id) => [id, 'finished'])),
          );
        }
        expect(await fleet.loads()).to.deep.equal({});
        await fleet.verify();
      });

      it('looks at no other shard with loadLookup 0', async () => {
        const [near, far] = [await fleet.start(nameIn(0), options), await fleet.start(nameIn(1), options)];
        const homely = await fleet.start(nameIn(0, 'h'), { ...options, loadLookup: 0, pollMs: 20 });
        await far.putRequests(requests('far', 5));
        expect(await homely.getRequests(room(), { waitMs: 300 })).to.deep.equal([]);
        await near.putRequests(requests('near', 5));
        expect((await take(homely, 1, room(1))).map(({ id }) => id)).to.deep.equal(['near0']);
      });

      it('leaves peers below minLoadScore alone until their first request is stealAfterMs old', async () => {
        const owner = await fleet.start('owner', { policy });
        await bringEngine(owner);
        const thief = await fleet.start('thief', { policy, stealAfterMs: 500 });
        const put = performance.now();
        await owner.putRequests(requests('r', 2));
        const early = await thief.getRequests(room(4), { waitMs: 0 });
        if (early.length > 0) expect(performance.now() - put).to.be.greaterThan(500);
        else await take(thief, 2);
        expect(performance.now() - put).to.be.greaterThan(499);
      });

      it('serves its own requests first', async () => {
        const [peer, node] = [
          await fleet.start('peer', { policy }),
          await fleet.start('node', { policy, stealAfterMs: 60_000 }),
        ];
        await peer.putRequests(requests('peer', 8));
        await node.putRequests(requests('own', 3));
        const claims = await node.getRequests(room(3), PATIENT);
        expect(claims.map(({ owner }) => owner)).to.deep.equal(['node', 'node', 'node']);
      });

      it('does not give a node what its engine can never hold', async () => {
        const owner = await fleet.start('owner', { policy });
        const small = await fleet.start('small', { policy, minLoadScore: 1 });
        await owner.putRequests(requests('large', 4, 200));
        const engine = room(4, { availableBlocks: 10, totalBlocks: 10 });
        expect(await small.getRequests(engine, { waitMs: 300 })).to.deep.equal([]);
        expect(await fleet.loads()).to.deep.equal({ owner: 4 });
      });
    });
  }

  it('by none takes nothing from anybody', async () => {
    const [owner, hermit] = [
      await fleet.start('owner'),
      await fleet.start('hermit', { policy: 'none', pollMs: 20 }),
    ];
    await owner.putRequests(requests('r', 10));
    expect(await hermit.getRequests(room(), { waitMs: 300 })).to.deep.equal([]);
    await hermit.putRequests(requests('own', 2));
    expect((await take(hermit, 2)).map(({ id }) => id)).to.deep.equal(['own0', 'own1']);
  });

  it('by oldest takes from the peer whose first request is oldest, over all peers of the shard', async () => {
    const owners: Node[] = [];
    for (const name of ['c', 'a', 'b']) {
      owners.push(await fleet.start(name));
      await owners.at(-1)!.putRequests(requests(name, 2));
    }
    const thief = await fleet.start('thief', { minLoadScore: 1 });
    const claims = await thief.getRequests(room(6), PATIENT);
    expect(claims.map(({ id }) => id)).to.deep.equal(['c0', 'c1', 'a0', 'a1', 'b0', 'b1']);
  });

  it('by oldest prefers a peer’s request over an own one that is younger by more than stealAfterMs', async () => {
    const [peer, node] = [await fleet.start('peer'), await fleet.start('node', { stealAfterMs: 50 })];
    await peer.putRequests(requests('old', 1));
    const later = performance.now() + 120;
    await waitUntil(() => performance.now() > later, 'it has waited');
    await node.putRequests(requests('young', 1));
    const claims = await node.getRequests(room(2), PATIENT);
    expect(claims.map(({ id }) => id)).to.deep.equal(['old0', 'young0']);
  });

  it('by lucky chooses among all that are loaded, not always the same', async () => {
    const names = ['a', 'b', 'c', 'd'];
    for (const name of names) await (await fleet.start(name)).putRequests(requests(name, 8));
    const thief = await fleet.start('thief', { policy: 'lucky' });
    const robbed = new Set<string>();
    for (let i = 0; i < 60 && robbed.size < 4; i += 1) {
      const [claim] = await thief.getRequests(room(1), PATIENT);
      robbed.add(claim!.owner);
      await claim!.giveBack({ afterMs: 0 });
    }
    expect([...robbed].sort()).to.deep.equal(names);
  });

  it('wakes one idle node for one request, and not those that it has no work for', async () => {
    const owner = await fleet.start('owner');
    const idle = await Promise.all(['x', 'y', 'z'].map((name) => fleet.start(name, { pollMs: 60_000 })));
    const waiting = idle.map((node) => node.getRequests(room(1), { waitMs: 3_000 }));
    await waitUntil(async () => (await fleet.redis.zcard(fleet.key('idle'))) === 3, 'all three are idle');
    await owner.putRequests(requests('r', 1));
    const [claim] = await Promise.race(waiting);
    expect(claim!.id).to.equal('r0');
    expect(await fleet.redis.zcard(fleet.key('idle'))).to.equal(2);
    await Promise.all(idle.map((node) => node.close()));
    expect((await Promise.all(waiting)).flat()).to.have.length(1);
  });
});
