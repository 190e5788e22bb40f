import { expect } from 'chai';
import { NO_TICK, type Tick, type Ticket } from '../../src/base/ticket.ts';
import { cancel, claim, pushBack, put, putResults, refresh } from './calls.ts';
import { guards } from './guards.ts';
import { TestShard, connections, statusWordsOf, tickAt, wakeUps } from './support.ts';

const DAY = 86_400_000;

describe('refresh', () => {
  connections();

  /** `a` put x, y and (with a deadline of 20 s) z; `b` runs all of them, with tokens #60001, #60002, #60003. */
  async function claimed(): Promise<{ shard: TestShard; held: { ticket: Ticket; fence: Tick }[] }> {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x', 'y', { id: 'z', deadline: 20_000 }]));
    await shard.run(claim(shard, 'b', {}, { at: 60 }));
    const held = await Promise.all(['a|x', 'a|y', 'a|z'].map((field) => shard.held(field)));
    return { shard, held };
  }

  it('extends what the caller holds, up to each deadline, and the caller’s own life', async () => {
    const { shard, held } = await claimed();
    shard.at = 10_000;
    await shard.row(refresh(shard, 'b', { held }), {
      reply: ['OK', '-', '-', '0', '10000'],
      changes: {
        due: { 'a|x@0': 40_000, 'a|y@1': 40_000 },
        node: { b: 40_000 },
        state: { visited: 10_000 },
      },
    });
  });

  it('extends a claim whose lease is over, if nobody has taken it yet', async () => {
    const { shard, held } = await claimed();
    await shard.run(refresh(shard, 'v', {}, { at: 15_000 }));
    await shard.run(refresh(shard, 'v', {}, { at: 29_000 }));
    await shard.run(refresh(shard, 'b', { held: held.slice(0, 2) }, { at: 40_000 }));
    const { due, waiting } = await shard.view();
    expect({ due, waiting }).to.deep.equal({ due: { 'a|x@0': 70_000, 'a|y@1': 70_000 }, waiting: [] });
  });

  it('names the claims that are lost', async () => {
    const { shard, held } = await claimed();
    await shard.run(pushBack(shard, 'b', [held[1]!]));
    await shard.run(cancel(shard, 'a', [held[2]!.ticket]));
    shard.at = 10_000;
    await shard.row(refresh(shard, 'b', { held: [...held, { ...held[0]!, fence: held[1]!.fence }] }), {
      // `a` will be silent before
      reply: ['OK', '1 2 3', '-', '0', '20001'],
      changes: {
        due: { 'a|x@0': 40_000 },
        node: { b: 40_000 },
        state: { visited: 10_000 },
      },
    });
    await shard.run(claim(shard, 'c', {}, { at: 10_100 }));
    const reply = await shard.run(refresh(shard, 'b', { held }));
    expect(String(reply[2])).to.equal('1 2');
  });

  it('ends a claim past its deadline as expired, before anything is said of it', async () => {
    const { shard, held } = await claimed();
    shard.at = 20_000;
    await shard.run(refresh(shard, 'a'));
    const call = refresh(shard, 'b', { held, pending: [held[2]!.ticket] });
    const reply = await shard.run(call);
    expect(reply.slice(2, 4).map(String)).to.deep.equal(['2', '0']);
  });

  it('tells an expired claim of its caller as lost, and its owner the final', async () => {
    const { shard, held } = await claimed();
    shard.at = 20_000;
    await shard.row(refresh(shard, 'b', { held: [...held, held[2]!] }), {
      reply: ['OK', '2 3', '-', '0', '30000'],
      rings: ['a: results 0 0'],
      changes: {
        request: { 'a|z': undefined },
        body: { 'a|z': undefined },
        due: { 'a|x@0': 50_000, 'a|y@1': 50_000, 'a|z@2': undefined },
        out: ['20000001: a|z@2 b- expired '],
        node: { b: 50_000 },
        state: { visited: 20_000, grace: 50_000 },
      },
    });
  });

  it('names the pending tickets that the shard does not know', async () => {
    const { shard, held } = await claimed();
    await shard.run(put(shard, 'a', ['w']));
    const [x, y, z] = held.map(({ ticket }) => ticket);
    const w = await shard.ticket('a|w');
    await shard.run(cancel(shard, 'a', [y!]));
    await shard.run(put(shard, 'a', ['y']));
    const pending = [x!, y!, z!, w, w.replace('|w', '|never put')];
    const reply = await shard.run(refresh(shard, 'a', { pending }));
    expect(reply.slice(2, 4).map(String)).to.deep.equal(['', '1 4']);
  });

  it('removes the caller’s mailbox up to the cursor', async () => {
    const { shard, held } = await claimed();
    const chunk = (number: number) => ({ ...held[0]!, number, kind: 'chunk' as const, payload: '' });
    await shard.run(putResults(shard, 'b', [chunk(1), chunk(2), chunk(3)], { at: 100 }));
    shard.at = 10_000;
    await shard.row(refresh(shard, 'a', { cursor: tickAt(100_001) }), {
      reply: ['OK', '-', '-', '0', '10000'],
      changes: {
        out: ['100002: a|x@0 #60001.3 chunk '],
        node: { a: 40_000 },
        state: { visited: 10_000 },
      },
    });
  });

  it('moves the one expiry of all tables, and keeps the shard for a day while dead has entries', async () => {
    const { shard, held } = await claimed();
    const dead = { ...held[0]!, number: 1, kind: 'failed' as const, dead: true, payload: '' };
    await shard.run(putResults(shard, 'b', [dead]));
    await shard.run(refresh(shard, 'b', {}, { at: 10_000 }));
    const { expires, state, dead: entries } = await shard.view();
    expect({ expires, expiry: state['expiry'], entries: entries.length }).to.deep.equal({
      ...{ expires: [DAY + 40_000], expiry: DAY + 40_000, entries: 1 },
    });
    await shard.run(refresh(shard, 'b', {}, { at: 20_000, ttl: 2 * DAY }));
    expect((await shard.view()).expires).to.deep.equal([2 * DAY + 50_000]);
  });

  it('takes 500 claims and 500 pending tickets in one call', async () => {
    const shard = new TestShard();
    const pending: Ticket[] = [];
    const held: { ticket: Ticket; fence: Tick }[] = [];
    for (let i = 0; i < 10; i += 1) {
      const ids = Array.from({ length: 100 }, (_, k) => `${i}.${k}`);
      await shard.run(put(shard, 'a', ids));
    }
    for (let i = 0; i < 5; i += 1) await shard.run(claim(shard, 'a', { limit: 100 }));
    for (const one of (await shard.requests()).values()) {
      if (one.fence === NO_TICK) pending.push(one.ticket);
      else held.push(one);
    }
    expect([held.length, pending.length]).to.deep.equal([500, 500]);
    const reply = await shard.run(refresh(shard, 'a', { held, pending }, { at: 10_000 }));
    expect(reply.slice(2).map(String)).to.deep.equal(['', '', '0', '30000']);
  });

  describe('the burial of nodes silent for ttl', () => {
    const ttl = 60_000;

    it('forgets their epoch, lanes, idle entry and mailbox, and nobody else’s', async () => {
      const shard = new TestShard({ ttl });
      await shard.run(claim(shard, 'b', { idleFor: 200_000 }));
      await shard.run(put(shard, 'a', [{ id: 'x', deadline: 500_000 }]));
      await shard.run(put(shard, 'aa', [{ id: 'y', deadline: 500_000 }]));
      await shard.run(claim(shard, 'b', { idleFor: 200_000 }, { at: 60 }));
      const held = [await shard.held('a|x'), await shard.held('aa|y')];
      await shard.run(claim(shard, 'd', { idleFor: 200_000 }, { at: 60 }));
      const chunks = held.map((one) => ({ ...one, number: 1, kind: 'chunk' as const, payload: '' }));
      await shard.run(putResults(shard, 'b', chunks, { at: 100 }));
      for (let at = 10_000; at <= 80_000; at += 10_000) {
        for (const node of ['b', 'aa']) await shard.run(refresh(shard, node, { held }, { at }));
      }
      await wakeUps();
      shard.at = 90_000;
      await shard.row(refresh(shard, 'b', { held }), {
        // `a` is silent, and then unknown; `aa` will be silent
        reply: ['OK', '-', '-', '0', '20001', '0'],
        repeat: ['OK', '-', '-', '0', '20001'],
        changes: {
          due: { 'a|x@1': 120_000, 'aa|y@2': 120_000 },
          out: ['100001: aa|y@2 #60002.1 chunk '],
          node: { a: undefined, b: 120_000 },
          epochs: { a: undefined },
          lanes: { 'a|put': undefined },
          state: { visited: 90_000 },
        },
      });
      shard.at = 90_060;
      await shard.run(refresh(shard, 'b', { held }));
      const { node, idle, epochs } = await shard.view();
      expect({ node, idle, epochs }).to.deep.equal({
        ...{ node: { b: 120_060, aa: 110_000 }, idle: {}, epochs: { b: 1, aa: 1 } },
      });
    });

    it('leaves their requests to whoever steals them', async () => {
      const shard = new TestShard({ ttl });
      await shard.run(put(shard, 'a', [{ id: 'x', deadline: 500_000 }]));
      await shard.run(refresh(shard, 'b', {}, { at: 90_000 }));
      const { node, waiting } = await shard.view();
      expect({ node, waiting }).to.deep.equal({ node: { b: 120_000 }, waiting: ['a|x@0'] });
      expect(String((await shard.run(claim(shard, 'b', {}, { at: 90_000 })))[0])).to.equal('OK');
    });

    it('buries eight a call, and a mailbox of many in slices, and says that there is more', async () => {
      const shard = new TestShard({ ttl });
      for (let i = 0; i < 9; i += 1) await shard.run(refresh(shard, `n${i}`));
      await shard.run(put(shard, 'a', [{ id: 'x', deadline: 500_000 }], { at: 1 }));
      await shard.run(claim(shard, 'b', {}, { at: 60 }));
      const held = await shard.held('a|x');
      for (let from = 0; from < 2_500; from += 100) {
        const chunks = Array.from({ length: 100 }, (_, i) => ({
          ...held,
          number: from + i + 1,
          kind: 'chunk' as const,
          payload: '',
        }));
        await shard.run(putResults(shard, 'b', chunks, { at: 60, maxResults: 3_000 }));
      }
      const left: [number, number, string][] = [];
      for (let i = 0; i < 5; i += 1) {
        const reply = await shard.run(refresh(shard, 'b', { held: [held] }, { at: 90_001 }));
        const { node, out } = await shard.view();
        left.push([Object.keys(node).length, out.length, String(reply[4])]);
      }
      expect(left).to.deep.equal([
        [3, 2_500, '1'],
        [2, 1_500, '1'],
        [2, 500, '1'],
        [1, 0, '0'],
        [1, 0, '0'],
      ]);
    });
  });

  guards('refresh', (shard, node, options) => refresh(shard, node, {}, options));
  statusWordsOf('refresh');
});
