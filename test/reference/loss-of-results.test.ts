// docs/reference.md#32-loss-of-results: the ways in which the reference loses results, or gives them to somebody else.
import { expect } from 'chai';
import type { Codec } from '../../src/index.ts';
import {
  SHORT_LEASE,
  all,
  ended,
  endings,
  finish,
  idsOf,
  rejection,
  request,
  requests,
  room,
  serve,
  take,
  useFleet,
} from '../support/fleet.ts';
import { useProcesses } from '../support/node-process.ts';
import { DURABLE, useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';

describe('the reference loses results; here', () => {
  const fleet = useFleet();
  const startProcess = useProcesses(fleet);

  it('d21: a result that its owner cannot decode ends that request as failed; the others are delivered', async () => {
    const list = requests('r', 50);
    const strict: Codec<unknown> = {
      encode: (value) => JSON.stringify(value),
      decode(bytes) {
        const output = JSON.parse(bytes.toString()) as unknown;
        if (output === 'r7') throw new Error('unexpected field output_type');
        return output;
      },
    };
    const owner = await fleet.start('owner', { outputCodec: strict });
    const runner = await fleet.start('runner', { minLoadScore: 1 });
    await owner.putRequests(list);
    await finish(runner, await take(runner, 50, room(50)));
    const results = await ended(owner, idsOf(list));
    expect(endings(results)).to.deep.equal({ ...all(list, 'finished'), r7: 'failed' });
    expect(results.get('r7')![0]!.reason).to.match(/could not be decoded: unexpected field output_type/);
  });

  it('d20: a result of a request that has gone is refused alone; those of other owners arrive', async () => {
    const [a, b] = [await fleet.start('a'), await fleet.start('b')];
    const runner = await fleet.start('runner');
    const gone = a.submit(request('gone'));
    await a.putRequests(requests('a', 20));
    await b.putRequests(requests('b', 20));
    const claims = await take(runner, 41, room(41));
    await gone.cancel();
    const answers = await runner.putResults(
      claims.map(({ claim, id }) => ({ claim, output: id, finished: true })),
    );
    expect(answers).to.deep.equal(claims.map(({ id }) => (id === 'gone' ? 'lost' : 'ok')));
    for (const [owner, prefix] of [
      [a, 'a'],
      [b, 'b'],
    ] as const) {
      const list = requests(prefix, 20);
      expect(endings(await ended(owner, idsOf(list)))).to.deep.equal(all(list, 'finished'));
    }
  });

  it('d16: the same id at two nodes is two requests, and each owner gets the result of its own', async () => {
    const [a, b] = [await fleet.start('a'), await fleet.start('b')];
    const thief = await fleet.start('thief');
    const resultsOf = async (runner: typeof a, count: number): Promise<unknown[]> => {
      await a.putRequests([request('x')]);
      await b.putRequests([request('x')]);
      const claims = await take(runner, count);
      const items = claims.map(({ claim, owner }) => ({ claim, output: `for ${owner}`, finished: true }));
      expect(await runner.putResults(items)).to.deep.equal(['ok', 'ok']);
      const both = [await ended(a, ['x']), await ended(b, ['x'])];
      return both.map((results) => results.get('x'));
    };
    const expected = ['a', 'b'].map((owner) => [{ kind: 'finished', output: `for ${owner}` }]);
    expect(await resultsOf(thief, 2), 'run by a third').to.deep.equal(expected);
    expect(await resultsOf(b, 2), 'run by one of the two').to.deep.equal(expected);
  });

  it('d22: a successor under the same name gets the results of its predecessor, each once', async () => {
    const list = requests('r', 10);
    const crashed = await startProcess('a');
    await crashed.put(list);
    const runner = await fleet.start('runner');
    const early = await take(runner, 3);
    await crashed.kill();
    await finish(runner, early);

    const successor = await fleet.start('a', { takeover: true });
    expect(successor.node).to.equal('a');
    serve(successor, 0, room(2));
    const results = await ended(successor, idsOf(list));
    expect(Object.fromEntries(results)).to.deep.equal(
      Object.fromEntries(idsOf(list).map((id) => [id, [{ kind: 'finished', output: id }]])),
    );
  });

  it('d22: a restart that gets another name leaves the old requests to all, and takes no result of theirs', async () => {
    const crashed = await startProcess('a', { ttlMs: 4_000 });
    await crashed.put(requests('old', 4));
    await crashed.kill();
    const restarted = await fleet.start('a');
    expect(restarted.node).to.equal('a:1');
    const executed = serve(restarted);
    await restarted.putRequests([request('new')]);
    expect(Object.fromEntries(await ended(restarted, ['new']))).to.deep.equal({
      new: [{ kind: 'finished', output: 'new' }],
    });
    await waitUntil(() => executed.length === 5, 'the old ones have been executed');
    expect(restarted.getResults().size).to.equal(0);
  });

  it('d23: results of a dead owner are said to be orphans, and do not pile up beyond ttl', async () => {
    const short = { ...SHORT_LEASE, ttlMs: 5_000 };
    const crashed = await startProcess('a', short);
    await crashed.put(requests('r', 6));
    const runner = await fleet.start('runner', short);
    const claims = await take(runner, 6);
    await crashed.kill();
    const silent = async (): Promise<boolean> =>
      Number(await fleet.redis.zscore(fleet.key('node'), 'a')) < Date.now();
    await waitUntil(silent, 'the shard takes the owner for dead');
    const items = claims.map(({ claim }) => ({ claim, output: 1, finished: true }));
    expect(await runner.putResults(items)).to.deep.equal(items.map(() => 'orphan'));
    expect(await fleet.redis.zcard(fleet.key('out'))).to.equal(6);
    await waitUntil(async () => (await fleet.redis.exists(fleet.key('out'))) === 0, 'they are gone', 15_000);
  });

  it('d24: the owner of a request whose runner died may cancel it and put it again at once', async () => {
    const owner = await fleet.start('owner');
    const crashed = await startProcess('crashed');
    const first = owner.submit(request('r'));
    expect(await crashed.call('get', room(), 2_000)).to.deep.equal(['r']);
    await crashed.kill();
    const duplicate = await rejection(owner.submit(request('r')).result());
    expect(duplicate).to.include({
      code: 'DUPLICATE',
      message: 'duplicate request_id "r": it has not ended',
    });
    await first.cancel();
    expect(await rejection(first.result())).to.have.property('code', 'CANCELLED');
    const again = owner.submit(request('r'));
    serve(await fleet.start('other'));
    expect(await again.result()).to.equal('r');
  });

  it('d30b: a node that lost its name while it stood still is told so, and takes no result of the newcomer', async () => {
    const list = requests('new', 20);
    const stopped = await startProcess('a', { keepAliveMs: 600, ...SHORT_LEASE });
    await stopped.put(requests('old', 3));
    stopped.stop();
    const free = async (): Promise<boolean> => {
      const entry = await fleet.redis.hget(`{${fleet.topic}}:nodes`, 'a');
      return Number(entry!.split('|')[2]) < Date.now();
    };
    await waitUntil(free, 'the name is free');
    const newcomer = await fleet.start('a');
    expect(newcomer.node).to.equal('a');
    await newcomer.putRequests(list);
    stopped.continue();
    const executed = serve(await fleet.start('runner'));
    expect(endings(await ended(newcomer, idsOf(list)))).to.deep.equal(all(list, 'finished'));
    await waitUntil(() => stopped.over === 'EVICTED', 'the first one has noticed');
    expect(stopped.news.size).to.equal(0);
    await waitUntil(() => executed.length === 23, 'the old ones have been executed too');
    expect(newcomer.getResults().size).to.equal(0);
  });
});

describe('the reference loses results when Redis does; here', () => {
  const redis = useOwnRedis(DURABLE);
  const fleet = useFleet(() => redis.url);

  it('d28: results that are sent while Redis is down arrive when it is back', async () => {
    const list = requests('r', 5);
    const [owner, runner] = [await fleet.start('owner'), await fleet.start('runner', { minLoadScore: 1 })];
    await owner.putRequests(list);
    const claims = await take(runner, 5);
    await redis.restart(700);
    await finish(runner, claims);
    expect(endings(await ended(owner, idsOf(list)))).to.deep.equal(all(list, 'finished'));
  });

  it('d36: requests that Redis lost are put again by the process that accepted them', async () => {
    const list = requests('r', 20);
    const [owner, runner] = [await fleet.start('owner'), await fleet.start('runner')];
    await owner.putRequests(list);
    const held = await take(runner, 4);
    await redis.admin.flushall();
    await waitUntil(() => held.every(({ signal }) => signal.aborted), 'the runner has been told');
    serve(runner);
    expect(endings(await ended(owner, idsOf(list)))).to.deep.equal(all(list, 'finished'));
    await fleet.verify();
  });

  it('d36: a name that Redis forgot and gave away is one node’s all the same: the other is told', async () => {
    const [first, runner] = [await fleet.start('a'), await fleet.start('runner')];
    const owed = first.submit(request('owed'));
    await waitUntil(async () => (await fleet.loads()).a === 1, 'it waits');
    await redis.admin.flushall();
    const second = await fleet.start('a');
    expect(second.node).to.equal('a');
    const list = requests('r', 20);
    await second.putRequests(list);
    serve(runner);
    expect(endings(await ended(second, idsOf(list)))).to.deep.equal(all(list, 'finished'));
    expect(await rejection(owed.result())).to.have.property('code', 'EVICTED');
  });
});
