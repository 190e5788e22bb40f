import { expect } from 'chai';
import { SCHEMA } from '../../src/base/keys.ts';
import { claim, put, putResults, refresh } from './calls.ts';
import { guards } from './guards.ts';
import { TestShard, connections, statusWordsOf, tickAt, wakeUps } from './support.ts';
import { START, viewOf } from './view.ts';

describe('put_requests', () => {
  connections();

  it('enqueues each request at the end of its owner’s line and raises the load', async () => {
    const shard = new TestShard();
    await shard.row(
      put(shard, 'a', ['x', { id: 'y', tokens: 5, deadline: 1_000, triesLeft: 2, triesSpent: 1, body: '' }]),
      {
        reply: ['OK', 'OK @0', 'OK @1'],
        changes: {
          waiting: ['a|x@0', 'a|y@1'],
          head: { a: 0 },
          load: { a: 2 },
          request: { 'a|x': '@0 128/900000/3/0/9', 'a|y': '@1 5/1000/2/1/0' },
          body: { 'a|x': 'body of x', 'a|y': '' },
          due: { 'a|x@0': 900_000, 'a|y@1': 1_000 },
          node: { a: 30_000 },
          epochs: { a: 1 },
          state: { visited: 0, grace: 0, expiry: 930_000, ttl: 900_000, schema: Number(SCHEMA) },
          expires: [930_000],
        },
      },
    );
    shard.at = 10;
    await shard.row(put(shard, 'a', ['z']), {
      reply: ['OK', 'OK @10000'],
      changes: {
        waiting: ['a|x@0', 'a|y@1', 'a|z@10000'],
        load: { a: 3 },
        request: { 'a|z': '@10000 128/900010/3/0/9' },
        body: { 'a|z': 'body of z' },
        due: { 'a|z@10000': 900_010 },
      },
    });
  });

  it('answers DUPLICATE with the ticket that stands, within a call, across calls, and while it is claimed', async () => {
    const shard = new TestShard();
    await shard.row(put(shard, 'a', ['x', { id: 'x', body: 'other' }]), {
      reply: ['OK', 'OK @0', 'DUPLICATE @0 other'],
      changes: {
        waiting: ['a|x@0'],
        head: { a: 0 },
        load: { a: 1 },
        request: { 'a|x': '@0 128/900000/3/0/9' },
        body: { 'a|x': 'body of x' },
        due: { 'a|x@0': 900_000 },
        node: { a: 30_000 },
        epochs: { a: 1 },
        state: { visited: 0, grace: 0, expiry: 930_000, ttl: 900_000, schema: Number(SCHEMA) },
        expires: [930_000],
      },
    });
    shard.at = 10;
    await shard.row(put(shard, 'a', ['x']), { reply: ['OK', 'DUPLICATE @0 same'] });
    await shard.run(claim(shard, 'b'));
    await shard.row(put(shard, 'a', ['x']), { reply: ['OK', 'DUPLICATE @0 same'] });
  });

  it('accepts an id again once its request has ended, and the same id from another owner at any time', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    await shard.run(claim(shard, 'a'));
    const held = await shard.held('a|x');
    await shard.run(putResults(shard, 'a', [{ ...held, number: 1, kind: 'finished', payload: '' }]));
    shard.at = 10;
    await shard.run(put(shard, 'b', ['x']));
    await shard.row(put(shard, 'a', ['x']), {
      reply: ['OK', 'OK @10001'],
      changes: {
        waiting: ['a|x@10001', 'b|x@10000'],
        head: { a: 10_001 },
        load: { a: 1 },
        request: { 'a|x': '@10001 128/900010/3/0/9' },
        body: { 'a|x': 'body of x' },
        due: { 'a|x@10001': 900_010 },
      },
    });
  });

  it('refuses a deadline that has passed as EXPIRED, and the others of its call are accepted', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['w']));
    await shard.row(
      put(shard, 'a', [
        { id: 'x', deadline: 0 },
        { id: 'y', deadline: -5 },
        { id: 'z', deadline: 1 },
      ]),
      {
        reply: ['OK', 'EXPIRED', 'EXPIRED', 'OK @1'],
        changes: {
          waiting: ['a|w@0', 'a|z@1'],
          load: { a: 2 },
          request: { 'a|z': '@1 128/1/3/0/9' },
          body: { 'a|z': 'body of z' },
          due: { 'a|z@1': 1 },
        },
      },
    );
  });

  it('answers FULL from max_waiting on, for all after it in the call, with ms after which to try again', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'b', ['of another owner']));
    await shard.run(put(shard, 'a', ['w', 'x']));
    shard.at = 20_000;
    const call = put(shard, 'a', ['y', 'z', 'w', { id: 'e', deadline: 0 }], { maxWaiting: 3 });
    await shard.row(call, {
      reply: ['OK', 'OK @20000000', 'FULL 1999', 'FULL 1999', 'FULL 1999'],
      changes: {
        waiting: ['a|w@1', 'a|x@2', 'a|y@20000000', 'b|of another owner@0'],
        load: { a: 3 },
        request: { 'a|y': '@20000000 128/920000/3/0/9' },
        body: { 'a|y': 'body of y' },
        due: { 'a|y@20000000': 920_000 },
      },
    });
    await shard.row(put(shard, 'a', ['w', 'z'], { maxWaiting: 3 }), {
      reply: ['OK', 'DUPLICATE @1 same', 'FULL 1999'],
    });
    await shard.row(put(shard, 'c', ['z'], { maxWaiting: 0 }), {
      reply: ['OK', 'FULL 100'],
      changes: { node: { c: 50_000 }, epochs: { c: 1 } },
    });
    // never later than after a minute, however long the head has waited
    shard.at = 800_000;
    await shard.row(put(shard, 'a', ['z'], { maxWaiting: 3 }), { reply: ['OK', 'FULL 60000'] });
  });

  it('counts only what waits: a claim makes room', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['w', 'x'], { maxWaiting: 2 }));
    await shard.run(claim(shard, 'b', { limit: 1 }, { stealAfter: 0 }));
    const reply = await shard.run(put(shard, 'a', ['y', 'z'], { maxWaiting: 2 }));
    expect(String(reply[2])).to.match(/^OK \S+,FULL 100$/);
  });

  it('places a request with a head start before its arrival, and moves the owner’s head', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['w', 'x']));
    shard.at = 10;
    await shard.row(
      put(shard, 'a', [
        { id: 'y', headStart: 86_400_000 },
        { id: 'z', headStart: 9 },
      ]),
      {
        reply: ['OK', 'OK @-86399990000', 'OK @1001'],
        changes: {
          waiting: ['a|y@-86399990000', 'a|w@0', 'a|x@1', 'a|z@1001'],
          head: { a: -86_399_990_000 },
          load: { a: 4 },
          request: { 'a|y': '@-86399990000 128/900010/3/0/9', 'a|z': '@1001 128/900010/3/0/9' },
          body: { 'a|y': 'body of y', 'a|z': 'body of z' },
          due: { 'a|y@-86399990000': 900_010, 'a|z@1001': 900_010 },
        },
      },
    );
  });

  it('never reuses a tick: it is beyond the last, beyond what the caller has seen, and beyond the server’s µs', async () => {
    const shard = new TestShard({ seen: tickAt(5_000) });
    const order = async (...args: Parameters<typeof put>): Promise<string> =>
      String((await shard.run(put(...args)))[2]).slice(3, 17);
    expect(await order(shard, 'a', ['w'])).to.equal(tickAt(5_001));
    expect(await order(shard, 'a', ['x'], { seen: tickAt(0), at: -60_000 })).to.equal(tickAt(5_002));
    expect(await order(shard, 'a', ['y'], { at: 60_000 })).to.equal(tickAt(60_000_000));
    expect(await order(shard, 'a', ['z'])).to.equal(tickAt(60_000_001));
  });

  it('goes by the server’s own time unless a test gives one', async () => {
    const shard = new TestShard();
    const earliest = Date.now() - 1_000;
    await shard.run(put(shard, 'a', ['x'], { clock: '' }));
    const { state, due } = await shard.snapshot();
    const us = parseInt(state.get('tick')!, 16);
    expect(us).to.be.within(earliest * 1000, (Date.now() + 1_000) * 1000);
    expect([...due.values()]).to.deep.equal([Math.floor(us / 1000) + 900_000]);
  });

  it('keeps any well-formed id and any bytes as they are', async () => {
    const shard = new TestShard();
    const ids = [
      'a|b',
      'new\nline',
      'comma,',
      'sp ace',
      'ünï©ødé 🚂',
      '"%s',
      '\u0000',
      '}',
      '1',
      'x'.repeat(512),
    ];
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    await shard.run(
      put(
        shard,
        'a',
        ids.map((id) => ({ id, body: bytes })),
      ),
    );
    const reply = await shard.run(put(shard, 'a', ids));
    expect(
      String(reply[2])
        .split(',')
        .map((answer) => answer.slice(0, 9)),
    ).to.deep.equal(ids.map(() => 'DUPLICATE'));
    const { request, body, waiting } = await shard.snapshot();
    expect([...request.keys()].sort()).to.deep.equal(ids.map((id) => `a|${id}`).sort());
    for (const { payload } of body.values()) expect(payload).to.deep.equal(bytes);
    expect(waiting.map((ticket) => ticket.slice(39))).to.deep.equal(ids);
  });

  it('takes 128 requests in one call', async () => {
    const shard = new TestShard();
    const ids = Array.from({ length: 128 }, (_, i) => `id ${i}`);
    await shard.run(put(shard, 'a', ids));
    const { load, waiting } = await shard.view();
    expect(load).to.deep.equal({ a: 128 });
    expect(waiting).to.deep.equal(ids.map((id, i) => `a|${id}@${i}`));
  });

  describe('the ring', () => {
    const rows = [
      {
        title: 'goes to the owner if it is idle',
        idle: ['b', 'a'],
        puts: 1,
        ring: 'a: claim 0 0',
        left: { a: undefined },
      },
      {
        title: 'tells the runner that was heard of last when the head may be stolen, and keeps its entry',
        idle: ['c', 'b'],
        puts: 2,
        ring: 'b: claim 0 50',
        left: undefined,
      },
      {
        title: 'goes to the runner that has been idle longest once the load may be stolen from',
        idle: ['c', 'b'],
        puts: 3,
        ring: 'c: claim 0 0',
        left: { c: undefined },
      },
    ];
    for (const { title, idle, puts, ring, left } of rows) {
      it(title, async () => {
        const shard = new TestShard();
        for (const [i, node] of idle.entries()) await shard.run(claim(shard, node, {}, { at: i }));
        await shard.run(put(shard, 'x', ['registers the owner'], { maxWaiting: 0 }));
        const before = await shard.view();
        const ids = ['x', 'y', 'z'].slice(0, puts);
        shard.at = 100;
        await shard.row(put(shard, 'a', ids), {
          reply: ['OK', ...ids.map((_, i) => `OK @${100_000 + i}`)],
          rings: [ring],
          changes: {
            waiting: ids.map((id, i) => `a|${id}@${100_000 + i}`),
            head: { a: 100_000 },
            load: { a: puts },
            request: Object.fromEntries(ids.map((id, i) => [`a|${id}`, `@${100_000 + i} 128/900100/3/0/9`])),
            body: Object.fromEntries(ids.map((id) => [`a|${id}`, `body of ${id}`])),
            due: Object.fromEntries(ids.map((id, i) => [`a|${id}@${100_000 + i}`, 900_100])),
            ...(left ? { idle: left } : {}),
            ...('a' in before.node ? {} : { node: { a: 30_100 }, epochs: { a: 1 } }),
          },
        });
      });
    }

    it('passes over idle entries that have run out, and cuts them', async () => {
      const shard = new TestShard();
      await shard.run(claim(shard, 'b', { idleFor: 99 }));
      await shard.run(claim(shard, 'c', { idleFor: 101 }));
      await shard.run(put(shard, 'a', ['x'], { at: 100 }));
      expect((await shard.view()).idle).to.deep.equal({ c: 101 });
      expect(await wakeUps()).to.deep.equal(['c: claim 0 50']);
    });

    it('tells of the age of a head once, and of a new head again', async () => {
      const shard = new TestShard({ minLoad: 10 });
      await shard.run(claim(shard, 'b'));
      await wakeUps();
      shard.at = 100;
      await shard.run(put(shard, 'a', ['x']));
      await shard.run(put(shard, 'a', ['behind it']));
      expect(await wakeUps()).to.deep.equal(['b: claim 0 50']);
      await shard.run(put(shard, 'a', [{ id: 'before it', headStart: 20 }]));
      expect(await wakeUps()).to.deep.equal(['b: claim 0 31']);
    });

    for (const claimsIn of [1, 50])
      it(`is left to a claim of the caller that follows in ${claimsIn} ms: no other may steal before`, async () => {
        const shard = new TestShard();
        for (const node of ['b', 'a']) await shard.run(claim(shard, node));
        await wakeUps();
        await shard.run(put(shard, 'a', ['1', '2'], { claimsIn }));
        expect(await wakeUps()).to.deep.equal([]);
        expect(Object.keys((await shard.view()).idle)).to.have.members(['a', 'b']);
      });

    it('goes to another, if that one may take it before the claim of the caller follows', async () => {
      const shard = new TestShard();
      for (const node of ['a', 'b']) await shard.run(claim(shard, node));
      await wakeUps();
      shard.at = 100;
      await shard.run(put(shard, 'a', ['1'], { claimsIn: 301 }));
      expect(await wakeUps()).to.deep.equal(['b: claim 0 50']);
      expect(Object.keys((await shard.view()).idle), 'the caller is busy').to.have.members(['b']);
      await shard.run(put(shard, 'a', ['2', '3'], { claimsIn: 20 }));
      expect(await wakeUps(), 'it is overloaded').to.deep.equal(['b: claim 0 0']);
      expect((await shard.view()).idle).to.deep.equal({});
    });

    it('is left to the claim of the caller that follows at once', async () => {
      const shard = new TestShard();
      for (const node of ['b', 'a']) await shard.run(claim(shard, node));
      await wakeUps();
      await shard.run(put(shard, 'a', ['1', '2', '3', '4'], { claimsIn: 0 }));
      expect(await wakeUps()).to.deep.equal([]);
      expect(Object.keys((await shard.view()).idle)).to.have.members(['a', 'b']);
      await shard.run(claim(shard, 'a', { limit: 1 }));
      expect(await wakeUps()).to.deep.equal(['b: claim 0 0']);
      expect((await shard.view()).idle).to.deep.equal({});
    });

    it('goes to the owner alone under the policy none', async () => {
      const shard = new TestShard({ policy: 'none' });
      await shard.run(claim(shard, 'b'));
      await wakeUps();
      await shard.run(put(shard, 'a', ['x']));
      expect(await wakeUps()).to.deep.equal([]);
      expect((await shard.view()).idle).to.deep.equal({ b: 3_000 });
      await shard.run(claim(shard, 'c'));
      await shard.run(put(shard, 'b', ['x']));
      expect((await shard.view()).idle).to.deep.equal({ c: 3_000 });
    });
  });

  it('leaves other shards and other topics alone', async () => {
    const [shard, same] = [new TestShard(), new TestShard()];
    const other = new TestShard({}, shard.topic, 1);
    for (const one of [shard, same, other]) await one.run(put(one, 'a', ['x']));
    const before = [viewOf(await same.snapshot()), viewOf(await other.snapshot())];
    await shard.run(put(shard, 'a', ['y']));
    expect([viewOf(await same.snapshot()), viewOf(await other.snapshot())]).to.deep.equal(before);
    expect((await shard.snapshot()).expiry.get('waiting')).to.equal(START + 930_000);
  });

  it('gives the shard’s one expiry to tables that come into being later', async () => {
    const shard = new TestShard();
    await shard.run(refresh(shard, 'b'));
    await shard.run(put(shard, 'a', ['x'], { at: 5_000 }));
    await shard.run(claim(shard, 'b', {}, { at: 5_100 }));
    await shard.run(claim(shard, 'b', {}, { at: 6_000 }));
    const { expiry } = await shard.snapshot();
    expect(expiry.size).to.be.greaterThan(6);
    expect([...new Set(expiry.values())]).to.deep.equal([START + 930_000]);
  });

  guards('put_requests', (shard, node, options) => put(shard, node, ['x'], { ...options, maxWaiting: 0 }));
  statusWordsOf('put_requests');
});
