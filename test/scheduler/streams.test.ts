// Many streams from one runner to one owner, in frames: what a user sees of them.
import { expect } from 'chai';
import type { Result } from '../../src/index.ts';
import {
  SHORT_LEASE,
  ended,
  endings,
  finish,
  idsOf,
  requests,
  take,
  useFleet,
  type Claimed,
  type Node,
} from '../support/fleet.ts';
import { useProcesses } from '../support/node-process.ts';
import { waitUntil } from '../support/server.ts';

/** Nothing but what a test does speaks to Redis. */
const QUIET = { leaseMs: 600_000, keepAliveMs: 600_000, ttlMs: 1_200_000, pollMs: 60_000 } as const;

describe('streams', () => {
  const fleet = useFleet();
  const startProcess = useProcesses(fleet);
  let owner: Node;
  let runner: Node;

  beforeEach(async () => {
    owner = await fleet.start('owner', QUIET);
    runner = await fleet.start('runner', { ...QUIET, minLoadScore: 1 });
  });

  /** One chunk of each, with this number as its output. */
  const chunk = (claims: readonly Claimed[], output: number): Promise<string[]> =>
    runner.putResults(claims.map(({ claim }) => ({ claim, output })));
  const outputs = (results: readonly Result[] | undefined): unknown[] =>
    (results ?? []).filter(({ kind }) => kind === 'chunk').map(({ output }) => output);
  const whole = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
  const taken = (): Promise<void> =>
    waitUntil(async () => (await fleet.snapshot()).out.length === 0, 'the owner has taken them');

  it('of many requests wait for their owner as one entry a call', async () => {
    const still = await startProcess('still', QUIET);
    const list = requests('r', 16);
    await still.put(list);
    still.stop();
    const claims = await take(runner, 16);
    for (let i = 0; i < 5; i += 1) expect(new Set(await chunk(claims, i))).to.deep.equal(new Set(['ok']));
    expect((await fleet.snapshot()).out).to.have.length(5);
    await finish(runner, claims);
    expect((await fleet.snapshot()).out).to.have.length(5 + 16);
    still.continue();
    await waitUntil(() => still.endings().length === 16, 'it has been told how they ended');
    for (const [, results] of still.news) expect(outputs(results)).to.deep.equal(whole(5));
  });

  it('end with their chunks and finals in one call', async () => {
    await owner.putRequests(requests('r', 3));
    const claims = await take(runner, 3);
    const items = claims.flatMap(({ claim }) => [
      ...whole(4).map((output) => ({ claim, output })),
      { claim, finished: true as const },
    ]);
    expect(new Set(await runner.putResults(items))).to.deep.equal(new Set(['ok']));
    for (const [, results] of await ended(owner, ['r0', 'r1', 'r2']))
      expect(outputs(results)).to.deep.equal(whole(4));
  });

  it('go to several owners, and to the runner itself, from one call', async () => {
    const other = await fleet.start('other', QUIET);
    await owner.putRequests(requests('r', 2));
    await other.putRequests(requests('s', 2));
    await runner.putRequests(requests('t', 2));
    const claims = await take(runner, 6);
    for (let i = 0; i < 3; i += 1) expect(await chunk(claims, i)).to.deep.equal(claims.map(() => 'ok'));
    await finish(runner, claims);
    for (const [node, prefix] of [
      [owner, 'r'],
      [other, 's'],
      [runner, 't'],
    ] as const) {
      const results = await ended(node, [`${prefix}0`, `${prefix}1`]);
      expect([...results.values()].map(outputs)).to.deep.equal([whole(3), whole(3)]);
    }
  });

  it('tell a runner of a cancel by the next call of any stream, and go on', async () => {
    await owner.putRequests(requests('r', 3));
    const claims = await take(runner, 3);
    const [silent, ...others] = claims;
    await chunk(claims, 0);
    await owner.cancel(silent!.id);
    expect(await chunk(others, 1)).to.deep.equal(['ok', 'ok']);
    expect(silent!.signal.aborted).to.equal(true);
    await finish(runner, others);
    const results = await ended(owner, ['r0', 'r1', 'r2']);
    expect(endings(results)).to.deep.equal({
      ...Object.fromEntries(others.map(({ id }) => [id, 'finished'])),
      [silent!.id]: 'cancelled',
    });
    expect(others.map(({ id }) => outputs(results.get(id)))).to.deep.equal([whole(2), whole(2)]);
  });

  it('tell a runner what was taken from it by the next call of any stream, though no message came', async () => {
    await owner.putRequests(requests('r', 2));
    const [silent, other] = await take(runner, 2);
    await chunk([silent!, other!], 0);
    const [, fence] = silent!.claim.split('.');
    await fleet.redis.hset(fleet.key('calls'), 'runner|taken', fence!);
    expect(await chunk([other!], 1)).to.deep.equal(['ok']);
    expect([silent!.signal.aborted, other!.signal.aborted]).to.deep.equal([true, false]);
    await finish(runner, [other!]);
    await owner.cancel(silent!.id);
  });

  it('refuse what is sent of a cancelled request, and of no other', async () => {
    await owner.putRequests(requests('r', 3));
    const claims = await take(runner, 3);
    await chunk(claims, 0);
    await owner.cancel('r1');
    const answers = await chunk(claims, 1);
    expect(Object.fromEntries(claims.map(({ id }, i) => [id, answers[i]]))).to.deep.equal({
      ...{ r0: 'ok', r1: 'lost', r2: 'ok' },
    });
    await finish(
      runner,
      claims.filter(({ id }) => id !== 'r1'),
    );
    const results = await ended(owner, ['r0', 'r1', 'r2']);
    expect(['r0', 'r1', 'r2'].map((id) => outputs(results.get(id)))).to.deep.equal([
      whole(2),
      whole(1),
      whole(2),
    ]);
  });

  for (const [what, lose] of [
    ['the mark of a runner', (): Promise<number> => fleet.redis.hdel(fleet.key('calls'), 'runner|held')],
    ['the lane of a runner', (): Promise<number> => fleet.redis.hdel(fleet.key('calls'), 'runner|result')],
    ['all that Redis knows of calls', (): Promise<number> => fleet.redis.unlink(fleet.key('calls'))],
  ] as const) {
    it(`go on when Redis loses ${what}: each claim is checked once, nothing comes twice`, async () => {
      await owner.putRequests(requests('r', 4));
      const claims = await take(runner, 4);
      for (let i = 0; i < 6; i += 1) {
        if (i === 2) await lose();
        expect(await chunk(claims, i)).to.deep.equal(claims.map(() => 'ok'));
      }
      await finish(runner, claims);
      for (const [id, results] of await ended(owner, idsOf(requests('r', 4))))
        expect(outputs(results), id).to.deep.equal(whole(6));
    });
  }

  it('of a request whose claim Redis has lost in a rollback are refused, and only those', async () => {
    await owner.putRequests(requests('r', 1));
    const [first] = await take(runner, 1);
    await chunk([first!], 0);
    await taken();
    // a grant that a rollback undoes: the record waits again, and `calls` knows nothing of it
    const tables = ['request', 'waiting', 'head', 'load', 'due', 'calls', 'shard'] as const;
    await owner.putRequests(requests('s', 1));
    const before = await Promise.all(tables.map((table) => fleet.redis.dumpBuffer(fleet.key(table))));
    const expiry = await fleet.redis.pexpiretime(fleet.key('shard'));
    const [undone] = await take(runner, 1);
    const restore = fleet.redis.multi();
    tables.forEach((table, i) => restore.restore(fleet.key(table), expiry, before[i]!, 'REPLACE', 'ABSTTL'));
    await restore.exec();
    const answers = await chunk([first!, undone!], 1);
    expect(answers).to.deep.equal(['ok', 'lost']);
    expect([first!.signal.aborted, undone!.signal.aborted]).to.deep.equal([false, true]);
    const again = await take(runner, 1);
    await finish(runner, [first!, ...again]);
    const results = await ended(owner, ['r0', 's0']);
    expect(outputs(results.get('r0'))).to.deep.equal(whole(2));
    expect(outputs(results.get('s0'))).to.deep.equal([]);
  });

  it('fill the room of their owner: what is beyond is found chunk by chunk, and ends its request alone', async () => {
    const still = await startProcess('still', { ...QUIET, maxResults: 5 });
    const strict = await fleet.start('strict', { ...QUIET, minLoadScore: 1, maxResults: 5 });
    await still.put(requests('r', 2));
    still.stop();
    const claims = await take(strict, 2);
    const send = (output: number): Promise<string[]> =>
      strict.putResults(claims.map(({ claim }) => ({ claim, output })));
    expect([await send(0), await send(1)]).to.deep.equal([
      ['ok', 'ok'],
      ['ok', 'ok'],
    ]);
    expect(await send(2), 'one more has room').to.deep.equal(['ok', 'overflow']);
    expect(await strict.putResults([{ claim: claims[0]!.claim, finished: true }])).to.deep.equal(['ok']);
    still.continue();
    await waitUntil(() => still.endings().length === 2, 'it has been told how they ended');
    const [first, second] = claims.map(({ id }) => still.news.get(id)!);
    expect([outputs(first), first!.at(-1)!.kind]).to.deep.equal([whole(3), 'finished']);
    expect([outputs(second), second!.at(-1)!.kind]).to.deep.equal([whole(2), 'failed']);
  });

  it('go on after their owner has taken what filled its room', async () => {
    const strict = await fleet.start('strict', { ...QUIET, minLoadScore: 1, maxResults: 4 });
    await owner.putRequests(requests('r', 2));
    const claims = await take(strict, 2);
    for (let i = 0; i < 20; i += 1) {
      expect(await strict.putResults(claims.map(({ claim }) => ({ claim, output: i })))).to.deep.equal([
        'ok',
        'ok',
      ]);
      await taken();
    }
    await finish(strict, claims);
    for (const [, results] of await ended(owner, ['r0', 'r1']))
      expect(outputs(results)).to.deep.equal(whole(20));
  });

  it('are taken over in the middle: a successor is introduced to them, and gets the rest in order', async () => {
    const first = await fleet.start('a', SHORT_LEASE);
    await first.putRequests(requests('r', 3));
    const claims = await take(runner, 3);
    await chunk(claims, 0);
    await taken();
    const second = await fleet.start('a', { takeover: true });
    for (let i = 1; i < 4; i += 1) expect(await chunk(claims, i)).to.deep.equal(claims.map(() => 'ok'));
    const seen = new Map<string, unknown[]>();
    const streamed = (): boolean => {
      for (const [id, results] of second.getResults())
        seen.set(id, [...(seen.get(id) ?? []), ...outputs(results)]);
      return [...seen.values()].filter((list) => list.length >= 3).length === 3;
    };
    await waitUntil(streamed, 'it gets chunks before any final');
    expect([...seen.values()]).to.deep.equal([1, 2, 3].map(() => [1, 2, 3]));
    await finish(runner, claims);
    expect(endings(await ended(second, ['r0', 'r1', 'r2']))).to.deep.equal({
      ...{ r0: 'finished', r1: 'finished', r2: 'finished' },
    });
  });

  it('are taken over with what their owner had not read, before anybody introduces them', async () => {
    const crashed = await startProcess('b');
    await crashed.put(requests('r', 2));
    const claims = await take(runner, 2);
    await chunk(claims, 0);
    await taken();
    crashed.stop();
    for (let i = 1; i < 3; i += 1) await chunk(claims, i);
    await crashed.kill();
    const second = await fleet.start('b', { takeover: true });
    await finish(runner, claims);
    for (const [id, results] of await ended(second, ['r0', 'r1']))
      expect(outputs(results), id).to.deep.equal([1, 2]);
  });
});

describe('batches() of a submission', () => {
  const fleet = useFleet();
  let owner: Node;
  let runner: Node;

  beforeEach(async () => {
    owner = await fleet.start('owner', QUIET);
    runner = await fleet.start('runner', { ...QUIET, minLoadScore: 1 });
  });

  it('give together what came together, in order, and wake their reader once', async () => {
    const submission = owner.submit(requests('r', 1)[0]!);
    const [claimed] = await take(runner, 1);
    const { claim } = claimed!;
    const batches: number[][] = [];
    const read = (async () => {
      for await (const batch of submission.batches())
        batches.push(batch.map(({ output }) => output as number));
    })();
    await runner.putResults(Array.from({ length: 50 }, (_, output) => ({ claim, output })));
    await waitUntil(() => batches.length > 0, 'the first has come');
    await runner.putResults([
      { claim, output: 50 },
      { claim, output: 51, finished: true },
    ]);
    await read;
    expect(batches).to.deep.equal([Array.from({ length: 50 }, (_, i) => i), [50, 51]]);
  });

  it('may follow, and be followed by, a reader of single results, and not stand beside one', async () => {
    const submission = owner.submit(requests('r', 1)[0]!);
    const [claimed] = await take(runner, 1);
    const { claim } = claimed!;
    await runner.putResults([1, 2, 3].map((output) => ({ claim, output })));
    const single = submission[Symbol.asyncIterator]();
    expect((await single.next()).value).to.include({ output: 1 });
    const refused = await submission
      .batches()
      .next()
      .catch((error: unknown) => error);
    expect(refused).to.have.property('code', 'CONFIG');
    await single.return(undefined);
    const batches = submission.batches();
    expect((await batches.next()).value).to.deep.equal([
      { kind: 'chunk', output: 2 },
      { kind: 'chunk', output: 3 },
    ]);
    await batches.return(undefined);
    await runner.putResults([{ claim, finished: true }]);
    const kinds: string[] = [];
    for await (const { kind } of submission) kinds.push(kind);
    expect(kinds).to.deep.equal(['finished']);
  });

  it('count as read: the runner of a reader that takes batches is not halted for long', async () => {
    const reader = await fleet.start('reader', { ...QUIET, maxUnread: 10, pollMs: 100 });
    const submission = reader.submit(requests('r', 1)[0]!);
    const [claimed] = await take(runner, 1);
    const { claim } = claimed!;
    await runner.putResults(Array.from({ length: 20 }, (_, output) => ({ claim, output })));
    await waitUntil(() => claimed!.isHalted, 'it is asked to wait');
    const batches = submission.batches();
    expect((await batches.next()).value).to.have.length(20);
    await waitUntil(() => !claimed!.isHalted, 'it goes on');
    await runner.putResults([{ claim, finished: true }]);
    expect((await batches.next()).value).to.have.length(1);
  });
});
