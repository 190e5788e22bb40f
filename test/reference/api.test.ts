// docs/reference.md#35-interface-resources-security: interface, resources, security. Not here:
// d31 (the path for Redis <= 6.2.28): we have one path. Redis 6.2 is the oldest, and no script asks for the version; that
//   an idle poll sends one command and changes no load is shown below and in test/scheduler/round-trips.test.ts.
// TLS, ACL users, sockets: `redis` takes a rediss:// URL, all ioredis options, or a client (test/scheduler/start.test.ts);
//   an ACL user that may not EVAL is served in test/scheduler/preloaded.test.ts.
import { expect } from 'chai';
import { SHARD_TABLES, shardKey, shardOf, slotOf as slotInCluster } from '../../src/base/keys.ts';
import { commandsDuring, counts } from '../support/commands.ts';
import {
  ended,
  endings,
  finish,
  idsOf,
  rejection,
  request,
  requests,
  room,
  serve,
  take,
  useFleet,
} from '../support/fleet.ts';
import { DURABLE, useOwnRedis } from '../support/own-redis.ts';
import { sooner, waitUntil } from '../support/server.ts';

describe('the interface', () => {
  const fleet = useFleet();

  it('d09: putRequests answers for every request of its call, in order, and for no other', async () => {
    const owner = await fleet.start('owner');
    const list = requests('x', 50);
    const calls = [list, [request('y')], [request('y'), request('z'), request('x7')]];
    const [first, second, third] = await Promise.all(calls.map((call) => owner.putRequests(call)));
    expect(first).to.deep.equal(idsOf(list).map((id) => ({ id })));
    expect(second).to.deep.equal([{ id: 'y' }]);
    expect(third!.map(({ id, error }) => [id, error?.code])).to.deep.equal([
      ['y', 'DUPLICATE'],
      ['z', undefined],
      ['x7', 'DUPLICATE'],
    ]);
  });

  it('d25: getResults names only ids that have news, however many requests are pending', async () => {
    const [owner, runner] = [await fleet.start('owner'), await fleet.start('runner')];
    await owner.putRequests(requests('r', 3_000));
    expect(owner.getResults().size).to.equal(0);
    await finish(runner, await take(runner, 2));
    expect([...(await ended(owner, ['r0', 'r1'])).keys()]).to.deep.equal(['r0', 'r1']);
    expect(owner.getResults().size).to.equal(0);
  });

  it('d26: any number of callers may wait for work at once: a node has two connections', async () => {
    const owner = await fleet.start('owner');
    const connections = async (): Promise<number> =>
      String(await fleet.redis.client('LIST'))
        .split('\n')
        .filter(Boolean).length;
    const before = await connections();
    const runner = await fleet.start('runner');
    const waiting = Array.from({ length: 20 }, () => runner.getRequests(room(1), { waitMs: 5_000 }));
    await owner.putRequests(requests('r', 20));
    const claims = (await Promise.all(waiting)).flat();
    expect(claims.map(({ id }) => id).sort()).to.deep.equal(idsOf(requests('r', 20)).sort());
    // other test runs may come and go on a shared server
    expect((await connections()) - before).to.be.lessThan(15);
  });

  it('d27: a shard is the CRC-16/CCITT-FALSE of the name, which is not that of Redis Cluster', () => {
    expect(shardOf('123456789', 65_536)).to.equal(10_673);
  });
});

describe('the interface, on a server of its own', () => {
  const redis = useOwnRedis(DURABLE);
  const fleet = useFleet(() => redis.url);

  it('d28: a put that Redis did not answer is an error, and its retry is not called a duplicate', async () => {
    const owner = await fleet.start('owner', { commandTimeout: 2_000 });
    await redis.restart(4_000);
    const list = requests('r', 5);
    expect(await rejection(owner.putRequests(list))).to.have.property('code', 'TIMEOUT');
    const retried = async (): Promise<boolean> => {
      const outcomes = await owner.putRequests(list).catch(() => []);
      expect(outcomes.map(({ error }) => error?.code)).to.not.include('DUPLICATE');
      return outcomes.length > 0;
    };
    await waitUntil(retried, 'the retry has been accepted');
    const executed = serve(owner);
    const results = await ended(owner, idsOf(list));
    expect(endings(results)).to.deep.equal(Object.fromEntries(idsOf(list).map((id) => [id, 'finished'])));
    expect(executed.map(({ id }) => id)).to.deep.equal(idsOf(list));
  });

  it('d28: nothing spins while Redis is down, and what was waiting goes on when it is back', async () => {
    const [owner, idle] = [await fleet.start('owner'), await fleet.start('idle')];
    serve(idle);
    const before = process.cpuUsage();
    const began = performance.now();
    await redis.restart(1_500);
    const put = owner.putRequests([request('r')]);
    await waitUntil(() => performance.now() - began > 1_400, 'it has been down for a while');
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000, 'ms of CPU in 1,400 ms, two nodes').to.be.lessThan(700);
    expect(fleet.warnings.filter((line) => !line.startsWith('lazyfree'))).to.have.length.lessThan(10);
    expect(await put).to.deep.equal([{ id: 'r' }]);
    await ended(owner, ['r']);
  });

  it('reading: a server that hangs hangs no caller for longer than commandTimeout', async () => {
    const node = await fleet.start('a', { commandTimeout: 2_000 });
    const claims = (await node.putRequests([request('r')]), await take(node, 1));
    await redis.hang(7_000);
    const calls = [
      node.getRequests(room(), { waitMs: 20_000 }),
      node.putRequests([request('s')]),
      node.putResults(claims.map(({ claim }) => ({ claim, finished: true }))),
    ];
    const rejected = Promise.all(calls.map(rejection));
    for (const error of await sooner(6_000, 'all had rejected', rejected)) {
      expect(error.code).to.equal('TIMEOUT');
      expect(error.message).to.match(/within 2000 ms \(option commandTimeout\)/);
    }
    await ended(node, ['r']);
  });

  it('reading: no command is spent on asking whether a script is there', async () => {
    const node = await fleet.start('a');
    const sent = await commandsDuring(redis.admin, async () => {
      await node.putRequests(requests('r', 4));
      await finish(node, await take(node, 4));
    });
    expect(Object.keys(counts(sent))).to.not.include('SCRIPT');
  });
});

describe('Redis Cluster', () => {
  const redis = useOwnRedis(['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1']);
  const fleet = useFleet(() => redis.url);
  const slotOf = async (key: string): Promise<number> => redis.admin.cluster('KEYSLOT', key);

  before(async () => {
    await redis.admin.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    const up = async (): Promise<boolean> =>
      String(await redis.admin.call('CLUSTER', 'INFO')).includes('cluster_state:ok');
    await waitUntil(up, 'the cluster is up');
  });

  it('d27: all keys of a shard are in one slot, and the shards of a topic in several', async () => {
    const slots = new Set<number>();
    for (let shard = 0; shard < 8; shard += 1) {
      const keys = SHARD_TABLES.map((table) => shardKey('t', shard, table));
      const [first, ...others] = await Promise.all(keys.map(slotOf));
      expect(new Set([first, ...others])).to.deep.equal(new Set([slotInCluster('t', shard)]));
      slots.add(first!);
    }
    expect(slots.size).to.equal(8);
  });

  it('d27: every call works on a server that refuses scripts across slots', async () => {
    const [owner, runner] = [
      await fleet.start('a', { loadShards: 4, redis: redis.url.replace('redis://', 'redis+cluster://') }),
      await fleet.start('b', { loadShards: 4, redis: redis.url.replace('redis://', 'redis+cluster://') }),
    ];
    const list = requests('r', 6);
    await owner.putRequests(list);
    const cancelled = owner.submit(request('cancelled'));
    await cancelled.cancel();
    const [claim] = await take(runner, 1);
    await claim!.giveBack();
    serve(runner);
    const results = await ended(owner, idsOf(list));
    expect(endings(results)).to.deep.equal(Object.fromEntries(idsOf(list).map((id) => [id, 'finished'])));
    expect(await owner.reset()).to.deep.equal([]);
    await fleet.verify();
  });
});
