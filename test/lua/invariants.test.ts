import { expect } from 'chai';
import { Redis } from 'ioredis';
import { findRedis } from '../../scripts/lib/redis/find.ts';
import { parseRecord } from '../../src/inspect/decode.ts';
import { checkInvariants } from '../../src/inspect/invariants.ts';
import { readSnapshot } from '../../src/inspect/snapshot.ts';
import { shardsInUse } from '../../src/inspect/registry.ts';
import { verifyTopic } from '../../src/inspect/verify.ts';
import { SHARD_TABLES, registryKeys, shardKey } from '../../src/base/keys.ts';
import { claim, put, putResults } from './calls.ts';
import { TestShard, connection, connections } from './support.ts';
import { START } from './view.ts';
import { hexOf } from './wire.ts';

const TTL = 900_000;
const EXPIRY = START + TTL + 30_000;

/** A field of what `calls` says of the mailbox of `a` becomes another number. */
async function setBox(
  shard: TestShard,
  redis: Redis,
  field: number,
  change: (value: number) => number,
): Promise<unknown> {
  const fields = (await redis.hget(shard.key('calls'), 'a|box'))!.match(/.{14}/g)!;
  fields[field] = hexOf(change(parseInt(fields[field]!, 16)), 14);
  return redis.hset(shard.key('calls'), 'a|box', fields.join(''));
}

/** x and y of `a` wait, z is run by `b`; a result of z is on its way, and two in a frame. */
async function sound(): Promise<TestShard> {
  const shard = new TestShard();
  await shard.run(put(shard, 'a', ['z', 'x', 'y'], { claimsIn: 'never' }));
  await shard.run(claim(shard, 'b', { limit: 1 }, { at: 60 }));
  await shard.run(claim(shard, 'c', { limit: 1, alone: 1 }, { at: 60 }));
  const chunk = { ...(await shard.held('a|z')), number: 1, kind: 'chunk' as const, payload: Buffer.of(0xff) };
  await shard.run(putResults(shard, 'b', [chunk], { at: 60 }));
  const chunks = [2, 3].map((number) => ({ fence: chunk.fence, number, payload: 'c' }));
  await shard.run(putResults(shard, 'b', [], { groups: [{ owner: 'a', chunks }], at: 60 }));
  return shard;
}

describe('the checker of the invariants', () => {
  connections();

  it('finds nothing wrong with a shard that only the scripts have touched', async () => {
    expect(checkInvariants(await (await sound()).snapshot(), { refreshed: true })).to.deep.equal([]);
  });

  type Damage = (shard: TestShard, redis: Redis) => Promise<unknown>;
  const rows: [title: string, invariant: number, message: RegExp, damage: Damage][] = [
    [
      'a claim that was taken away from its runner, which holds it',
      6,
      /was taken from b, which still holds it/,
      async (s, r) => r.hset(s.key('calls'), 'b|taken', `${(await s.held('a|z')).fence}*`),
    ],
    [
      'what was taken from a runner that is no fence',
      6,
      /what was taken from b is malformed/,
      (s, r) => r.hset(s.key('calls'), 'b|taken', '*'),
    ],
    [
      'a mark alone',
      6,
      /marks of b are malformed/,
      (s, r) => r.hset(s.key('calls'), 'b|held', '0'.repeat(14)),
    ],
    [
      'a box that is none',
      6,
      /box of a is malformed/,
      (s, r) => r.hset(s.key('calls'), 'a|box', '0'.repeat(70)),
    ],
    ['more taken than put', 6, /more was taken than was put/, (s, r) => setBox(s, r, 4, () => 4)],
    ['more bytes taken than put', 6, /more was taken than was put/, (s, r) => setBox(s, r, 5, () => 99)],
    [
      'chunks that wait and are counted as taken',
      6,
      /go back behind 1 chunks/,
      (s, r) => setBox(s, r, 4, () => 1),
    ],
    [
      'bytes that wait and are counted as taken',
      6,
      /go back behind 0 chunks, 1 bytes/,
      (s, r) => setBox(s, r, 5, () => 1),
    ],
    [
      'chunks that are not counted',
      6,
      /counts 2 chunks, 35 bytes, its last entry 3, 35/,
      (s, r) => setBox(s, r, 2, (n) => n - 1),
    ],
    [
      'bytes that are counted twice',
      6,
      /counts 3 chunks, 36 bytes, its last entry 3, 35/,
      (s, r) => setBox(s, r, 3, (n) => n + 1),
    ],
    ['a load that is too high', 1, /load of a is 3, and 2/, (s, r) => r.zincrby(s.key('load'), 1, 'a')],
    ['a negative load', 1, /load of d is -1, and none/, (s, r) => r.zadd(s.key('load'), -1, 'd')],
    ['a load of 0', 1, /load of d is 0, and none/, (s, r) => r.zadd(s.key('load'), 0, 'd')],
    ['an owner without a load', 1, /load of a is absent/, (s, r) => r.zrem(s.key('load'), 'a')],
    ['a head that is not the first order', 1, /head of a is/, (s, r) => r.zincrby(s.key('head'), 1, 'a')],
    ['an owner without a head', 1, /head of a is absent/, (s, r) => r.zrem(s.key('head'), 'a')],
    ['a head without tickets', 1, /head of d is/, (s, r) => r.zadd(s.key('head'), 5, 'd')],
    ['a ticket without a record', 2, /waits without a record/, (s, r) => r.hdel(s.key('request'), 'a|x')],
    [
      'a member of waiting that is no ticket',
      2,
      /waits without a record/,
      (s, r) => r.zadd(s.key('waiting'), 0, 'a|x'),
    ],
    [
      'a claimed request that waits',
      2,
      /waits, and b runs it/,
      async (s, r) => r.zadd(s.key('waiting'), 0, await s.ticket('a|z')),
    ],
    [
      'a ticket that waits under another request’s record',
      2,
      /waits, its record is of/,
      async (s, r) =>
        r.zadd(s.key('waiting'), 0, (await s.ticket('a|x')).replace('|00000080|', '|00000081|')),
    ],
    [
      'a request that neither waits nor runs',
      2,
      /has no runner and does not wait/,
      async (s, r) => r.zrem(s.key('waiting'), await s.ticket('a|x')),
    ],
    [
      'a request that is never due',
      2,
      /is never due/,
      async (s, r) => r.zrem(s.key('due'), await s.ticket('a|x')),
    ],
    [
      'a waiting request that is due before its deadline',
      2,
      /\(waiting\) is due at/,
      async (s, r) => r.zincrby(s.key('due'), -1, await s.ticket('a|x')),
    ],
    [
      'a claimed request that is due after its deadline',
      2,
      /\(claimed\) is due at/,
      async (s, r) => r.zadd(s.key('due'), START + TTL + 1, await s.ticket('a|z')),
    ],
    [
      'a due entry without a request',
      2,
      /is due without a request/,
      (s, r) => r.zadd(s.key('due'), 5, 'a|x'),
    ],
    ['a request without a body', 2, /has no body/, (s, r) => r.hdel(s.key('body'), 'a|x')],
    [
      'a body of another size',
      2,
      /has 3 bytes, its record says 9/,
      (s, r) => r.hset(s.key('body'), 'a|x', 'xyz'),
    ],
    ['a body without a request', 2, /has no request/, (s, r) => r.hset(s.key('body'), 'a|v', '')],
    ['a malformed record', 2, /malformed record/, (s, r) => r.hset(s.key('request'), 'a|x', 'x')],
    [
      'a malformed pause',
      2,
      /malformed record/,
      async (s, r) =>
        r.hset(s.key('request'), 'a|x', `${(await r.hget(s.key('request'), 'a|x'))!}/0123456789ab01ec/`),
    ],
    [
      'two pauses of one node',
      2,
      /has two pauses of one node/,
      async (s, r) =>
        r.hset(
          s.key('request'),
          'a|x',
          `${(await r.hget(s.key('request'), 'a|x'))!}${'/0123456789ab01ec'.repeat(2)}`,
        ),
    ],
    [
      'a fence that two claims share',
      4,
      /is the fence of "a\|[xz]" and the fence of "a\|[xz]"/,
      async (s, r) => {
        const text = String(await r.hget(s.key('request'), 'a|x'));
        const { fence } = await s.held('a|z');
        await r.hset(s.key('request'), 'a|x', `${text}|${fence}|b`);
      },
    ],
    [
      'a tick behind a fence and an arrival',
      4,
      /later than the shard's/,
      (s, r) => r.hset(s.key('shard'), 'tick', '0'.repeat(14)),
    ],
    ['a shard without a tick', 4, /later than the shard's/, (s, r) => r.hdel(s.key('shard'), 'tick')],
    ['a table that never expires', 5, /due never expires/, (s, r) => r.persist(s.key('due'))],
    [
      'a table that expires 1 ms later',
      5,
      /different times/,
      (s, r) => r.pexpireat(s.key('due'), EXPIRY + 1),
    ],
    [
      'tables that expire at another time than the shard says',
      5,
      /and the shard's expiry is/,
      (s, r) => r.hincrby(s.key('shard'), 'expiry', 1),
    ],
    [
      'tables that expire before a request must have ended',
      5,
      /may wait until \d+, and tables expire at \d+/,
      (s, r) => Promise.all(SHARD_TABLES.map((table) => r.pexpireat(s.key(table), START + TTL - 1))),
    ],
    ['a lane of an unknown node', 5, /calls names d/, (s, r) => r.hset(s.key('calls'), 'd|put', 'x')],
    [
      'a claim that is announced for no time',
      5,
      /calls says that a claims at "soon"/,
      (s, r) => r.hset(s.key('calls'), 'a|asks', 'soon'),
    ],
    ['an idle runner that is unknown', 5, /idle names d/, (s, r) => r.zadd(s.key('idle'), 5, 'd')],
    [
      'a mailbox of an unknown node',
      5,
      /out names d/,
      (s, r) => r.zadd(s.key('out'), 0, 'd|0660f126000000|x'),
    ],
    [
      'a node silent for longer than ttl',
      5,
      /has been silent/,
      (s, r) => r.zadd(s.key('node'), Date.now() - TTL - 1, 'd'),
    ],
  ];
  for (const [title, invariant, message, damage] of rows) {
    it(`reports ${title}`, async () => {
      const shard = await sound();
      await damage(shard, connection() as Redis);
      const snapshot = await shard.snapshot();
      // a table that the damage made has no expiry
      const found = checkInvariants(snapshot, { refreshed: true }).filter(
        (one) => !/idle never expires/.test(one.message),
      );
      expect(found.map((one) => one.invariant)).to.include(invariant);
      expect(found.map((one) => one.message).join('\n')).to.match(message);
      await connection().unlink(shard.key('idle'));
      await connection().pexpireat(shard.key('due'), EXPIRY);
    });
  }

  it('reads a record whole, and nothing that is none', () => {
    const stamp = '0660f126000000|00000080|01a2088a32fa';
    const waiting = `${stamp}|fba|03|01|00000009|0660f125c00000`;
    const pauses = '/01a2088a32f101-n:1/01a2088a32f2ffe-x.y/00000000000000lz';
    expect(parseRecord(`${waiting}${pauses}`)).to.include({ fence: undefined, runner: undefined });
    expect(parseRecord(`${waiting}|0660f126000001|n:1${pauses}`)).to.deep.equal({
      ...{
        stamp,
        order: '0660f126000000',
        deadline: 0x01a2088a32fa,
        wish: 'fba',
        triesLeft: 3,
        triesSpent: 1,
        bytes: 9,
      },
      arrival: 0x0660f125c00000 / 1000,
      ...{ fence: '0660f126000001', runner: 'n:1' },
      pauses: [
        { node: 'n:1', until: 0x01a2088a32f1, count: 1, mark: '-' },
        { node: '-x.y', until: 0x01a2088a32f2, count: 255, mark: 'e' },
        { node: 'z', until: 0, count: 0, mark: 'l' },
      ],
      reason: undefined,
    });
    for (const before of [waiting, `${waiting}|0660f126000001|n:1`, `${waiting}${pauses}`]) {
      const { pauses: list, ...record } = parseRecord(before)!;
      const said = 'no / of ~\n|0660f126000001|x/00000000000000lz';
      expect(parseRecord(`${before}~${said}`)).to.deep.equal({ ...record, pauses: list, reason: said });
    }
    for (const text of [
      '',
      stamp,
      `${stamp}|lb-|03|01|00000009`,
      waiting.replace('|fba', ''),
      waiting.replace('|fba', '|xba'),
      waiting.replace('|fba', '|fbx'),
      `${waiting}|`,
      `${waiting}|0660f126000001`,
    ]) {
      expect(parseRecord(text)).to.equal(undefined);
    }
  });
});

describe('readSnapshot', () => {
  connections();

  it('reads only names and sizes of bodies if payloads are not wanted', async () => {
    const shard = await sound();
    const { body, dead } = await readSnapshot(connection(), shard.topic, 0, { payloads: false });
    expect(Object.fromEntries(body)).to.deep.equal({
      'a|x': { bytes: 9 },
      'a|y': { bytes: 9 },
      'a|z': { bytes: 9 },
    });
    expect(dead).to.deep.equal([]);
    expect(
      checkInvariants(await readSnapshot(connection(), shard.topic, 0, { payloads: false })),
    ).to.deep.equal([]);
  });

  it('reads a shard that does not exist as empty', async () => {
    const snapshot = await new TestShard().snapshot();
    expect([snapshot.waiting, snapshot.out, snapshot.expiry.size]).to.deep.equal([[], [], 0]);
    expect(checkInvariants(snapshot)).to.deep.equal([]);
  });
});

describe('readSnapshot on a server before Redis 7', () => {
  it('reads when tables expire from what is left of them', async function () {
    this.timeout(60_000);
    const prefer = process.env.SCHED_LUA_TEST_REDIS === 'container' ? 'container' : 'binary';
    const server = await findRedis({ prefer, args: ['--rename-command', 'PEXPIRETIME', ''] });
    const redis = new Redis(server.url);
    try {
      const at = Date.now() + 100_000;
      const [node, state] = [shardKey('old', 0, 'node'), shardKey('old', 0, 'shard')];
      await redis.zadd(node, 1, 'a');
      await redis.pexpireat(node, at);
      await redis.hset(state, 'tick', '0');
      const snapshot = await readSnapshot(redis, 'old', 0);
      expect(snapshot.expiry.get('node')).to.be.within(at - 50, at + 50);
      expect(snapshot.expiry.get('shard')).to.equal(-1);
      expect(checkInvariants(snapshot).map(({ message }) => message)).to.deep.equal([
        'table shard never expires',
      ]);
    } finally {
      redis.disconnect();
      await server.stop();
    }
  });
});

describe('verifyTopic', () => {
  connections();

  it('checks every shard in use, and says in which one something is wrong', async () => {
    const shard = await sound();
    const [, meta] = registryKeys(shard.topic);
    expect(await shardsInUse(connection(), shard.topic)).to.equal(0);
    expect(await verifyTopic(connection(), shard.topic)).to.deep.equal([]);
    await connection().hset(meta, { shards: '3' });
    await connection().pexpire(meta, 60_000);
    expect(await verifyTopic(connection(), shard.topic)).to.deep.equal([]);

    const third = new TestShard({}, shard.topic, 2);
    await third.run(put(third, 'a', ['x']));
    await connection().zincrby(third.key('load'), 1, 'a');
    expect(await verifyTopic(connection(), shard.topic)).to.deep.equal([
      { shard: 2, invariant: 1, message: 'the load of a is 2, and 1 of its tickets wait' },
    ]);
  });
});
