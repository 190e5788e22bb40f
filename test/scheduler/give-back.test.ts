// What happens to a request whose runner gives it back, by `giveBack` or because its engine fails.
import { expect } from 'chai';
import {
  ConfigError,
  Retry,
  SchedulerEvents,
  type GiveBackOptions,
  type RunOptions,
} from '../../src/index.ts';
import { monotonic, sleep } from '../../src/base/clock.ts';
import { parseRecord } from '../../src/inspect/decode.ts';
import { readRegistrations } from '../../src/protocol/registration.ts';
import {
  PATIENT,
  all,
  ended,
  endings,
  idsOf,
  plain,
  rejection,
  request,
  requests,
  room,
  serve,
  take,
  useFleet,
  type Claimed,
  type Node,
  type NodeOptions,
} from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';

const FOR_GOOD = { afterMs: 600_000 };

describe('a request that is given back', function () {
  this.timeout(60_000);
  const fleet = useFleet();
  let owner: Node;
  beforeEach(async () => (owner = await fleet.start('owner')));

  async function givenBack(node: Node, options?: GiveBackOptions): Promise<Claimed> {
    const [claim] = await take(node, 1);
    await claim!.giveBack(options);
    return claim!;
  }

  it('does not go round: a handler that gives back all that it gets is asked less and less', async () => {
    const runner = await fleet.start('runner');
    const at: number[] = [];
    void runner.run(
      async (claimed) => {
        at.push(monotonic());
        await claimed.giveBack();
      },
      { budget: room() },
    );
    await owner.putRequests([request('r')]);
    await waitUntil(() => at.length === 5, 'it had it five times', 20_000);
    const gaps = at.slice(1).map((time, i) => time - at[i]!);
    // the server's clock counts whole ms
    for (const [i, least] of [99, 199, 399, 799].entries()) expect(gaps[i], `gap ${i}`).to.be.at.least(least);
    await runner.close();
    expect(serve(await fleet.start('other'))).to.deep.equal([]);
    await ended(owner, ['r']);
  });

  it('is back in its place at once for who asks by getRequests and says so, as often as it likes', async () => {
    await owner.putRequests(requests('r', 2));
    for (let i = 0; i < 20; i += 1) {
      const claim = await givenBack(owner, { afterMs: 0 });
      expect(claim).to.include({ id: 'r0', attempt: 1 });
    }
  });

  it('does not go round in a loop of getRequests either: the second time it waits, and longer each time', async () => {
    const runner = await fleet.start('runner', { minLoadScore: 1 });
    await owner.putRequests([request('r')]);
    const gaps: number[] = [];
    for (let i = 0, before = -Infinity; i < 5; i += 1) {
      const [claim] = await take(runner, 1);
      if (i > 0) gaps.push(monotonic() - before);
      // its pause begins after this
      before = monotonic();
      await claim!.giveBack();
    }
    for (const [i, least] of [0, 99, 199, 399].entries()) expect(gaps[i], `gap ${i}`).to.be.at.least(least);
    const { request: records } = await fleet.snapshot();
    expect(parseRecord(records.get('owner|r')!)!.pauses).to.have.nested.property('[0].count', 4);
  });

  it('is given back at once again after a result: an engine that works has no room, and keeps the order', async () => {
    await owner.putRequests(requests('r', 4));
    for (let i = 0; i < 3; i += 1) {
      const [first, ...rest] = await take(owner, 4 - i);
      await Promise.all(rest.map((claim) => claim.giveBack()));
      expect(first!.id).to.equal(`r${i}`);
      await owner.putResults([{ claim: first!.claim, finished: true }]);
    }
    const { request: records } = await fleet.snapshot();
    expect([...records.values()].map((record) => parseRecord(record)!.pauses)).to.deep.equal([[]]);
  });

  it('is taken by its node when its time is over, without a ring and long before the next poll', async () => {
    const runner = await fleet.start('runner', { pollMs: 20_000 });
    await owner.putRequests([request('r')]);
    // its time begins in Redis, which on a busy machine is long before the answer
    const from = monotonic();
    await givenBack(runner, { afterMs: 300 });
    const [again] = await runner.getRequests(room(), { waitMs: 15_000 });
    expect(again).to.include({ id: 'r', attempt: 1 });
    expect(monotonic() - from).to.be.within(290, 10_000);
  });

  it('is another node’s at once, and what comes behind it is its own node’s', async () => {
    const [runner, other] = [await fleet.start('runner'), await fleet.start('other')];
    await owner.putRequests(requests('r', 1));
    await givenBack(runner, FOR_GOOD);
    await owner.putRequests(requests('s', 1));
    expect((await take(runner, 1)).map(({ id }) => id)).to.deep.equal(['s0']);
    expect((await take(other, 1)).map(({ id }) => id)).to.deep.equal(['r0']);
  });

  it('counts as an attempt if asked to, and ends as failed when no try is left', async () => {
    const runner = await fleet.start('runner');
    const attempts: number[] = [];
    void runner.run(
      async (claimed) => {
        attempts.push(claimed.attempt);
        await claimed.giveBack({ afterMs: 0, countTry: true });
      },
      { budget: room() },
    );
    await owner.putRequests([request('r')]);
    const results = await ended(owner, ['r']);
    expect(attempts).to.deep.equal([1, 2, 3]);
    expect(results.get('r')).to.deep.equal([
      { kind: 'failed', reason: 'no tries left: 3 runners lost it or gave it up: ' },
    ]);
  });

  describe('to other engines only', () => {
    const options = { afterMs: 50, elsewhere: true };

    it('is not taken again while one lives, and is when it leaves', async () => {
      const [runner, other] = [await fleet.start('runner'), await fleet.start('other')];
      // a node has an engine once it has asked for work
      await other.getRequests(room(), { waitMs: 0 });
      await waitUntil(
        async () => /\|\d+\|$/.test((await fleet.redis.hget(`{${fleet.topic}}:nodes`, 'other')) ?? ''),
        'the registry knows it',
      );
      await owner.putRequests([request('r')]);
      await givenBack(runner, options);
      expect(await runner.getRequests(room(), { waitMs: 1_000 })).to.deep.equal([]);
      await other.close();
      expect((await runner.getRequests(room(), PATIENT)).map(({ id }) => id)).to.deep.equal(['r']);
    });

    it('is taken after its time by the only engine', async () => {
      const runner = await fleet.start('runner');
      await owner.putRequests([request('r')]);
      await givenBack(runner, options);
      expect((await runner.getRequests(room(), PATIENT)).map(({ id }) => id)).to.deep.equal(['r']);
    });

    it('is the other’s, whose engine is broken, too, and then in turn: neither waits for the other', async () => {
      const had: string[] = [];
      for (const name of ['a', 'b']) {
        const node = await fleet.start(name);
        void node.run(
          async (claimed) => {
            had.push(name);
            await claimed.giveBack(options);
          },
          { budget: room() },
        );
      }
      await owner.putRequests([request('r')]);
      await waitUntil(() => had.length >= 4, 'they had it four times', 20_000);
      expect(new Set(had.slice(0, 4)).size).to.equal(2);
    });
  });

  for (const [option, value] of [
    ['afterMs', -1],
    ['afterMs', NaN],
    ['afterMs', '5'],
    ['elsewhere', 1],
    ['countTry', 'yes'],
    ['after', 5],
  ] as const)
    it(`stays, if the option is bad: ${option} ${JSON.stringify(value)}`, async () => {
      const bad = { [option]: value } as GiveBackOptions;
      await owner.putRequests([request('r')]);
      const [claim] = await take(owner, 1);
      expect(await rejection(claim!.giveBack(bad)))
        .to.be.instanceOf(ConfigError)
        .with.property('option', option);
      expect(() => new Retry('gone', bad)).to.throw(ConfigError);
      expect(await owner.putResults([{ claim: claim!.claim, finished: true }])).to.deep.equal(['ok']);
    });

  it('takes the longest times for what they are', async () => {
    await owner.putRequests([request('r')]);
    await givenBack(owner, { afterMs: Infinity });
    expect(await owner.getRequests(room(), { waitMs: 300 })).to.deep.equal([]);
    const { request: records, now } = await fleet.snapshot();
    const [pause] = parseRecord(records.get('owner|r')!)!.pauses;
    expect(pause).to.include({ node: 'owner', count: 1, mark: '-' });
    expect(pause!.until - now).to.be.greaterThan(30 * 365 * 86_400_000);
  });
});

describe('an engine that fails', function () {
  this.timeout(60_000);
  const fleet = useFleet();
  let owner: Node;
  let down: boolean;
  /** Ids in the order in which the engine was asked for them. */
  let asked: { id: string; attempt: number; at: number }[];
  let told: string[];
  beforeEach(async () => {
    owner = await fleet.start('owner');
    [down, asked, told] = [true, [], []];
  });

  const refused = (): never => {
    throw new Error('connection refused');
  };

  async function engine(
    options: Partial<RunOptions> = {},
    fail: (claimed: Claimed) => unknown = refused,
    nodeOptions: NodeOptions = {},
  ): Promise<Node> {
    const events = new SchedulerEvents();
    events.on('engineDown', ({ failures, pauseMs, reason }) =>
      told.push(`down ${failures} ${pauseMs} ${reason}`),
    );
    events.on('engineUp', ({ failures }) => told.push(`up ${failures}`));
    const node = await fleet.start('engine', { events, ...nodeOptions });
    const handler = (claimed: Claimed): unknown => {
      const { id, attempt } = claimed;
      asked.push({ id, attempt, at: monotonic() });
      return down ? fail(claimed) : id;
    };
    void node.run(handler, {
      budget: room(),
      isEngineFailure: (error) => error instanceof Error && error.message === 'connection refused',
      ...options,
    });
    return node;
  }

  it('is left alone after three failures in a row, tried by one request at a time, and goes on when it works', async () => {
    await engine({ breaker: { pauseMs: 300 } });
    await owner.putRequests(requests('r', 3));
    await waitUntil(() => told.length === 3, 'two trials have failed', 20_000);
    expect(told).to.deep.equal([300, 600, 1_200].map((ms, i) => `down ${3 + i} ${ms} connection refused`));
    expect(asked).to.have.length(5);
    expect(asked[3]!.at - asked[2]!.at).to.be.at.least(299);
    expect(asked[4]!.at - asked[3]!.at).to.be.at.least(599);
    down = false;
    const results = await ended(owner, ['r0', 'r1', 'r2']);
    expect(endings(results)).to.deep.equal(all(requests('r', 3), 'finished'));
    expect(told.slice(3)).to.deep.equal(['up 5']);
    expect(fleet.warnings.filter((warning) => warning.startsWith('run:'))).to.deep.equal([
      'run: the engine failed 3 times in a row, one request at a time tries whether it works again: connection refused',
    ]);
  });

  it('is said to be down in the registry at once, and to be well again at once; the pauses between ride along', async () => {
    const downInRegistry = async (): Promise<unknown> => {
      const { nodes } = await readRegistrations(fleet.redis, fleet.topic);
      return nodes.find(({ name }) => name === 'engine')?.engine?.down;
    };
    await engine({ breaker: { pauseMs: 50 } });
    await waitUntil(async () => (await downInRegistry()) === null, 'it has an engine');
    await owner.putRequests(requests('r', 3));
    await waitUntil(async () => (await downInRegistry()) !== null, 'it is down', 15_000);
    await waitUntil(() => told.length >= 3, 'two trials have failed', 20_000);
    // the next renewal is due in half of keepAliveMs
    expect(await downInRegistry()).to.deep.equal({ failures: 3, pauseMs: 50, reason: 'connection refused' });
    down = false;
    await ended(owner, ['r0', 'r1', 'r2']);
    await waitUntil(async () => (await downInRegistry()) === null, 'it is well', 15_000);
  });

  it('costs a try of each request that it had, and none of those that only tried it', async () => {
    await engine({ breaker: { pauseMs: 50, maxPauseMs: 100 } });
    await owner.putRequests([request('r', 1), request('s'), request('t')]);
    await waitUntil(() => asked.length >= 10, 'it was tried seven times', 20_000);
    down = false;
    const results = await ended(owner, ['r', 's', 't']);
    expect(endings(results)).to.deep.equal({ r: 'finished', s: 'finished', t: 'finished' });
    expect(asked.slice(0, 3).map(({ attempt }) => attempt)).to.deep.equal([1, 1, 1]);
    expect(Math.max(...asked.map(({ attempt }) => attempt))).to.equal(2);
  });

  it('has its requests served by another at once', async () => {
    await engine({ breaker: { pauseMs: 60_000, maxPauseMs: 60_000 } });
    await owner.putRequests(requests('r', 3));
    await waitUntil(() => told.length > 0, 'it is left alone');
    const executed = serve(await fleet.start('other'));
    const list = requests('s', 20);
    await owner.putRequests(list);
    await ended(owner, ['r0', 'r1', 'r2', ...idsOf(list)]);
    expect([asked.length, executed.length]).to.deep.equal([3, 23]);
  });

  for (const [what, options] of [
    ['lucky', { policy: 'lucky' }],
    ['oldest, however long peers are to wait', { policy: 'oldest', stealAfterMs: 60_000 }],
  ] satisfies [string, NodeOptions][])
    it(`has what its own node accepted served by another at once, too (${what})`, async () => {
      const own = { leaseMs: 60_000, keepAliveMs: 60_000, pollMs: 60_000, ...options };
      const node = await engine({ breaker: { pauseMs: 60_000, maxPauseMs: 60_000 } }, refused, own);
      const executed = serve(await fleet.start('other', own));
      const ids = ['1', '2', '3', '4', '5'];
      // one at a time, so that the node is not overloaded; the last two are put while it is down
      for (const id of ids) expect(await node.submit(request(id)).result()).to.equal(id);
      expect([asked.length, executed.map(({ id }) => id)]).to.deep.equal([3, ids]);
      expect(told).to.deep.equal(['down 3 60000 connection refused']);
    });

  it('says so by Retry, which may cost no try', async () => {
    await engine({ breaker: { pauseMs: 50 }, isEngineFailure: () => false }, () => {
      throw new Retry('the GPU is gone', { afterMs: 20, countTry: false });
    });
    await owner.putRequests([request('r')]);
    await waitUntil(() => asked.length >= 4, 'it was asked again', 20_000);
    down = false;
    await ended(owner, ['r']);
    expect(new Set(asked.map(({ attempt }) => attempt))).to.deep.equal(new Set([1]));
    expect(told[0]).to.equal('down 3 50 the GPU is gone');
  });

  it('and ends the request with the last reason when no try is left', async () => {
    await engine({ breaker: false });
    await owner.putRequests([request('r')]);
    const results = await ended(owner, ['r']);
    expect(results.get('r')).to.deep.equal([
      { kind: 'failed', reason: 'no tries left: 3 runners lost it or gave it up: connection refused' },
    ]);
    expect(told).to.deep.equal([]);
  });

  it('gives back what runs when it opens, as that fails, too', async () => {
    let fail: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => (fail = resolve));
    await engine({ breaker: { pauseMs: 60_000, maxPauseMs: 60_000 } }, async () => {
      await gone;
      refused();
    });
    await owner.putRequests(requests('r', 10));
    await waitUntil(() => asked.length === 10, 'all run');
    fail();
    await waitUntil(async () => (await fleet.loads()).owner === 10, 'all wait again');
    expect(told).to.deep.equal(['down 3 60000 connection refused']);
    serve(await fleet.start('other'));
    await ended(owner, idsOf(requests('r', 10)));
  });

  it('may give chunks before it fails: they are void', async () => {
    await engine({}, async function* () {
      yield await Promise.resolve('half');
      refused();
    });
    const submission = owner.submit(request('r'));
    await waitUntil(() => asked.length >= 1, 'it was asked');
    down = false;
    const results = [];
    for await (const result of submission) results.push(result);
    expect(plain(results.at(-1)!)).to.deep.equal({ kind: 'finished', output: 'r' });
    expect(results.findLastIndex(({ kind }) => kind === 'chunk')).to.be.below(
      results.findLastIndex(({ kind }) => kind === 'restart'),
    );
  });

  it('is not one that gets bad requests: they fail, and nothing is left alone', async () => {
    await engine({}, () => {
      throw new Error('no such adapter');
    });
    const list = requests('r', 20);
    await owner.putRequests(list);
    expect(endings(await ended(owner, idsOf(list)))).to.deep.equal(all(list, 'failed'));
    expect([told, asked.length]).to.deep.equal([[], 20]);
  });

  it('is none if isEngineFailure throws, which is warned of', async () => {
    await engine({
      isEngineFailure: () => {
        throw new Error('mistyped');
      },
    });
    await owner.putRequests([request('r')]);
    const results = await ended(owner, ['r']);
    expect(results.get('r')).to.deep.equal([{ kind: 'failed', reason: 'connection refused' }]);
    expect(fleet.warnings).to.include('run: isEngineFailure threw: mistyped');
  });

  it('is asked by no batch after a failure, until it works', async () => {
    let hang: () => void = () => undefined;
    const hung = new Promise<void>((resolve) => (hang = resolve));
    await engine({}, async ({ id }) => {
      if (id !== 'r') await hung;
      refused();
    });
    await owner.putRequests([request('r')]);
    await waitUntil(() => asked.length === 1, 'it was asked');
    await owner.putRequests(requests('s', 12));
    await waitUntil(() => asked.length === 3, 'two more are begun');
    await sleep(500);
    expect(asked).to.have.length(3);
    down = false;
    hang();
    await ended(owner, ['r', ...idsOf(requests('s', 12))], 20_000);
  });

  for (const [option, options] of [
    ['breaker', { breaker: 3 }],
    ['breaker', { breaker: null }],
    ['breaker', { breaker: [3] }],
    ['breaker.failure', { breaker: { failure: 3 } }],
    ['breaker.failures', { breaker: { failures: 0 } }],
    ['isEngineFailure', { isEngineFailure: 'fetch failed' }],
  ] as const)
    it(`refuses ${JSON.stringify(options)}`, async () => {
      const run = owner.run(() => 1, { ...(options as unknown as RunOptions), budget: room() });
      expect(await rejection(run))
        .to.be.instanceOf(ConfigError)
        .with.property('option', option);
    });
});
