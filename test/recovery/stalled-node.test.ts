// lua/README.md#promises, stalls: a process that stood still for longer than its lease.
import { expect } from 'chai';
import { ended, endings, finish, idsOf, requests, room, serve, take, useFleet } from '../support/fleet.ts';
import { useProcesses } from '../support/node-process.ts';
import { waitUntil } from '../support/server.ts';

const SHORT = { leaseMs: 600, keepAliveMs: 60_000 };

describe('a node that stood still for longer than its lease', function () {
  this.timeout(60_000);
  const fleet = useFleet();
  const startProcess = useProcesses(fleet);

  /** Silent once it stood still for so long. */
  const MORTAL = { ...SHORT, keepAliveMs: 2_000 };

  /** The shard has not heard of it for as long as it counts as alive. */
  const untilSilent = (node: string): Promise<void> =>
    waitUntil(
      async () => {
        const { now, node: alive } = await fleet.snapshot();
        return (alive.get(node) ?? 0) < now;
      },
      `${node} is silent`,
      15_000,
    );

  it('as a runner: fires the signal of everything it lost, and goes on as a healthy node', async () => {
    const owner = await fleet.start('owner', { policy: 'none' });
    const [lost, later] = [requests('lost', 4), requests('later', 4)];
    const stalled = await startProcess('stalled', { ...SHORT, minLoadScore: 1 });
    await owner.putRequests(lost);
    await stalled.call('serve', room(), 3_000, 2);
    await waitUntil(() => stalled.executes.length === 4, 'it executes all');
    stalled.stop();

    const claims = await take(owner, 4, room());
    expect(claims.map(({ attempt }) => attempt)).to.deep.equal([2, 2, 2, 2]);
    stalled.continue();
    await waitUntil(() => stalled.aborted.size === 4, 'it has been told', 15_000);
    expect([...stalled.aborted].sort()).to.deep.equal(idsOf(lost));
    await finish(owner, claims);
    expect(stalled.executed.size, 'nothing that it lost was finished').to.equal(0);

    await owner.putRequests(later);
    const results = await ended(owner, [...idsOf(lost), ...idsOf(later)], 20_000);
    for (const id of idsOf(lost))
      expect(results.get(id)!.at(-1)).to.deep.equal({ kind: 'finished', output: id });
    const attempts = stalled.executes.filter(({ id }) => id.startsWith('later'));
    expect(
      attempts.map(({ attempt }) => attempt),
      'it executes at the first attempt',
    ).to.deep.equal([1, 1, 1, 1]);
  });

  it('as an owner: gets what was executed meanwhile, each result once, and goes on as a healthy node', async () => {
    const stalled = await startProcess('stalled', { ...MORTAL, policy: 'none' });
    const list = requests('r', 10);
    await stalled.put(list);
    stalled.stop();
    const runner = await fleet.start('runner', { minLoadScore: 1 });
    serve(runner);
    const left = async (): Promise<boolean> => (await fleet.redis.hlen(fleet.key('request'))) === 0;
    await waitUntil(left, 'all have been executed', 15_000);
    await untilSilent('stalled');
    stalled.continue();
    await waitUntil(() => stalled.endings().length === 10, 'it has its results', 15_000);
    await stalled.put(requests('more', 3));
    await waitUntil(() => stalled.endings().length === 13, 'it is served as before', 15_000);
    for (const [id, results] of stalled.news)
      expect(results).to.deep.equal([{ kind: 'finished', output: id }]);
    expect(stalled.over).to.equal('');
  });

  it('and was taken over meanwhile: aborts what it runs, and is over with EVICTED', async () => {
    const owner = await fleet.start('owner', { policy: 'none' });
    const stalled = await startProcess('stalled', { ...SHORT, minLoadScore: 1 });
    const [own, stolen] = [requests('own', 2), requests('stolen', 3)];
    await owner.putRequests(stolen);
    await stalled.call('serve', room(3), 60_000, 0);
    await waitUntil(() => stalled.executes.length === 3, 'it executes what it stole');
    await stalled.put(own);
    stalled.stop();
    const successor = await fleet.start('stalled', { takeover: true });
    serve(successor);
    expect(endings(await ended(successor, idsOf(own)))).to.deep.equal({ own0: 'finished', own1: 'finished' });
    stalled.continue();
    await waitUntil(() => stalled.over === 'EVICTED', 'it has been told', 15_000);
    await waitUntil(() => stalled.aborted.size === 3, 'its handlers have been aborted', 15_000);
    expect(stalled.news.size, 'no result of its own went to it').to.equal(0);
    await stalled.call('put', requests('late', 1)).then(
      () => expect.fail('it accepted a request'),
      (error: unknown) => expect(error).to.have.property('message', 'EVICTED'),
    );
    expect(endings(await ended(owner, idsOf(stolen), 20_000))).to.deep.equal({
      ...{ stolen0: 'finished', stolen1: 'finished', stolen2: 'finished' },
    });
  });

  it('as a slow owner: no more than maxResults wait for it, and its requests end as failed', async () => {
    const maxResults = 20;
    const slow = await startProcess('slow', { ...MORTAL, maxResults, policy: 'none' });
    const list = requests('r', 3);
    await slow.put(list);
    slow.stop();
    const runner = await fleet.start('runner', { minLoadScore: 1, maxResults });
    const claims = await take(runner, 3);
    const words = new Set<string>();
    for (let i = 0; i < 30; i += 1) {
      const chunks = claims.map(({ claim }) => ({ claim, output: `part ${i}` }));
      for (const word of await runner.putResults(chunks)) words.add(word);
      expect(await fleet.redis.zcard(fleet.key('out'))).to.be.at.most(maxResults + list.length);
    }
    expect([...words].filter((word) => word !== 'orphan' && word !== 'ok').sort()).to.deep.equal([
      'lost',
      'overflow',
    ]);
    expect(
      claims.every(({ signal }) => signal.aborted),
      'the handlers are told',
    ).to.equal(true);
    await untilSilent('slow');
    slow.continue();
    await waitUntil(() => slow.endings().length === 3, 'it has been told how they ended', 15_000);
    for (const [, results] of slow.news) {
      const last = results.at(-1);
      expect(last).to.deep.equal({
        kind: 'failed',
        reason: 'its owner has no room for more results (option maxResults)',
      });
      const parts = results.slice(0, -1).map(({ output }) => output);
      expect(parts, 'in order, without a gap').to.deep.equal(parts.map((_, i) => `part ${i}`));
    }
  });
});
