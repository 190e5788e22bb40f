// lua/README.md#grace: an outage of Redis takes no claim from a healthy node, and makes no owner a lost one.
import { expect } from 'chai';
import {
  all,
  ended,
  endings,
  finish,
  idsOf,
  requests,
  room,
  serve,
  take,
  useFleet,
} from '../support/fleet.ts';
import { useProcesses } from '../support/node-process.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';

/** Longer than a lease, and than the silence after which a connection is given up. */
const STILL_MS = 6_500;

describe('an outage of Redis that is longer than a lease', function () {
  this.timeout(120_000);
  const redis = useOwnRedis(['--enable-debug-command', 'yes']);
  const fleet = useFleet(() => redis.url);
  const startProcess = useProcesses(fleet);
  // on a busy machine a node comes to its refresh two seconds late
  const options = {
    ...{ leaseMs: 4_000, keepAliveMs: 4_000, commandTimeout: 30_000 },
    onOwnerLoss: 'abort',
  } as const;

  /** The server stands still, as a paused machine does, and goes on. */
  const standStill = async (ms: number): Promise<void> => {
    await redis.admin.call('DEBUG', 'SLEEP', String(ms / 1000));
  };

  it('takes no claim from a healthy node: it goes on with what it runs, at the first attempt', async () => {
    const owner = await fleet.start('owner', options);
    const runner = await fleet.start('runner', { ...options, minLoadScore: 1 });
    const list = requests('r', 6);
    await owner.putRequests(list);
    const claims = await take(runner, 6);
    await standStill(STILL_MS);
    await redis.admin.ping();
    // whoever is first to speak may not reap the others: three tours of every node
    for (const node of ['owner', 'runner']) {
      const before = (await fleet.snapshot()).node.get(node)!;
      const refreshed = async (): Promise<boolean> =>
        (await fleet.snapshot()).node.get(node)! > before + options.leaseMs;
      await waitUntil(refreshed, `${node} has refreshed`, 15_000);
    }
    expect(claims.map(({ signal }) => signal.aborted)).to.deep.equal(claims.map(() => false));
    await finish(runner, claims);
    expect(endings(await ended(owner, idsOf(list), 15_000))).to.deep.equal(all(list, 'finished'));
    expect(await fleet.loads()).to.deep.equal({});
  });

  it('executes nothing twice in a fleet that is serving, also when another follows on its grace', async () => {
    const loadShards = 2;
    const nodes = await Promise.all(
      ['a', 'b', 'c'].map((name) => fleet.start(name, { ...options, loadShards })),
    );
    const executed = nodes.map((node) => serve(node, 300, room(4)));
    const lists = nodes.map((node) => requests(`${node.node}.`, 150));
    await Promise.all(nodes.map((node, i) => node.putRequests(lists[i]!)));
    for (let times = 0; times < 2; times += 1) {
      const done = executed.flat().length;
      await waitUntil(() => executed.flat().length > done + 5, 'they are serving', 15_000);
      await standStill(STILL_MS);
      const graceIsOver = async (): Promise<boolean> => {
        const states = (await Promise.all([0, 1].map((shard) => fleet.snapshot(shard)))).map(
          ({ state }) => state,
        );
        return states.every((state) => Number(state.get('visited')) > Number(state.get('grace')));
      };
      await waitUntil(graceIsOver, 'its grace is over', 15_000);
    }
    for (const [i, node] of nodes.entries())
      expect(endings(await ended(node, idsOf(lists[i]!), 30_000))).to.deep.equal(all(lists[i]!, 'finished'));
    const ids = executed.flat().map(({ id }) => id);
    expect(ids.sort()).to.deep.equal(lists.flatMap(idsOf).sort());
    await fleet.verify();
  });

  it('saves no claim of a node that died in it: that one is reaped after the grace', async () => {
    const owner = await fleet.start('owner', { ...options, policy: 'none' });
    const dying = await startProcess('dying', { ...options, minLoadScore: 1 });
    await owner.putRequests(requests('r', 3));
    const got: string[] = [];
    while (got.length < 3) got.push(...(await dying.call('get', room(3 - got.length), 2_000)));
    const still = standStill(STILL_MS);
    await dying.kill();
    await still;
    const claims = await take(owner, 3);
    expect(claims.map(({ id, attempt }) => [id, attempt])).to.deep.equal([
      ['r0', 2],
      ['r1', 2],
      ['r2', 2],
    ]);
    await finish(owner, claims);
  });
});
