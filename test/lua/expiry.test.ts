// lua/README.md#tables-1: the tables of a shard have one expiry. It belongs to the topic, not to the node that refreshes.
import { expect } from 'chai';
import { claim, put, putResults, refresh } from './calls.ts';
import { TestShard, connection, connections } from './support.ts';
import { START } from './view.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** What {@link TestShard} says unless it is told otherwise. */
const [TTL, LEASE] = [900_000, 30_000];

describe('the expiry of a shard', () => {
  connections();

  /** The one time at which everything expires, in the tables and as the shard notes it. */
  async function expiryOf(shard: TestShard): Promise<number> {
    const { expires, state } = await shard.view();
    expect(expires).to.deep.equal([state['expiry']]);
    return expires[0]!;
  }

  it('is at least ttl after a refresh, and moves a lease further when it moves, so that few calls move it', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    expect(await expiryOf(shard)).to.equal(TTL + LEASE);
    for (const [at, expiry] of [
      [LEASE, TTL + LEASE],
      [LEASE + 1, TTL + 2 * LEASE + 1],
      [2 * LEASE, TTL + 2 * LEASE + 1],
    ] as const) {
      await shard.run(refresh(shard, 'a', {}, { at }));
      expect(await expiryOf(shard), `after ${at} ms`).to.equal(expiry);
    }
  });

  it('is not moved back by a node with a shorter ttl, whatever that node does', async () => {
    const shard = new TestShard();
    const short = { ttl: 2_000, lease: 1_000, at: 60 };
    await shard.run(put(shard, 'a', ['x', 'y']));
    const calls = [
      refresh(shard, 'b', {}, short),
      put(shard, 'b', ['z'], short),
      claim(shard, 'b', {}, short),
      refresh(shard, 'b', {}, { ...short, at: 20_000 }),
    ];
    for (const call of calls) {
      await shard.run(call);
      expect(await expiryOf(shard), call.script).to.equal(TTL + LEASE);
    }
  });

  it('is moved by the refresh of a short node as far as the longest ttl asks', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    await shard.run(refresh(shard, 'b', {}, { ttl: 2_000, lease: 1_000, at: 100_000 }));
    expect(await expiryOf(shard)).to.equal(100_000 + TTL + 1_000);
  });

  it('follows a longer ttl as soon as a node has it', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    await shard.run(refresh(shard, 'b', {}, { ttl: DAY }));
    expect([await expiryOf(shard), (await shard.view()).state['ttl']]).to.deep.equal([DAY + LEASE, DAY]);
    await shard.run(refresh(shard, 'a', {}, { at: HOUR }));
    expect(await expiryOf(shard)).to.equal(HOUR + DAY + LEASE);
  });

  it('covers every deadline from its put on, and then keeps it', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x', { id: 'y', deadline: 5 * HOUR }, { id: 'z', deadline: HOUR }]));
    expect(await expiryOf(shard)).to.equal(5 * HOUR + LEASE);
    for (const at of [10_000, HOUR]) {
      await shard.run(refresh(shard, 'a', {}, { at }));
      expect(await expiryOf(shard)).to.equal(5 * HOUR + LEASE);
    }
    expect((await shard.view()).waiting).to.deep.equal(['a|y@1']);
  });

  it('is not moved by a put whose deadline it covers: the usual put costs no PEXPIREAT', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    for (const at of [1, 10_000, LEASE]) {
      await shard.run(put(shard, 'a', [`r${at}`], { at }));
      expect(await expiryOf(shard)).to.equal(TTL + LEASE);
    }
    const long = { deadline: HOUR };
    for (const at of [LEASE + 1, LEASE + 10_000, 2 * LEASE]) {
      await shard.run(put(shard, 'a', [{ id: `l${at}`, ...long }], { at }));
      expect(await expiryOf(shard)).to.equal(LEASE + 1 + HOUR + LEASE);
    }
  });

  it('is not moved by what is not accepted', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    const again = put(
      shard,
      'a',
      [
        { id: 'x', deadline: DAY },
        { id: 'y', deadline: DAY },
      ],
      { maxWaiting: 1 },
    );
    await shard.run(again);
    expect(await expiryOf(shard)).to.equal(TTL + LEASE);
  });

  it('does not run back with the server’s clock', async () => {
    const shard = new TestShard();
    await shard.run(refresh(shard, 'a', {}, { at: HOUR }));
    const there = await expiryOf(shard);
    await shard.run(refresh(shard, 'a', {}, { at: -HOUR }));
    expect(await expiryOf(shard)).to.equal(there);
  });

  it('stands though the table that notes it is lost, and what waits is kept until its deadline', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', [{ id: 'x', deadline: 5 * HOUR }]));
    await connection().unlink(shard.key('shard'));
    await shard.run(refresh(shard, 'b', {}, { at: 10_000 }));
    // the server says what is left in ms of its own, now and then one of them later
    expect(await expiryOf(shard)).to.be.within(5 * HOUR + LEASE - 5, 5 * HOUR + 2 * LEASE + 5);
  });

  it('comes back to a table that has none, or another, at the next refresh', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    await connection().persist(shard.key('waiting'));
    await connection().pexpireat(shard.key('body'), START + 2 * TTL);
    await shard.run(refresh(shard, 'a', {}, { at: 1 }));
    expect(await expiryOf(shard)).to.equal(TTL + LEASE);
  });

  describe('and who is silent', () => {
    it('is decided by the longest ttl: a short node buries nobody that the fleet still keeps', async () => {
      const shard = new TestShard({ ttl: HOUR });
      await shard.run(put(shard, 'owner', [{ id: 'x', deadline: DAY }]));
      await shard.run(claim(shard, 'b', {}, { at: 60 }));
      const held = await shard.held('owner|x');
      const chunk = { ...held, number: 1, kind: 'chunk' as const, payload: '' };
      await shard.run(putResults(shard, 'b', [chunk], { at: 100 }));
      const short = { ttl: 2_000, lease: 1_000 };
      for (const at of [20 * 60_000, HOUR + LEASE - 1])
        await shard.run(refresh(shard, 'dead-retry', { held: [held] }, { ...short, at }));
      const { node, out } = await shard.view();
      expect([node['owner'], out.length]).to.deep.equal([LEASE, 1]);
      await shard.run(refresh(shard, 'dead-retry', { held: [held] }, { ...short, at: HOUR + LEASE }));
      expect((await shard.view()).out).to.deep.equal([]);
    });
  });
});
