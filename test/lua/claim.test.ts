import { expect } from 'chai';
import { claim, put } from './calls.ts';
import { guards } from './guards.ts';
import { TestShard, connections, statusWordsOf, tickAt, wakeUps } from './support.ts';
import { parseClaims, type ClaimBounds, type PutItem } from './wire.ts';

/** Ids claimed, in order. */
function idsOf(reply: readonly Buffer[]): string[] {
  return parseClaims(reply[2]!).map(({ ticket }) => ticket.slice(ticket.lastIndexOf('|') + 1));
}

describe('claim', () => {
  connections();

  it('pops own tickets in their order, lowers the load, and leases them under a fence each', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x', { id: 'y', deadline: 20_000, triesLeft: 2, triesSpent: 1 }, 'z']));
    shard.at = 100;
    await shard.row(claim(shard, 'a', { limit: 2 }), {
      reply: [
        ...['OK', 'a|x@0 #100001 3/0 b', 'a|y@1 #100002 2/1 b', 'again -1 due 19900'],
        ...['body of x', 'body of y'],
      ],
      changes: {
        waiting: ['a|z@2'],
        head: { a: 2 },
        load: { a: 1 },
        request: { 'a|x': '@0 128/900000/3/0/9 a#100001', 'a|y': '@1 128/20000/2/1/9 a#100002' },
        due: { 'a|x@0': 30_100 },
        state: { visited: 100 },
      },
    });
    await shard.row(claim(shard, 'a'), {
      reply: ['OK', 'a|z@2 #100004 3/0 b', 'again -1 due 19900', 'body of z'],
      changes: {
        waiting: [],
        head: { a: undefined },
        load: { a: undefined },
        request: { 'a|z': '@2 128/900000/3/0/9 a#100004' },
        due: { 'a|z@2': 30_100 },
      },
    });
  });

  it('steals from a peer and lowers the peer’s load', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x', 'y', 'z']));
    shard.at = 10;
    await shard.row(claim(shard, 'b', { limit: 1, since: tickAt(0) }), {
      reply: ['OK', 'a|x@0 #10001 3/0 b', 'again -1 due 30000', 'body of x'],
      changes: {
        waiting: ['a|y@1', 'a|z@2'],
        head: { a: 1 },
        load: { a: 2 },
        request: { 'a|x': '@0 128/900000/3/0/9 b#10001' },
        due: { 'a|x@0': 30_010 },
        node: { b: 30_010 },
        epochs: { b: 1 },
        state: { visited: 10 },
      },
    });
  });

  it('ships bodies of own tickets only that arrived before `since`: later ones are in the caller’s memory', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['v']));
    await shard.run(put(shard, 'a', ['w', { id: 'x', headStart: 1 }], { at: 1 }));
    await shard.run(put(shard, 'b', ['y', 'z', 'z2']));
    const reply = await shard.run(claim(shard, 'a', { since: tickAt(1_000) }, { at: 100 }));
    const claims = parseClaims(reply[2]!);
    expect(claims.map(({ ticket, bodied }) => `${ticket[0]!} ${ticket.at(-1)!} ${bodied}`)).to.deep.equal([
      ...['a v true', 'a x false', 'a w false', 'b y true', 'b z true', 'b 2 true'],
    ]);
    expect(reply.slice(6).map(String)).to.deep.equal(['v', 'y', 'z', 'z2'].map((id) => `body of ${id}`));
  });

  it('gives bodies back byte by byte, also an empty one', async () => {
    const shard = new TestShard();
    const bytes = Buffer.from(Array.from({ length: 512 }, (_, i) => i % 256));
    await shard.run(
      put(shard, 'a', [
        { id: 'x', body: bytes },
        { id: 'y', body: '' },
      ]),
    );
    const reply = await shard.run(claim(shard, 'b', {}, { at: 100 }));
    expect(reply.slice(6)).to.deep.equal([bytes, Buffer.alloc(0)]);
  });

  it('names hostile ids whole', async () => {
    const shard = new TestShard();
    const ids = ['a|b', 'new\nline', 'comma, ', 'ünï©ødé 🚂', '\u0000', '}', '1', 'é'.repeat(256)];
    await shard.run(put(shard, 'a', ids));
    const claims = parseClaims((await shard.run(claim(shard, 'b', {}, { at: 100 })))[2]!);
    expect(claims.map(({ ticket }) => ticket.slice(39))).to.deep.equal(ids);
    expect(parseClaims((await shard.run(claim(shard, 'b', {}, { lane: 1 })))[2]!)).to.deep.equal(claims);
  });

  it('takes 128 tickets in one call', async () => {
    const shard = new TestShard();
    const ids = Array.from({ length: 128 }, (_, i) => `id-${i}`);
    await shard.run(put(shard, 'a', [...ids, 'one more']));
    const reply = await shard.run(claim(shard, 'a', { limit: 128 }));
    expect(idsOf(reply)).to.deep.equal(ids);
    expect((await shard.view()).load).to.deep.equal({ a: 1 });
  });

  describe('with nothing to take', () => {
    it('enters the caller into idle', async () => {
      const shard = new TestShard();
      await shard.run(claim(shard, 'a'));
      shard.at = 100;
      await shard.row(claim(shard, 'a', { idleFor: 5_000 }), {
        reply: ['IDLE', 'again -1 due -1'],
        changes: { idle: { a: 5_100 }, state: { visited: 100 } },
      });
    });

    it('says when the first head of a peer comes of age, and when the first request is due', async () => {
      const shard = new TestShard();
      await shard.run(put(shard, 'a', [{ id: 'x', deadline: 20_000 }]));
      shard.at = 10;
      await shard.row(claim(shard, 'b'), {
        reply: ['IDLE', 'again 40 due 19990'],
        changes: { idle: { b: 3_010 }, node: { b: 30_010 }, epochs: { b: 1 }, state: { visited: 10 } },
      });
    });

    it('never tells to come again for work that the policy does not let it steal', async () => {
      const shard = new TestShard({ policy: 'none' });
      await shard.run(put(shard, 'a', ['x']));
      const reply = await shard.run(claim(shard, 'b'));
      expect([reply[0], reply[3]].map(String)).to.deep.equal(['IDLE', '-1']);
    });
  });

  describe('its ring', () => {
    it('tells the runner heard of last when the rest may be stolen, and leaves idle itself', async () => {
      const shard = new TestShard();
      for (const node of ['b', 'c', 'd']) await shard.run(claim(shard, node));
      await shard.run(put(shard, 'a', ['x', 'y']));
      shard.at = 30;
      await shard.row(claim(shard, 'c', { limit: 1 }, { minLoad: 2 }), {
        reply: ['OK', 'a|x@3 #30001 3/0 b', 'again -1 due 30000', 'body of x'],
        rings: ['d: claim 0 21'],
        changes: {
          waiting: ['a|y@4'],
          head: { a: 4 },
          load: { a: 1 },
          request: { 'a|x': '@3 128/900000/3/0/9 c#30001' },
          due: { 'a|x@3': 30_030 },
          idle: { c: undefined },
          state: { visited: 30 },
        },
      });
    });

    it('rings for a line that is long enough when the oldest request is too young to be stolen', async () => {
      const shard = new TestShard();
      for (const node of ['b', 'c', 'd']) await shard.run(claim(shard, node));
      await shard.run(put(shard, 'x', ['old'], {}));
      await shard.run(put(shard, 'a', ['1', '2', '3', '4']));
      await wakeUps();
      await shard.run(claim(shard, 'c', { limit: 1 }));
      expect(await wakeUps()).to.deep.equal(['d: claim 0 0']);
      expect((await shard.view()).idle).to.deep.equal({});
    });

    it('is all that a claim with limit 0 does: a busy node passes its wake-up on', async () => {
      const shard = new TestShard();
      await shard.run(put(shard, 'a', ['x']));
      for (const node of ['b', 'c']) await shard.run(claim(shard, node));
      shard.at = 60;
      await shard.row(claim(shard, 'b', { limit: 0 }), {
        reply: ['IDLE', 'again -1 due 899940'],
        rings: ['c: claim 0 0'],
        changes: { idle: { b: undefined, c: undefined }, state: { visited: 60 } },
      });
    });

    it('is silent when nothing waits', async () => {
      const shard = new TestShard();
      for (const node of ['b', 'c']) await shard.run(claim(shard, node));
      await shard.row(claim(shard, 'b', { limit: 0 }), {
        reply: ['IDLE', 'again -1 due -1'],
        changes: { idle: { b: undefined } },
      });
    });
  });

  describe('its bounds', () => {
    interface Row {
      title: string;
      a?: PutItem[];
      b?: PutItem[];
      bounds: Partial<ClaimBounds>;
      status?: string;
      /** Ids that `a` gets. */
      ids: string[];
    }
    const of = (id: string, tokens: number, bytes = 1): PutItem => ({ id, tokens, body: 'x'.repeat(bytes) });
    const rows: Row[] = [
      {
        title: 'a ticket that is alone may have more tokens than several may',
        a: [of('x', 100), of('y', 1)],
        bounds: { alone: 100, sum: 50 },
        ids: ['x'],
      },
      {
        title: 'the sum counts every ticket of the call, of all owners',
        a: [of('x', 20)],
        b: [of('y', 20), of('z', 10), of('w', 1)],
        bounds: { alone: 100, sum: 50 },
        ids: ['x', 'y', 'z'],
      },
      {
        title: 'a ticket over the bound of one that is alone is stepped over, at its owner too',
        a: [of('x', 101), of('v', 1)],
        b: [of('y', 20), of('z', 10), of('w', 1)],
        bounds: { alone: 100, sum: 50 },
        ids: ['v', 'y', 'z', 'w'],
      },
      {
        title: 'BLOCKED when nothing could be taken and something does not fit now',
        a: [of('x', 101), of('v', 102)],
        bounds: { alone: 100, sum: 200 },
        status: 'BLOCKED',
        ids: [],
      },
      {
        title: 'a ticket that the engine can never hold is stepped over',
        b: [of('x', 101), of('y', 1), of('z', 1)],
        bounds: { total: 100 },
        ids: ['y', 'z'],
      },
      {
        title: 'an own ticket is measured against what the engine can hold, too',
        a: [of('x', 101), of('y', 1)],
        bounds: { total: 100 },
        ids: ['y'],
      },
      {
        title: 'no body is added beyond the bytes',
        b: [of('x', 1, 60), of('y', 1, 40), of('z', 1, 1)],
        bounds: { bytes: 100 },
        ids: ['x', 'y'],
      },
      {
        title: 'the first body may be larger than the bytes',
        b: [of('x', 1, 300_000), of('y', 1, 1), of('z', 1, 1)],
        bounds: { bytes: 262_144 },
        ids: ['x'],
      },
      {
        title: 'bodies in the caller’s memory have no bytes',
        a: [of('x', 1, 300_000), of('y', 1, 300_000)],
        bounds: { bytes: 100, since: tickAt(0) },
        ids: ['x', 'y'],
      },
      {
        title: 'a larger body that comes second waits for a call of its own',
        b: [of('x', 1, 1), of('y', 1, 300_000), of('z', 1, 1)],
        bounds: { bytes: 262_144 },
        ids: ['x'],
      },
      {
        title: 'limit is met across owners',
        a: [of('x', 1), of('y', 1)],
        b: [of('z', 1), of('v', 1), of('w', 1)],
        bounds: { limit: 3 },
        ids: ['x', 'y', 'z'],
      },
    ];
    for (const { title, a = [], b = [], bounds, status = 'OK', ids } of rows) {
      it(title, async () => {
        const shard = new TestShard();
        if (a.length > 0) await shard.run(put(shard, 'a', a));
        if (b.length > 0) await shard.run(put(shard, 'b', b));
        const reply = await shard.run(claim(shard, 'a', bounds, { at: 100 }));
        expect([String(reply[0]), ...idsOf(reply)]).to.deep.equal([status, ...ids]);
        const { waiting, idle } = await shard.view();
        expect(waiting.length).to.equal(a.length + b.length - ids.length);
        expect(idle).to.deep.equal(status === 'OK' ? {} : { a: 3_100 });
      });
    }

    it('have a call that met something old keep room for it', async () => {
      const shard = new TestShard();
      await shard.run(put(shard, 'a', ['x']));
      await shard.run(claim(shard, 'c'));
      shard.at = 2_000;
      await shard.row(claim(shard, 'c', { alone: 1 }), {
        reply: ['KEEPING', 'again -1 due 898000'],
        changes: { idle: { c: undefined }, kept: 'c 6000 a|x@0', state: { visited: 2_000 } },
      });
    });

    it('leave a blocked call idle with the room that it has, and ring another for what it could not take', async () => {
      const shard = new TestShard();
      for (const node of ['b', 'c', 'd']) await shard.run(claim(shard, node));
      await shard.run(put(shard, 'a', ['x', 'y', 'z']));
      shard.at = 50;
      await shard.row(claim(shard, 'c', { alone: 1 }), {
        reply: ['BLOCKED', 'again -1 due 899950'],
        rings: ['d: claim 0 0'],
        changes: { idle: { c: 3_050, d: undefined }, rooms: { c: 1 }, state: { visited: 50 } },
      });
    });
  });

  guards('claim', (shard, node, options) => claim(shard, node, {}, options));
  statusWordsOf('claim');
});
