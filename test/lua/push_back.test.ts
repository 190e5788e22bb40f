import { expect } from 'chai';
import { claim, pushBack, put, putResults } from './calls.ts';
import { guards } from './guards.ts';
import { TestShard, connections, wakeUps, statusWordsOf } from './support.ts';
import { parseClaims } from './wire.ts';

describe('push_back', () => {
  connections();

  /** `a` put w, x, y, z; `b` runs the first `limit` of them. */
  async function claimed(limit: number): Promise<TestShard> {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['w', 'x', 'y', 'z']));
    await shard.run(claim(shard, 'b', { limit }, { at: 60 }));
    shard.at = 100;
    return shard;
  }

  it('gives tickets back to their exact place, counts no attempt, and raises the load', async () => {
    const shard = await claimed(3);
    const held = [await shard.held('a|y'), await shard.held('a|x')];
    await shard.row(pushBack(shard, 'b', held), {
      reply: ['OK', 'OK OK'],
      repeat: ['OK', 'LOST LOST'],
      changes: {
        waiting: ['a|x@1', 'a|y@2', 'a|z@3'],
        head: { a: 1 },
        load: { a: 3 },
        request: { 'a|x': '@1 128/900000/3/0/9', 'a|y': '@2 128/900000/3/0/9' },
        due: { 'a|x@1': 900_000, 'a|y@2': 900_000 },
      },
    });
    const reply = await shard.run(claim(shard, 'c'));
    expect(parseClaims(reply[2]!).map(({ ticket }) => ticket.at(-1))).to.deep.equal(['x', 'y', 'z']);
  });

  it('puts an owner whose line was empty into load and head again, under the shard’s expiry', async () => {
    const shard = await claimed(4);
    await shard.row(pushBack(shard, 'b', [await shard.held('a|z')]), {
      reply: ['OK', 'OK'],
      repeat: ['OK', 'LOST'],
      changes: {
        waiting: ['a|z@3'],
        head: { a: 3 },
        load: { a: 1 },
        request: { 'a|z': '@3 128/900000/3/0/9' },
        due: { 'a|z@3': 900_000 },
      },
    });
  });

  it('answers LOST, and changes nothing, for a fence that holds no longer or never did', async () => {
    const shard = await claimed(1);
    const first = await shard.held('a|w');
    await shard.run(pushBack(shard, 'b', [first]));
    await shard.run(claim(shard, 'c', { limit: 1 }));
    const { ticket, fence } = await shard.held('a|w');
    const waiting = await shard.ticket('a|x');
    const later = ticket.replace('|w', '|never put');
    const calls = [
      first,
      { ticket: waiting, fence },
      { ticket: waiting, fence: '' },
      { ticket: later, fence },
      { ticket, fence: '0'.repeat(14) },
    ];
    await shard.row(pushBack(shard, 'b', calls), {
      reply: ['OK', 'LOST LOST LOST LOST LOST'],
    });
  });

  it('answers LOST for a ticket that ended, also if its id was put again', async () => {
    const shard = await claimed(1);
    const held = await shard.held('a|w');
    await shard.run(putResults(shard, 'b', [{ ...held, number: 1, kind: 'finished', payload: '' }]));
    await shard.row(pushBack(shard, 'b', [held]), { reply: ['OK', 'LOST'] });
    await shard.run(put(shard, 'a', ['w']));
    await shard.row(pushBack(shard, 'b', [held]), { reply: ['OK', 'LOST'] });
    await shard.run(claim(shard, 'b'));
    await shard.row(pushBack(shard, 'b', [held]), { reply: ['OK', 'LOST'] });
  });

  it('gives a ticket that is named twice back once', async () => {
    const shard = await claimed(1);
    const held = await shard.held('a|w');
    await shard.row(pushBack(shard, 'b', [held, held]), {
      reply: ['OK', 'OK LOST'],
      repeat: ['OK', 'LOST LOST'],
      changes: {
        waiting: ['a|w@0', 'a|x@1', 'a|y@2', 'a|z@3'],
        head: { a: 0 },
        load: { a: 4 },
        request: { 'a|w': '@0 128/900000/3/0/9' },
        due: { 'a|w@0': 900_000 },
      },
    });
  });

  it('gives back one of two in a call of which the other is lost', async () => {
    const shard = await claimed(2);
    const [w, x] = [await shard.held('a|w'), await shard.held('a|x')];
    await shard.row(pushBack(shard, 'b', [{ ...w, fence: x.fence }, x]), {
      reply: ['OK', 'LOST OK'],
      repeat: ['OK', 'LOST LOST'],
      changes: {
        waiting: ['a|x@1', 'a|y@2', 'a|z@3'],
        head: { a: 1 },
        load: { a: 3 },
        request: { 'a|x': '@1 128/900000/3/0/9' },
        due: { 'a|x@1': 900_000 },
      },
    });
  });

  it('ends a ticket for whose last try it is given back', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', [{ id: 'w', triesLeft: 1 }]));
    await shard.run(claim(shard, 'b', {}, { at: 60 }));
    shard.at = 100;
    await shard.row(
      pushBack(shard, 'b', [await shard.held('a|w')], { how: { counted: true, reason: 'gone' } }),
      {
        reply: ['OK', 'FAILED'],
        repeat: ['OK', 'LOST'],
        rings: ['a: results 0 0'],
        changes: {
          request: { 'a|w': undefined },
          body: { 'a|w': undefined },
          due: { 'a|w@0': undefined },
          out: ['100000: a|w@0 b- failed no tries left: 1 runners lost it or gave it up: gone'],
          dead: ['a|w@0 lost "gone" 1 [b] 9 "body of w"'],
        },
      },
    );
  });

  for (const how of [
    ['-1', '0', '0', ''],
    [String(2 ** 41), '0', '0', ''],
    ['0', '', '0', ''],
    ['0', '2', '0', ''],
    ['0', '0', '', ''],
    ['0', '0', '2', ''],
  ])
    it(`refuses a claim that goes back like ${how.join(' ')}, before it writes anything`, async () => {
      const shard = await claimed(1);
      const { ticket, fence } = await shard.held('a|w');
      const before = await shard.view();
      const error: unknown = await shard
        .run(shard.call('push_back', 'b', [ticket, fence, ...how]))
        .catch((reason: unknown) => reason);
      expect(String(error)).to.match(/an argument is out of its range/);
      expect(await shard.view()).to.deep.equal(before);
    });

  it('rings, but never the caller, who could not take them and stays idle for others', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    await shard.run(put(shard, 'c', ['y']));
    await shard.run(claim(shard, 'b', {}, { at: 60 }));
    for (const node of ['b', 'a', 'd', 'e']) await shard.run(claim(shard, node, {}, { at: 60 }));
    shard.at = 70;
    await shard.row(pushBack(shard, 'b', [await shard.held('a|x')]), {
      reply: ['OK', 'OK'],
      repeat: ['OK', 'LOST'],
      rings: ['a: claim 0 0'],
      changes: {
        waiting: ['a|x@0'],
        head: { a: 0 },
        load: { a: 1 },
        request: { 'a|x': '@0 128/900000/3/0/9' },
        due: { 'a|x@0': 900_000 },
        idle: { a: undefined },
      },
    });
    await shard.row(pushBack(shard, 'b', [await shard.held('c|y')]), {
      reply: ['OK', 'OK'],
      repeat: ['OK', 'LOST'],
      rings: ['d: claim 0 0'],
      changes: {
        waiting: ['a|x@0', 'c|y@1'],
        head: { c: 1 },
        load: { c: 1 },
        request: { 'c|y': '@1 128/900000/3/0/9' },
        due: { 'c|y@1': 900_000 },
        idle: { d: undefined },
      },
    });
  });

  it('rings no caller for its own either', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    for (let i = 0; i < 2; i += 1) await shard.run(claim(shard, 'a', {}, { at: 60 }));
    await wakeUps();
    await shard.run(pushBack(shard, 'a', [await shard.held('a|x')], { at: 70 }));
    expect(await wakeUps()).to.deep.equal([]);
    expect(Object.keys((await shard.view()).idle)).to.deep.equal(['a']);
  });

  it('lets the next visit end a ticket that came back after its deadline', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', [{ id: 'x', deadline: 1_000 }]));
    await shard.run(claim(shard, 'b', {}, { at: 60 }));
    await shard.run(pushBack(shard, 'b', [await shard.held('a|x')], { at: 1_500 }));
    expect((await shard.view()).due).to.deep.equal({ 'a|x@0': 1_000 });
    await shard.run(claim(shard, 'b', {}, { at: 1_500 }));
    expect((await shard.view()).out).to.deep.equal(['1500001: a|x@0 - expired ']);
  });

  guards('push_back', (shard, node, options) =>
    pushBack(
      shard,
      node,
      [{ ticket: `a|${'0'.repeat(14)}|${'0'.repeat(8)}|${'0'.repeat(12)}|x`, fence: '0'.repeat(14) }],
      options,
    ),
  );
  statusWordsOf('push_back');
});
