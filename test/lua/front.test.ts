// A front is an owner that has never asked for work: nobody waits for it. stealAfter is 50 ms.
import { expect } from 'chai';
import { cancel, claim, pushBack, put, refresh } from './calls.ts';
import { TestShard, connection, connections, wakeUps, type Options } from './support.ts';
import { parseClaims, type ClaimBounds, type ClaimsIn, type Policy } from './wire.ts';

const never = { claimsIn: 'never' } as const;

describe('a front', () => {
  connections();

  const taken = async (
    shard: TestShard,
    node: string,
    options: Options & Partial<ClaimBounds> = {},
  ): Promise<string[]> => {
    const reply = await shard.run(claim(shard, node, options, options));
    return parseClaims(reply[2]!).map(({ ticket }) => ticket.replace(/\|.*\|/, ' '));
  };

  const asksOf = async (shard: TestShard): Promise<unknown> => (await shard.view()).asks;

  for (const policy of ['oldest', 'lucky'] satisfies Policy[]) {
    describe(`by the policy ${policy}`, () => {
      it('has its first request taken at once', async () => {
        const shard = new TestShard({ policy });
        await shard.run(put(shard, 'front', ['1'], never));
        await shard.run(put(shard, 'owner', ['2']));
        expect(await taken(shard, 'engine')).to.deep.equal(['front 1']);
        expect(await taken(shard, 'engine', { at: 49 })).to.deep.equal([]);
        expect(await taken(shard, 'engine', { at: 51 })).to.deep.equal(['owner 2']);
      });

      it('is a front also while a priority places its request behind the clock', async () => {
        const shard = new TestShard({ policy });
        await shard.run(put(shard, 'front', [{ id: 'late', headStart: -60_000 }], never));
        expect(await taken(shard, 'engine')).to.deep.equal(['front late']);
      });

      it('has its requests taken after the own ones of the engine', async () => {
        const shard = new TestShard({ policy });
        await shard.run(put(shard, 'front', ['1'], never));
        await shard.run(put(shard, 'engine', ['2'], { at: 10 }));
        expect(await taken(shard, 'engine', { at: 11, limit: 1 })).to.deep.equal(['engine 2']);
        expect(await taken(shard, 'engine', { at: 11, limit: 1 })).to.deep.equal(['front 1']);
      });

      it('has an idle engine rung at its put, each request one', async () => {
        const shard = new TestShard({ policy });
        for (const [at, node] of ['b', 'c', 'd'].entries()) await shard.run(claim(shard, node, {}, { at }));
        await wakeUps();
        await shard.run(put(shard, 'front', ['1'], { at: 5, ...never }));
        expect(await wakeUps()).to.deep.equal(['b: claim 0 0']);
        await shard.run(put(shard, 'front2', ['2'], { at: 6, ...never }));
        expect(await wakeUps()).to.deep.equal(['c: claim 0 0']);
        expect(Object.keys((await shard.view()).idle)).to.deep.equal(['d']);
      });
    });
  }

  it('is noted by its put, once, and has its second put change nothing of that', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'front', ['1'], never));
    expect(await asksOf(shard)).to.deep.equal({ front: 'never' });
    shard.at = 10;
    await shard.row(put(shard, 'front', ['2'], never), {
      reply: ['OK', 'OK @10000'],
      changes: {
        waiting: ['front|1@0', 'front|2@10000'],
        load: { front: 2 },
        request: { 'front|2': '@10000 128/900010/3/0/9' },
        body: { 'front|2': 'body of 2' },
        due: { 'front|2@10000': 900_010 },
      },
    });
  });

  it('is not noted by a put of which nothing was accepted', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'front', ['1']));
    await shard.run(put(shard, 'front', ['1'], never));
    expect(await asksOf(shard)).to.deep.equal({});
  });

  for (const [claimsIn, noted] of [
    [undefined, {}],
    [0, {}],
    [301, {}],
    [300, { node: 310 }],
  ] satisfies [ClaimsIn, object][])
    it(`is none any more when its put says that a claim follows in ${claimsIn ?? 'an unknown time'} ms`, async () => {
      const shard = new TestShard();
      await shard.run(put(shard, 'node', ['1'], never));
      await shard.run(put(shard, 'node', ['2'], { at: 10, claimsIn }));
      expect(await asksOf(shard)).to.deep.equal(noted);
      expect(await taken(shard, 'engine', { at: 49 })).to.deep.equal([]);
    });

  it('leaves an announced claim of a node that has claimed as it is', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'node', ['1'], { claimsIn: 200 }));
    await shard.run(put(shard, 'node', ['2']));
    expect(await asksOf(shard)).to.deep.equal({ node: 200 });
  });

  it('keeps nothing that it announced before: it has another process now', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'node', ['1'], { claimsIn: 200 }));
    await shard.run(put(shard, 'node', ['2'], { epoch: 2, ...never }));
    expect(await asksOf(shard)).to.deep.equal({ node: 'never' });
    expect(await taken(shard, 'engine', { at: 1 })).to.have.members(['node 1', 'node 2']);
  });

  it('is forgotten with its epoch, by a put too, and with its node', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'front', ['1'], never));
    await shard.run(refresh(shard, 'front', {}, { at: 10, epoch: 2 }));
    expect(await asksOf(shard)).to.deep.equal({});
    await shard.run(put(shard, 'front', ['2'], { at: 11, epoch: 2, ...never }));
    await shard.run(put(shard, 'front', ['3'], { at: 12, epoch: 3, ...never }));
    expect(await asksOf(shard), 'noted again, though it stood there before').to.deep.equal({
      front: 'never',
    });
    await shard.run(put(shard, 'front', ['4'], { at: 13, epoch: 4 }));
    expect(await asksOf(shard)).to.deep.equal({});
    await shard.run(put(shard, 'front', ['5'], { at: 14, epoch: 4, ...never }));
    await shard.run(refresh(shard, 'engine', {}, { at: 2_000_000 }));
    expect(await asksOf(shard)).to.deep.equal({});
  });

  it('is like any other owner when the table is lost, until its next put', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'front', ['1'], never));
    await connection().del(shard.key('calls'));
    expect(await taken(shard, 'engine', { at: 49 })).to.deep.equal([]);
    await shard.run(put(shard, 'front', ['2'], { at: 49, ...never }));
    expect(await asksOf(shard)).to.deep.equal({ front: 'never' });
    expect(await taken(shard, 'engine', { at: 49 })).to.deep.equal(['front 1', 'front 2']);
  });

  it('is looked for among young heads while the shard knows of fronts: for its ttl from a put on (lucky)', async () => {
    const shard = new TestShard({ policy: 'lucky', ttl: 1_000, stealAfter: 100_000 });
    const fronts = async (): Promise<unknown> => (await shard.view()).state['fronts'];
    await shard.run(put(shard, 'front', [{ id: '1', deadline: 9_000 }], never));
    expect(await fronts()).to.equal(1_000);
    await shard.run(put(shard, 'front', [{ id: '2', deadline: 9_000 }], { at: 500, ...never }));
    expect(await fronts(), 'half of it is left').to.equal(1_000);
    expect(await taken(shard, 'engine', { at: 999, limit: 1 })).to.deep.equal(['front 1']);
    expect(await taken(shard, 'engine', { at: 1_000, limit: 1 })).to.deep.equal([]);
    await shard.run(put(shard, 'owner', [{ id: '3', deadline: 9_000 }], { at: 1_001 }));
    expect(await fronts(), 'another owner does not say so').to.equal(1_000);
    await shard.run(put(shard, 'front', [{ id: '4', deadline: 9_000 }], { at: 1_002, ...never }));
    expect(await fronts()).to.equal(2_002);
    expect(await taken(shard, 'engine', { at: 1_003, limit: 3 })).to.deep.equal(['front 2', 'front 4']);
  });

  it('is served in one line with others: the oldest head that may be stolen goes first', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'owner', ['1']));
    await shard.run(put(shard, 'front', ['2'], { at: 30, ...never }));
    await shard.run(put(shard, 'front2', ['3'], { at: 40, ...never }));
    await shard.run(put(shard, 'front', ['4'], { at: 45, ...never }));
    expect(await taken(shard, 'engine', { at: 50 })).to.deep.equal([
      ...['owner 1', 'front 2', 'front2 3', 'front 4'],
    ]);
  });

  it('goes before the own requests of an engine only if it is older by more than stealAfter', async () => {
    for (const [at, first] of [
      [50, 'engine 2'],
      [51, 'front 1'],
    ] as const) {
      const shard = new TestShard();
      await shard.run(put(shard, 'front', ['1'], never));
      await shard.run(put(shard, 'engine', ['2'], { at }));
      expect((await taken(shard, 'engine', { at }))[0]).to.equal(first);
    }
  });

  it('is no reason to come again: what may be stolen now had nothing for the caller', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'front', [{ id: 'large', tokens: 1_000 }], never));
    await shard.run(put(shard, 'owner', ['1'], { at: 10 }));
    const reply = await shard.run(claim(shard, 'engine', { alone: 100 }, { at: 20 }));
    expect([reply[0], reply[3]].map(String)).to.deep.equal(['BLOCKED', '40']);
  });

  it('is left to itself by the policy none', async () => {
    const shard = new TestShard({ policy: 'none' });
    await shard.run(claim(shard, 'engine'));
    await wakeUps();
    await shard.run(put(shard, 'front', ['1'], never));
    expect(await wakeUps()).to.deep.equal([]);
    expect(await taken(shard, 'engine', { at: 1_000 })).to.deep.equal([]);
  });

  it('has no engine rung that has less room than its request needs', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'other', [{ id: 'large', tokens: 1_000 }]));
    await shard.run(claim(shard, 'b', { alone: 100 }, { at: 60 }));
    await shard.run(cancel(shard, 'other', [await shard.ticket('other|large')], { at: 61 }));
    await wakeUps();
    await shard.run(put(shard, 'front', [{ id: '1', tokens: 101 }], { at: 62, ...never }));
    expect(await wakeUps()).to.deep.equal([]);
    await shard.run(put(shard, 'front', [{ id: '2', tokens: 100 }], { at: 63, ...never }));
    expect(await wakeUps()).to.deep.equal(['b: claim 0 0']);
  });

  it('has a ring passed on at once, behind requests that their owners keep', async () => {
    const shard = new TestShard();
    for (const [at, node] of ['b', 'c'].entries()) await shard.run(claim(shard, node, {}, { at }));
    // at most eight heads are looked at
    for (let i = 0; i < 7; i += 1) await shard.run(put(shard, `owner${i}`, ['x'], { at: 10 }));
    await wakeUps();
    await shard.run(put(shard, 'front', ['1'], { at: 12, ...never }));
    expect(await wakeUps()).to.deep.equal(['b: claim 0 0']);
    await shard.run(claim(shard, 'b', { limit: 0 }, { at: 13 }));
    expect(await wakeUps(), 'b is busy').to.deep.equal(['c: claim 0 0']);
    expect(await taken(shard, 'c', { at: 14 })).to.deep.equal(['front 1']);
  });

  it('is all that makes a ring look behind the oldest head', async () => {
    for (const [claimsIn, rung] of [
      ['never', 'c: claim 0 0'],
      [undefined, 'c: claim 0 47'],
    ] satisfies [ClaimsIn, string][]) {
      const shard = new TestShard();
      for (const [at, node] of ['b', 'c'].entries()) await shard.run(claim(shard, node, {}, { at }));
      await shard.run(put(shard, 'owner', ['x'], { at: 10 }));
      await shard.run(put(shard, 'other', ['1'], { at: 12, claimsIn }));
      await wakeUps();
      await shard.run(claim(shard, 'b', { limit: 0 }, { at: 13 }));
      expect(await wakeUps()).to.deep.equal([rung]);
    }
  });

  it('has another node rung at once for what an engine gave back', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'front', ['1'], never));
    expect(await taken(shard, 'b', { at: 1 })).to.deep.equal(['front 1']);
    await shard.run(claim(shard, 'c', {}, { at: 2 }));
    await wakeUps();
    await shard.run(pushBack(shard, 'b', [await shard.held('front|1')], { at: 3 }));
    expect(await wakeUps()).to.deep.equal(['c: claim 0 0']);
  });
});
