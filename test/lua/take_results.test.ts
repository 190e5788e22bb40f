import { expect } from 'chai';
import type { Tick, Ticket } from '../../src/base/ticket.ts';
import { claim, put, putResults, refresh, takeResults } from './calls.ts';
import { guards } from './guards.ts';
import { TestShard, connections, statusWordsOf, tickAt } from './support.ts';
import { parseMail } from './wire.ts';

describe('take_results', () => {
  connections();

  /** `b` runs x of `a` and y of `aa`, whose name begins like the other’s. */
  async function claimed(): Promise<{
    shard: TestShard;
    send: (count: number, bytes?: number) => Promise<void>;
  }> {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    await shard.run(put(shard, 'aa', ['y']));
    await shard.run(claim(shard, 'b', {}, { at: 60 }));
    shard.at = 100;
    const [x, y] = [await shard.held('a|x'), await shard.held('aa|y')];
    let number = 0;
    const item = (held: { ticket: Ticket; fence: Tick }, bytes: number) => ({
      ...{ ...held, number, kind: 'chunk' as const, payload: 'x'.repeat(bytes) },
    });
    return {
      shard,
      async send(count, bytes = 1) {
        for (let i = 0; i < count; i += 1) {
          number += 1;
          await shard.run(putResults(shard, 'b', [item(x, bytes), item(y, bytes)]));
        }
      },
    };
  }

  const numbers = (reply: readonly Buffer[]): number[] =>
    reply.slice(3).map((mail) => parseMail(mail).number);

  it('answers the caller’s results in their order, and removes nothing that was not confirmed', async () => {
    const { shard, send } = await claimed();
    await send(2);
    await shard.row(takeResults(shard, 'a'), {
      reply: ['OK', 'more 0', '100000: a|x@0 #60001.1 chunk x', '100002: a|x@0 #60001.2 chunk x'],
    });
  });

  it('removes the mailbox up to the cursor, and answers what follows', async () => {
    const { shard, send } = await claimed();
    await send(3);
    await shard.row(takeResults(shard, 'a', tickAt(100_002)), {
      reply: ['OK', 'more 0', '100004: a|x@0 #60001.3 chunk x'],
      repeat: ['BOX', 'more 0', '100004: a|x@0 #60001.3 chunk x'],
      changes: {
        out: [
          ...[1, 2, 3].map((n) => `${100_000 + 2 * n - 1}: aa|y@1 #60002.${n} chunk x`),
          '100004: a|x@0 #60001.3 chunk x',
        ],
      },
    });
    await shard.row(takeResults(shard, 'a', tickAt(100_004)), {
      reply: ['OK', 'more 0'],
      repeat: ['BOX', 'more 0'],
      changes: { out: [1, 2, 3].map((n) => `${100_000 + 2 * n - 1}: aa|y@1 #60002.${n} chunk x`) },
    });
  });

  it('answers none with limit 0, and removes what the cursor covers', async () => {
    const { shard, send } = await claimed();
    await send(2);
    await shard.row(takeResults(shard, 'a', tickAt(100_000), { limit: 0 }), {
      reply: ['OK', 'more 1'],
      repeat: ['BOX', 'more 1'],
      changes: {
        out: [
          '100001: aa|y@1 #60002.1 chunk x',
          '100003: aa|y@1 #60002.2 chunk x',
          '100002: a|x@0 #60001.2 chunk x',
        ],
      },
    });
  });

  it('answers an empty mailbox', async () => {
    const { shard } = await claimed();
    await shard.row(takeResults(shard, 'a'), { reply: ['OK', 'more 0'] });
  });

  it('answers at most limit results, and says that there are more', async () => {
    const { shard, send } = await claimed();
    await send(40);
    const take = async (cursor: Tick, limit: number): Promise<[string, number[]]> => {
      const reply = await shard.run(takeResults(shard, 'a', cursor, { limit }));
      return [String(reply[2]), numbers(reply)];
    };
    const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);
    expect(await take('', 1)).to.deep.equal(['1', [1]]);
    expect(await take('', 33)).to.deep.equal(['1', upTo(33)]);
    expect(await take('', 39)).to.deep.equal(['1', upTo(39)]);
    expect((await take('', 128))[1]).to.deep.equal(upTo(40));
    expect((await take(tickAt(100_000 + 2 * 38), 128))[1]).to.deep.equal([40]);
  });

  it('answers at most max_bytes, or one larger result', async () => {
    const { shard, send } = await claimed();
    await send(3, 100);
    await send(1, 1_000);
    await send(2, 100);
    const take = async (cursor: Tick, maxBytes: number): Promise<[string, number[]]> => {
      const reply = await shard.run(takeResults(shard, 'a', cursor, { maxBytes }));
      const bytes = reply.slice(3).reduce((sum, { length }) => sum + length, 0);
      expect(reply.length === 4 || bytes <= maxBytes, `${bytes} bytes`).to.equal(true);
      return [String(reply[2]), numbers(reply)];
    };
    expect(await take('', 1_000)).to.deep.equal(['1', [1, 2, 3]]);
    expect(await take(tickAt(100_004), 1_000)).to.deep.equal(['1', [4]]);
    expect(await take(tickAt(100_006), 1_000)).to.deep.equal(['0', [5, 6]]);
    expect(await take(tickAt(100_006), 1)).to.deep.equal(['1', [5]]);
  });

  it('reaches the end of a mailbox of any size, each result once, in order', async () => {
    const { shard, send } = await claimed();
    await send(50, 10);
    const all: number[] = [];
    for (let cursor: Tick = '', more = '1'; more === '1';) {
      const reply: Buffer[] = await shard.run(takeResults(shard, 'a', cursor, { limit: 7 }));
      more = String(reply[2]);
      all.push(...numbers(reply));
      const last = reply.slice(3).at(-1);
      if (last) cursor = parseMail(last).tick;
    }
    expect(all).to.deep.equal(Array.from({ length: 50 }, (_, i) => i + 1));
  });

  it('removes nothing if the entry at the cursor is not there: BOX, and the answer begins at the first entry', async () => {
    const { shard, send } = await claimed();
    await send(3);
    // another history: entries before the cursor that the caller does not have
    const cursor = tickAt(100_003);
    await shard.row(takeResults(shard, 'a', cursor), {
      reply: ['BOX', 'more 0', ...[1, 2, 3].map((n) => `${100_000 + 2 * n - 2}: a|x@0 #60001.${n} chunk x`)],
    });
    await shard.run(refresh(shard, 'a', { cursor }));
    expect((await shard.snapshot()).out.length).to.equal(6);
  });

  it('is taken off by a refresh, too, where no chunk ever came and nothing is counted', async () => {
    const { shard } = await claimed();
    const x = await shard.held('a|x');
    const final = { ...x, number: 1, kind: 'finished' as const, payload: '' };
    await shard.run(putResults(shard, 'b', [final]));
    const [mail] = (await shard.run(takeResults(shard, 'a'))).slice(3).map(parseMail);
    expect(String((await shard.run(refresh(shard, 'a', { cursor: mail!.tick })))[0])).to.equal('OK');
    expect((await shard.snapshot()).out).to.deep.equal([]);
  });

  it('knows how much waits by the totals that the cursor hands back, in a take and in a refresh', async () => {
    const { shard, send } = await claimed();
    await send(4, 10);
    const waits = async (): Promise<string> => {
      const text = (await shard.snapshot()).calls.get('a|box')!;
      const [, , chunks, bytes, taken, takenBytes] = text
        .match(/.{14}/g)!
        .map((field) => parseInt(field, 16));
      return `${chunks! - taken!} ${bytes! - takenBytes!}`;
    };
    const mails = (await shard.run(takeResults(shard, 'a'))).slice(3).map(parseMail);
    const cursor = (n: number): Tick => mails[n - 1]!.tick + mails[n - 1]!.totals!;
    expect(await waits()).to.equal('4 40');
    await shard.run(takeResults(shard, 'a', cursor(1), { limit: 0 }));
    expect(await waits()).to.equal('3 30');
    await shard.run(refresh(shard, 'a', { cursor: cursor(2) }));
    expect(await waits()).to.equal('2 20');
    // a late copy
    await shard.run(takeResults(shard, 'a', cursor(1)));
    await shard.run(refresh(shard, 'a', { cursor: cursor(1) }));
    expect(await waits()).to.equal('2 20');
    await shard.run(takeResults(shard, 'a', cursor(4)));
    expect(await waits()).to.equal('0 0');
  });

  const counted: [title: string, waits: number, totals: (of: (n: number) => string) => string][] = [
    ['its own totals', 2, (of) => of(2)],
    ['totals of another box', 3, (of) => '0'.repeat(14) + of(2).slice(14)],
    ['totals beyond what was put', 3, (of) => of(2).slice(0, 14) + 'f'.repeat(28)],
    ['totals before what was taken', 3, (of) => of(2).slice(0, 14) + '0'.repeat(28)],
    ['no totals', 3, () => ''],
  ];
  for (const [title, waits, totals] of counted) {
    it(`counts what waits by ${title}, and believes no others`, async () => {
      const { shard, send } = await claimed();
      await send(4, 10);
      const mails = (await shard.run(takeResults(shard, 'a'))).slice(3).map(parseMail);
      const of = (n: number): string => mails[n - 1]!.totals!;
      await shard.run(takeResults(shard, 'a', mails[0]!.tick + of(1)));
      const box = async (): Promise<number> => {
        const [, , chunks, , taken] = (await shard.snapshot()).calls.get('a|box')!.match(/.{14}/g)!;
        return parseInt(chunks!, 16) - parseInt(taken!, 16);
      };
      expect(await box()).to.equal(3);
      await shard.run(takeResults(shard, 'a', mails[1]!.tick + totals(of)));
      expect(await box()).to.equal(waits);
      // a cursor that does not stand says nothing
      await shard.run(takeResults(shard, 'a', mails[1]!.tick + of(3)));
      expect(await box()).to.equal(waits);
    });
  }

  guards('take_results', (shard, node, options) => takeResults(shard, node, '', options));
  statusWordsOf('take_results');
});
