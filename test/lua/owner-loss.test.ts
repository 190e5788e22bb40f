// What becomes of requests whose owner is silent: its time without a refresh is over, and nobody's outage explains it.
import { expect } from 'chai';
import { NO_TICK } from '../../src/base/ticket.ts';
import { cancel, claim, pushBack, put, putResults, refresh } from './calls.ts';
import { TestShard, connection, connections, wakeUps } from './support.ts';
import { parseClaims, parseResults, type Held } from './wire.ts';

const LEASE = 30_000;
const REASON = 'its owner was silent for too long (option onOwnerLoss)';
/** Seldom enough for every third of a lease, often enough for no grace. */
const PACE = 10_000;

describe('the loss of an owner', () => {
  connections();

  /** `a` put x, which its loss ends, and y, which goes on, and is silent since; `b` holds both. */
  async function running(): Promise<{ shard: TestShard; held: Held[] }> {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', [{ id: 'x', loss: 'abort' }, 'y']));
    await shard.run(claim(shard, 'b', {}, { at: 60 }));
    const held = [await shard.held('a|x'), await shard.held('a|y')];
    return { shard, held };
  }

  /** Somebody looks at the shard, up to this time, often enough for no grace to begin. */
  async function looks(
    shard: TestShard,
    from: number,
    to: number,
    held: readonly Held[] = [],
  ): Promise<void> {
    for (let at = from; at < to; at += PACE) await shard.run(refresh(shard, 'b', { held }, { at }));
    await wakeUps();
  }

  it('ends what it was said to end, and its runner learns of the others, too', async () => {
    const { shard, held } = await running();
    await looks(shard, PACE, LEASE, held);
    shard.at = LEASE + 1;
    await shard.row(refresh(shard, 'b', { held }), {
      reply: ['OK', '0', '-', '0', '30000', '0 1'],
      // the second run finds that it holds the first no more
      repeat: ['OK', '0', '-', '0', '30000', '1'],
      rings: ['a: results 0 0'],
      changes: {
        request: { 'a|x': undefined },
        body: { 'a|x': undefined },
        due: { 'a|x@0': undefined, 'a|y@1': 60_001 },
        out: [`30001001: a|x@0 b- cancelled ${REASON}`],
        node: { b: 60_001 },
        state: { visited: LEASE + 1, expiry: 960_001 },
        expires: [960_001],
      },
    });
  });

  it('ends it also when its runner comes later than it could', async () => {
    const { shard, held } = await running();
    await looks(shard, PACE, LEASE + 1, held);
    const reply = await shard.run(refresh(shard, 'b', { held }, { at: LEASE + 5_000 }));
    expect(reply.map(String).at(-1), 'its owner is silent').to.equal('0 1');
    expect((await shard.snapshot()).request.has('a|x')).to.equal(false);
  });

  it('is foretold: the runner is to come back when it would be', async () => {
    const { shard, held } = await running();
    await looks(shard, PACE, 20_000, held);
    const dues = [];
    for (const at of [20_000, 29_999, LEASE]) {
      const reply = await shard.run(refresh(shard, 'b', { held }, { at }));
      dues.push(reply.slice(5).map(String));
    }
    expect(dues).to.deep.equal([['10001'], ['2'], ['1']]);
  });

  it('is foretold of the owner that would be silent first, in whatever order its runner names them', async () => {
    const { shard, held } = await running();
    await shard.run(put(shard, 'c', ['z'], { at: 5_000 }));
    await shard.run(claim(shard, 'b', {}, { at: 5_100 }));
    const all = [...held, await shard.held('c|z')];
    await looks(shard, PACE, 20_000, all);
    const dues = [];
    for (const named of [all, all.toReversed(), all.slice(2)]) {
      const reply = await shard.run(refresh(shard, 'b', { held: named }, { at: 20_000 }));
      dues.push(String(reply[5]));
    }
    expect(dues).to.deep.equal(['10001', '10001', '15001']);
  });

  it('is foretold by a claim, of what it ends', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['y', { id: 'x', loss: 'abort' }]));
    await looks(shard, PACE, 25_000);
    const dueAfter = async (limit: number): Promise<number> => {
      const reply = await shard.run(claim(shard, 'b', { limit }, { at: 25_000 }));
      return Number(String(reply[4]));
    };
    expect([await dueAfter(1), await dueAfter(1)]).to.deep.equal([LEASE, 5_001]);
  });

  it('is foretold by a claim of several owners as of the one that would be silent first', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', [{ id: 'x', loss: 'abort' }]));
    await shard.run(put(shard, 'c', [{ id: 'z', loss: 'abort' }], { at: 5_000 }));
    await looks(shard, PACE, 25_000);
    const reply = await shard.run(claim(shard, 'b', {}, { at: 25_000 }));
    const claims = parseClaims(reply[2]!).map(({ ticket }) => ticket[0]);
    expect([claims, String(reply[4])], 'a is met first').to.deep.equal([['a', 'c'], '5001']);
  });

  it('is none of what the caller, or a node that the shard does not know, put', async () => {
    const { shard, held } = await running();
    await shard.run(put(shard, 'b', [{ id: 'own', loss: 'abort' }]));
    await shard.run(claim(shard, 'b', {}, { at: 100 }));
    const all = [...held, await shard.held('b|own')];
    await looks(shard, PACE, LEASE, all);
    await connection().del(shard.key('node'));
    const reply = await shard.run(refresh(shard, 'b', { held: all }, { at: LEASE + 1 }));
    expect(reply.slice(2).map(String)).to.deep.equal(['', '', '0', '30000']);
  });

  it('is not concluded from a lost table, when a result makes the shard know of the owner again', async () => {
    const { shard, held } = await running();
    await connection().del(shard.key('node'));
    const chunk = { ...held[1]!, number: 1, kind: 'chunk' as const, payload: '' };
    const reply = await shard.run(putResults(shard, 'b', [chunk], { at: 5_000 }));
    expect(parseResults(reply[2]!).words).to.equal('ORPHAN');
    await looks(shard, PACE, 35_000, held);
    expect(Object.keys((await shard.view()).request)).to.have.members(['a|x', 'a|y']);
    await shard.run(refresh(shard, 'b', { held }, { at: 35_001 }));
    expect(Object.keys((await shard.view()).request)).to.deep.equal(['a|y']);
  });

  it('is not concluded from an outage, which silences everybody', async () => {
    const { shard, held } = await running();
    // nobody came for 45 s: a grace of a lease begins
    await looks(shard, 45_000, 75_000, held);
    expect(Object.keys((await shard.view()).request)).to.have.members(['a|x', 'a|y']);
    const reply = await shard.run(refresh(shard, 'b', { held }, { at: 75_000 }));
    expect(reply.slice(2).map(String)).to.deep.equal(['0', '', '0', '30000', '0 1']);
  });

  for (const [who, epoch] of [
    ['the owner', 1],
    ['a successor', 2],
  ] as const)
    it(`is none when ${who} speaks in time, for as long as it says`, async () => {
      const { shard, held } = await running();
      await looks(shard, PACE, LEASE, held);
      await shard.run(refresh(shard, 'a', { alive: 60_000 }, { at: LEASE, epoch }));
      await looks(shard, LEASE + 1, LEASE + 60_000, held);
      expect(Object.keys((await shard.view()).request)).to.have.members(['a|x', 'a|y']);
      const reply = await shard.run(refresh(shard, 'b', { held }, { at: LEASE + 60_001 }));
      expect(String(reply[2])).to.equal('0');
    });

  it('ends what waits when it is met: no engine begins with it', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', [{ id: 'x', loss: 'abort' }, 'y', { id: 'z', loss: 'abort' }]));
    await looks(shard, PACE, LEASE);
    shard.at = LEASE + 1;
    await shard.row(claim(shard, 'b'), {
      reply: ['OK', 'a|y@1 #30001001 3/0 b', 'again -1 due 30000', 'body of y'],
      rings: ['a: results 0 0'],
      changes: {
        waiting: [],
        head: { a: undefined },
        load: { a: undefined },
        request: {
          'a|x': undefined,
          'a|y': `@1 128/900000/3/0/9 b#30001001`,
          'a|z': undefined,
        },
        body: { 'a|x': undefined, 'a|z': undefined },
        due: { 'a|x@0': undefined, 'a|y@1': 60_001, 'a|z@2': undefined },
        out: [`30001002: a|x@0 - cancelled ${REASON}`, `30001003: a|z@2 - cancelled ${REASON}`],
        state: { visited: LEASE + 1 },
      },
    });
  });

  it('leaves nothing to come back for when it has ended all', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', [{ id: 'x', loss: 'abort' }]));
    await looks(shard, PACE, LEASE);
    const reply = await shard.run(claim(shard, 'b', {}, { at: LEASE + 1 }));
    expect(reply.slice(2).map(String)).to.deep.equal([NO_TICK, '-1', '-1', '-1']);
  });

  it('ends what room is kept for', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', [{ id: 'large', tokens: 900, loss: 'abort' }]));
    await looks(shard, PACE, LEASE - 1_000);
    const tight = { alone: 100, sum: 100, total: 1_000, keepFor: 60_000 };
    const kept = await shard.run(claim(shard, 'b', tight, { at: LEASE - 1_000 }));
    const freed = await shard.run(claim(shard, 'b', {}, { at: LEASE + 1 }));
    const { request, kept: left } = await shard.view();
    expect([String(kept[0]), String(freed[0]), request, left]).to.deep.equal(['KEEPING', 'IDLE', {}, '']);
  });

  it('stays written in the record, whoever loses it or gives it back', async () => {
    const { shard, held } = await running();
    const record = async (): Promise<string> => (await shard.view()).request['a|x']!;
    expect(await record()).to.equal('@0 128/900000/3/0/9 lba b#60001');
    await shard.run(pushBack(shard, 'b', held, { at: 100, how: { after: 900, counted: true } }));
    expect(await record()).to.equal('@0 128/900000/2/1/9 lba /1000 1-b');
    await shard.run(claim(shard, 'c', { limit: 1 }, { at: 200 }));
    expect(await record()).to.equal('@0 128/900000/2/1/9 lba c#200001 /1000 1-b');
    await looks(shard, PACE, LEASE + 200);
    await shard.run(refresh(shard, 'a', {}, { at: LEASE + 200 }));
    expect(await record()).to.equal('@0 128/900000/1/2/9 lba /1000 1-b /0 0lc');
    // and its runner is found by its name alone
    await shard.run(claim(shard, 'c', { limit: 1 }, { at: LEASE + 300 }));
    await wakeUps();
    await shard.run(cancel(shard, 'a', [held[0]!.ticket], { at: LEASE + 400 }));
    expect(await wakeUps()).to.have.members(['a: results 0 0', 'c: refresh 0 0']);
    const [mail] = (await shard.view()).out;
    expect(mail).to.match(/: a\|x@0 c- cancelled $/);
  });
});
