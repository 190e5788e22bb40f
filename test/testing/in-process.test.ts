// A fleet in memory: each test that can be is run on a fleet in Redis, too, and expects the same of both.
import { expect } from 'chai';
import { ConfigError, Retry, Scheduler, bytesCodec, connect, type Result } from '../../src/index.ts';
import { InProcessRedis } from '../../src/testing/index.ts';
import { openAfter } from '../support/alone.ts';
import {
  PATIENT,
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
  type Node,
  type Prompt,
} from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';
import { WORLDS, inMemory, type World } from './worlds.ts';

/** Of a submission, all that it told. */
async function read(answer: AsyncIterable<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for await (const result of answer) results.push(plain(result));
  return results;
}

/** Resolves when the node has accepted this request. */
function accepted(node: Node, id: string): Promise<void> {
  return new Promise((resolve) => {
    node.events.on('accepted', (one: { id: string }) => {
      if (one.id === id) resolve();
    });
  });
}

for (const [name, open] of Object.entries(WORLDS)) {
  describe(`a fleet in ${name}`, () => {
    let world: World;
    let front: Node;
    let worker: Node;

    beforeEach(async () => {
      world = open();
      front = await world.start('front');
      worker = await world.start('worker');
    });
    afterEach(() => world.close());

    it('streams an answer from the node that runs a request to the one that accepted it', async () => {
      const handler = async function* ({ owner, promptTokens }: { owner: string; promptTokens: number }) {
        yield 'to';
        yield 'be';
        await Promise.resolve();
        return `${owner} ${promptTokens}`;
      };
      void worker.run(handler, { budget: room() });
      expect(await read(front.submit(request('r', 3)))).to.deep.equal([
        { kind: 'chunk', output: 'to' },
        { kind: 'chunk', output: 'be' },
        { kind: 'finished', output: 'front 3' },
      ]);
    });

    it('ends a request as failed whose handler throws', async () => {
      void worker.run(() => Promise.reject(new Error('no such model')), { budget: room() });
      expect(await read(front.submit(request('r')))).to.deep.equal([
        { kind: 'failed', reason: 'no such model' },
      ]);
    });

    it('shares no object: what was put and what is run are copies, by the codec', async () => {
      const put = { ...request('r'), notes: ['before'] };
      const answer = front.submit(put);
      put.notes[0] = 'after';
      const [claimed] = await take(worker, 1);
      expect(claimed!.request).to.deep.equal({ ...put, notes: ['before'] });
      const output = { words: ['one'] };
      await worker.putResults([{ claim: claimed!.claim, output, finished: true }]);
      output.words[0] = 'changed';
      expect(await answer.result()).to.deep.equal({ words: ['one'] });
    });

    it('copies bytes, too', async () => {
      const codecs = { idOf: () => 'r', promptTokensOf: () => 1, codec: bytesCodec, outputCodec: bytesCodec };
      const owner = await world.start<Uint8Array, Uint8Array>('owner', { ...codecs, policy: 'none' });
      const bytes = Buffer.from('abc');
      const answer = owner.submit(bytes);
      await waitUntil(() => true, 'a turn has passed');
      const [claimed] = await owner.getRequests(room(), PATIENT);
      expect(String(claimed!.request)).to.equal('abc');
      claimed!.request[0] = 0;
      expect(String(bytes)).to.equal('abc');
      await owner.putResults([{ claim: claimed!.claim, output: Buffer.from('xyz'), finished: true }]);
      expect(String(await answer.result())).to.equal('xyz');
    });

    it('gives each runner memory of its own, however large: what one changes, the next does not see', async () => {
      const codecs = { idOf: () => 'r', promptTokensOf: () => 1, codec: bytesCodec };
      const owner = await world.start<Uint8Array>('owner', codecs);
      const runner = await world.start<Uint8Array>('runner', codecs);
      for (const size of [3, 5_000, 100_000]) {
        const answer = owner.submit(new Uint8Array(size).fill(7));
        for (const attempt of [1, 2]) {
          const [claimed] = await runner.getRequests(room(), PATIENT);
          expect(new Set(claimed!.request), `${size} bytes, attempt ${attempt}`).to.deep.equal(new Set([7]));
          claimed!.request.fill(0);
          if (attempt === 1) await claimed!.giveBack();
          else await runner.putResults([{ claim: claimed!.claim, finished: true }]);
        }
        expect(await answer.result()).to.equal(undefined);
      }
    });

    it('refuses what it must refuse, alone and with a code', async () => {
      const owner = await world.start('owner', { maxWaiting: 2, maxBodyBytes: 300, policy: 'none' });
      const bad = { request_id: '', prompt_token_ids: [] };
      const cyclic: Prompt & { self?: unknown } = request('cyclic');
      cyclic.self = cyclic;
      const put = [request('a'), request('a'), bad, cyclic, request('big', 200), request('b'), request('c')];
      const outcomes = await owner.putRequests(put);
      expect(outcomes.map(({ id, error }) => [id, error?.code])).to.deep.equal([
        ['a', undefined],
        ['a', 'DUPLICATE'],
        ['', 'BAD_ID'],
        ['cyclic', 'ENCODE'],
        ['big', 'TOO_LARGE'],
        ['b', undefined],
        ['c', 'FULL'],
      ]);
      expect(outcomes.at(-1)!.error!.retryAfterMs).to.equal(100);
      const [late] = await owner.putRequests([request('late')], { deadlineMs: 0 });
      expect(late!.error?.code).to.equal('EXPIRED');
    });

    it('refuses a prompt that no living engine can ever hold', async () => {
      await worker.getRequests(room(1, { availableBlocks: 10, totalBlocks: 10 }), { waitMs: 0 });
      const answers = async (): Promise<unknown> => {
        const [outcome] = await front.putRequests([request('r', 200)]);
        await front.reset();
        return outcome!.error && [outcome!.error.code, outcome!.error.tokens, outcome!.error.largest];
      };
      await waitUntil(async () => (await answers()) !== undefined, 'the engine is known');
      expect(await answers()).to.deep.equal(['TOO_LARGE', 200, 144]);
    });

    it('throws ConfigErrors for bad options of every call', async () => {
      const bad: (() => unknown)[] = [
        () => world.start('x y'),
        () => world.start('x', { leaseMs: 1 }),
        () => world.start('x', { nope: 1 } as object),
        () => worker.getRequests({} as never),
        () => front.putRequests([], { priority: 0.5 }),
        () => front.submit(request('r'), { deadlineMs: NaN }),
        () => worker.run(undefined as never, { budget: room() }),
        () => worker.close({ drainMs: -1 }),
      ];
      for (const act of bad) {
        const error = await rejection(Promise.resolve().then(act));
        expect(error).to.be.instanceOf(ConfigError);
      }
    });

    it('serves by priority, then in the order of the puts', async () => {
      const order = ['a', 'late', 'b', 'soon', 'c'];
      const priority: Record<string, number> = { late: -60_000, soon: 60_000 };
      for (const id of order) await front.putRequests([request(id)], { priority: priority[id] ?? 0 });
      const claims = await take(worker, 5);
      expect(claims.map(({ id }) => id)).to.deep.equal(['soon', 'a', 'b', 'c', 'late']);
    });

    it('takes its own first, unless a request of a peer is much older or waits where it may not be taken', async () => {
      const rules = { stealAfterMs: 30_000, minLoadScore: 2 } as const;
      const one = await world.start('one', rules);
      const two = await world.start('two', rules);
      // both have engines
      for (const node of [one, two]) await node.getRequests(room(), { waitMs: 0 });
      await one.putRequests([request('peer')]);
      await two.putRequests([request('own')]);
      const ids = async (): Promise<string[]> => (await two.getRequests(room())).map(({ id }) => id);
      expect(await ids(), 'of one that is not loaded nothing is stolen').to.deep.equal(['own']);
      await one.putRequests([request('second')]);
      await two.putRequests([request('third')]);
      expect(await ids(), 'of one that is, what its load allows').to.deep.equal(['third', 'peer']);
      await one.reset();
      await one.putRequests([request('old')], { priority: 60_000 });
      await two.putRequests([request('fourth')]);
      expect(await ids(), 'a head start counts as age').to.deep.equal(['old', 'fourth']);
    });

    it('takes no more prompt tokens than a batch may have', async () => {
      for (const id of ['a', 'b', 'c']) await front.putRequests([request(id, 40)]);
      const budget = room(3, { maxNumBatchedTokens: 90, blockSize: 1, reservedOutputBlocks: 0 });
      const hungry = await world.start('hungry', { minLoadScore: 1 });
      const claims = await hungry.getRequests(budget, PATIENT);
      expect(claims.map(({ id }) => id)).to.deep.equal(['a', 'b']);
    });

    it('gives a request back to its exact place, and no attempt is counted', async () => {
      await front.putRequests(requests('r', 3));
      const [first] = await take(worker, 1);
      await first!.giveBack();
      const claims = await take(await world.start('other'), 3);
      expect(claims.map(({ id, attempt }) => [id, attempt])).to.deep.equal([
        ['r0', 1],
        ['r1', 1],
        ['r2', 1],
      ]);
      const late = await worker.putResults([{ claim: first!.claim, finished: true }]);
      expect(late).to.deep.equal(['lost']);
    });

    it('leaves to others what a node gave back, and counts a try if asked to', async () => {
      const [other, third] = [await world.start('other'), await world.start('third')];
      const answer = read(front.submit(request('r')));
      const [first] = await take(worker, 1);
      await first!.giveBack({ afterMs: 60_000 });
      expect(await worker.getRequests(room(), { waitMs: 100 })).to.deep.equal([]);
      const [second] = await take(other, 1);
      await second!.giveBack({ afterMs: 0, elsewhere: true, countTry: true });
      expect(await other.getRequests(room(), { waitMs: 100 }), 'worker lives').to.deep.equal([]);
      const [last] = await take(third, 1);
      expect([first!.attempt, second!.attempt, last!.attempt]).to.deep.equal([1, 1, 2]);
      await finish(third, [last!]);
      expect(await answer).to.deep.equal([{ kind: 'finished', output: 'r' }]);
    });

    it('tries an engine that failed again after a pause, and ends what has no tries left', async () => {
      const owner = await world.start('owner', { tries: 2 });
      const attempts: number[] = [];
      const handler = ({ attempt }: { attempt: number }): never => {
        attempts.push(attempt);
        throw new Retry('no engine', { afterMs: 1 });
      };
      void worker.run(handler, { budget: room() });
      expect(await read(owner.submit(request('r')))).to.deep.equal([
        { kind: 'failed', reason: 'no tries left: 2 runners lost it or gave it up: no engine' },
      ]);
      expect(attempts).to.deep.equal([1, 2]);
    });

    it('has what a front accepts taken at once', async () => {
      const patient = { stealAfterMs: 30_000, minLoadScore: 100 } as const;
      const one = await world.start('one', patient);
      const two = await world.start('two', patient);
      await one.putRequests([request('r')]);
      expect((await two.getRequests(room(), PATIENT)).map(({ id }) => id)).to.deep.equal(['r']);
      await one.getRequests(room(), { waitMs: 0 });
      await one.putRequests([request('s')]);
      expect(await two.getRequests(room(), { waitMs: 100 }), 'it has an engine').to.deep.equal([]);
    });

    it('takes by the budget what fits, and steps over what does not', async () => {
      await front.putRequests([request('small', 10), request('large', 100), request('other', 10)]);
      const budget = room(3, {
        blockSize: 1,
        reservedOutputBlocks: 0,
        availableBlocks: 50,
        totalBlocks: 200,
      });
      const claims = await take(worker, 2, budget);
      expect(claims.map(({ id }) => id)).to.deep.equal(['small', 'other']);
    });

    it('keeps room for a large request whose patience is over', async () => {
      const hasty = await world.start('hasty', { patienceMs: 0 });
      await front.putRequests([request('large', 100), request('small', 10), request('third', 10)]);
      const budget = room(1, {
        blockSize: 1,
        reservedOutputBlocks: 0,
        availableBlocks: 50,
        totalBlocks: 200,
      });
      expect(await hasty.getRequests(budget, { waitMs: 100 }), 'nothing younger').to.deep.equal([]);
      const others = await take(worker, 1, budget);
      expect(
        others.map(({ id }) => id),
        'another engine steps over it',
      ).to.deep.equal(['small']);
      const [large] = await take(hasty, 1, { ...budget, availableBlocks: 150 });
      expect(large!.id).to.equal('large');
    });

    it('cancels a request that waits, and one that runs', async () => {
      const [waits, runs] = [new AbortController(), new AbortController()];
      const running = front.submit(request('runs'), { signal: runs.signal });
      const [claimed] = await take(worker, 1);
      const waiting = front.submit(request('waits'), { signal: waits.signal });
      await accepted(front, 'waits');
      waits.abort();
      expect(await read(waiting)).to.deep.equal([{ kind: 'cancelled' }]);
      const stopped = new Promise((resolve) => claimed!.signal.addEventListener('abort', resolve));
      runs.abort();
      expect(await read(running)).to.deep.equal([{ kind: 'cancelled' }]);
      await stopped;
      expect(await worker.putResults([{ claim: claimed!.claim, output: 'late' }])).to.deep.equal(['lost']);
    });

    it('ends at its deadline what waits and what runs', async () => {
      const running = front.submit(request('runs'), { deadlineMs: 3_000 });
      const [claimed] = await take(worker, 1);
      const stopped = new Promise((resolve) => claimed!.signal.addEventListener('abort', resolve));
      const waiting = front.submit(request('waits'), { deadlineMs: 300 });
      expect(await read(waiting)).to.deep.equal([{ kind: 'expired' }]);
      expect(await read(running)).to.deep.equal([{ kind: 'expired' }]);
      await stopped;
    });

    it('says of each result what became of it', async () => {
      const strict = await world.start('strict', { maxResultBytes: 10, policy: 'none' });
      await strict.putRequests([request('r')]);
      const claim = (await take(strict, 1))[0]!.claim;
      const results = [
        { claim, output: 'short' },
        { claim, output: 'far too long for it' },
        { claim, output: 1n },
        { claim, failed: 'enough' },
        { claim, output: 'late' },
      ];
      const statuses = ['ok', 'too_large', 'encode', 'ok', 'lost'];
      expect(await strict.putResults(results)).to.deep.equal(statuses);
      expect((await ended(strict, ['r'])).get('r')).to.deep.equal([
        { kind: 'chunk', output: 'short' },
        { kind: 'failed', reason: 'enough' },
      ]);
    });

    it('ends a request as failed whose results nobody reads', async () => {
      const owner = await world.start('owner', { maxResults: 1, policy: 'none' });
      await owner.putRequests([request('r')]);
      const claim = (await take(worker, 1))[0]!.claim;
      const over = new Promise((resolve) => owner.events.once('ended', resolve));
      for (let i = 0; i < 129; i += 1) await worker.putResults([{ claim, output: i }]);
      await over;
      const results = (await ended(owner, ['r'])).get('r')!;
      expect(results.at(-1)!.kind).to.equal('failed');
      expect(results.filter(({ kind }) => kind === 'chunk').length).to.be.at.most(128);
    });

    it('has a runner wait whose reader is behind, and go on when it has caught up', async () => {
      const owner = await world.start('owner', { maxUnread: 2, policy: 'none', pollMs: 60_000 });
      const answer = owner.submit(request('r'));
      const [claimed] = await take(worker, 1);
      const { claim } = claimed!;
      for (let i = 0; i < 2; i += 1) await worker.putResults([{ claim, output: i }]);
      await waitUntil(() => claimed!.isHalted, 'its runner was told to wait');
      const results = read(answer);
      await waitUntil(() => !claimed!.isHalted, 'its runner was told to go on');
      await worker.putResults([{ claim, output: 'end', finished: true }]);
      expect((await results).at(-1)).to.deep.equal({ kind: 'finished', output: 'end' });
    });

    it('begins a later attempt with a restart, and fails when no tries are left', async () => {
      const one = await world.start('runner', { leaseMs: 500 });
      const [twice, once] = [
        front.submit(request('twice')),
        (await world.start('hasty', { tries: 1 })).submit(request('once')),
      ];
      const claims = await take(one, 2);
      await one.putResults(claims.map(({ claim }) => ({ claim, output: 'void' })));
      const other = await world.start('runner', { leaseMs: 500, takeover: true });
      expect(await read(once)).to.deep.equal([
        { kind: 'chunk', output: 'void' },
        { kind: 'failed', reason: 'no tries left: 1 runners lost it' },
      ]);
      const [again] = await take(other, 1);
      expect([again!.id, again!.attempt]).to.deep.equal(['twice', 2]);
      expect((await rejection(one.putResults([{ claim: again!.claim, output: 'late' }]))).code).to.equal(
        'EVICTED',
      );
      await finish(other, [again!]);
      expect(await read(twice)).to.deep.equal([
        { kind: 'chunk', output: 'void' },
        { kind: 'restart' },
        { kind: 'finished', output: 'twice' },
      ]);
    });

    it('gives a successor what waits, and the results of what runs', async () => {
      await front.putRequests(requests('r', 3));
      const [running] = await take(worker, 1);
      const successor = await world.start('front', { takeover: true });
      expect((await rejection(front.putRequests([request('x')]))).code).to.equal('EVICTED');
      expect(front.over.aborted).to.equal(true);
      await finish(worker, [running!, ...(await take(worker, 2))]);
      expect(endings(await ended(successor, ['r0', 'r1', 'r2']))).to.deep.equal(
        all(requests('r', 3), 'finished'),
      );
    });

    it('leaves what it accepted to a successor when it closes, or cancels it', async () => {
      await front.putRequests(requests('kept', 2));
      await front.close();
      expect((await rejection(front.putRequests([request('x')]))).code).to.equal('CLOSED');
      const successor = await world.start('front', { takeover: true });
      await finish(worker, await take(worker, 2));
      expect(endings(await ended(successor, ['kept0', 'kept1']))).to.deep.equal(
        all(requests('kept', 2), 'finished'),
      );
      const dropped = successor.submit(request('dropped'));
      await accepted(successor, 'dropped');
      await successor.close({ pending: 'cancel' });
      expect(await read(dropped)).to.deep.equal([{ kind: 'cancelled' }]);
    });

    it('lets handlers end when it closes, and gives back what waited', async () => {
      let go = (): void => undefined;
      const held = new Promise<void>((resolve) => (go = resolve));
      const started: string[] = [];
      const handler = async ({ id }: { id: string }): Promise<string> => {
        started.push(id);
        await held;
        return id;
      };
      void worker.run(handler, { budget: room(1) });
      const [first, second] = [front.submit(request('r0')), front.submit(request('r1'))];
      await waitUntil(() => started.length > 0, 'the first is run');
      const closed = worker.close();
      go();
      await closed;
      expect(await first.result()).to.equal('r0');
      serve(await world.start('other'));
      expect(await second.result()).to.equal('r1');
    });

    it('drops everything by a reset', async () => {
      await front.putRequests(requests('r', 3));
      const [running] = await take(worker, 1);
      const stopped = new Promise((resolve) => running!.signal.addEventListener('abort', resolve));
      expect((await front.reset()).sort()).to.deep.equal(idsOf(requests('r', 3)));
      await stopped;
      expect(front.getResults().size).to.equal(0);
      expect((await front.putRequests(requests('r', 3))).filter(({ error }) => error)).to.deep.equal([]);
    });

    it('spreads over shards, and moves a node to its new home', async () => {
      const homes = new Set<number>();
      for (const name of ['a', 'b', 'c', 'd']) {
        const node = await world.start(name, { loadShards: 4 });
        homes.add(node.shard);
        await node.putRequests(requests(name, 2));
      }
      expect(homes.size).to.be.greaterThan(1);
      await front.updateConfig({ loadShards: 4, reallocate: true });
      await front.putRequests(requests('front', 2));
      const served = serve(await world.start('server', { loadShards: 4 }));
      await waitUntil(() => served.length === 10, 'every request of every shard was run', 20_000);
    });

    it('gives a taken name a number, and refuses another unit', async () => {
      expect((await world.start('front')).node).to.equal('front:1');
      const error = await rejection(world.start('other', { loadUnit: 'tokens' }));
      expect(error.message).to.match(/^loadUnit is "tokens"; allowed is "requests", the unit of topic/);
    });

    it('tells what happens by the same events', async () => {
      const told: string[] = [];
      const names = ['placed', 'accepted', 'claimed', 'stolen', 'givenBack', 'resultSent', 'ended'] as const;
      for (const node of [front, worker])
        for (const each of names)
          node.events.on(each, (one: { node: string }) => void told.push(`${one.node} ${each}`));
      const answer = front.submit(request('r'));
      const [claimed] = await take(worker, 1);
      await claimed!.giveBack();
      await finish(worker, await take(worker, 1));
      await answer.result();
      const claims = ['worker claimed', 'worker stolen'];
      const front2 = told.filter((one) => one.startsWith('front'));
      expect(front2).to.deep.equal(['front placed', 'front accepted', 'front ended']);
      const worker2 = told.filter((one) => one.startsWith('worker'));
      expect(worker2).to.deep.equal([...claims, 'worker givenBack', ...claims, 'worker resultSent']);
    });

    it('ends a request as failed that its runner cannot decode', async () => {
      const codec = {
        encode: JSON.stringify,
        decode: (): never => {
          throw new Error('not mine');
        },
      };
      const deaf = await world.start('deaf', { codec });
      const answer = read(front.submit(request('r')));
      await deaf.getRequests(room(), { waitMs: 500 });
      expect(await answer).to.deep.equal([
        { kind: 'failed', reason: 'the request could not be decoded: not mine' },
      ]);
    });
  });
}

describe('InProcessRedis', () => {
  it('kills a node: what it ran is run again, and its own requests wait for a successor', async () => {
    const { redis, ...world } = inMemory();
    const front = await world.start('front');
    const dead = await world.start('dead');
    const answer = front.submit(request('r'));
    await dead.putRequests([request('left')]);
    const claims = await take(dead, 2);
    const claimed = claims.find(({ id }) => id === 'r');
    await dead.putResults([{ claim: claimed!.claim, output: 'void' }]);
    const submitted = dead.submit(request('submitted')).result();
    redis.kill(dead);
    expect((await rejection(submitted)).code).to.equal('CLOSED');
    expect([dead.over.aborted, ...claims.map(({ signal }) => signal.aborted)]).to.deep.equal([
      true,
      true,
      true,
    ]);
    expect((await rejection(dead.putResults([{ claim: claimed!.claim, output: 'late' }]))).code).to.equal(
      'CLOSED',
    );

    const executed = serve(await world.start('alive'));
    expect(await read(answer)).to.deep.equal([
      { kind: 'chunk', output: 'void' },
      { kind: 'restart' },
      { kind: 'finished', output: 'r' },
    ]);
    await waitUntil(() => executed.length >= 2, 'what the dead node had accepted is run');
    const successor = await world.start('dead', { takeover: true });
    expect(endings(await ended(successor, ['left']))).to.deep.equal({ left: 'finished' });
    expect(() => redis.kill({ topic: 'default', node: 'stranger' })).to.throw(
      'no node stranger of the topic default',
    );
    expect(() => redis.kill({ topic: 'other', node: 'front' })).to.throw('no node front of the topic other');
    await world.close();
  });

  it('gives a successor the results as they were sent, whatever its predecessor did with them', async () => {
    const { redis, ...world } = inMemory();
    const codecs = { outputCodec: bytesCodec };
    const owner = await world.start<Prompt, Uint8Array>('owner', codecs);
    const worker = await world.start<Prompt, Uint8Array>('worker', codecs);
    await owner.putRequests([request('r')]);
    const [claimed] = await worker.getRequests(room(), PATIENT);
    await worker.putResults([{ claim: claimed!.claim, output: Buffer.from('abc') }]);
    const outputsOf = async (node: Scheduler<Prompt, Uint8Array>): Promise<Uint8Array[]> => {
      const results = (await node.getResults(PATIENT)).get('r')!;
      return results.map(({ output }) => output!);
    };
    const [chunk] = await outputsOf(owner);
    chunk!.fill(0);
    redis.kill(owner);
    const successor = await world.start<Prompt, Uint8Array>('owner', { ...codecs, takeover: true });
    expect((await outputsOf(successor)).map(String)).to.deep.equal(['abc']);
    await world.close();
  });

  it('ends what the loss of its owner ends', async () => {
    const { redis, ...world } = inMemory();
    const owner = await world.start('owner', { onOwnerLoss: 'abort' });
    const worker = await world.start('worker');
    await owner.putRequests([request('runs')]);
    const [claimed] = await take(worker, 1);
    await owner.putRequests([request('waits')]);
    await owner.putRequests([request('kept')], { onOwnerLoss: 'finish' });
    const lost = new Promise((resolve) => claimed!.signal.addEventListener('abort', resolve));
    redis.kill(owner);
    await lost;
    expect((await take(worker, 1)).map(({ id }) => id)).to.deep.equal(['kept']);
    const successor = await world.start('owner', { takeover: true });
    expect(endings(await ended(successor, ['runs', 'waits']))).to.deep.equal({
      runs: 'cancelled',
      waits: 'cancelled',
    });
    await world.close();
  });

  it('is connected to as a Redis is', async () => {
    using redis = new InProcessRedis();
    const connection = await connect(redis);
    const rest = { redis: connection, onWarning: () => undefined };
    const node = await Scheduler.start<Prompt>({ ...rest, node: 'a' });
    await node.putRequests([request('r')]);
    const other = await Scheduler.start<Prompt>({ redis, node: 'b', onWarning: () => undefined });
    expect(await take(other, 1)).to.have.length(1);
    expect(node.stats().connections).to.deep.equal({});
    await connection.close();
    expect(connection.closed).to.equal(true);
    const error = await rejection(Scheduler.start({ ...rest, node: 'c' }));
    expect(error)
      .to.be.instanceOf(ConfigError)
      .and.have.property('message', 'redis: this connection is closed');
  });

  it('keeps topics apart, and those of another one', async () => {
    using one = new InProcessRedis();
    using two = new InProcessRedis();
    const rest = { node: 'a', onWarning: () => undefined };
    const nodes = await Promise.all([
      Scheduler.start<Prompt>({ ...rest, redis: one, topic: 'x' }),
      Scheduler.start<Prompt>({ ...rest, redis: one, topic: 'y' }),
      Scheduler.start<Prompt>({ ...rest, redis: two, topic: 'x' }),
    ]);
    expect(nodes.map(({ node }) => node)).to.deep.equal(['a', 'a', 'a']);
    await nodes[0].putRequests([request('r')]);
    for (const other of nodes.slice(1))
      expect(await other.getRequests(room(), { waitMs: 100 })).to.deep.equal([]);
    expect(await take(nodes[0], 1)).to.have.length(1);
  });

  it('kills what still runs when it is cleared, and is empty then', async () => {
    const { redis, ...world } = inMemory();
    const node = await world.start('a');
    await node.putRequests([request('r')]);
    redis.clear();
    expect((await rejection(node.putRequests([request('s')]))).code).to.equal('CLOSED');
    const again = await world.start('a');
    expect(again.node).to.equal('a');
    expect(await again.getRequests(room(), { waitMs: 100 })).to.deep.equal([]);
    await world.close();
  });

  it('leaves nothing open once it is closed', async function () {
    this.timeout(60_000);
    const alone = new URL('./in-process-alone.ts', import.meta.url);
    expect(await openAfter(alone, 'closed')).to.deep.equal([]);
    expect(await openAfter(alone, 'open'), 'one that works').to.include('Timeout');
  });
});
