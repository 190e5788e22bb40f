// What does not fit: stepped over, and after a patience of 2 s one engine keeps room for the oldest. keepFor is 4 s.
import { expect } from 'chai';
import { cancel, claim, put, pushBack } from './calls.ts';
import { TestShard, connection, connections, wakeUps, type Options } from './support.ts';
import { parseClaims, type ClaimBounds, type PutItem } from './wire.ts';

const numbered = (count: number, prefix: string, tokens: number): PutItem[] =>
  Array.from({ length: count }, (_, i) => ({ id: `${prefix}${i}`, tokens }));
const small = (id: string): PutItem => ({ id, tokens: 10 });
const large = (id: string): PutItem => ({ id, tokens: 900 });

interface Answer {
  status: string;
  ids: string[];
  on: number;
}

async function asked(
  shard: TestShard,
  node: string,
  at: number,
  bounds: Partial<ClaimBounds> = {},
  options: Options = {},
): Promise<Answer> {
  const reply = await shard.run(claim(shard, node, bounds, { at, ...options }));
  const ids = parseClaims(reply[2]!).map(({ ticket }) => ticket.slice(ticket.lastIndexOf('|') + 1));
  return { status: String(reply[0]), ids, on: Number(String(reply[5])) };
}

/** The node is idle, and has room for so many tokens: it has stepped over a larger one, which is there no more. */
async function idleWith(shard: TestShard, node: string, total: number): Promise<void> {
  await shard.run(put(shard, 'gone', [{ id: 'huge', tokens: 100_000 }]));
  await asked(shard, node, 60, { total });
  await shard.run(cancel(shard, 'gone', [await shard.ticket('gone|huge')]));
  expect((await shard.view()).rooms).to.deep.equal({ [node]: total });
}

describe('a ticket that does not fit', () => {
  connections();

  describe('ever', () => {
    it('is stepped over at every owner, and delays nobody behind it', async () => {
      const shard = new TestShard();
      for (let i = 0; i < 30; i += 1) await shard.run(put(shard, `f${i}`, [large('big'), small(`s${i}`)]));
      const { ids } = await asked(shard, 'engine', 100, { limit: 100, total: 500 });
      expect(ids).to.deep.equal(Array.from({ length: 30 }, (_, i) => `s${i}`));
    });

    for (const owner of ['engine', 'front']) {
      it(`ends a call after 64 at ${owner === 'front' ? 'a front' : 'its own line'}, which goes on behind them`, async () => {
        const shard = new TestShard();
        await shard.run(put(shard, owner, numbered(64, 'big', 900)));
        await shard.run(put(shard, 'other', [small('s')], { at: 1 }));
        const first = await asked(shard, 'engine', 100, { total: 500 });
        expect(first).to.deep.equal({ status: 'IDLE', ids: [], on: owner === 'front' ? 2 : 1 });
        const { idle } = await shard.view();
        expect(idle, 'its search is not over').to.deep.equal({});
        const second = await asked(shard, 'engine', 100, { total: 500, askOn: first.on });
        expect(second).to.deep.equal({ status: 'OK', ids: ['s'], on: -1 });
      });
    }

    it('more than fifty heads do not end the search, and the search ends', async () => {
      const shard = new TestShard();
      for (let i = 0; i < 110; i += 1) await shard.run(put(shard, `f${i}`, [large('big')], { at: i }));
      await shard.run(put(shard, 'last', [small('s')], { at: 200 }));
      const trail = [0];
      for (let ids: string[] = []; ids.length === 0;) {
        const answer = await asked(shard, 'engine', 300, { total: 500, askOn: trail.at(-1)! });
        ids = answer.ids;
        if (ids.length === 0) trail.push(answer.on);
      }
      expect(trail).to.deep.equal([0, 51, 101]);
      const over = await asked(shard, 'engine', 300, { total: 500, askOn: 101 });
      expect(over).to.deep.equal({ status: 'IDLE', ids: [], on: -1 });
    });

    it('says for those behind it how long their line has waited', async () => {
      const shard = new TestShard();
      await shard.run(put(shard, 'front', [large('x')]));
      await shard.run(put(shard, 'front', [small('s')], { at: 95 }));
      expect((await asked(shard, 'engine', 100, { total: 500 })).ids).to.deep.equal(['s']);
    });

    it('is looked at in ten lines of peers at most (lucky)', async () => {
      const found: number[] = [];
      for (let entropy = 1; entropy < 7; entropy += 1) {
        const shard = new TestShard({ policy: 'lucky', minLoad: 1 });
        for (let i = 0; i < 30; i += 1) await shard.run(put(shard, `f${i}`, [large('big')]));
        await shard.run(put(shard, 'last', [small('s')]));
        found.push((await asked(shard, 'engine', 100, { total: 500, entropy })).ids.length);
      }
      expect(found).to.include(0).and.to.include(1);
    });

    it('leaves the caller idle for what it can hold, and another is rung that can hold more', async () => {
      const shard = new TestShard();
      for (const node of ['small', 'big']) await asked(shard, node, 0);
      await shard.run(put(shard, 'front', [large('x')]));
      await wakeUps();
      await shard.row(claim(shard, 'small', { total: 500 }, { at: 100 }), {
        reply: ['IDLE', 'again -1 due 899900'],
        rings: ['big: claim 0 0'],
        changes: { idle: { small: 3_100, big: undefined }, rooms: { small: 500 }, state: { visited: 100 } },
      });
      expect(await asked(shard, 'big', 110)).to.deep.equal({ status: 'OK', ids: ['x'], on: -1 });
      await wakeUps();
      await shard.run(put(shard, 'front', numbered(3, 'y', 501), { at: 120 }));
      expect(await wakeUps(), 'none of them could take it').to.deep.equal([]);
      await shard.run(put(shard, 'front', [small('z')], { at: 121 }));
      expect(await wakeUps()).to.deep.equal(['small: claim 0 0']);
    });

    it('has one rung that can hold more than the caller, also where the search went on behind it', async () => {
      const shard = new TestShard();
      await idleWith(shard, 'big', 501);
      await shard.run(put(shard, 'f', [large('x')], { at: 70, claimsIn: 0 }));
      await wakeUps();
      // what it looked at is behind it, and it finds nothing more
      expect(await asked(shard, 'engine', 200, { total: 500, askOn: 2 })).to.deep.equal({
        ...{ status: 'IDLE', ids: [], on: -1 },
      });
      expect(await wakeUps()).to.deep.equal(['big: claim 0 0']);
    });

    it('is never kept', async () => {
      const shard = new TestShard();
      await shard.run(put(shard, 'front', [large('x')]));
      expect((await asked(shard, 'engine', 5_000, { total: 500 })).status).to.equal('IDLE');
      expect((await shard.view()).kept).to.equal('');
    });
  });

  describe('now', () => {
    for (const policy of ['oldest', 'lucky', 'none'] as const) {
      it(`is stepped over, at most sixteen of them (${policy})`, async () => {
        const shard = new TestShard({ policy });
        await shard.run(
          put(shard, 'engine', [...numbered(15, 'big', 900), small('s'), ...numbered(2, 'more', 900)]),
        );
        expect((await asked(shard, 'engine', 100, { alone: 500, limit: 1 })).ids).to.deep.equal(['s']);
        await shard.run(put(shard, 'engine', [small('s')]));
        const late = await asked(shard, 'engine', 100, { alone: 500 });
        expect(late).to.deep.equal({ status: 'BLOCKED', ids: [], on: -1 });
      });
    }

    it('has another rung that has room for the least of them', async () => {
      for (const [room, rings] of [
        [600, ['other: claim 0 0']],
        [599, []],
      ] as const)
        for (const sizes of [
          [600, 900],
          [900, 600],
        ]) {
          const shard = new TestShard();
          await idleWith(shard, 'other', room);
          const items = sizes.map((tokens) => ({ id: `x${tokens}`, tokens }));
          await shard.run(put(shard, 'front', items, { at: 70, claimsIn: 0 }));
          await wakeUps();
          expect((await asked(shard, 'engine', 200, { alone: 500 })).status).to.equal('BLOCKED');
          expect(await wakeUps()).to.deep.equal(rings);
        }
    });

    it('has its idle owner rung first, if nobody has waited longer, though another is loaded', async () => {
      const shard = new TestShard();
      await shard.run(put(shard, 'front', [large('x')]));
      for (const [node, at] of [
        ['other', 55],
        ['front', 60],
      ] as const)
        await asked(shard, node, at, { alone: 500 });
      await shard.run(put(shard, 'loaded', numbered(3, 's', 10), { at: 70, claimsIn: 0 }));
      await wakeUps();
      await asked(shard, 'engine', 200, { limit: 0 });
      expect(await wakeUps()).to.deep.equal(['front: claim 0 0']);
    });

    it('is passed on by a ring to whoever has any room', async () => {
      const shard = new TestShard();
      await idleWith(shard, 'other', 500);
      await shard.run(put(shard, 'front', [large('x')], { at: 70, claimsIn: 0 }));
      await wakeUps();
      await asked(shard, 'engine', 200, { limit: 0 });
      expect(await wakeUps()).to.deep.equal(['other: claim 0 0']);
    });

    it('has another rung for an own one that is left while the call asks on for those of others', async () => {
      const shard = new TestShard();
      await idleWith(shard, 'idle', 60);
      await shard.run(put(shard, 'engine', [small('own')], { at: 100 }));
      await shard.run(put(shard, 'front', [large('x')], { at: 101 }));
      await wakeUps();
      const answer = await asked(shard, 'engine', 200, { limit: 1, askOn: 2 });
      expect(answer).to.deep.equal({ status: 'OK', ids: ['x'], on: -1 });
      expect(await wakeUps()).to.deep.equal(['idle: claim 0 0']);
    });

    it('has another rung for the least of what a full call leaves in several lines', async () => {
      const shard = new TestShard();
      await idleWith(shard, 'idle', 60);
      await shard.run(put(shard, 'front', [small('x'), large('y')], { at: 100 }));
      await shard.run(put(shard, 'engine', [small('own')], { at: 180 }));
      await wakeUps();
      expect((await asked(shard, 'engine', 200, { limit: 1 })).ids).to.deep.equal(['x']);
      expect(await wakeUps()).to.deep.equal(['idle: claim 0 0']);
    });

    it('has another rung for the least of what is given back, in whatever order it comes', async () => {
      for (const order of [['a', 'b'] as const, ['b', 'a'] as const]) {
        const shard = new TestShard();
        await shard.run(put(shard, 'front', [small('a'), large('b')]));
        await asked(shard, 'engine', 60);
        await idleWith(shard, 'idle', 60);
        await wakeUps();
        const held = await Promise.all(order.map((id) => shard.held(`front|${id}`)));
        await shard.run(pushBack(shard, 'engine', held, { at: 70 }));
        expect(await wakeUps(), String(order)).to.deep.equal(['idle: claim 0 0']);
      }
    });

    it('has the caller rung for the least of a put, in whatever order it comes', async () => {
      for (const order of [[50, 500] as const, [500, 50] as const]) {
        const shard = new TestShard();
        await shard.run(put(shard, 'owner', [{ id: 'large', tokens: 1_000 }]));
        await shard.run(claim(shard, 'engine', { alone: 60, total: 2_000 }, { at: 50 }));
        await wakeUps();
        const items = order.map((tokens) => ({ id: `${tokens}`, tokens }));
        await shard.run(put(shard, 'owner', items, { at: 100 }));
        expect(await wakeUps(), String(order)).to.deep.equal(['engine: claim 0 0']);
      }
    });

    it('has the caller rung for what it has room for, and not for more', async () => {
      const shard = new TestShard();
      await shard.run(put(shard, 'front', [large('x')]));
      await asked(shard, 'engine', 100, { alone: 500 });
      await wakeUps();
      await shard.run(put(shard, 'front2', numbered(3, 'y', 501), { at: 110 }));
      expect(await wakeUps()).to.deep.equal([]);
      await shard.run(put(shard, 'front3', numbered(3, 'z', 500), { at: 120 }));
      expect(await wakeUps()).to.deep.equal(['engine: claim 0 0']);
    });

    it('is forgotten as the caller’s room when next it finds nothing that does not fit', async () => {
      const shard = new TestShard();
      await shard.run(put(shard, 'front', [large('x')]));
      await asked(shard, 'engine', 100, { alone: 500 });
      expect((await shard.view()).rooms).to.deep.equal({ engine: 500 });
      await shard.run(cancel(shard, 'front', [await shard.ticket('front|x')]));
      expect((await asked(shard, 'engine', 110, { alone: 500 })).status).to.equal('IDLE');
      expect((await shard.view()).rooms).to.deep.equal({});
    });

    it('because of the others of the call ends the call once it is old, so that it is first and alone', async () => {
      for (const [at, ids] of [
        [1_999, ['s1', 's2']],
        [2_000, ['s1']],
      ] as const) {
        const shard = new TestShard();
        await shard.run(put(shard, 'front', [small('s1'), { id: 'x', tokens: 100 }, small('s2')]));
        expect((await asked(shard, 'engine', at, { alone: 100, sum: 50 })).ids).to.deep.equal(ids);
        expect((await shard.view()).kept, 'it needs no room to be kept').to.equal('');
      }
    });
  });

  describe('now, and has waited for the patience', () => {
    const waiting = async (options: Options = {}): Promise<TestShard> => {
      const shard = new TestShard(options);
      await shard.run(put(shard, 'front', [large('x')]));
      await shard.run(put(shard, 'front2', [small('young')], { at: 10 }));
      return shard;
    };
    const tight = { alone: 500, sum: 500 };

    it('is stepped over until then', async () => {
      const shard = await waiting();
      expect((await asked(shard, 'engine', 1_999, tight)).ids).to.deep.equal(['young']);
      expect((await shard.view()).kept).to.equal('');
    });

    it('is kept by none that leaves: it takes what is younger', async () => {
      const shard = await waiting();
      expect((await asked(shard, 'engine', 2_000, { ...tight, keepFor: 0 })).ids).to.deep.equal(['young']);
      expect((await shard.view()).kept).to.equal('');
    });

    for (const policy of ['oldest', 'lucky'] as const) {
      it(`is kept by the first engine that meets it, which takes none younger (${policy})`, async () => {
        const shard = await waiting({ policy, minLoad: 1 });
        await shard.run(put(shard, 'engine', [small('own')], { at: 100 }));
        await shard.run(cancel(shard, 'front2', [await shard.ticket('front2|young')]));
        // its own line comes first
        if (policy === 'lucky') await asked(shard, 'engine', 110, tight);
        expect(await asked(shard, 'engine', 2_000, tight)).to.deep.equal({
          status: 'KEEPING',
          ids: [],
          on: -1,
        });
        expect((await shard.view()).kept).to.equal('engine 6000 front|x@0');
        await shard.run(put(shard, 'engine', [small('own2')], { at: 2_010 }));
        expect((await asked(shard, 'engine', 3_000, tight)).status).to.equal('KEEPING');
        expect((await shard.view()).kept, 'it goes on').to.equal('engine 7000 front|x@0');
      });
    }

    it('is kept also if it came at a time that has not come: the clock was set back', async () => {
      const shard = new TestShard();
      await shard.run(put(shard, 'front', [large('x')], { at: 10_000 }));
      expect((await asked(shard, 'engine', 0, tight)).status).to.equal('KEEPING');
    });

    it('is also rung for: another may have room for it', async () => {
      const shard = new TestShard();
      await shard.run(put(shard, 'front', [{ id: 'huge', tokens: 2_000 }]));
      await asked(shard, 'big', 60, { total: 1_000 });
      await shard.run(put(shard, 'front2', [large('x')], { at: 100 }));
      await wakeUps();
      expect((await asked(shard, 'engine', 2_100, { ...tight, total: 1_500 })).status).to.equal('KEEPING');
      expect(await wakeUps()).to.deep.equal(['big: claim 0 0']);
    });

    for (const owner of ['engine', 'front']) {
      it(`ends the search of its keeper: no need of others is known to it (lucky, of ${owner})`, async () => {
        const shard = new TestShard({ policy: 'lucky', minLoad: 1 });
        await shard.run(put(shard, 'front3', [{ id: 'huge', tokens: 2_000 }]));
        await asked(shard, 'other', 60, { total: 500 });
        await shard.run(cancel(shard, 'front3', [await shard.ticket('front3|huge')]));
        await shard.run(put(shard, owner, [large('x')], { at: 70, claimsIn: 0 }));
        for (let i = 0; i < 5; i += 1)
          await shard.run(put(shard, `young${i}`, [small('s')], { at: 2_050, claimsIn: 0 }));
        let answer: Answer | undefined;
        for (let entropy = 1; answer?.status !== 'KEEPING'; entropy += 1) {
          await wakeUps();
          answer = await asked(shard, 'engine', 2_100, { ...tight, limit: 1, entropy });
        }
        expect(await wakeUps()).to.deep.equal([]);
      });
    }

    it('is left to its keeper by all others, who take what is younger', async () => {
      const shard = await waiting();
      await asked(shard, 'engine', 2_000, tight);
      expect(await asked(shard, 'other', 2_010, tight)).to.deep.equal({
        status: 'OK',
        ids: ['young'],
        on: -1,
      });
      expect((await asked(shard, 'other', 2_020, tight)).status).to.equal('BLOCKED');
      expect((await shard.view()).kept).to.equal('engine 6000 front|x@0');
    });

    it('is taken first when it fits, whoever may be stolen from, and room is kept no more', async () => {
      for (const policy of ['oldest', 'lucky'] as const) {
        const shard = await waiting({ policy, minLoad: 1 });
        await asked(shard, 'engine', 2_000, { ...tight, entropy: 3 });
        if ((await shard.view()).kept === '') await asked(shard, 'engine', 2_000, { ...tight, entropy: 1 });
        expect((await shard.view()).kept).to.equal('engine 6000 front|x@0');
        await shard.run(put(shard, 'engine', [small('own')], { at: 2_010 }));
        const options = { minLoad: 1_000, stealAfter: 1_000_000 };
        const { ids } = await asked(shard, 'engine', 2_020, { limit: 2 }, options);
        expect(ids).to.deep.equal(['x', 'own']);
        expect((await shard.view()).kept).to.equal('');
      }
    });

    it('leaves to its keeper what is older and fits', async () => {
      const shard = await waiting();
      await asked(shard, 'engine', 2_000, tight);
      const older = { ...small('older'), headStart: 60_000 };
      await shard.run(put(shard, 'front3', [older], { at: 2_010 }));
      expect((await asked(shard, 'engine', 2_100, tight)).ids).to.deep.equal(['older']);
      expect((await shard.view()).kept).to.equal('engine 6100 front|x@0');
    });

    it('ends no call of another that has no room for it beside what it took before', async () => {
      const shard = await waiting();
      await asked(shard, 'engine', 2_000, tight);
      const older = { id: 'older', tokens: 100, headStart: 60_000 };
      await shard.run(put(shard, 'front3', [older], { at: 2_010 }));
      const { ids } = await asked(shard, 'other', 2_100, { alone: 1_000, sum: 950 });
      expect(ids).to.deep.equal(['older', 'young']);
    });

    it('is taken by whoever has room for it first', async () => {
      const shard = await waiting();
      await asked(shard, 'engine', 2_000, tight);
      expect((await asked(shard, 'other', 2_010)).ids).to.deep.equal(['x', 'young']);
      expect((await shard.view()).kept).to.equal('');
    });

    it('gives way to an older one', async () => {
      const shard = await waiting();
      await asked(shard, 'engine', 2_000, tight);
      await shard.run(put(shard, 'front3', [{ ...large('older'), headStart: 60_000 }], { at: 2_000 }));
      expect((await asked(shard, 'other', 3_999, tight)).ids, 'it is not patient yet').to.deep.equal([
        'young',
      ]);
      expect((await asked(shard, 'other', 4_000, tight)).status).to.equal('KEEPING');
      expect((await shard.view()).kept).to.match(/^other 8000 front3\|older@/);
      await shard.run(put(shard, 'front2', [small('young2')], { at: 4_010 }));
      expect((await asked(shard, 'engine', 4_100, tight)).ids, 'it keeps none now').to.deep.equal(['young2']);
    });

    it('falls to another when its keeper has not asked for the time', async () => {
      const shard = await waiting();
      await asked(shard, 'engine', 2_000, tight);
      expect((await asked(shard, 'other', 5_999, tight)).ids).to.deep.equal(['young']);
      expect((await asked(shard, 'other', 6_000, tight)).status).to.equal('KEEPING');
      expect((await shard.view()).kept).to.equal('other 10000 front|x@0');
    });

    it('falls to another at once when its keeper leaves', async () => {
      const shard = await waiting();
      await asked(shard, 'engine', 2_000, tight);
      await asked(shard, 'engine', 2_010, { limit: 0 });
      expect((await shard.view()).kept, 'a ring was passed on').to.equal('engine 6000 front|x@0');
      await asked(shard, 'engine', 2_010, { limit: 0, alone: 0, total: 0, keepFor: 0 });
      expect((await shard.view()).kept).to.equal('');
    });

    it('is neither taken nor kept by a keeper that leaves, whatever it could hold', async () => {
      for (const bounds of [{}, { alone: 500 }]) {
        const shard = await waiting();
        await asked(shard, 'engine', 2_000, tight);
        const { ids } = await asked(shard, 'engine', 2_010, { limit: 0, keepFor: 0, ...bounds });
        expect([ids, (await shard.view()).kept]).to.deep.equal([[], '']);
      }
    });

    it('is not taken once it has expired, also where more have than a claim ends', async () => {
      const shard = new TestShard();
      await shard.run(put(shard, 'front', [{ ...large('x'), deadline: 2_500 }]));
      await asked(shard, 'engine', 2_000, tight);
      const late = numbered(16, 'late', 10).map((one) => ({ ...one, deadline: 390 }));
      await shard.run(put(shard, 'front2', late, { at: 2_010 }));
      expect((await asked(shard, 'engine', 2_500)).ids).to.deep.equal([]);
      expect((await shard.view()).kept).to.equal('');
    });

    it('is not taken twice, though a table says that room is kept for it', async () => {
      const shard = await waiting();
      await asked(shard, 'engine', 2_000, tight);
      const kept = (await connection().hget(shard.key('shard'), 'kept'))!;
      expect((await asked(shard, 'other', 2_010)).ids).to.deep.equal(['x', 'young']);
      await connection().hset(shard.key('shard'), 'kept', kept);
      expect((await asked(shard, 'engine', 2_020)).ids).to.deep.equal([]);
      expect((await shard.view()).kept).to.equal('');
    });

    it('is kept by nobody when it waits no more, or its keeper can never hold it', async () => {
      for (const end of ['cancelled', 'expired', 'shrunk'] as const) {
        const shard = new TestShard();
        await shard.run(put(shard, 'front', [{ ...large('x'), deadline: 2_500 }]));
        await asked(shard, 'engine', 2_000, tight);
        await shard.run(put(shard, 'engine', [small('own')], { at: 2_010 }));
        if (end === 'cancelled') await shard.run(cancel(shard, 'front', [await shard.ticket('front|x')]));
        const at = end === 'expired' ? 2_500 : 2_020;
        const { ids } = await asked(shard, 'engine', at, end === 'shrunk' ? { ...tight, total: 600 } : tight);
        expect(ids, end).to.deep.equal(['own']);
        expect((await shard.view()).kept, end).to.equal('');
      }
    });

    it('leaves a call idle that kept it and finds nothing else', async () => {
      for (const end of ['cancelled', 'expired', 'shrunk'] as const) {
        const shard = new TestShard();
        await shard.run(put(shard, 'front', [{ ...large('x'), deadline: 2_500 }]));
        await asked(shard, 'engine', 2_000, tight);
        if (end === 'cancelled') await shard.run(cancel(shard, 'front', [await shard.ticket('front|x')]));
        const at = end === 'expired' ? 2_500 : 2_020;
        const answer = await asked(shard, 'engine', at, end === 'shrunk' ? { ...tight, total: 600 } : tight);
        expect(answer, end).to.deep.equal({ status: 'IDLE', ids: [], on: -1 });
      }
    });

    it('is followed by the next that is too large, for which room is kept then', async () => {
      const shard = await waiting();
      await shard.run(put(shard, 'front3', [{ id: 'y', tokens: 1_200 }], { at: 20 }));
      await asked(shard, 'engine', 2_000, tight);
      const { ids } = await asked(shard, 'engine', 4_000, { alone: 1_000, sum: 1_000 });
      expect(ids).to.deep.equal(['x', 'young']);
      expect((await shard.view()).kept).to.match(/^engine 8000 front3\|y@/);
    });

    it('has the puts of its keeper ring others, though a claim is announced', async () => {
      const shard = await waiting();
      await shard.run(cancel(shard, 'front2', [await shard.ticket('front2|young')]));
      await asked(shard, 'engine', 2_000, tight);
      await asked(shard, 'other', 2_010, tight);
      await wakeUps();
      await shard.run(put(shard, 'engine', [small('own')], { at: 2_020, claimsIn: 0 }));
      expect(await wakeUps()).to.deep.equal(['other: claim 0 50']);
      await shard.run(put(shard, 'engine', [small('own2')], { at: 2_030, claimsIn: 100 }));
      expect((await shard.view()).asks).to.deep.equal({});
      await wakeUps();
      await shard.run(put(shard, 'another', [small('own')], { at: 2_040, claimsIn: 100 }));
      expect((await shard.view()).asks, 'of one that keeps none').to.deep.equal({ another: 2_140 });
    });

    it('keeps its place when it was given back', async () => {
      const shard = await waiting();
      await asked(shard, 'engine', 2_000, tight);
      await asked(shard, 'engine', 2_010, { limit: 1 });
      await shard.run(pushBack(shard, 'engine', [await shard.held('front|x')], { at: 2_020 }));
      expect((await asked(shard, 'other', 2_030, tight)).status).to.equal('KEEPING');
    });
  });

  it('expired tickets in front do not end the search for one that fits', async () => {
    const shard = new TestShard();
    await shard.run(
      put(
        shard,
        'engine',
        numbered(125, 'late', 1).map((one) => ({ ...one, deadline: 10 })),
      ),
    );
    await shard.run(put(shard, 'engine', [small('s')], { at: 5 }));
    expect(await asked(shard, 'engine', 20, { limit: 1 })).to.deep.equal({ status: 'IDLE', ids: [], on: 0 });
    expect((await asked(shard, 'engine', 20, { limit: 1 })).ids).to.deep.equal(['s']);
  });
});
