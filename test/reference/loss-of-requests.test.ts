// docs/reference.md#31-loss-of-requests: the ways in which the reference loses requests.
import { expect } from 'chai';
import {
  PATIENT,
  QUICK,
  SHORT_LEASE,
  all,
  ended,
  endings,
  finish,
  idsOf,
  plain,
  rejection,
  request,
  requests,
  room,
  serve,
  take,
  useFleet,
  type Prompt,
} from '../support/fleet.ts';
import { useProcesses } from '../support/node-process.ts';
import { waitUntil } from '../support/server.ts';

describe('the reference loses requests; here', () => {
  const fleet = useFleet();
  const startProcess = useProcesses(fleet);

  it('d02b: a request whose runner is killed is executed by another node and finished once', async () => {
    const list = requests('r', 60);
    const owner = await fleet.start('owner');
    const runner = await startProcess('runner', SHORT_LEASE);
    await owner.putRequests(list);
    await runner.call('serve', room(8), 200, 0);
    const inHandNow = (): string[] =>
      runner.executes.filter(({ id }) => !runner.executed.has(id)).map(({ id }) => id);
    await waitUntil(
      () => runner.executed.size >= 8 && inHandNow().length > 0,
      'the runner is in the middle of its work',
    );
    await runner.kill();
    const inHand = inHandNow();
    expect(inHand).to.not.be.empty;

    const executed = serve(await fleet.start('other'));
    expect(endings(await ended(owner, idsOf(list)))).to.deep.equal(all(list, 'finished'));
    for (const id of inHand) expect(executed).to.deep.include({ id, attempt: 2 });
    expect(await fleet.loads()).to.deep.equal({});
  });

  it('d01: the load is right whenever a runner dies, and nothing is lost', async () => {
    const list = requests('r', 80);
    const owner = await fleet.start('owner');
    const runners = await Promise.all(['x', 'y'].map((name) => startProcess(name, SHORT_LEASE)));
    await owner.putRequests(list);
    await Promise.all(runners.map((runner) => runner.call('serve', room(4), 1, 0)));
    for (const runner of runners) {
      await waitUntil(() => runner.executes.length >= 8, 'the runner claims');
      await runner.kill();
      await fleet.verify();
    }
    serve(await fleet.start('other'));
    expect(endings(await ended(owner, idsOf(list)))).to.deep.equal(all(list, 'finished'));
    expect(await fleet.loads()).to.deep.equal({});
    await fleet.verify();
  });

  it('d29: a node that stands still while it waits for work takes none with it', async () => {
    const owner = await fleet.start('owner', { minLoadScore: 1 });
    const stopped = await startProcess('stopped');
    const waiting = stopped.call('get', room(), 1_500);
    await waitUntil(
      async () => (await fleet.redis.zscore(fleet.key('idle'), 'stopped')) !== null,
      'it is idle',
    );
    stopped.stop();
    await owner.putRequests([request('r')]);
    expect(await fleet.redis.zscore(fleet.key('idle'), 'stopped'), 'it is the one that was rung').to.equal(
      null,
    );

    const other = await fleet.start('other');
    await finish(other, await take(other, 1));
    stopped.continue();
    expect(await waiting).to.deep.equal([]);
    expect(endings(await ended(owner, ['r']))).to.deep.equal({ r: 'finished' });
    await fleet.verify();
  });

  it('d29: a node that stands still for longer than its lease is refused afterwards, and its handler is told', async () => {
    const owner = await fleet.start('owner');
    const stopped = await startProcess('stopped', SHORT_LEASE);
    await owner.putRequests([request('r')]);
    expect(await stopped.call('get', room(), 2_000)).to.deep.equal(['r']);
    stopped.stop();

    const other = await fleet.start('other');
    const [claim] = await take(other, 1);
    expect(claim!.attempt).to.equal(2);
    stopped.continue();
    expect(await stopped.call('result', ['r'], true)).to.deep.equal(['lost']);
    await waitUntil(() => stopped.aborted.has('r'), 'its signal has fired');
    await finish(other, [claim!]);
    expect(endings(await ended(owner, ['r']))).to.deep.equal({ r: 'finished' });
  });

  it('d07: a request that cannot be decoded fails alone: the others claimed with it are executed', async () => {
    const decode = (bytes: Buffer): Prompt => {
      if (bytes.includes('poison')) throw new Error('no such field');
      return JSON.parse(bytes.toString()) as Prompt;
    };
    const owner = await fleet.start('owner');
    const codec = { encode: (value: Prompt) => JSON.stringify(value), decode };
    const runner = await fleet.start('runner', { codec, minLoadScore: 1 });
    const good = requests('good', 7);
    await owner.putRequests([...good.slice(0, 3), request('poison'), ...good.slice(3)]);
    const claims = await runner.getRequests(room(8), PATIENT);
    expect(claims.map(({ id }) => id)).to.deep.equal(idsOf(good));
    await finish(runner, claims);

    const results = await ended(owner, ['poison', ...idsOf(good)]);
    expect(endings(results)).to.deep.equal({ ...all(good, 'finished'), poison: 'failed' });
    expect(results.get('poison')![0]!.reason).to.match(/could not be decoded: no such field/);
    const [dead] = (await fleet.snapshot()).dead;
    expect(JSON.parse(String(dead!.get('body')))).to.deep.equal(request('poison'));
  });

  it('d08: a request that cannot be encoded is refused alone, and a retry is not called a duplicate', async () => {
    const owner = await fleet.start<Prompt & { seed?: unknown }>('owner');
    const list: (Prompt & { seed?: unknown })[] = requests('r', 20);
    list[7]!.seed = 1n;
    const outcomes = await owner.putRequests(list);
    expect(outcomes.map(({ id, error }) => error?.code ?? id)).to.deep.equal(
      idsOf(list).map((id) => (id === 'r7' ? 'ENCODE' : id)),
    );
    expect(await fleet.loads()).to.deep.equal({ owner: 19 });
    expect(await owner.putRequests([request('r7')])).to.deep.equal([{ id: 'r7' }]);
    const [again] = await owner.putRequests([request('r8')]);
    expect(again!.error?.code).to.equal('DUPLICATE');
  });

  it('d17: what waits until its time is over ends as expired, and its owner is told', async () => {
    const list = requests('r', 10);
    const owner = await fleet.start('owner', { ttlMs: 1_000, ...SHORT_LEASE });
    await owner.putRequests(list);
    expect(await owner.getRequests({ ...room(), availableBlocks: 0 })).to.deep.equal([]);
    expect(endings(await ended(owner, idsOf(list)))).to.deep.equal(all(list, 'expired'));
    expect(await fleet.loads()).to.deep.equal({});
  });

  it('d17: traffic keeps no request alive past its deadline', async () => {
    const owner = await fleet.start('owner');
    const began = performance.now();
    await owner.putRequests([request('old')], { deadlineMs: 600 });
    let count = 0;
    let news = owner.getResults();
    const told = async (): Promise<boolean> => {
      await owner.putRequests([request(`new${(count += 1)}`)]);
      news = owner.getResults();
      return news.has('old');
    };
    await waitUntil(told, 'the old request has ended');
    expect(news.get('old')!.map(plain)).to.deep.equal([{ kind: 'expired' }]);
    expect(performance.now() - began).to.be.greaterThan(590);
    expect(await fleet.loads()).to.deep.equal({ owner: count });
  });

  it('d04: a queue that was emptied and gets its request back expires like the rest of the shard', async () => {
    const owner = await fleet.start('owner');
    const runner = await fleet.start('runner');
    await owner.putRequests([request('r')]);
    const [claim] = await take(runner, 1);
    expect(await fleet.redis.exists(fleet.key('waiting'))).to.equal(0);
    await claim!.giveBack();
    expect(await fleet.redis.pttl(fleet.key('waiting'))).to.be.within(1, QUICK.ttlMs + QUICK.leaseMs);
    await fleet.verify();
  });

  it('d32: the queue of a dead owner lives as long as the load table that names it', async () => {
    const owner = await startProcess('owner');
    await owner.put(requests('r', 6));
    await owner.kill();
    const expiries = async (): Promise<number[]> => [...(await fleet.snapshot()).expiry.values()];
    const before = Math.max(...(await expiries()));
    const thief = await fleet.start('thief', { leaseMs: 600 });
    await take(thief, 2);
    await waitUntil(async () => Math.min(...(await expiries())) > before, 'the expiry has been moved');
    expect(new Set(await expiries()).size).to.equal(1);
    expect(await fleet.loads()).to.deep.equal({ owner: 4 });
  });

  it('d19: reset says what it dropped, stops those who run it, and leaves the load right', async () => {
    const list = requests('r', 10);
    const owner = await fleet.start('owner');
    const runner = await fleet.start('runner');
    await owner.putRequests(list);
    const claims = await take(runner, 2);
    expect((await owner.reset()).sort()).to.deep.equal(idsOf(list));
    await waitUntil(() => claims.every(({ signal }) => signal.aborted), 'the runner has been told');
    const late = claims.map(({ claim }) => ({ claim, output: 1, finished: true }));
    expect(await runner.putResults(late)).to.deep.equal(['lost', 'lost']);
    expect(await fleet.loads()).to.deep.equal({});
    await fleet.verify();
    expect(await owner.putRequests([request('r0')]), 'the ids are free again').to.deep.equal([{ id: 'r0' }]);
  });

  it('d19: the results of a submitted request end with cancelled when it is reset', async () => {
    const owner = await fleet.start('owner');
    const submission = owner.submit(request('r'));
    await waitUntil(async () => (await fleet.loads()).owner === 1, 'it waits');
    expect(await owner.reset()).to.deep.equal(['r']);
    expect(await rejection(submission.result())).to.have.property('code', 'CANCELLED');
  });

  for (const policy of ['oldest', 'lucky'] as const) {
    it(`d37: no tail is left behind, however few wait at a node that does not serve (${policy})`, async () => {
      const settings = { policy, ...(policy === 'lucky' ? { leaseMs: 600 } : {}) };
      const owner = await fleet.start('owner', settings);
      serve(await fleet.start('thief', settings), 0, room(4));
      for (const list of [requests('a', 12), requests('b', 13), requests('c', 2)]) {
        await owner.putRequests(list);
        expect(endings(await ended(owner, idsOf(list)))).to.deep.equal(all(list, 'finished'));
      }
    });
  }
});
