import { expect } from 'chai';
import { cancel, claim, put, putResults, reset } from './calls.ts';
import { guards } from './guards.ts';
import { TestShard, connections, statusWordsOf } from './support.ts';
import { parseTickets } from './wire.ts';

describe('reset', () => {
  connections();

  it('ends what of the caller waits, told in its answer and not through out, and nobody else’s', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x', 'y, |']));
    await shard.run(put(shard, 'aa', ['z']));
    await shard.row(reset(shard, 'a'), {
      reply: ['OK', 'more 0', 'a|x@0', 'a|y, |@1'],
      changes: {
        waiting: ['aa|z@2'],
        head: { a: undefined },
        load: { a: undefined },
        request: { 'a|x': undefined, 'a|y, |': undefined },
        body: { 'a|x': undefined, 'a|y, |': undefined },
        due: { 'a|x@0': undefined, 'a|y, |@1': undefined },
      },
    });
  });

  it('ends the pending tickets that the caller names, and tells their runners', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x', 'y', 'z']));
    await shard.run(claim(shard, 'b', { limit: 1 }, { at: 60 }));
    const tickets = [await shard.ticket('a|x'), await shard.ticket('a|z')];
    shard.at = 100;
    await shard.row(reset(shard, 'a', [...tickets, tickets[0]!]), {
      reply: ['OK', 'more 0', 'a|y@1', 'a|z@2', 'a|x@0'],
      rings: ['b: refresh 0 0'],
      changes: {
        waiting: [],
        head: { a: undefined },
        load: { a: undefined },
        request: { 'a|x': undefined, 'a|y': undefined, 'a|z': undefined },
        body: { 'a|x': undefined, 'a|y': undefined, 'a|z': undefined },
        due: { 'a|x@0': undefined, 'a|y@1': undefined, 'a|z@2': undefined },
      },
    });
  });

  it('leaves claimed requests that are not named, tickets of others, and tickets that ended', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    await shard.run(put(shard, 'c', ['y']));
    await shard.run(claim(shard, 'b', {}, { at: 60 }));
    const [x, y] = [await shard.ticket('a|x'), await shard.ticket('c|y')];
    await shard.row(reset(shard, 'a', [y, x.replace('|x', '|never put')]), { reply: ['OK', 'more 0'] });
  });

  it('empties the caller’s mailbox', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    await shard.run(put(shard, 'c', ['y']));
    await shard.run(claim(shard, 'b', {}, { at: 60 }));
    const held = [await shard.held('a|x'), await shard.held('c|y')];
    const finals = held.map((one) => ({ ...one, number: 1, kind: 'finished' as const, payload: '' }));
    await shard.run(putResults(shard, 'b', finals, { at: 100 }));
    await shard.row(reset(shard, 'a'), {
      reply: ['OK', 'more 0'],
      changes: { out: ['100001: c|y@1 b#60002.1 finished '] },
    });
  });

  it('works in slices, and says that there is more until nothing is left', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['claimed']));
    await shard.run(claim(shard, 'b', {}, { at: 60 }));
    const held = await shard.held('a|claimed');
    const chunks = Array.from({ length: 7 }, (_, i) => ({
      ...{ ...held, number: i + 1, kind: 'chunk' as const, payload: '' },
    }));
    await shard.run(putResults(shard, 'b', chunks));
    await shard.run(put(shard, 'a', ['v', 'w', 'x', 'y', 'z']));
    const told: [string, number, number, number][] = [];
    // chunks that the box counts: it is told at the end
    const counted: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      const reply = await shard.run(reset(shard, 'a', [], { slice: 2 }));
      const { waiting, out } = await shard.view();
      told.push([String(reply[2])[0]!, parseTickets(reply[2]!, 1).length, waiting.length, out.length]);
      const [, , all, , taken] = (await shard.snapshot()).calls.get('a|box')!.match(/.{14}/g)!;
      counted.push(parseInt(all!, 16) - parseInt(taken!, 16));
    }
    expect(told).to.deep.equal([
      ['1', 2, 3, 5],
      ['1', 2, 1, 3],
      ['1', 1, 0, 1],
      ['0', 0, 0, 0],
      ['0', 0, 0, 0],
    ]);
    expect(counted).to.deep.equal([7, 7, 7, 0, 0]);
  });

  it('takes nothing off the load of what its slice leaves for a named ticket that has ended', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x', 'y', 'z']));
    const [x, y] = [await shard.ticket('a|x'), await shard.ticket('a|y')];
    await shard.run(cancel(shard, 'a', [x]));
    const reply = await shard.run(reset(shard, 'a', [x], { slice: 1 }));
    expect(parseTickets(reply[2]!, 1)).to.deep.equal([y]);
    expect((await shard.view()).load).to.deep.equal({ a: 1 });
  });

  it('takes its turn among the puts: an earlier put that comes late is STALE', async () => {
    const shard = new TestShard();
    const late = put(shard, 'a', ['x']);
    await shard.run(reset(shard, 'a'));
    expect(String((await shard.run(late))[0])).to.equal('STALE');
    expect((await shard.view()).waiting).to.deep.equal([]);
  });

  guards('reset', (shard, node, options) => reset(shard, node, [], options));
  statusWordsOf('reset');
});
