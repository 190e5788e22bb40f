import { expect } from 'chai';
import { SHARD_TABLES } from '../../src/base/keys.ts';
import { NO_TICK, type Tick, type Ticket } from '../../src/base/ticket.ts';
import { cancel, claim, pushBack, put, putResults, refresh, reset, takeResults } from './calls.ts';
import { TestShard, connection, connections, wakeUps, type Call } from './support.ts';
import {
  hexOf,
  parseClaims,
  parseFrameMail,
  parseResults,
  type FrameChunk,
  type Group,
  type ResultItem,
} from './wire.ts';

interface Held {
  ticket: Ticket;
  fence: Tick;
}

const of = ({ fence }: Held, number: number, payload = `c${number}`): FrameChunk => ({
  fence,
  number,
  payload,
});
const to = (owner: string, ...chunks: FrameChunk[]): Group => ({ owner, chunks });
const own = (owner: string, ...chunks: FrameChunk[]): Group => ({ owner, chunks, own: true });
const single = (held: Held, number: number, kind: 'chunk' | 'finished' = 'chunk'): ResultItem => ({
  ...{ ticket: held.ticket, fence: held.fence, number, kind, payload: `c${number}` },
});

/** Waiting chunks and bytes of an owner, and the intro of its box. */
async function boxOf(
  shard: TestShard,
  owner: string,
): Promise<{ chunks: number; bytes: number; intro: Tick }> {
  const text = (await shard.snapshot()).calls.get(`${owner}|box`)!;
  const [intro, , chunks, bytes, taken, takenBytes] = text.match(/.{14}/g)!;
  const difference = (all: string, gone: string): number => parseInt(all, 16) - parseInt(gone, 16);
  return { intro: intro, chunks: difference(chunks!, taken!), bytes: difference(bytes!, takenBytes!) };
}

async function callsField(shard: TestShard, field: string): Promise<string | undefined> {
  return (await shard.snapshot()).calls.get(field);
}

/** All tables as they stand, to go back to. */
async function saved(shard: TestShard): Promise<() => Promise<void>> {
  const redis = connection();
  const dumps = await Promise.all(
    SHARD_TABLES.map(async (table) => {
      const dump = (await redis.dumpBuffer(shard.key(table))) as Buffer | null;
      return { table, dump, ttl: Math.max(0, await redis.pttl(shard.key(table))) };
    }),
  );
  return async () => {
    for (const { table, dump, ttl } of dumps) {
      if (dump === null) await redis.del(shard.key(table));
      else await redis.restore(shard.key(table), ttl, dump, 'REPLACE');
    }
  };
}

describe('put_results in frames', () => {
  connections();

  /** `a` put x and y, `c` put z; `b` runs all of them, with tokens #60001, #60002, #60003. */
  async function claimed(): Promise<{ shard: TestShard; x: Held; y: Held; z: Held }> {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x', 'y']));
    await shard.run(put(shard, 'c', ['z']));
    await shard.run(claim(shard, 'b', {}, { at: 60 }));
    shard.at = 100;
    return { shard, x: await shard.held('a|x'), y: await shard.held('a|y'), z: await shard.held('c|z') };
  }

  const status = async (shard: TestShard, call: Call): Promise<string> => String((await shard.run(call))[0]);

  it('stores what goes to one owner as one entry, whoever’s chunks they are, and rings it once', async () => {
    const { shard, x, y, z } = await claimed();
    const groups = [to('a', { ...of(x, 1), ticket: x.ticket }, of(y, 1), of(x, 2)), to('c', of(z, 1))];
    await shard.row(putResults(shard, 'b', [], { groups }), {
      reply: ['OK', '', 'k', 'k'],
      rings: ['a: results 0 0', 'c: results 0 0'],
      changes: {
        out: ['100000: a [a|x@0 #60001.1 c1, #60002.1 c1, #60001.2 c2]', '100001: c [#60003.1 c1]'],
      },
    });
    const bytes = 3 * 16 + 3 * 2 + 4 + x.ticket.length;
    expect(await boxOf(shard, 'a')).to.include({ chunks: 3, bytes });
    expect(await boxOf(shard, 'c')).to.include({ chunks: 1, bytes: 18 });
  });

  it('lets the wake-up carry the entry, if it is small and little waits', async () => {
    const { shard, x, y, z } = await claimed();
    const carry = async (owner: string, options: object, ...chunks: FrameChunk[]): Promise<string[]> => {
      await wakeUps();
      await shard.run(putResults(shard, 'b', [], { groups: [to(owner, ...chunks)], ...options }));
      const last = (await shard.snapshot()).out
        .filter((entry) => entry.toString().startsWith(`${owner}|`))
        .at(-1)!;
      return (await wakeUps()).map((ring) => ring.replace(last.toString('latin1'), `<${last.length} bytes>`));
    };
    const fence = of(x, 1, 'é|\u0000');
    const size = 'a|'.length + 14 + '|F'.length + 46 + 16 + 4;
    expect(await carry('a', { carried: size }, fence)).to.deep.equal([`a: results 0 0 <${size} bytes>`]);
    expect(await carry('a', { carried: size - 1 }, of(x, 2, 'é|\u0000'))).to.deep.equal(['a: results 0 0']);
    expect(await carry('a', {}, of(x, 3))).to.deep.equal(['a: results 0 0']);
    // three wait, and there is room for a tenth of them beyond
    const some = { carried: 4_096 };
    expect(await carry('a', { ...some, maxResults: 30 }, of(x, 4))).to.deep.equal(['a: results 0 0']);
    expect(await carry('a', { ...some, maxResults: 41 }, of(y, 1))).to.have.lengthOf(1);
    expect((await carry('a', { ...some, maxResults: 61 }, of(y, 2)))[0]).to.match(
      /^a: results 0 0 <\d+ bytes>$/,
    );
    expect(await carry('a', { ...some, maxBytes: 500 }, of(y, 3))).to.deep.equal(['a: results 0 0']);
    expect((await carry('c', { ...some, maxBytes: 500 }, of(z, 1)))[0]).to.match(
      /^c: results 0 0 <\d+ bytes>$/,
    );
  });

  it('lets no wake-up carry an entry in a call with results that are checked: their owner asks for them', async () => {
    const { shard, x, y } = await claimed();
    const groups = [to('a', of(x, 1))];
    await shard.run(putResults(shard, 'b', [single(y, 1, 'finished')], { groups, carried: 4_096 }));
    expect(await wakeUps()).to.deep.equal(['a: results 0 0']);
  });

  it('ends requests in the same call, behind the frames, and rings their owner once', async () => {
    const { shard, x, y, z } = await claimed();
    const groups = [to('a', of(x, 1), of(y, 1))];
    await shard.row(putResults(shard, 'b', [single(z, 1), single(x, 2, 'finished')], { groups }), {
      reply: ['OK', 'OK OK', 'k'],
      rings: ['a: results 0 0', 'c: results 0 0'],
      changes: {
        request: { 'a|x': undefined },
        body: { 'a|x': undefined },
        due: { 'a|x@0': undefined },
        out: [
          '100000: a [#60001.1 c1, #60002.1 c1]',
          '100002: a|x@0 b#60001.2 finished c2',
          '100001: c|z@2 #60003.1 chunk c1',
        ],
      },
    });
  });

  it('tells the intro of each box, and counts on in the box of an owner', async () => {
    const { shard, x } = await claimed();
    const send = async (number: number): Promise<string[]> => {
      const call = putResults(shard, 'b', [single(x, number)], {
        groups: [to('a', of(x, 9)), to('c', of(x, 9))],
      });
      return parseResults((await shard.run(call))[2]!, 2).groups;
    };
    const first = await send(1);
    expect(first).to.deep.equal(await send(2));
    expect(first).to.deep.equal([
      `k${(await boxOf(shard, 'a')).intro}`,
      `k${(await boxOf(shard, 'c')).intro}`,
    ]);
    // one by one and in frames are counted alike
    expect(await boxOf(shard, 'a')).to.include({ chunks: 4, bytes: 2 * 18 + 2 * 2 });
  });

  it('stores nothing for the caller’s own requests, whose frame is empty', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    await shard.run(claim(shard, 'a'));
    const x = await shard.held('a|x');
    shard.at = 100;
    await shard.row(putResults(shard, 'a', [], { groups: [own('a', of(x, 1), of(x, 2))] }), {
      reply: ['OK', '', 'k'],
    });
    expect(await callsField(shard, 'a|box')).to.equal(undefined);
  });

  it('says of an owner that has been silent for a lease that it is', async () => {
    const { shard, x, y } = await claimed();
    await shard.run(refresh(shard, 'b', { held: [x, y] }, { at: 20_000 }));
    shard.at = 30_001;
    const call = putResults(shard, 'b', [], { groups: [to('a', of(x, 1))] });
    await shard.row(call, {
      reply: ['OK', '', 'o'],
      rings: ['a: results 0 0'],
      changes: { out: ['30001000: a [#60001.1 c1]'] },
    });
  });

  it('notes an owner that was forgotten, so that its mailbox is found and buried', async () => {
    const { shard, x } = await claimed();
    await connection().zrem(shard.key('node'), 'a');
    await shard.row(putResults(shard, 'b', [], { groups: [to('a', of(x, 1))] }), {
      reply: ['OK', '', 'o'],
      rings: ['a: results 0 0'],
      changes: { out: ['100000: a [#60001.1 c1]'], node: { a: 30_100 } },
    });
  });

  describe('the mark', () => {
    it('is the fence of the last grant, which a claim that grants nothing leaves', async () => {
      const { shard, z } = await claimed();
      expect(await callsField(shard, 'b|held')).to.equal(z.fence + NO_TICK);
      await shard.run(claim(shard, 'b'));
      expect(await callsField(shard, 'b|held')).to.equal(z.fence + NO_TICK);
      await shard.run(put(shard, 'a', ['v', 'w']));
      const reply = await shard.run(claim(shard, 'b', {}, { at: 500 }));
      const [, last] = parseClaims(reply[2]!);
      expect(String(reply[2]).slice(0, 14)).to.equal(z.fence);
      expect(await callsField(shard, 'b|held')).to.equal(last!.fence + z.fence);
    });

    it('may be the one before: the caller has not heard of the last grant yet', async () => {
      const { shard, x, z } = await claimed();
      await shard.run(put(shard, 'a', ['w']));
      await shard.run(claim(shard, 'b', {}, { at: 500 }));
      const groups = [to('a', of(x, 1))];
      expect(await status(shard, putResults(shard, 'b', [], { groups, mark: z.fence }))).to.equal('OK');
    });

    it('is not known if it is older, none, or of another history: DOUBT, and nothing is done', async () => {
      const { shard, x, y, z } = await claimed();
      for (const id of ['v', 'w']) {
        await shard.run(put(shard, 'a', [id]));
        await shard.run(claim(shard, 'b', {}, { at: 500 }));
      }
      shard.at = 1_000;
      for (const mark of [z.fence, y.fence, NO_TICK, hexOf(parseInt(shard.runner('b').mark, 16) + 1, 14)])
        await shard.row(
          putResults(shard, 'b', [single(x, 2, 'finished')], { groups: [to('a', of(x, 1))], mark }),
          {
            reply: ['DOUBT'],
          },
        );
    });

    it('is not known to a shard that lost calls: absent marks are no marks', async () => {
      const { shard, x } = await claimed();
      await connection().del(shard.key('calls'));
      for (const mark of [shard.runner('b').mark, NO_TICK]) {
        const call = putResults(shard, 'b', [], { groups: [to('a', of(x, 1))], mark });
        expect(await status(shard, call), mark).to.equal('DOUBT');
      }
      expect((await shard.snapshot()).calls.size).to.equal(0);
    });

    it('is not trusted after a call whose answer the caller has not: the lane must be without a gap', async () => {
      const { shard, x } = await claimed();
      const groups = [to('a', of(x, 1))];
      expect(await status(shard, putResults(shard, 'b', [], { groups, last: 1 }))).to.equal('DOUBT');
      expect(await status(shard, putResults(shard, 'b', [], { groups, lane: 5 }))).to.equal('OK');
      for (const last of [0, 4, 6])
        expect(
          await status(shard, putResults(shard, 'b', [], { groups, last, lane: 7 })),
          `${last}`,
        ).to.equal('DOUBT');
      expect(await status(shard, putResults(shard, 'b', [], { groups, last: 5, lane: 7 }))).to.equal('OK');
    });

    it('is a new one after a call in doubt without frames, which checks each result', async () => {
      const { shard, x, y } = await claimed();
      await shard.run(cancel(shard, 'a', [y.ticket]));
      const old = shard.runner('b').mark;
      const call = putResults(shard, 'b', [single(x, 1), single(y, 1)], { mark: hexOf(1, 14) });
      const answer = parseResults((await shard.run(call))[2]!);
      expect(answer).to.deep.include({ told: [], words: 'OK LOST' });
      expect(answer.mark > old).to.equal(true);
      expect(await callsField(shard, 'b|held')).to.equal(answer.mark + answer.mark);
      expect(await callsField(shard, 'b|taken')).to.equal(undefined);
      const fast = putResults(shard, 'b', [], { groups: [to('a', of(x, 2))] });
      expect(await status(shard, fast)).to.equal('OK');
      const stale = putResults(shard, 'b', [], { groups: [to('a', of(x, 3))], mark: old });
      expect(await status(shard, stale)).to.equal('DOUBT');
    });

    it('goes with a new epoch, and so does what was taken away; the box stays, and has a new intro', async () => {
      const { shard, x, y } = await claimed();
      await shard.run(putResults(shard, 'b', [], { groups: [to('a', of(x, 1))] }));
      await shard.run(cancel(shard, 'a', [y.ticket]));
      const before = await boxOf(shard, 'a');
      await shard.run(claim(shard, 'b', { limit: 0 }, { epoch: 2 }));
      const { calls } = await shard.snapshot();
      expect([calls.get('b|held'), calls.get('b|taken')]).to.deep.equal([undefined, undefined]);
      const groups = [to('a', of(x, 2))];
      expect(await status(shard, putResults(shard, 'b', [], { groups, last: 0, epoch: 2 }))).to.equal(
        'DOUBT',
      );
      // also if the owner comes with a call that writes its box
      const [entry] = (await shard.snapshot()).out
        .filter((member) => member.includes('|F'))
        .map(parseFrameMail);
      await shard.run(takeResults(shard, 'a', entry!.tick + entry!.totals, { epoch: 2 }));
      const after = await boxOf(shard, 'a');
      expect(after).to.deep.equal({ chunks: before.chunks - 1, bytes: 0, intro: after.intro });
      expect(after.intro > before.intro).to.equal(true);
    });

    it('is none for a new epoch, and its first call with results makes none: it has no earlier call to doubt', async () => {
      const { shard, x, y } = await claimed();
      await shard.run(putResults(shard, 'b', [], { groups: [to('a', of(x, 1))] }));
      await shard.run(cancel(shard, 'a', [y.ticket]));
      const first = putResults(shard, 'b', [single(x, 2)], { mark: NO_TICK, last: 0, epoch: 2 });
      const answer = parseResults((await shard.run(first))[2]!);
      expect(answer).to.deep.include({ mark: NO_TICK, told: [], words: 'OK' });
      expect(await callsField(shard, 'b|held')).to.equal(undefined);
    });

    it('goes with a new epoch, whichever call is its first', async () => {
      const { shard, x, z } = await claimed();
      const groups = [to('a', of(x, 1))];
      expect(await status(shard, putResults(shard, 'b', [], { groups, epoch: 2 }))).to.equal('DOUBT');
      await shard.run(put(shard, 'c', ['v']));
      shard.at = 500;
      const reply = await shard.run(claim(shard, 'b', {}, { epoch: 2 }));
      const [granted] = parseClaims(reply[2]!);
      expect(String(reply[2]).slice(0, 14)).to.equal(NO_TICK);
      expect(granted!.fence > z.fence).to.equal(true);
      expect(await callsField(shard, 'b|held')).to.equal(granted!.fence + NO_TICK);
    });

    it('does not hold after a rollback that undid a grant, nor after a grant on the history behind that', async () => {
      const { shard, x } = await claimed();
      const back = await saved(shard);
      await shard.run(put(shard, 'a', ['w']));
      await shard.run(claim(shard, 'b', {}, { at: 500 }));
      const [undone] = [await shard.held('a|w')];
      await back();
      shard.at = 600;
      const groups = [to('a', of(x, 1), of(undone, 1))];
      expect(await status(shard, putResults(shard, 'b', [], { groups }))).to.equal('DOUBT');
      await shard.run(put(shard, 'a', ['v']));
      const { mark } = shard.runner('b');
      const reply = await shard.run(claim(shard, 'b', {}, { lane: 9 }));
      // it built on a mark that is not the caller's: the caller trusts no claim, also of this grant
      expect(String(reply[2]).slice(0, 14)).to.not.equal(mark);
      expect(await status(shard, putResults(shard, 'b', [], { groups, mark }))).to.equal('DOUBT');
    });
  });

  describe('of claims that were taken away', () => {
    const ways: [title: string, take: (shard: TestShard, held: Held) => Promise<unknown>][] = [
      ['cancelled', (shard, { ticket }) => shard.run(cancel(shard, 'a', [ticket]))],
      ['given back', (shard, held) => shard.run(pushBack(shard, 'b', [held]))],
      [
        'given back for a try that was the last',
        (shard, held) => shard.run(pushBack(shard, 'b', [held], { how: { counted: true } })),
      ],
      ['dropped by a reset', (shard, { ticket }) => shard.run(reset(shard, 'a', [ticket]))],
      [
        'expired at the refresh of their runner',
        (shard, held) => shard.run(refresh(shard, 'b', { held: [held] }, { at: 10_000 })),
      ],
      ['expired, and reaped', (shard) => shard.run(claim(shard, 'd', { limit: 0 }, { at: 10_000 }))],
    ];
    for (const [title, take] of ways) {
      it(`and ${title}, it cuts the chunks, and tells their runner`, async () => {
        const shard = new TestShard();
        const items = ['x', 'y'].map((id) => ({
          id,
          triesLeft: 1,
          ...(id === 'y' ? { deadline: 9_000 } : {}),
        }));
        await shard.run(put(shard, 'a', items));
        await shard.run(claim(shard, 'b', {}, { at: 60 }));
        const [x, y] = [await shard.held('a|x'), await shard.held('a|y')];
        await take(shard, y);
        shard.at = 10_000;
        const groups = [to('a', of(x, 1), of(y, 1), of(x, 2), of(y, 2))];
        const reply = await shard.run(putResults(shard, 'b', [], { groups }));
        expect(parseResults(reply[2]!, 1)).to.deep.include({ told: [y.fence] });
        const frames = (await shard.snapshot()).out
          .filter((member) => member.includes('|F'))
          .map(parseFrameMail);
        expect(
          frames.map(({ chunks }) =>
            chunks.map(({ fence, number, payload }) => [fence, number, String(payload)]),
          ),
        ).to.deep.equal([
          [
            [x.fence, 1, 'c1'],
            [x.fence, 2, 'c2'],
          ],
        ]);
        expect(await boxOf(shard, 'a')).to.include({ chunks: 2, bytes: 36 });
        // told once
        const next = await shard.run(putResults(shard, 'b', [], { groups: [to('a', of(x, 3))] }));
        expect(parseResults(next[2]!, 1).told).to.deep.equal([]);
      });
    }

    it('and reaped after their lease, it cuts the chunks of those that wait again', async () => {
      const { shard, x, y, z } = await claimed();
      await shard.run(refresh(shard, 'd', {}, { at: 10_000 }));
      await shard.run(refresh(shard, 'b', { held: [x, z] }, { at: 20_000 }));
      await shard.run(refresh(shard, 'd', {}, { at: 30_500 }));
      expect((await shard.requests()).get('a|y')!.fence).to.equal(NO_TICK);
      const groups = [to('a', of(x, 1), of(y, 1))];
      const reply = await shard.run(putResults(shard, 'b', [], { groups }));
      expect(parseResults(reply[2]!, 1).told).to.deep.equal([y.fence]);
    });

    it('stores no entry and rings nobody if none is left', async () => {
      const { shard, x, y, z } = await claimed();
      await shard.run(cancel(shard, 'c', [z.ticket]));
      await shard.run(takeResults(shard, 'c', (await shard.snapshot()).state.get('tick')));
      await shard.row(
        putResults(shard, 'b', [], { groups: [to('c', of(z, 1), of(z, 2)), to('a', of(x, 1), of(y, 1))] }),
        {
          reply: ['OK', '', `told #60003`, 'k', 'k'],
          rings: ['a: results 0 0'],
          changes: {
            out: ['100001: a [#60001.1 c1, #60002.1 c1]'],
          },
        },
      );
    });

    it('tells the caller of its own ones, and of silent ones', async () => {
      const shard = new TestShard();
      await shard.run(put(shard, 'a', ['x', 'y', 'z']));
      await shard.run(claim(shard, 'a'));
      const [x, y, z] = [await shard.held('a|x'), await shard.held('a|y'), await shard.held('a|z')];
      await shard.run(cancel(shard, 'a', [y.ticket, z.ticket]));
      const reply = await shard.run(putResults(shard, 'a', [], { groups: [own('a', of(x, 1), of(y, 1))] }));
      expect(parseResults(reply[2]!, 1).told).to.deep.equal([y.fence, z.fence]);
    });

    it('tells nothing of a claim that the caller ended by a result, also for want of room', async () => {
      const { shard, x, y } = await claimed();
      await shard.run(putResults(shard, 'b', [single(x, 1, 'finished'), single(y, 1)], { maxResults: 0 }));
      expect(await callsField(shard, 'b|taken')).to.equal(undefined);
    });

    it('tells a runner whose claim another node ended under its fence', async () => {
      const { shard, x } = await claimed();
      await shard.run(putResults(shard, 'd', [single(x, 1, 'finished')]));
      expect(await callsField(shard, 'b|taken')).to.equal(x.fence);
    });

    it('notes nothing of a runner without a mark, which sends no frames', async () => {
      const { shard, x } = await claimed();
      await shard.run(claim(shard, 'b', { limit: 0 }, { epoch: 2 }));
      expect((await shard.requests()).get('a|x')!.fence).to.equal(x.fence);
      expect((await shard.run(cancel(shard, 'a', [x.ticket]))).map(String)).to.include('CLAIMED');
      expect(await callsField(shard, 'b|taken')).to.equal(undefined);
    });

    it('tells only of those up to the mark: the caller does not know a later claim yet', async () => {
      const { shard, x, y, z } = await claimed();
      await shard.run(put(shard, 'a', ['w']));
      await shard.run(claim(shard, 'b', {}, { at: 500 }));
      const w = await shard.held('a|w');
      await shard.run(cancel(shard, 'a', [w.ticket, y.ticket]));
      const told = async (mark: Tick, held: Held, number: number): Promise<Tick[]> => {
        const groups = [to('a', of(held, number))];
        return parseResults((await shard.run(putResults(shard, 'b', [], { groups, mark })))[2]!, 1).told;
      };
      expect(await told(z.fence, x, 1)).to.deep.equal([y.fence]);
      expect(await callsField(shard, 'b|taken')).to.equal(w.fence);
      expect(await told(w.fence, w, 1)).to.deep.equal([w.fence]);
      expect(await callsField(shard, 'b|taken')).to.equal(undefined);
    });

    it('tells of them in a call without frames too', async () => {
      const { shard, x, y } = await claimed();
      await shard.run(cancel(shard, 'a', [y.ticket]));
      const reply = await shard.run(putResults(shard, 'b', [single(x, 1, 'finished')]));
      expect(parseResults(reply[2]!)).to.deep.include({ told: [y.fence], words: 'OK' });
      expect(await callsField(shard, 'b|taken')).to.equal(undefined);
    });

    it('is not misled by a payload that looks like their token', async () => {
      const { shard, x, y } = await claimed();
      await shard.run(cancel(shard, 'a', [y.ticket]));
      const token = Buffer.from(y.fence, 'hex');
      const payload = Buffer.concat([Buffer.alloc(14), token, token, Buffer.alloc(9), token]);
      for (const number of [1, 2]) {
        const chunks = [{ fence: x.fence, number, payload }];
        await shard.run(putResults(shard, 'b', [], { groups: [{ owner: 'a', chunks }] }));
      }
      const mails = (await shard.snapshot()).out
        .filter((member) => member.includes('|F'))
        .map(parseFrameMail);
      expect(mails.map(({ chunks }) => chunks)).to.deep.equal([
        [{ fence: x.fence, number: 1, payload }],
        [{ fence: x.fence, number: 2, payload }],
      ]);
    });

    it('takes no frame once more were taken than are listed, until a call checks each result', async () => {
      const shard = new TestShard({ minLoad: 1 });
      const ids = (from: number, count: number): string[] =>
        Array.from({ length: count }, (_, i) => `${from + i}`);
      await shard.run(put(shard, 'a', ids(100, 257)));
      const got = await shard.run(claim(shard, 'b', { limit: 300 }));
      expect(parseClaims(got[2]!).length).to.equal(257);
      const all = await shard.requests();
      const of256 = ids(101, 256).map((id) => all.get(`a|${id}`)!.ticket);
      const first = all.get('a|100')!;
      await shard.run(cancel(shard, 'a', of256.slice(0, 255)));
      await shard.run(cancel(shard, 'a', of256.slice(255)));
      expect((await callsField(shard, 'b|taken'))!.length).to.equal(256 * 14);
      const back = await saved(shard);
      const groups = [to('a', of(first, 1))];
      expect(
        parseResults((await shard.run(putResults(shard, 'b', [], { groups })))[2]!, 1).told.length,
      ).to.equal(256);
      await back();
      await shard.run(cancel(shard, 'a', [first.ticket]));
      expect((await callsField(shard, 'b|taken'))!.slice(256 * 14)).to.equal('*');
      expect(await status(shard, putResults(shard, 'b', [], { groups, last: 0, lane: 1 }))).to.equal('DOUBT');
      const exact = putResults(shard, 'b', [single(first, 1)], { last: 0, lane: 1, form: 1 });
      expect(parseResults((await shard.run(exact))[2]!)).to.deep.include({
        form: 1,
        told: [],
        words: 'LOST',
      });
      expect(await callsField(shard, 'b|taken')).to.equal(undefined);
    });
  });

  describe('to an owner without room', () => {
    it('answers FULL to a frame of more chunks than there is room for, and does nothing', async () => {
      const { shard, x, y, z } = await claimed();
      const groups = [to('c', of(z, 1)), to('a', of(x, 1), of(y, 1), of(x, 2))];
      await shard.run(cancel(shard, 'a', [(await shard.held('a|y')).ticket]));
      const before = await shard.snapshot();
      await shard.row(putResults(shard, 'b', [single(x, 3, 'finished')], { groups, maxResults: 1 }), {
        reply: ['FULL'],
      });
      expect((await shard.snapshot()).calls).to.deep.equal(before.calls);
      // what is cut needs no room
      expect(await status(shard, putResults(shard, 'b', [], { groups, maxResults: 2, last: 0 }))).to.equal(
        'OK',
      );
      const more = [to('a', of(x, 3))];
      expect(await status(shard, putResults(shard, 'b', [], { groups: more, maxResults: 2 }))).to.equal(
        'FULL',
      );
      expect(
        await status(
          shard,
          putResults(shard, 'b', [], { groups: more, maxResults: 3, last: shard.runner('b').last }),
        ),
      ).to.equal('OK');
    });

    it('takes a frame of which nothing is left, however full it is', async () => {
      const { shard, x, y } = await claimed();
      await shard.run(putResults(shard, 'b', [], { groups: [to('a', of(x, 1))] }));
      await shard.run(cancel(shard, 'a', [y.ticket]));
      const groups = [to('a', of(y, 1))];
      expect(await status(shard, putResults(shard, 'b', [], { groups, maxResults: 0 }))).to.equal('OK');
    });

    it('answers FULL to a frame of more bytes than there is room for', async () => {
      const { shard, x } = await claimed();
      const groups = [to('a', of(x, 1, 'x'.repeat(84)))];
      expect(await status(shard, putResults(shard, 'b', [], { groups, maxBytes: 99 }))).to.equal('FULL');
      expect(await status(shard, putResults(shard, 'b', [], { groups, maxBytes: 100, lane: 2 }))).to.equal(
        'OK',
      );
      const byOne = (number: number, maxBytes: number): Call =>
        putResults(shard, 'b', [single(x, number)], { maxBytes });
      expect(parseResults((await shard.run(byOne(2, 101)))[2]!).words).to.equal('OK');
      expect(parseResults((await shard.run(byOne(3, 102)))[2]!).words).to.equal('OVERFLOW');
    });

    it('ends, one by one under the same number, what is beyond, and answers a late frame with that', async () => {
      const { shard, x, y } = await claimed();
      const fast = putResults(shard, 'b', [], {
        groups: [to('a', of(x, 1), of(y, 1), of(x, 2))],
        maxResults: 2,
        lane: 4,
      });
      expect(await status(shard, fast)).to.equal('FULL');
      const items = [single(x, 1), single(y, 1), single(x, 2)];
      const exact = putResults(shard, 'b', items, { maxResults: 2, lane: 4, form: 1 });
      const reply = await shard.run(exact);
      expect(parseResults(reply[2]!)).to.deep.include({ form: 1, told: [], words: 'OK OK OVERFLOW' });
      await shard.run(takeResults(shard, 'a', (await shard.snapshot()).state.get('tick')));
      const before = await shard.snapshot();
      const late = await shard.run(fast);
      expect(late.slice(2)).to.deep.equal(reply.slice(2));
      expect((await shard.snapshot()).out).to.deep.equal(before.out);
    });

    it('answers the other form with the answer of a frame that was taken late', async () => {
      const { shard, x, y } = await claimed();
      await shard.run(putResults(shard, 'b', [], { groups: [to('a', of(x, 1), of(y, 1))], lane: 1 }));
      const groups = [to('a', of(x, 2))];
      const fast = putResults(shard, 'b', [], { groups, maxResults: 2 });
      expect(await status(shard, fast)).to.equal('FULL');
      const [entry] = (await shard.run(takeResults(shard, 'a'))).slice(3).map(parseFrameMail);
      await shard.run(takeResults(shard, 'a', entry!.tick + entry!.totals));
      expect(await boxOf(shard, 'a')).to.include({ chunks: 0, bytes: 0 });
      const late = await shard.run(fast);
      expect(parseResults(late[2]!, 1)).to.deep.include({ form: 0, words: '' });
      const exact = putResults(shard, 'b', [single(x, 2)], { maxResults: 2, form: 1, last: 1, lane: 2 });
      const reply = await shard.run(exact);
      expect(reply.slice(2)).to.deep.equal(late.slice(2));
      expect((await shard.snapshot()).out.length).to.equal(1);
    });
  });

  it('refuses a group that is none, and writes nothing', async () => {
    const { shard, x } = await claimed();
    const call = putResults(shard, 'b', [], { groups: [to('a', of(x, 1))] });
    const [head, frame] = call.args.slice(-2) as [string, Buffer];
    const before = await shard.snapshot();
    for (const group of [
      [head.slice(0, 18), frame],
      [`${head}${'n'.repeat(128)}`, frame],
      [head.replace(/0001a$/, '0000a'), frame],
      [head.replace(/0001a$/, '0002a'), frame],
      [head.replace(/0001a$/, 'xxxxa'), frame],
    ]) {
      const args = [...call.args.slice(0, -2), ...group];
      const said = await shard
        .run({ ...call, args })
        .then(String, (error: unknown) => (error as Error).message);
      expect(said, String(group[0])).to.match(/a group is out of its range/);
    }
    expect((await shard.snapshot()).calls).to.deep.equal(before.calls);
  });
});
