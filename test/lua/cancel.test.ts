import { expect } from 'chai';
import { cancel, claim, put, putResults } from './calls.ts';
import { guards } from './guards.ts';
import { TestShard, connections, statusWordsOf } from './support.ts';

describe('cancel', () => {
  connections();

  async function seeded(): Promise<TestShard> {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['w', 'x', 'y']));
    await shard.run(claim(shard, 'b', { limit: 1 }));
    shard.at = 100;
    return shard;
  }

  it('ends a waiting request at once, with a final for its owner', async () => {
    const shard = await seeded();
    await shard.row(cancel(shard, 'a', [await shard.ticket('a|x')]), {
      reply: ['OK', 'WAITING'],
      repeat: ['OK', 'ENDED'],
      rings: ['a: results 0 0'],
      changes: {
        waiting: ['a|y@2'],
        head: { a: 2 },
        load: { a: 1 },
        request: { 'a|x': undefined },
        body: { 'a|x': undefined },
        due: { 'a|x@1': undefined },
        out: ['100000: a|x@1 - cancelled '],
      },
    });
  });

  it('ends a request as expired if its owner says that its deadline has passed', async () => {
    const shard = await seeded();
    const [w, x] = [await shard.ticket('a|w'), await shard.ticket('a|x')];
    await shard.row(cancel(shard, 'a', [w, x], { final: 'expired' }), {
      reply: ['OK', 'CLAIMED WAITING'],
      repeat: ['OK', 'ENDED ENDED'],
      rings: ['b: refresh 0 0', 'a: results 0 0'],
      changes: {
        waiting: ['a|y@2'],
        head: { a: 2 },
        load: { a: 1 },
        request: { 'a|w': undefined, 'a|x': undefined },
        body: { 'a|w': undefined, 'a|x': undefined },
        due: { 'a|w@0': undefined, 'a|x@1': undefined },
        out: ['100000: a|w@0 b- expired ', '100001: a|x@1 - expired '],
      },
    });
  });

  it('ends a claimed request at once, and tells its runner', async () => {
    const shard = await seeded();
    const held = await shard.held('a|w');
    await shard.row(cancel(shard, 'a', [held.ticket]), {
      reply: ['OK', 'CLAIMED'],
      repeat: ['OK', 'ENDED'],
      rings: ['b: refresh 0 0', 'a: results 0 0'],
      changes: {
        request: { 'a|w': undefined },
        body: { 'a|w': undefined },
        due: { 'a|w@0': undefined },
        out: ['100000: a|w@0 b- cancelled '],
      },
    });
    const late = putResults(shard, 'b', [{ ...held, number: 1, kind: 'finished', payload: 'late' }]);
    await shard.row(late, { reply: ['OK', 'LOST', 'told #4'] });
  });

  it('tells the runner even if it is the caller: its handler runs on otherwise', async () => {
    const shard = await seeded();
    await shard.row(cancel(shard, 'b', [await shard.ticket('a|w')]), {
      reply: ['OK', 'CLAIMED'],
      repeat: ['OK', 'ENDED'],
      rings: ['b: refresh 0 0', 'a: results 0 0'],
      changes: {
        request: { 'a|w': undefined },
        body: { 'a|w': undefined },
        due: { 'a|w@0': undefined },
        out: ['100000: a|w@0 b- cancelled '],
      },
    });
  });

  it('answers each ticket of a call by itself, and a ticket named twice once', async () => {
    const shard = await seeded();
    const [w, x, y] = [await shard.ticket('a|w'), await shard.ticket('a|x'), await shard.ticket('a|y')];
    await shard.row(cancel(shard, 'c', [y, w, y, x.replace('|x', '|never put')]), {
      reply: ['OK', 'WAITING CLAIMED ENDED ENDED'],
      repeat: ['OK', 'ENDED ENDED ENDED ENDED'],
      rings: ['b: refresh 0 0', 'a: results 0 0'],
      changes: {
        waiting: ['a|x@1'],
        load: { a: 1 },
        request: { 'a|w': undefined, 'a|y': undefined },
        body: { 'a|w': undefined, 'a|y': undefined },
        due: { 'a|w@0': undefined, 'a|y@2': undefined },
        out: ['100000: a|y@2 - cancelled ', '100001: a|w@0 b- cancelled '],
        node: { c: 30_100 },
        epochs: { c: 1 },
      },
    });
  });

  it('ends the ticket it names, not a later request with the same id', async () => {
    const shard = await seeded();
    const first = await shard.ticket('a|x');
    await shard.run(cancel(shard, 'a', [first]));
    await shard.run(put(shard, 'a', ['x']));
    await shard.row(cancel(shard, 'a', [first]), { reply: ['OK', 'ENDED'] });
    expect((await shard.view()).request).to.have.property('a|x');
  });

  it('takes requests of several owners out of line in one call', async () => {
    const shard = await seeded();
    await shard.run(put(shard, 'c', ['v']));
    const tickets = [await shard.ticket('a|x'), await shard.ticket('c|v'), await shard.ticket('a|y')];
    await shard.run(cancel(shard, 'a', tickets));
    const { waiting, load, head, out } = await shard.view();
    expect({ waiting, load, head }).to.deep.equal({ waiting: [], load: {}, head: {} });
    expect(out).to.have.length(3);
  });

  guards('cancel', (shard, node, options) =>
    cancel(shard, node, [`a|${'0'.repeat(14)}|${'0'.repeat(8)}|${'0'.repeat(12)}|x`], options),
  );
  statusWordsOf('cancel');
});
