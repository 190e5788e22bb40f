import { getEventListeners } from 'node:events';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { ConfigError, type Result } from '../../src/index.ts';
import { sleep } from '../../src/base/clock.ts';
import {
  finish,
  plain,
  rejection,
  request,
  requests,
  room,
  serve,
  take,
  told,
  useFleet,
  type Claimed,
  type Node,
} from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';

async function read(results: AsyncIterable<Result>): Promise<Result[]> {
  const all: Result[] = [];
  for await (const result of results) all.push(plain(result));
  return all;
}

describe('submit', () => {
  const fleet = useFleet();
  let owner: Node;
  let runner: Node;

  beforeEach(async () => {
    owner = await fleet.start('owner');
    // no poll helps out: every wake-up must come
    runner = await fleet.start('runner', { pollMs: 60_000 });
  });

  const claimed = async (): Promise<Claimed> => (await take(runner, 1))[0]!;
  const waiting = (count: number): Promise<void> =>
    waitUntil(async () => ((await fleet.loads()).owner ?? 0) === count, `${count} wait`);

  it('answers at once, and gives the results in order as they come, the final last', async () => {
    const submission = owner.submit(request('r'));
    expect(submission.id).to.equal('r');
    const { claim } = await claimed();
    const results = submission[Symbol.asyncIterator]();
    await runner.putResults([{ claim, output: 1 }]);
    expect(await results.next()).to.deep.equal({ done: false, value: { kind: 'chunk', output: 1 } });
    await runner.putResults([
      { claim, output: 2 },
      { claim, output: 3, finished: true },
    ]);
    expect(await results.next()).to.deep.equal({ done: false, value: { kind: 'chunk', output: 2 } });
    expect(plain((await results.next()).value as Result)).to.deep.equal({ kind: 'finished', output: 3 });
    expect(await results.next()).to.deep.equal({ done: true, value: undefined });
  });

  it('keeps results until they are read, and none of them appears in getResults', async () => {
    const submission = owner.submit(request('r'));
    const { claim } = await claimed();
    await runner.putResults([
      { claim, output: 1 },
      { claim, finished: true },
    ]);
    await waitUntil(
      async () => (await fleet.redis.exists(fleet.key('out'))) === 0,
      'the owner has taken them',
    );
    expect(owner.getResults().size).to.equal(0);
    expect(await read(submission)).to.deep.equal([{ kind: 'chunk', output: 1 }, { kind: 'finished' }]);
  });

  it('result() is the final output, past all chunks', async () => {
    const submission = owner.submit(request('r'));
    const { claim } = await claimed();
    await runner.putResults([
      { claim, output: 1 },
      { claim, output: 'all', finished: true },
    ]);
    expect(await submission.result()).to.equal('all');
  });

  it('result() rejects with FAILED and the runner’s reason', async () => {
    const submission = owner.submit(request('r'));
    const { claim } = await claimed();
    await runner.putResults([{ claim, failed: 'out of memory' }]);
    expect(await rejection(submission.result())).to.include({
      code: 'FAILED',
      message: 'request r failed: out of memory',
    });
  });

  it('result() may be asked by many, beside a reader, and again', async () => {
    const submission = owner.submit(request('r'));
    const { claim } = await claimed();
    const told = read(submission);
    const early = [submission.result(), submission.result()];
    await runner.putResults([
      { claim, output: 1 },
      { claim, output: 'all', finished: true },
    ]);
    expect(await Promise.all(early)).to.deep.equal(['all', 'all']);
    expect(await told).to.deep.equal([
      { kind: 'chunk', output: 1 },
      { kind: 'finished', output: 'all' },
    ]);
    expect(await submission.result()).to.equal('all');
  });

  it('lets a reader leave that waits for a result, as a stream over it does that is destroyed; another may follow', async () => {
    const submission = owner.submit(request('r'));
    const leaves = submission[Symbol.asyncIterator]();
    const waits = leaves.next();
    expect(await leaves.return()).to.deep.equal({ done: true, value: undefined });
    expect(await waits).to.deep.equal({ done: true, value: undefined });
    for (const error of [undefined, new Error('the client has gone')]) {
      const stream = Readable.from(submission).on('error', () => undefined);
      const closed = new Promise((resolve) => stream.resume().once('close', resolve));
      // its first read begins in a later turn
      await sleep(10);
      stream.destroy(error);
      await closed;
    }
    const [claim] = await take(runner, 1);
    await finish(runner, [claim!]);
    expect((await read(submission)).map(({ kind }) => kind)).to.deep.equal(['finished']);
  });

  it('refuses a second reader beside the first, which goes on; one may follow another', async () => {
    const submission = owner.submit(request('r'));
    const first = submission[Symbol.asyncIterator]();
    const next = first.next();
    expect(await rejection(read(submission))).to.include({
      code: 'CONFIG',
      message: 'the results of r are being read already',
    });
    const { claim } = await claimed();
    await runner.putResults([{ claim, output: 1 }]);
    expect((await next).value).to.deep.equal({ kind: 'chunk', output: 1 });
    await first.return(undefined);
    await runner.putResults([
      { claim, output: 2 },
      { claim, finished: true },
    ]);
    expect(await read(submission)).to.deep.equal([{ kind: 'chunk', output: 2 }, { kind: 'finished' }]);
  });

  describe('a reader that is too slow', () => {
    const maxResults = 200;
    const reason = `nobody has read ${maxResults} of its results (option maxResults)`;
    let slow: Node;

    beforeEach(async () => (slow = await fleet.start('slow', { maxResults })));

    /** Sends chunks, and waits for their owner to take them, until the claim is lost. */
    const flood = async (ended: () => boolean): Promise<void> => {
      const { claim, signal } = await claimed();
      for (let first = 0; !signal.aborted; first += 50) {
        expect(first, 'it goes on and on').to.be.below(2 * maxResults);
        await runner.putResults(Array.from({ length: 50 }, (_, i) => ({ claim, output: first + i })));
        const taken = async (): Promise<boolean> => (await fleet.snapshot()).out.length === 0;
        await waitUntil(taken, 'they have been taken');
        if (ended()) await waitUntil(() => signal.aborted, 'its runner has been told');
      }
      expect(ended()).to.equal(true);
    };
    const whole = [
      ...Array.from({ length: maxResults }, (_, output) => ({ kind: 'chunk', output })),
      { kind: 'failed', reason },
    ];

    it('of submit: its request ends as failed, once, and what it had is still there to be read', async () => {
      let over = false;
      slow.events.on('ended', () => (over = true));
      const submission = slow.submit(request('r'));
      await flood(() => over);
      expect((await fleet.snapshot()).request.size, 'nobody runs it again').to.equal(0);
      expect(await read(submission)).to.deep.equal(whole);
    });

    it('of getResults: so does its request', async () => {
      let over = false;
      slow.events.on('ended', () => (over = true));
      await slow.putRequests([request('r')]);
      await flood(() => over);
      expect(told(slow.getResults())).to.deep.equal(new Map([['r', whole]]));
    });

    it('of a request that its owner runs itself: so does it, and its handler is told', async () => {
      const signals: AbortSignal[] = [];
      void slow.run(
        async function* ({ signal }) {
          signals.push(signal);
          for (let i = 0; !signal.aborted; i += 1) yield await Promise.resolve(i);
        },
        { budget: room() },
      );
      const submission = slow.submit(request('own'));
      await waitUntil(() => signals[0]?.aborted === true, 'its handler has been told');
      expect(await read(submission)).to.deep.equal(whole);
      expect(signals).to.have.length(1);
    });

    it('is none that asks for result() alone: chunks are dropped', async () => {
      const submission = slow.submit(request('r'));
      const output = submission.result();
      const { claim } = await claimed();
      for (let i = 0; i < 5; i += 1) {
        const chunks = Array.from({ length: maxResults / 2 }, () => ({ claim, output: i }));
        expect(new Set(await runner.putResults(chunks))).to.deep.equal(new Set(['ok']));
        const taken = async (): Promise<boolean> => (await fleet.snapshot()).out.length === 0;
        await waitUntil(taken, 'they have been taken');
      }
      await runner.putResults([{ claim, output: 'all', finished: true }]);
      expect(await output).to.equal('all');
    });
  });

  it('a refused put rejects the first next(), also when nobody reads yet', async () => {
    const first = owner.submit(request('r'));
    await waiting(1);
    const second = owner.submit(request('r'));
    const third = owner.submit(request(''));
    await waitUntil(() => true, 'a turn has passed');
    expect((await rejection(second[Symbol.asyncIterator]().next())).code).to.equal('DUPLICATE');
    expect((await rejection(third[Symbol.asyncIterator]().next())).code).to.equal('BAD_ID');
    await second.cancel();
    await third.cancel();
    expect(await fleet.loads(), 'cancelling what was refused touches nothing').to.deep.equal({ owner: 1 });
    await first.cancel();
  });

  describe('cancel()', () => {
    it('ends a waiting request: it is never executed', async () => {
      const submission = owner.submit(request('r'));
      await waiting(1);
      await submission.cancel();
      expect(await read(submission)).to.deep.equal([{ kind: 'cancelled' }]);
      expect(await fleet.loads()).to.deep.equal({});
      expect(await runner.getRequests(room(), { waitMs: 0 })).to.deep.equal([]);
    });

    it('ends a running one: its runner’s signal fires and its results are refused', async () => {
      const submission = owner.submit(request('r'));
      const { claim, signal } = await claimed();
      await runner.putResults([{ claim, output: 'before' }]);
      await submission.cancel();
      await waitUntil(() => signal.aborted, 'the runner has been told');
      expect(await runner.putResults([{ claim, output: 'after', finished: true }])).to.deep.equal(['lost']);
      expect(await read(submission)).to.deep.equal([
        { kind: 'chunk', output: 'before' },
        { kind: 'cancelled' },
      ]);
    });

    it('changes nothing when the request has ended, and may be called again', async () => {
      const submission = owner.submit(request('r'));
      await finish(runner, [await claimed()]);
      await submission.cancel();
      await submission.cancel();
      expect(await read(submission)).to.deep.equal([{ kind: 'finished', output: 'r' }]);
    });
  });

  describe('an AbortSignal', () => {
    it('that fired before sends nothing', async () => {
      const submission = owner.submit(request('r'), { signal: AbortSignal.abort() });
      expect(await rejection(submission.result())).to.have.property('code', 'CANCELLED');
      expect(await fleet.redis.exists(fleet.key('request'))).to.equal(0);
    });

    it('that fires while the put is on its way cancels it all the same', async () => {
      const abort = new AbortController();
      const submission = owner.submit(request('r'), { signal: abort.signal });
      abort.abort();
      expect(await rejection(submission.result())).to.have.property('code', 'CANCELLED');
      expect(await fleet.loads()).to.deep.equal({});
    });

    it('that fires later cancels it, waiting or running', async () => {
      const [early, late] = [new AbortController(), new AbortController()];
      const running = owner.submit(request('running'), { signal: late.signal });
      const { signal } = await claimed();
      const idle = owner.submit(request('waiting'), { signal: early.signal });
      await waiting(1);
      early.abort();
      late.abort();
      for (const submission of [running, idle])
        expect(await rejection(submission.result())).to.have.property('code', 'CANCELLED');
      await waitUntil(() => signal.aborted, 'the runner has been told');
    });

    it('of a whole program may cancel many: it has one listener, as Node.js warns of eleven', async () => {
      const end = new AbortController();
      const submissions = requests('r', 12).map((one) => owner.submit(one, { signal: end.signal }));
      expect(getEventListeners(end.signal, 'abort')).to.have.length(1);
      end.abort();
      for (const submission of submissions)
        expect(await rejection(submission.result())).to.have.property('code', 'CANCELLED');
      expect(getEventListeners(end.signal, 'abort')).to.have.length(0);
    });

    it('is let go of when the request has ended', async () => {
      const abort = new AbortController();
      const submission = owner.submit(request('r'), { signal: abort.signal });
      await finish(runner, [await claimed()]);
      expect(await submission.result()).to.equal('r');
      owner.submit(request('r'));
      await waiting(1);
      abort.abort();
      await owner.putRequests([request('later')]);
      expect(await fleet.loads(), 'the new request of that id stands').to.deep.equal({ owner: 2 });
    });
  });

  describe('deadlineMs', () => {
    it('ends a waiting request as expired', async () => {
      const submission = owner.submit(request('r'), { deadlineMs: 300 });
      expect(await rejection(submission.result())).to.have.property('code', 'EXPIRED');
      expect(await fleet.loads()).to.deep.equal({});
    });

    it('ends a running one: its runner’s signal fires', async () => {
      const submission = owner.submit(request('r'), { deadlineMs: 500 });
      const { signal } = await claimed();
      expect(await rejection(submission.result())).to.have.property('code', 'EXPIRED');
      await waitUntil(() => signal.aborted, 'the runner has been told');
    });

    it('that has passed refuses the request', async () => {
      expect(await rejection(owner.submit(request('r'), { deadlineMs: 0 }).result())).to.have.property(
        'code',
        'EXPIRED',
      );
      expect(await fleet.loads()).to.deep.equal({});
    });
  });

  it('priority is a head start: the line is ordered by it, equal ones by their arrival', async () => {
    const priorities = [0, -1_000, 60_000, 0, 60_000, 1_000];
    for (const [i, priority] of priorities.entries()) {
      void owner.submit(request(`r${i}`), { priority });
      await waiting(i + 1);
    }
    const claims = await take(runner, 6);
    expect(claims.map(({ id }) => id)).to.deep.equal(['r2', 'r4', 'r5', 'r0', 'r3', 'r1']);
  });

  it('refuses a bad priority or deadline by name, before anything is sent', () => {
    for (const priority of [1.5, 86_400_001, NaN, -86_400_001])
      expect(() => owner.submit(request('r'), { priority })).to.throw(
        ConfigError,
        `priority is ${priority}; allowed is`,
      );
    for (const deadlineMs of [NaN, Infinity, 366 * 86_400_000])
      expect(() => owner.submit(request('r'), { deadlineMs })).to.throw(
        ConfigError,
        `deadlineMs is ${deadlineMs}`,
      );
  });

  describe('when a second attempt follows on one that had given results', () => {
    /** Answers what the owner was told. */
    const twoAttempts = async (onRestart: 'restart' | 'fail'): Promise<Result[]> => {
      const node = await fleet.start('owner2', { onRestart });
      const told = read(node.submit(request('r')));
      const first = await fleet.start('first');
      const { claim } = (await take(first, 1))[0]!;
      await first.putResults([
        { claim, output: 'one' },
        { claim, output: 'two' },
      ]);
      await first.close();
      const second = await claimed();
      await runner.putResults([
        { claim: second.claim, output: 'again' },
        { claim: second.claim, finished: true },
      ]);
      return told;
    };

    it('it begins with a restart marker, and the two are never mixed', async () => {
      expect(await twoAttempts('restart')).to.deep.equal([
        { kind: 'chunk', output: 'one' },
        { kind: 'chunk', output: 'two' },
        { kind: 'restart' },
        { kind: 'chunk', output: 'again' },
        { kind: 'finished' },
      ]);
    });

    it('the request is failed instead with onRestart: fail', async () => {
      const reason = 'its runner was lost after results had been delivered (onRestart: fail)';
      expect(await twoAttempts('fail')).to.deep.equal([
        { kind: 'chunk', output: 'one' },
        { kind: 'chunk', output: 'two' },
        { kind: 'failed', reason },
      ]);
    });
  });

  it('serves its own: an owner that also runs gets every result once', async () => {
    const executed = serve(owner);
    const submissions = Array.from({ length: 20 }, (_, i) => owner.submit(request(`r${i}`)));
    const outputs = await Promise.all(submissions.map((submission) => submission.result()));
    expect(outputs).to.deep.equal(submissions.map(({ id }) => id));
    expect(executed).to.have.length(20);
  });
});
