// Every shard is asked: those that come later, those beside a busy one, those that a random fleet has.
import { expect } from 'chai';
import { monotonic, sleep } from '../../src/base/clock.ts';
import { shardOf } from '../../src/base/keys.ts';
import { Random } from '../../scripts/lib/traffic/random.ts';
import { rejection, request, room, serve, useFleet, type Node, type NodeOptions } from '../support/fleet.ts';
import { useDeafProxy } from '../support/deaf-proxy.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { redisUrl, waitUntil } from '../support/server.ts';

const NEVER_MS = 60_000;
/** Renewals bring new shards soon; nothing else helps an idle engine to find work. */
const RENEWING = { keepAliveMs: 1_000, leaseMs: NEVER_MS, pollMs: 500 } as const;

describe('every shard is asked', function () {
  this.timeout(60_000);
  const fleet = useFleet();
  const proxy = useDeafProxy(redisUrl);

  const served = async (front: Node, id: string): Promise<void> => {
    expect(await front.submit(request(id), { deadlineMs: 10_000 }).result()).to.equal(id);
  };

  it('that a node brings which starts later', async () => {
    const engine = await fleet.start('engine', RENEWING);
    serve(engine);
    const front = await fleet.start(nameAt('front', 3, 4), { ...RENEWING, loadShards: 4 });
    await served(front, 'r');
  });

  it('that updateConfig brings at another node, and at the engine itself', async () => {
    const engine = await fleet.start('engine', RENEWING);
    serve(engine);
    const front = await fleet.start(nameAt('front', 3, 4), RENEWING);
    await front.updateConfig({ loadShards: 4, reallocate: true });
    expect(front.shard).to.equal(3);
    await served(front, 'r');
    await engine.updateConfig({ loadShards: 8 });
    const later = await fleet.start(nameAt('later', 7, 8), { ...RENEWING, loadShards: 8 });
    await served(later, 's');
  });

  it('beside one that always has work', async () => {
    const quiet = { loadShards: 2, leaseMs: NEVER_MS, keepAliveMs: NEVER_MS, minLoadScore: 1 };
    const engine = await fleet.start(nameAt('engine', 0, 2), quiet);
    const busy = await fleet.start(nameAt('busy', 0, 2), quiet);
    const other = await fleet.start(nameAt('other', 1, 2), quiet);
    const list = Array.from({ length: 600 }, (_, i) => request(`busy${i}`));
    await busy.putRequests(list);
    const executed = serve(engine, 20, room(2));
    await waitUntil(() => executed.length > 10, 'the engine is busy');
    await Promise.all(['o0', 'o1', 'o2'].map((id) => served(other, id)));
    expect(executed.length, 'busy all the time').to.be.lessThan(600);
    await busy.reset();
  });

  it('by an engine whose claims elsewhere find nothing again and again', async () => {
    const quiet = { loadShards: 2, leaseMs: NEVER_MS, keepAliveMs: NEVER_MS, pollMs: 1_000 };
    const engine = await fleet.start(nameAt('engine', 0, 2), quiet);
    const executed = serve(engine);
    const own = await fleet.start(nameAt('own', 0, 2), { ...quiet, loadLookup: 0 });
    const other = await fleet.start(nameAt('other', 1, 2), quiet);
    const isIdle = async (shard: number): Promise<boolean> =>
      (await fleet.redis.zscore(fleet.key('idle', shard), engine.node)) !== null;
    await waitUntil(async () => (await isIdle(0)) && (await isIdle(1)), 'it is idle');
    await fleet.redis.del(fleet.key('idle', 1));
    // each rings the engine, which comes too late for what `own` takes itself
    const stop = new AbortController();
    const feed = (async () => {
      for (let i = 0; !stop.signal.aborted; i += 1) {
        await own.putRequests([request(`own${i}`)]);
        const claims = await own.getRequests(room(), { waitMs: 0 });
        await own.putResults(claims.map(({ claim }) => ({ claim, finished: true })));
        await sleep(50);
      }
    })();
    await served(other, 'other');
    stop.abort();
    await feed;
    expect(executed.map(({ id }) => id)).to.include('other');
  });

  for (const seed of [1, 2, 3, 4, 5, 6])
    it(`in a random fleet that grows while it serves, some of whose nodes hear no ring (seed ${seed})`, async () => {
      const random = new Random(seed);
      const int = (low: number, high: number): number => random.int(low, high);
      const options = (shards: number): NodeOptions => ({
        ...{ ...RENEWING, loadShards: shards, loadLookup: int(1, 5), pollMs: 400 },
        ...{ stealAfterMs: 100, minLoadScore: int(1, 3) },
        ...(random.uniform() < 0.4 ? { redis: proxy().url } : {}),
        policy: random.uniform() < 0.5 ? 'oldest' : 'lucky',
      });
      for (const ring of ['claim', 'results', 'refresh'] as const) proxy().deafTo.add(ring);
      let shards = int(1, 6);
      const fronts: Node[] = [];
      for (let i = int(1, 3); i > 0; i -= 1)
        serve(await fleet.start(`engine${i}`, options(int(1, shards))), 5);
      const start = async (): Promise<void> =>
        void fronts.push(await fleet.start(`front${fronts.length}`, options(shards)));
      for (let i = int(1, 3); i > 0; i -= 1) await start();
      const waits: Promise<number>[] = [];
      for (let step = 0; step < 12; step += 1) {
        const front = fronts[int(0, fronts.length - 1)]!;
        const choice = random.uniform();
        if (choice < 0.25) {
          shards += int(1, 4);
          await start();
        } else if (choice < 0.5) {
          shards += int(1, 4);
          await front.updateConfig({ loadShards: shards, reallocate: true });
        }
        for (let i = int(1, 4); i > 0; i -= 1) {
          const id = `${step}.${i}`;
          const from = monotonic();
          waits.push(served(fronts[int(0, fronts.length - 1)]!, id).then(() => monotonic() - from));
        }
        await sleep(random.uniform() * 200);
      }
      const longest = Math.max(...(await Promise.all(waits)));
      // half a keepAliveMs to learn of the shard, a poll and a quarter to look there; the rest is for a busy machine
      expect(longest).to.be.at.most(500 + 500 + 4_000);
    });
});

describe('updateConfig that times out', function () {
  this.timeout(60_000);
  const redis = useOwnRedis();
  const fleet = useFleet(() => redis.url);

  it('has moved nothing, then or later', async () => {
    const node = await fleet.start(nameAt('node', 3, 4), { commandTimeout: 2_000, leaseMs: 20_000 });
    serve(node);
    await redis.hang(5_000);
    const error = await rejection(node.updateConfig({ loadShards: 4, reallocate: true }));
    expect(error).to.have.property('code', 'TIMEOUT');
    expect(error.message, 'the reason').to.match(/registry \(slot \d+\): no answer to register/);
    expect(node.shard).to.equal(0);
    await redis.admin.ping();
    const [outcome] = await node.putRequests([request('r')]);
    expect(outcome!.error).to.equal(undefined);
    await waitUntil(() => node.getResults().has('r'), 'it is served');
    expect(node.shard).to.equal(0);
    await node.updateConfig({ loadShards: 4, reallocate: true });
    expect(node.shard).to.equal(3);
    await node.putRequests([request('s')]);
    await waitUntil(() => node.getResults().has('s'), 'it is served');
  });
});

function nameAt(base: string, shard: number, shards: number): string {
  for (let i = 0; ; i += 1) if (shardOf(`${base}-${i}`, shards) === shard) return `${base}-${i}`;
}
