import { expect } from 'chai';
import type { Result } from '../../src/index.ts';
import { sleep } from '../../src/base/clock.ts';
import { SHARD_TABLES, registryKeys } from '../../src/base/keys.ts';
import {
  SHORT_LEASE,
  ended,
  endings,
  finish,
  rejection,
  request,
  requests,
  room,
  take,
  useFleet,
  type Claimed,
  type Node,
} from '../support/fleet.ts';
import { useProcesses } from '../support/node-process.ts';
import { waitUntil } from '../support/server.ts';

describe('takeover', () => {
  const fleet = useFleet();
  const startProcess = useProcesses(fleet);
  let first: Node;
  let runner: Node;

  beforeEach(async () => {
    first = await fleet.start('a', SHORT_LEASE);
    runner = await fleet.start('runner');
  });

  const takeOver = (options: object = {}): Promise<Node> => fleet.start('a', { takeover: true, ...options });

  it('takes the name whoever holds it, under a higher epoch', async () => {
    const epoch = async (): Promise<string> => (await fleet.redis.hget(fleet.key('calls'), 'a'))!;
    const before = await epoch();
    const second = await takeOver();
    expect(second.node).to.equal('a');
    expect((await epoch()) > before, 'the shard knows when start returns').to.equal(true);
  });

  it('gives the successor what waits, what runs and what was not read, each result once', async () => {
    await first.putRequests(requests('r', 6));
    const claims = await take(runner, 4);
    const [reading] = claims;
    await runner.putResults([{ claim: reading!.claim, output: 'read before' }]);
    const read = async (): Promise<boolean> => (await fleet.snapshot()).out.length === 0;
    await waitUntil(read, 'the first has read one');

    const second = await takeOver();
    await finish(runner, claims);
    await finish(second, await take(second, 2));
    const results = await ended(
      second,
      requests('r', 6).map(({ request_id }) => request_id),
    );
    for (const [id, list] of results) expect(list, id).to.deep.equal([{ kind: 'finished', output: id }]);
    expect(await fleet.loads()).to.deep.equal({});
    await fleet.verify();
  });

  it('tells nothing again that a predecessor was told before it closed', async () => {
    for (const id of ['r0', 'r1', 'r2']) {
      const submission = first.submit(request(id));
      await finish(runner, await take(runner, 1));
      expect(await submission.result()).to.equal(id);
    }
    await first.close();
    expect((await fleet.snapshot()).out, 'of what was told nothing is left').to.deep.equal([]);
    const second = await takeOver();
    await second.putRequests([request('next')]);
    await finish(runner, await take(runner, 1));
    expect([...(await ended(second, ['next'])).keys()]).to.deep.equal(['next']);
  });

  it('delivers unread results that were there before it, of a predecessor that was killed', async () => {
    const crashed = await startProcess('b');
    await crashed.put(requests('r', 3));
    crashed.stop();
    const claims = await take(runner, 3);
    await runner.putResults([{ claim: claims[0]!.claim, output: 'part' }]);
    await finish(runner, claims);
    await crashed.kill();
    const second = await fleet.start('b', { takeover: true });
    const results = await ended(second, ['r0', 'r1', 'r2']);
    expect(results.get('r0')).to.deep.equal([
      { kind: 'chunk', output: 'part' },
      { kind: 'finished', output: 'r0' },
    ]);
    expect(endings(results)).to.deep.equal({ r0: 'finished', r1: 'finished', r2: 'finished' });
  });

  it('serves what its predecessor placed ahead in line, and claims it once', async () => {
    await first.putRequests([request('late')], { priority: -600_000 });
    const second = await takeOver();
    const [claim, ...others] = await take(second, 1);
    expect([claim!.id, others]).to.deep.equal(['late', []]);
    const { waiting, request: records } = await fleet.snapshot();
    expect([waiting, records.get('a|late')!.slice(86)]).to.deep.equal([[], 'a']);
    await finish(second, [claim!]);
  });

  it('works in every shard in use, also those that the successor is not at home in', async () => {
    const wide = await fleet.start('wide', { loadShards: 6 });
    await wide.putRequests(requests('r', 3));
    const second = await fleet.start('wide', { takeover: true, loadShards: 1 });
    expect(second.shard).to.equal(0);
    expect(await rejection(wide.putRequests([request('late')]))).to.have.property('code', 'EVICTED');
    await finish(second, await take(second, 3, room(3)));
    await ended(second, ['r0', 'r1', 'r2']);
  });

  it('stands when a rollback undoes it, if the successor speaks first', async () => {
    const silent = { leaseMs: 60_000, keepAliveMs: 60_000, pollMs: 60_000 };
    const before = await fleet.start('b', silent);
    const [registry] = registryKeys(fleet.topic);
    const entry = (await fleet.redis.hget(registry, 'b'))!;
    const after = await fleet.start('b', { takeover: true, keepAliveMs: 400 });
    await fleet.redis.hset(registry, 'b', entry);
    await waitUntil(
      async () => (await fleet.redis.hget(registry, 'b')) !== entry,
      'the successor has renewed',
    );
    expect(await rejection(before.putRequests([request('r')]))).to.have.property('code', 'EVICTED');
    expect((await after.putRequests([request('r')]))[0]).to.deep.equal({ id: 'r' });
  });

  describe('evicts the predecessor, which', () => {
    it('is told at its first word: its calls and what is pending reject with EVICTED, and it is over', async () => {
      const pending = first.submit(request('pending'));
      await waitUntil(async () => (await fleet.loads()).a === 1, 'it waits');
      await takeOver();
      expect(await rejection(first.putRequests([request('r')]))).to.have.property('code', 'EVICTED');
      expect(await rejection(pending.result())).to.have.property('code', 'EVICTED');
      expect(await rejection(first.getRequests(room()))).to.have.property('code', 'EVICTED');
      expect(first.over.reason).to.have.property('code', 'EVICTED');
      expect(await fleet.redis.hlen(fleet.key('request')), 'what it put late is not in Redis').to.equal(1);
      await first.close();
    });

    it('is told by its heartbeat when it says nothing, and its run rejects', async () => {
      const watched = await fleet.start('watched', { leaseMs: 600, keepAliveMs: 600 });
      const run = rejection(watched.run(() => 1, { budget: room() }));
      await fleet.start('watched', { takeover: true });
      expect(await run).to.have.property('code', 'EVICTED');
      expect(watched.over.aborted).to.equal(true);
    });

    it('has its handlers aborted, and their results refused: the request is executed by another', async () => {
      const signals: AbortSignal[] = [];
      const handler = async ({ signal }: Claimed): Promise<void> => (
        signals.push(signal),
        sleep(60_000, signal)
      );
      const served = rejection(first.run(handler, { budget: room() }));
      await runner.putRequests([request('r')]);
      await waitUntil(() => signals.length === 1, 'the handler runs');
      await takeOver();
      expect(await rejection(first.putRequests([request('x')]))).to.have.property('code', 'EVICTED');
      await served;
      expect(signals[0]!.aborted).to.equal(true);
      expect(signals[0]!.reason).to.have.property('code', 'EVICTED');
      const [claim] = await take(runner, 1);
      expect(claim!.attempt).to.equal(2);
      await finish(runner, [claim!]);
    });

    for (const [when, knows] of [
      ['as long as it does not know', false],
      ['once it knows', true],
    ] as const)
      it(`has its results refused ${when}`, async () => {
        await runner.putRequests([request('r')]);
        const [claim] = await take(first, 1);
        await takeOver();
        if (knows) await rejection(first.putRequests([request('x')]));
        const late = first.putResults([{ claim: claim!.claim, output: 'late', finished: true }]);
        expect(await rejection(late)).to.have.property('code', 'EVICTED');
      });

    it('cannot change anything any more, also with what was under way', async () => {
      await runner.putRequests(requests('r', 2));
      const claims = await take(first, 2);
      await takeOver();
      const late = first.putResults(claims.map(({ claim }) => ({ claim, output: 'late', finished: true })));
      expect(await rejection(late)).to.have.property('code', 'EVICTED');
      const again = await take(runner, 2);
      expect(again.map(({ attempt }) => attempt)).to.deep.equal([2, 2]);
      await finish(runner, again);
      const results = await ended(runner, ['r0', 'r1']);
      expect([...results.values()].flat().map(({ output }: Result) => output)).to.deep.equal(['r0', 'r1']);
    });
  });

  it('of a closed node’s name gives its pending requests and their results, too', async () => {
    await first.putRequests(requests('r', 2));
    await first.close();
    const claims = await take(runner, 2);
    await finish(runner, claims);
    const second = await takeOver();
    expect(endings(await ended(second, ['r0', 'r1']))).to.deep.equal({ r0: 'finished', r1: 'finished' });
  });

  it('may follow on takeover: the last one holds the name', async () => {
    await first.putRequests([request('r')]);
    const [second, third] = [await takeOver(), await takeOver()];
    expect(await rejection(second.putRequests([request('x')]))).to.have.property('code', 'EVICTED');
    await finish(third, await take(third, 1));
    expect(endings(await ended(third, ['r']))).to.deep.equal({ r: 'finished' });
  });

  it('tells nothing twice when a rollback of Redis brings back what had ended at the successor', async () => {
    const second = await takeOver();
    await second.putRequests([request('r')]);
    const earlier = await Promise.all(
      SHARD_TABLES.map(async (table): Promise<[string, Buffer | null]> => [
        fleet.key(table),
        await fleet.redis.dumpBuffer(fleet.key(table)),
      ]),
    );
    const expireAt = await fleet.redis.pexpiretime(fleet.key('shard'));
    await finish(runner, await take(runner, 1));
    expect(endings(await ended(second, ['r']))).to.deep.equal({ r: 'finished' });

    const rollback = fleet.redis.multi();
    for (const [key, dump] of earlier) {
      if (dump) rollback.restore(key, expireAt, dump, 'REPLACE', 'ABSTTL');
      else rollback.unlink(key);
    }
    await rollback.exec();
    await finish(runner, await take(runner, 1));
    // results come in their order: with the later one, the earlier one would be there
    await second.putRequests([request('later')]);
    await finish(runner, await take(runner, 1));
    const results = await ended(second, ['later']);
    expect([...results.keys()]).to.deep.equal(['later']);
  });

  for (const same of [true, false]) {
    it(`${same ? 'adopts' : 'does not adopt'} what its predecessor put when the epoch changes in flight and the request is ${
      same ? 'the same' : 'another of the same id'
    }`, async () => {
      await first.putRequests([request('r', 5)]);
      const second = await takeOver();
      // the shard has heard of a higher epoch: the put is refused, the name is renewed, and the put is sent again
      const epoch = (await fleet.redis.hget(fleet.key('calls'), 'a'))!;
      const higher = (parseInt(epoch, 16) + 1_000).toString(16).padStart(14, '0');
      await fleet.redis.hset(fleet.key('calls'), 'a', higher);
      const [put] = await second.putRequests([request('r', same ? 5 : 6)]);
      expect(await fleet.redis.hget(fleet.key('calls'), 'a'), 'it went on').to.satisfy(
        (now: string) => now > higher,
      );
      expect(put!.error?.code).to.equal(same ? undefined : 'DUPLICATE');
    });
  }
});
