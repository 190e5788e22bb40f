import { expect } from 'chai';
import type { Tick, Ticket } from '../../src/base/ticket.ts';
import { cancel, claim, pushBack, put, putResults, refresh, takeResults } from './calls.ts';
import { guards } from './guards.ts';
import { START } from './view.ts';
import { TestShard, connection, connections, statusWordsOf, type Call } from './support.ts';
import { parseMail, parseResults, type ResultItem } from './wire.ts';

interface Held {
  ticket: Ticket;
  fence: Tick;
}

function chunk(held: Held, number: number, payload: string | Buffer = `chunk ${number}`): ResultItem {
  return { ...held, number, kind: 'chunk', payload };
}

function finished(held: Held, number: number, payload: string | Buffer = 'done'): ResultItem {
  return { ...held, number, kind: 'finished', payload };
}

const wordsOf = (reply: readonly Buffer[]): string => parseResults(reply[2]!).words;

describe('put_results', () => {
  connections();

  /** `a` put x and y, `c` put z; `b` runs all of them, with tokens #60001, #60002, #60003. */
  async function claimed(): Promise<{ shard: TestShard; x: Held; y: Held; z: Held }> {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', [{ id: 'x', triesLeft: 2, triesSpent: 1 }, 'y']));
    await shard.run(put(shard, 'c', ['z']));
    await shard.run(claim(shard, 'b', {}, { at: 60 }));
    shard.at = 100;
    return { shard, x: await shard.held('a|x'), y: await shard.held('a|y'), z: await shard.held('c|z') };
  }

  it('appends chunks to the owner’s mailbox and leaves the claim as it is', async () => {
    const { shard, x } = await claimed();
    await shard.row(putResults(shard, 'b', [chunk(x, 1), chunk(x, 2)]), {
      reply: ['OK', 'OK OK'],
      rings: ['a: results 0 0'],
      changes: { out: ['100000: a|x@0 #60001.1 chunk chunk 1', '100001: a|x@0 #60001.2 chunk chunk 2'] },
    });
  });

  it('ends the request with a final, behind the chunks of its call', async () => {
    const { shard, x } = await claimed();
    await shard.row(putResults(shard, 'b', [chunk(x, 1), finished(x, 2)]), {
      reply: ['OK', 'OK OK'],
      rings: ['a: results 0 0'],
      changes: {
        request: { 'a|x': undefined },
        body: { 'a|x': undefined },
        due: { 'a|x@0': undefined },
        out: ['100000: a|x@0 #60001.1 chunk chunk 1', '100001: a|x@0 b#60001.2 finished done'],
      },
    });
  });

  it('keeps the results of several owners apart, in the order of the call', async () => {
    const { shard, x, y, z } = await claimed();
    await shard.row(putResults(shard, 'b', [finished(z, 1), chunk(x, 1), chunk(y, 1), chunk(x, 2)]), {
      reply: ['OK', 'OK OK OK OK'],
      rings: ['a: results 0 0', 'c: results 0 0'],
      changes: {
        request: { 'c|z': undefined },
        body: { 'c|z': undefined },
        due: { 'c|z@2': undefined },
        out: [
          '100000: a|x@0 #60001.1 chunk chunk 1',
          '100001: a|y@1 #60002.1 chunk chunk 1',
          '100002: a|x@0 #60001.2 chunk chunk 2',
          '100003: c|z@2 b#60003.1 finished done',
        ],
      },
    });
  });

  it('answers LOST to a fence that holds no longer, and stores nothing', async () => {
    const { shard, x, y, z } = await claimed();
    await shard.run(pushBack(shard, 'b', [x]));
    await shard.run(cancel(shard, 'a', [y.ticket]));
    const waiting = putResults(shard, 'b', [chunk(x, 1), chunk(y, 1), finished({ ...z, fence: x.fence }, 1)]);
    const told = [x, y].map(({ fence }) => `told #${parseInt(fence, 16) - START * 1000}`);
    await shard.row(waiting, { reply: ['OK', 'LOST LOST LOST', ...told] });
    await shard.run(claim(shard, 'd', {}, { at: 200 }));
    await shard.row(putResults(shard, 'b', [finished(x, 1)]), { reply: ['OK', 'LOST'] });
  });

  it('answers LOST to what follows a final, in its call and later', async () => {
    const { shard, x } = await claimed();
    await shard.row(putResults(shard, 'b', [finished(x, 1), chunk(x, 2), finished(x, 3)]), {
      reply: ['OK', 'OK LOST LOST'],
      rings: ['a: results 0 0'],
      changes: {
        request: { 'a|x': undefined },
        body: { 'a|x': undefined },
        due: { 'a|x@0': undefined },
        out: ['100000: a|x@0 b#60001.1 finished done'],
      },
    });
    await shard.row(putResults(shard, 'b', [chunk(x, 2)]), { reply: ['OK', 'LOST'] });
  });

  it('accepts results of a claim whose lease is over until somebody else takes it', async () => {
    const { shard, x } = await claimed();
    await shard.run(refresh(shard, 'a', {}, { at: 29_000 }));
    const reply = await shard.run(putResults(shard, 'b', [chunk(x, 1)], { at: 50_000 }));
    expect(wordsOf(reply)).to.equal('OK');
  });

  it('stores nothing for an owner that is the caller: it has the result', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    await shard.run(claim(shard, 'a'));
    const x = await shard.held('a|x');
    shard.at = 100;
    await shard.row(putResults(shard, 'a', [chunk(x, 1), finished(x, 2)]), {
      reply: ['OK', 'OK OK'],
      changes: {
        request: { 'a|x': undefined },
        body: { 'a|x': undefined },
        due: { 'a|x@0': undefined },
      },
    });
    await shard.row(putResults(shard, 'a', [finished(x, 2)]), { reply: ['OK', 'LOST'] });
  });

  it('is no orphan’s for the caller itself, though the shard has not heard of it for a lease', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    await shard.run(claim(shard, 'a'));
    const x = await shard.held('a|x');
    const reply = await shard.run(putResults(shard, 'a', [finished(x, 1)], { at: 30_001 }));
    expect(wordsOf(reply)).to.equal('OK');
  });

  it('keeps a copy in dead of a failed request that is flagged so, and of none else', async () => {
    const { shard, x, y, z } = await claimed();
    const failed = (held: Held, dead: boolean): ResultItem => ({
      ...{ ...held, number: 1, kind: 'failed', payload: 'out of memory', dead },
    });
    await shard.row(
      putResults(shard, 'b', [failed(x, true), failed(y, false), { ...chunk(z, 1), dead: true }]),
      {
        reply: ['OK', 'OK OK OK'],
        rings: ['a: results 0 0', 'c: results 0 0'],
        changes: {
          request: { 'a|x': undefined, 'a|y': undefined },
          body: { 'a|x': undefined, 'a|y': undefined },
          due: { 'a|x@0': undefined, 'a|y@1': undefined },
          out: [
            '100001: a|x@0 b#60001.1 failed out of memory',
            '100002: a|y@1 b#60002.1 failed out of memory',
            '100000: c|z@2 #60003.1 chunk chunk 1',
          ],
          dead: ['a|x@0 undecodable "out of memory" 2 [b] 9 "body of x"'],
        },
      },
    );
  });

  it('keeps any bytes of a payload, and any id, as they are', async () => {
    const shard = new TestShard();
    const ids = ['a|b', 'new\nline', 'comma, ', 'ünï©ødé 🚂', '\u0000', '}', 'é'.repeat(256)];
    const bytes = Buffer.from(Array.from({ length: 512 }, (_, i) => i % 256));
    await shard.run(put(shard, 'a', ids));
    await shard.run(claim(shard, 'b', {}, { at: 60 }));
    const items = await Promise.all(ids.map(async (id) => finished(await shard.held(`a|${id}`), 1, bytes)));
    const reply = await shard.run(putResults(shard, 'b', items));
    expect(wordsOf(reply)).to.equal(ids.map(() => 'OK').join(' '));
    const mails = (await shard.run(takeResults(shard, 'a'))).slice(3).map(parseMail);
    for (const { payload } of mails) expect(payload).to.deep.equal(bytes);
    expect(mails.map(({ ticket }) => ticket.slice(39))).to.deep.equal(ids);
  });

  describe('to a slow or silent owner', () => {
    it('ends a request whose chunk is beyond max_results of one owner: OVERFLOW, and what follows is LOST', async () => {
      const { shard, x, y, z } = await claimed();
      await shard.run(putResults(shard, 'b', [chunk(x, 1)]));
      const items = [chunk(x, 2), chunk(x, 3), chunk(z, 1), chunk(x, 4), finished(x, 5)];
      const reason = 'its owner has no room for more results (option maxResults)';
      await shard.row(putResults(shard, 'b', items, { maxResults: 2 }), {
        reply: ['OK', 'OK OVERFLOW OK LOST LOST'],
        rings: ['a: results 0 0', 'c: results 0 0'],
        changes: {
          request: { 'a|x': undefined },
          body: { 'a|x': undefined },
          due: { 'a|x@0': undefined },
          out: [
            '100000: a|x@0 #60001.1 chunk chunk 1',
            '100001: a|x@0 #60001.2 chunk chunk 2',
            `100003: a|x@0 b#60001.3 failed ${reason}`,
            '100002: c|z@2 #60003.1 chunk chunk 1',
          ],
        },
      });
      const late = putResults(shard, 'b', [chunk(x, 4), finished(x, 4)], { maxResults: 9 });
      await shard.row(late, { reply: ['OK', 'LOST LOST'] });
      const full = putResults(shard, 'b', [finished(y, 1)], { maxResults: 2 });
      expect(wordsOf(await shard.run(full)), 'a final is always accepted').to.equal('OK');
    });

    it('has room for one owner again when its results were taken', async () => {
      const { shard, x, y } = await claimed();
      await shard.run(putResults(shard, 'b', [chunk(x, 1), chunk(x, 2)]));
      const [first, last] = (await shard.run(takeResults(shard, 'a'))).slice(3).map(parseMail);
      await shard.run(takeResults(shard, 'a', first!.tick + first!.totals!));
      const call = putResults(shard, 'b', [chunk(x, 3), chunk(x, 4)], { maxResults: 2 });
      expect(wordsOf(await shard.run(call))).to.equal('OK OVERFLOW');
      // what follows is there and waits, whatever totals are handed back that are not of this mailbox
      for (const totals of ['f'.repeat(42), `${last!.totals!.slice(0, 14)}${'f'.repeat(28)}`, '0'.repeat(42)])
        await shard.run(takeResults(shard, 'a', last!.tick + totals));
      const next = (): Call => putResults(shard, 'b', [chunk(y, 1)], { maxResults: 2 });
      expect(wordsOf(await shard.run(next()))).to.equal('OVERFLOW');
    });

    it('has room for one owner again when nothing waits for it, whatever was lost', async () => {
      const { shard, x, y } = await claimed();
      await shard.run(putResults(shard, 'b', [chunk(x, 1), chunk(x, 2)]));
      await connection().del(shard.key('out'));
      await shard.run(takeResults(shard, 'a'));
      const reply = await shard.run(putResults(shard, 'b', [chunk(x, 3), chunk(y, 1)], { maxResults: 2 }));
      expect(wordsOf(reply)).to.equal('OK OK');
    });

    it('is asked in frames first: FULL, and nothing is done; in doubt of the claims DOUBT', async () => {
      const { shard, x } = await claimed();
      const groups = [{ owner: 'a', chunks: [{ fence: x.fence, number: 1, payload: '' }] }];
      await shard.row(putResults(shard, 'b', [], { groups, maxResults: 0 }), { reply: ['FULL'] });
      await shard.row(putResults(shard, 'b', [], { groups, mark: x.fence }), { reply: ['DOUBT'] });
    });

    it('never overflows for the caller’s own results: they are not stored', async () => {
      const shard = new TestShard();
      await shard.run(put(shard, 'a', ['x']));
      await shard.run(claim(shard, 'a'));
      const call = putResults(shard, 'a', [chunk(await shard.held('a|x'), 1)], { maxResults: 0 });
      await shard.row(call, { reply: ['OK', 'OK'] });
    });

    it('answers ORPHAN if the owner has been silent for a lease, and keeps the result for it', async () => {
      const { shard, x } = await claimed();
      await shard.run(refresh(shard, 'b', { held: [x] }, { at: 20_000 }));
      shard.at = 30_000;
      await shard.row(putResults(shard, 'b', [chunk(x, 1)]), {
        reply: ['OK', 'OK'],
        rings: ['a: results 0 0'],
        changes: { out: ['30000000: a|x@0 #60001.1 chunk chunk 1'] },
      });
      shard.at = 30_001;
      await shard.row(putResults(shard, 'b', [chunk(x, 2), finished(x, 3)]), {
        reply: ['OK', 'ORPHAN ORPHAN'],
        rings: ['a: results 0 0'],
        changes: {
          request: { 'a|x': undefined },
          body: { 'a|x': undefined },
          due: { 'a|x@0': undefined },
          out: [
            '30000000: a|x@0 #60001.1 chunk chunk 1',
            '30001000: a|x@0 #60001.2 chunk chunk 2',
            '30001001: a|x@0 b#60001.3 finished done',
          ],
        },
      });
    });

    it('notes an owner that was forgotten, so that its mailbox is found and buried', async () => {
      const shard = new TestShard({ ttl: 60_000 });
      await shard.run(put(shard, 'a', [{ id: 'x', deadline: 500_000 }]));
      await shard.run(claim(shard, 'b', {}, { at: 60 }));
      const x = await shard.held('a|x');
      for (let at = 10_000; at <= 100_000; at += 10_000)
        await shard.run(refresh(shard, 'b', { held: [x] }, { at }));
      expect((await shard.view()).node).to.deep.equal({ b: 130_000 });
      shard.at = 100_000;
      await shard.row(putResults(shard, 'b', [finished(x, 1)]), {
        reply: ['OK', 'ORPHAN'],
        rings: ['a: results 0 0'],
        changes: {
          request: { 'a|x': undefined },
          body: { 'a|x': undefined },
          due: { 'a|x@0': undefined },
          out: ['100000001: a|x@0 b#60001.1 finished done'],
          node: { a: 130_000 },
        },
      });
      await shard.run(refresh(shard, 'b', {}, { at: 190_000 }));
      const { out, node } = await shard.view();
      expect({ out, node }).to.deep.equal({ out: [], node: { b: 220_000 } });
    });
  });

  guards('put_results', (shard, node, options) => {
    const ticket = `a|${'0'.repeat(14)}|${'0'.repeat(8)}|${'0'.repeat(12)}|x`;
    return putResults(shard, node, [chunk({ ticket, fence: '0'.repeat(14) }, 1)], options);
  });
  statusWordsOf('put_results');
});
