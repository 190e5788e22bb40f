// A place in line is not an age: a request is stolen by the time since its arrival. stealAfter is 50 ms.
import { expect } from 'chai';
import { claim, pushBack, put } from './calls.ts';
import { TestShard, connection, connections, tickAt, wakeUps } from './support.ts';
import { START } from './view.ts';
import { parseClaims } from './wire.ts';

const HOUR = 3_600_000;
const late = { id: 'late', headStart: -HOUR };

describe('the age of a request', () => {
  connections();

  const taken = async (shard: TestShard, node: string, at: number): Promise<string[]> =>
    parseClaims((await shard.run(claim(shard, node, {}, { at })))[2]!).map(({ ticket }) => ticket.slice(-4));

  for (const policy of ['oldest', 'lucky'] as const) {
    describe(`by the policy ${policy}`, () => {
      it('counts from its arrival, though its place is an hour ahead', async () => {
        const shard = new TestShard({ policy });
        await shard.run(put(shard, 'front', [late]));
        expect(await taken(shard, 'engine', 49)).to.deep.equal([]);
        expect(await taken(shard, 'engine', 50)).to.deep.equal(['late']);
      });

      it('counts from its arrival while the shard’s ticks are ahead of its clock', async () => {
        const shard = new TestShard({ policy });
        await shard.run(put(shard, 'front', ['done']));
        await shard.run(claim(shard, 'front'));
        await connection().hset(shard.key('shard'), 'tick', tickAt(HOUR * 1_000));
        await shard.run(put(shard, 'front', ['next'], { at: 100 }));
        expect(await taken(shard, 'engine', 149)).to.deep.equal([]);
        expect(await taken(shard, 'engine', 150)).to.deep.equal(['next']);
      });

      it('is none if it arrived later than it is now: the clock was set back', async () => {
        const shard = new TestShard({ policy });
        await shard.run(put(shard, 'front', ['next'], { at: HOUR }));
        expect(await taken(shard, 'engine', 0)).to.deep.equal(['next']);
      });

      it('counts on when it was given back', async () => {
        const shard = new TestShard({ policy });
        await shard.run(put(shard, 'front', [late]));
        await shard.run(claim(shard, 'engine', {}, { at: 60 }));
        await shard.run(pushBack(shard, 'engine', [await shard.held('front|late')], { at: 70 }));
        expect(await taken(shard, 'engine', 70)).to.deep.equal(['late']);
      });
    });
  }

  it('is what a claim in vain and a ring say the time by', async () => {
    const shard = new TestShard();
    for (const node of ['b', 'c']) await shard.run(claim(shard, node));
    await wakeUps();
    await shard.run(put(shard, 'front', [late], { at: 10 }));
    expect(await wakeUps()).to.deep.equal(['c: claim 0 50']);
    const reply = await shard.run(claim(shard, 'b', {}, { at: 20 }));
    expect([reply[0], reply[3]].map(String)).to.deep.equal(['IDLE', '40']);
    await shard.run(claim(shard, 'b', { limit: 0 }, { at: 60 }));
    expect(await wakeUps()).to.deep.equal(['c: claim 0 0']);
  });

  it('is behind the own line and the place of others: what may go first goes first', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'front', [late]));
    await shard.run(put(shard, 'front2', ['then'], { at: 10 }));
    await shard.run(put(shard, 'engine', ['mine'], { at: 20 }));
    expect(await taken(shard, 'engine', 100)).to.deep.equal(['mine', 'then', 'late']);
  });

  it('says whose body the caller has: a place ahead is no sign that it put the request itself', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', [late, 'x']));
    const since = tickAt(1_000);
    await shard.run(
      put(
        shard,
        'a',
        [
          { id: 'late2', headStart: -HOUR },
          { id: 'y', headStart: HOUR },
        ],
        { at: 1 },
      ),
    );
    const claims = parseClaims((await shard.run(claim(shard, 'a', { since }, { at: 5 })))[2]!);
    expect(claims.map(({ ticket, bodied }) => `${ticket.slice(39)} ${bodied}`)).to.have.members([
      ...['late true', 'x true', 'late2 false', 'y false'],
    ]);
  });

  it('is not asked of an owner that has none in line, though a table says so', async () => {
    const shard = new TestShard({ minLoad: 10 });
    await shard.run(put(shard, 'a', [{ id: 'later', headStart: -10_000 }]));
    await connection().unlink(shard.key('waiting'));
    const reply = await shard.run(claim(shard, 'b', {}, { at: 60 }));
    expect(String(reply[0])).to.equal('IDLE');
    expect((await shard.view()).head, 'it is corrected').to.deep.equal({});
  });

  it('is kept in the record, in ms', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', [late], { at: 7 }));
    const { request } = await shard.snapshot();
    expect(parseInt(request.get('a|late')!.slice(56, 70), 16)).to.equal(1000 * (START + 7));
  });
});
