// lua/README.md#promises, node death: what a killed process held.
import { expect } from 'chai';
import { shardOf } from '../../src/base/keys.ts';
import { parseTicket } from '../../src/base/ticket.ts';
import { ended, idsOf, request, requests, room, serve, useFleet } from '../support/fleet.ts';
import { useProcesses, type NodeProcess } from '../support/node-process.ts';
import { waitUntil } from '../support/server.ts';

/** What a loaded machine may add to the time that is promised. */
const SLACK_MS = 5_000;

describe('claims of a runner that was killed', function () {
  this.timeout(60_000);
  const fleet = useFleet();
  const startProcess = useProcesses(fleet);

  const waiting = async (shard = 0): Promise<string[]> =>
    (await fleet.snapshot(shard)).waiting.map((ticket) => parseTicket(ticket).id);

  async function takeAll(runner: NodeProcess, count: number): Promise<string[]> {
    const got: string[] = [];
    while (got.length < count) got.push(...(await runner.call('get', room(count - got.length), 2_000)));
    return got;
  }

  it('are back in their exact place after leaseMs and at most a second, where a living node is at home', async () => {
    const leaseMs = 2_000;
    // its polls and its own claims come too late to help: the heartbeat alone must see it
    const owner = await fleet.start('owner', { leaseMs, pollMs: 60_000, policy: 'none' });
    const runner = await startProcess('runner', { leaseMs, minLoadScore: 1 });
    const list = requests('r', 8);
    await owner.putRequests(list);
    expect(await takeAll(runner, 5)).to.deep.equal(idsOf(list.slice(0, 5)));
    await runner.kill();
    expect(await waiting(), 'they are not back at once').to.deep.equal(idsOf(list.slice(5)));
    const back = async (): Promise<boolean> => (await waiting()).length === list.length;
    await waitUntil(back, 'all wait again', leaseMs + 1_000 + SLACK_MS);
    expect(await waiting(), 'in their places').to.deep.equal(idsOf(list));
    expect(await fleet.loads()).to.deep.equal({ owner: 8 });
    await fleet.verify();
  });

  it('end a request that three runners lost: a copy in dead, and a failed result for its owner', async () => {
    const owner = await fleet.start('owner', { leaseMs: 500, policy: 'none' });
    const runners = await Promise.all(
      ['x', 'y', 'z'].map((name) => startProcess(name, { leaseMs: 500, minLoadScore: 1 })),
    );
    await owner.putRequests([request('r')]);
    for (const runner of runners) {
      expect(await takeAll(runner, 1)).to.deep.equal(['r']);
      await runner.kill();
    }
    const results = await ended(owner, ['r'], 20_000);
    expect(results.get('r')).to.deep.equal([{ kind: 'failed', reason: 'no tries left: 3 runners lost it' }]);
    const { dead, request: records, body, due } = await fleet.snapshot();
    expect(dead.map((entry) => [String(entry.get('spent')), String(entry.get('body'))])).to.deep.equal([
      ['3', JSON.stringify(request('r'))],
    ]);
    expect([records.size, body.size, due.size], 'nothing else is left of it').to.deep.equal([0, 0, 0]);
  });

  it('are recovered by one survivor in eight shards, in none of which but one it is at home', async () => {
    const loadShards = 8;
    const options = { loadShards, leaseMs: 600 };
    // one owner at home in each shard
    const homes = new Map<number, string>();
    for (let i = 0; homes.size < loadShards; i += 1)
      if (!homes.has(shardOf(`n${i}`, loadShards))) homes.set(shardOf(`n${i}`, loadShards), `n${i}`);
    const owners = await startProcess(homes.get(0)!, options);
    const others = await Promise.all(
      [...homes].filter(([shard]) => shard > 0).map(([, name]) => fleet.start(name, options)),
    );
    const lists = new Map(others.map((node) => [node, requests(`${node.node}.`, 4)]));
    await Promise.all([...lists].map(([node, list]) => node.putRequests(list)));
    expect(new Set(others.map(({ shard }) => shard)).size).to.equal(loadShards - 1);

    const total = 4 * others.length;
    await takeAll(owners, total);
    await Promise.all(others.map((node) => node.close()));
    await owners.kill();

    // nobody but this one looks at any shard from now on, and at those of others only in rotation
    const survivor = await fleet.start('survivor', options);
    const executed = serve(survivor, 0, room(64));
    await waitUntil(() => executed.length >= total, 'all have been executed again', 40_000);
    expect(executed.map(({ id }) => id).sort()).to.deep.equal([...lists.values()].flatMap(idsOf).sort());
    expect(executed.every(({ attempt }) => attempt === 2)).to.equal(true);
    expect(await fleet.loads()).to.deep.equal({});
  });
});
