// The reference's calls: putRequests, getRequests, putResults, getResults, reset, updateConfig.
import { expect } from 'chai';
import { ConfigError } from '../../src/index.ts';
import {
  ended,
  endings,
  finish,
  rejection,
  request,
  requests,
  room,
  take,
  told,
  useFleet,
  type Node,
} from '../support/fleet.ts';
import { useDeafProxy } from '../support/deaf-proxy.ts';
import { redisUrl, sooner, waitUntil } from '../support/server.ts';

describe('the reference’s calls', () => {
  const fleet = useFleet();
  let owner: Node;
  let runner: Node;

  beforeEach(async () => {
    owner = await fleet.start('owner');
    // no poll helps out: every wake-up must come
    runner = await fleet.start('runner', { pollMs: 60_000 });
  });

  const news = async (): Promise<Map<string, unknown>> => {
    let all = owner.getResults();
    await waitUntil(() => (all = all.size > 0 ? all : owner.getResults()).size > 0, 'there is news');
    return told(all);
  };

  describe('putRequests', () => {
    it('resolves when the requests are in Redis, in the order of the list', async () => {
      await owner.putRequests(requests('r', 300));
      const { waiting, request: records, body } = await fleet.snapshot();
      expect(waiting.map((ticket) => ticket.split('|').at(-1))).to.deep.equal(
        requests('r', 300).map(({ request_id }) => request_id),
      );
      expect([records.size, body.size]).to.deep.equal([300, 300]);
      await fleet.verify();
    });

    it('keeps the order of calls that are not awaited', async () => {
      const calls = Array.from({ length: 40 }, (_, i) => owner.putRequests(requests(`${i}.`, 7)));
      await Promise.all(calls);
      const { waiting } = await fleet.snapshot();
      const expected = calls.flatMap((_, i) => requests(`${i}.`, 7).map(({ request_id }) => request_id));
      expect(waiting.map((ticket) => ticket.split('|').at(-1))).to.deep.equal(expected);
    });

    it('takes priority and deadlineMs for the whole list, and refuses bad ones by name', async () => {
      await owner.putRequests(requests('late', 2));
      await owner.putRequests(requests('urgent', 2), { priority: 5_000, deadlineMs: 60_000 });
      const { waiting } = await fleet.snapshot();
      expect(waiting.map((ticket) => ticket.split('|').at(-1))).to.deep.equal([
        'urgent0',
        'urgent1',
        'late0',
        'late1',
      ]);
      const error: unknown = await owner
        .putRequests([], { priority: 0.5 })
        .catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(ConfigError).with.property('option', 'priority');
    });

    it('accepts an id again once it has ended, and not before', async () => {
      await owner.putRequests([request('r')]);
      const claims = await take(runner, 1);
      expect((await owner.putRequests([request('r')]))[0]!.error?.code).to.equal('DUPLICATE');
      await finish(runner, claims);
      await ended(owner, ['r']);
      expect(await owner.putRequests([request('r')])).to.deep.equal([{ id: 'r' }]);
    });
  });

  describe('getRequests', () => {
    it('gives id, owner, request, prompt tokens and attempt', async () => {
      await owner.putRequests([request('r', 7)]);
      const [claimed] = await take(runner, 1);
      expect(claimed).to.deep.include({
        id: 'r',
        owner: 'owner',
        request: request('r', 7),
        promptTokens: 7,
        attempt: 1,
      });
      expect(claimed!.signal.aborted).to.equal(false);
    });

    it('answers [] after waitMs without work, at once with 0', async () => {
      for (const waitMs of [0, 60]) {
        const began = performance.now();
        const asked = runner.getRequests(room(), { waitMs });
        expect(await sooner(waitMs + 1_000, 'it answered', asked)).to.deep.equal([]);
        expect(performance.now() - began).to.be.at.least(waitMs - 1);
      }
      const error: unknown = await runner
        .getRequests(room(), { waitMs: -1 })
        .catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(ConfigError).with.property('option', 'waitMs');
    });

    it('serves every one of several callers that wait on one node', async () => {
      const patient = await fleet.start('patient', { pollMs: 60_000 });
      const waiting = [1, 2, 3].map(() => patient.getRequests(room(1), { waitMs: 15_000 }));
      const idle = async (): Promise<boolean> =>
        (await fleet.redis.zscore(fleet.key('idle'), 'patient')) !== null;
      await waitUntil(idle, 'they wait');
      await patient.putRequests(requests('r', 3));
      expect(
        (await Promise.all(waiting))
          .flat()
          .map(({ id }) => id)
          .sort(),
      ).to.deep.equal(['r0', 'r1', 'r2']);
    });

    it('takes back what was given back, in its place, without counting an attempt', async () => {
      await owner.putRequests(requests('r', 4));
      const claims = await take(runner, 3);
      await claims[1]!.giveBack();
      await claims[1]!.giveBack();
      await fleet.verify();
      const again = await take(runner, 2);
      expect(again.map(({ id, attempt }) => [id, attempt])).to.deep.equal([
        ['r1', 1],
        ['r3', 1],
      ]);
    });
  });

  describe('putResults', () => {
    it('answers ok for each result, and lost once the request has ended', async () => {
      await owner.putRequests([request('r')]);
      const { claim } = (await take(runner, 1))[0]!;
      const items = [
        { claim, output: 1 },
        { claim, output: 2, finished: true },
        { claim, output: 3 },
      ];
      expect(await runner.putResults(items)).to.deep.equal(['ok', 'ok', 'lost']);
      expect(
        await runner.putResults([
          { claim, finished: true },
          { claim: 'no such claim', output: 1 },
        ]),
      ).to.deep.equal(['lost', 'lost']);
      expect(await ended(owner, ['r'])).to.deep.equal(
        new Map([
          [
            'r',
            [
              { kind: 'chunk', output: 1 },
              { kind: 'finished', output: 2 },
            ],
          ],
        ]),
      );
    });

    it('keeps the order of results of one request over calls that are not awaited', async () => {
      await owner.putRequests([request('r')]);
      const [claimed] = await take(runner, 1);
      const { claim } = claimed!;
      for (let i = 0; i < 200; i += 1) void runner.putResults([{ claim, output: i }]);
      expect(await runner.putResults([{ claim, output: 200, finished: true }])).to.deep.equal(['ok']);
      const results = (await ended(owner, ['r'])).get('r')!;
      expect(results.map(({ output }) => output)).to.deep.equal(Array.from({ length: 201 }, (_, i) => i));
    });

    it('ends a request as failed with a reason', async () => {
      await owner.putRequests([request('r')]);
      const [claimed] = await take(runner, 1);
      expect(await runner.putResults([{ claim: claimed!.claim, failed: 'no memory' }])).to.deep.equal(['ok']);
      expect((await ended(owner, ['r'])).get('r')).to.deep.equal([{ kind: 'failed', reason: 'no memory' }]);
    });

    it('ends a request as failed, once, with the chunk that its owner has no room for', async () => {
      const strict = await fleet.start('strict', { maxResults: 3 });
      await owner.putRequests([request('r')]);
      const [claimed] = await take(strict, 1);
      const { claim, signal } = claimed!;
      // one call: the owner cannot take any in between
      const chunks = Array.from({ length: 5 }, (_, output) => ({ claim, output }));
      const answers = await strict.putResults([...chunks, { claim, output: 'end', finished: true }]);
      expect(answers).to.deep.equal(['ok', 'ok', 'ok', 'overflow', 'lost', 'lost']);
      expect(signal.reason).to.have.property('code', 'FULL');
      expect((await ended(owner, ['r'])).get('r')).to.deep.equal([
        ...[0, 1, 2].map((output) => ({ kind: 'chunk', output })),
        { kind: 'failed', reason: 'its owner has no room for more results (option maxResults)' },
      ]);
      expect((await fleet.snapshot()).request.size, 'nobody runs it again').to.equal(0);
      expect(await strict.putResults([{ claim, output: 'late' }])).to.deep.equal(['lost']);
      await owner.putRequests([request('next')]);
      expect((await take(strict, 1)).map(({ id, attempt }) => `${id} ${attempt}`)).to.deep.equal(['next 1']);
    });
  });

  describe('getResults', () => {
    it('answers at once, only ids that have news, and each result once', async () => {
      expect(owner.getResults().size).to.equal(0);
      await owner.putRequests(requests('r', 3));
      const claims = await take(runner, 3);
      expect(owner.getResults().size).to.equal(0);
      await runner.putResults([{ claim: claims[1]!.claim, output: 'part' }]);
      expect(await news()).to.deep.equal(new Map([['r1', [{ kind: 'chunk', output: 'part' }]]]));
      expect(owner.getResults().size).to.equal(0);
      await finish(runner, claims);
      expect(endings(await ended(owner, ['r0', 'r1', 'r2']))).to.deep.equal({
        r0: 'finished',
        r1: 'finished',
        r2: 'finished',
      });
    });

    it('tells an expired request with its kind alone', async () => {
      await owner.putRequests([request('r')], { deadlineMs: 200 });
      expect((await ended(owner, ['r'])).get('r')).to.deep.equal([{ kind: 'expired' }]);
    });
  });

  describe('reset', () => {
    const proxy = useDeafProxy(redisUrl);

    it('drops thousands of waiting requests and the unread results, and nobody else’s', async () => {
      await owner.putRequests(requests('r', 1_500));
      const [claim] = await take(runner, 1, room(1));
      await finish(runner, [claim!]);
      await runner.putRequests(requests('other', 2));
      const dropped = await owner.reset();
      expect(dropped.length).to.be.within(1_498, 1_500);
      expect(owner.getResults().size).to.equal(0);
      await fleet.verify();
      expect(await fleet.loads()).to.deep.equal({ runner: 2 });
      expect((await fleet.snapshot()).out).to.deep.equal([]);
    });

    it('ends a request whose final it removes, and does not put it again', async () => {
      proxy().deafTo.add('results');
      const deaf = await fleet.start('deaf', { redis: proxy().url, pollMs: 60_000, leaseMs: 1_500 });
      const putAgain: string[] = [];
      deaf.events.on('putAgain', ({ id }) => putAgain.push(id));
      const submission = deaf.submit(request('r'));
      const [claim] = await take(runner, 1, room(1));
      await finish(runner, [claim!]);
      expect((await fleet.snapshot()).out).to.have.length(1);
      expect(await deaf.reset()).to.deep.equal(['r']);
      await rejection(submission.result());
      expect(submission.final).to.deep.include({ kind: 'cancelled', reason: 'reset' });
      const before = (await fleet.snapshot()).node.get('deaf')!;
      const refreshed = async (): Promise<boolean> =>
        (await fleet.snapshot()).node.get('deaf')! > before + 1_500;
      await waitUntil(refreshed, 'it has refreshed', 15_000);
      expect(putAgain).to.deep.equal([]);
      expect((await fleet.snapshot()).request.size).to.equal(0);
    });
  });

  describe('updateConfig', () => {
    it('lets a node look into shards that it did not know of', async () => {
      const far = await fleet.start('a', { loadShards: 8, loadLookup: 8 });
      expect(far.shard).to.not.equal(owner.shard);
      await far.putRequests(requests('r', 5));
      const curious = await fleet.start('curious', { loadLookup: 8 });
      await curious.updateConfig({ loadShards: 8 });
      expect(curious.shard, 'without reallocate the home shard stays').to.equal(0);
      await finish(curious, await take(curious, 5));
      await ended(far, ['r0', 'r4']);
    });

    it('lets also a call that waits look into them', async () => {
      const far = await fleet.start('a', { loadShards: 2, loadLookup: 0, pollMs: 60_000 });
      expect(far.shard).to.equal(1);
      await far.putRequests(requests('r', 5));
      // it waits, and polls, for longer than the test may take
      const waiting = runner.getRequests(room(5), { waitMs: 60_000 });
      const idle = async (): Promise<boolean> =>
        (await fleet.redis.zscore(fleet.key('idle'), 'runner')) !== null;
      await waitUntil(idle, 'it waits');
      await runner.updateConfig({ loadShards: 2 });
      expect((await waiting).map(({ owner: name }) => name)).to.include('a');
    });

    it('refuses bad numbers by name', async () => {
      for (const loadShards of [0, 1.5, -1]) {
        const error: unknown = await owner.updateConfig({ loadShards }).catch((reason: unknown) => reason);
        expect(error).to.be.instanceOf(ConfigError).with.property('option', 'loadShards');
      }
    });
  });

  describe('getResults that waits', () => {
    it('answers at the first news, and nothing when its time or signal is over', async () => {
      const waiting = owner.getResults({ waitMs: 60_000 });
      await owner.putRequests([request('r')]);
      await finish(runner, await take(runner, 1));
      expect([...told(await waiting)]).to.deep.equal([['r', [{ kind: 'finished', output: 'r' }]]]);
      expect((await owner.getResults({ waitMs: 5 })).size).to.equal(0);
      const over = new AbortController();
      const aborted = owner.getResults({ waitMs: 60_000, signal: over.signal });
      over.abort();
      expect((await aborted).size).to.equal(0);
      expect(await rejection(owner.getResults({ waitMs: NaN }))).to.be.instanceOf(ConfigError);
    });

    it('gives what came before the scheduler was closed, then rejects with CLOSED', async () => {
      const { node } = owner;
      await owner.putRequests([request('r')]);
      await finish(owner, await take(owner, 1));
      const closed = owner.close();
      expect((await owner.getResults({ waitMs: 60_000 })).has('r'), node).to.equal(true);
      expect(await rejection(owner.getResults({ waitMs: 60_000 }))).to.include({ code: 'CLOSED' });
      await closed;
    });
  });

  describe('cancel', () => {
    it('ends a request by its id, waiting or running, and says false of one that is not pending', async () => {
      await owner.putRequests([request('running'), request('waiting')]);
      const [claim] = await take(runner, 1);
      expect(claim!.id).to.equal('running');
      for (const id of ['running', 'waiting']) {
        expect(await owner.cancel(id)).to.equal(true);
        expect((await ended(owner, [id])).get(id)).to.deep.equal([{ kind: 'cancelled' }]);
        expect(await owner.cancel(id)).to.equal(false);
      }
      await waitUntil(() => claim!.signal.aborted, 'its runner is told');
      expect(await owner.cancel('never put')).to.equal(false);
      await owner.close();
      expect(await rejection(owner.cancel('r'))).to.include({ code: 'CLOSED' });
    });
  });
});
