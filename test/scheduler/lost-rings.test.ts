// lua/README.md#wake-ups: what a ring costs that gets lost, for any number of shards. A proxy swallows every one of its kind.
import { expect } from 'chai';
import { monotonic } from '../../src/base/clock.ts';
import { shardOf } from '../../src/base/keys.ts';
import { request, room, take, useFleet, type Node, type NodeOptions } from '../support/fleet.ts';
import { useDeafProxy } from '../support/deaf-proxy.ts';
import { redisUrl, waitUntil } from '../support/server.ts';

const NEVER_MS = 60_000;
const WAIT_MS = 15_000;

describe('a ring that gets lost', function () {
  this.timeout(60_000);
  const fleet = useFleet();
  const proxy = useDeafProxy(redisUrl);

  /** One node with each home shard. */
  const oneInEach = (shards: number, base: string, options: NodeOptions): Promise<Node[]> =>
    Promise.all(
      Array.from({ length: shards }, (_, shard) =>
        fleet.start(nameAt(base, shard, shards), { loadShards: shards, ...options }),
      ),
    );

  // the bound is a poll and a quarter; were it a poll per shard, the last one would be found after `shards` - 1 polls
  for (const [shards, pollMs, boundMs] of [
    [1, 1_000, 4_000],
    [4, 2_000, 4_400],
    [16, 1_000, 4_400],
  ] as const) {
    it(`for work costs one poll (${shards} shards)`, async () => {
      const quiet = { leaseMs: NEVER_MS, keepAliveMs: NEVER_MS, pollMs, minLoadScore: 1 };
      const engine = await fleet.start(nameAt('engine', 0, shards), {
        ...{ ...quiet, loadShards: shards, redis: proxy().url },
      });
      const executed: string[] = [];
      void engine.run(({ id }) => void executed.push(id), { budget: room() });
      const fronts = await oneInEach(shards, 'front', { ...quiet, pollMs: NEVER_MS });
      for (let shard = 0; shard < shards; shard += 1)
        await waitUntil(
          async () => (await fleet.redis.zcard(fleet.key('idle', shard))) === 1,
          `it is idle in shard ${shard}`,
        );
      proxy().deafTo.add('claim');
      const from = monotonic();
      await Promise.all(fronts.map((front) => front.putRequests([request(front.node)])));
      await waitUntil(() => executed.length === shards, 'every shard is served', WAIT_MS * 2);
      expect(monotonic() - from).to.be.at.most(boundMs);
      expect(proxy().swallowed).to.be.at.least(shards);
    });

    it(`for results costs one poll, of chunks as of finals (${shards} shards)`, async () => {
      const quiet = { leaseMs: NEVER_MS, keepAliveMs: NEVER_MS, minLoadScore: 1 };
      const fronts = await oneInEach(shards, 'front', { ...quiet, pollMs: 1_000, redis: proxy().url });
      const engine = await fleet.start(nameAt('engine', 0, shards), { ...quiet, loadShards: shards });
      let release: () => void = () => undefined;
      const released = new Promise<void>((resolve) => (release = resolve));
      const handler = async function* (): AsyncGenerator<string, string, undefined> {
        yield 'chunk';
        await released;
        return 'final';
      };
      void engine.run(handler, { budget: room(64) });
      proxy().deafTo.add('results');
      const came: string[] = [];
      const readings = fronts.map(async (front) => {
        for await (const result of front.submit(request(front.node))) came.push(String(result.output));
      });
      await waitUntil(() => came.length === shards, 'every chunk is here', 10_000);
      const swallowed = proxy().swallowed;
      expect(swallowed).to.be.at.least(shards);
      release();
      await waitUntil(() => came.length === 2 * shards, 'every final is here', 10_000);
      await Promise.all(readings);
      expect(proxy().swallowed).to.be.at.least(swallowed + shards);
    });

    it(`for a refresh costs a third of a lease (${shards} shards)`, async () => {
      const fronts = await oneInEach(shards, 'front', {});
      const runner = await fleet.start(nameAt('runner', 0, shards), {
        ...{ loadShards: shards, redis: proxy().url, leaseMs: 3_000, minLoadScore: 1 },
      });
      proxy().deafTo.add('refresh');
      const submissions = fronts.map((front) => front.submit(request(front.node)));
      const claims = await take(runner, shards);
      await Promise.all(submissions.map((submission) => submission.cancel()));
      await waitUntil(() => claims.every(({ signal }) => signal.aborted), 'it knows', WAIT_MS);
      expect(proxy().swallowed).to.be.at.least(shards);
    });
  }
});

function nameAt(base: string, shard: number, shards: number): string {
  for (let i = 0; ; i += 1) if (shardOf(`${base}-${i}`, shards) === shard) return `${base}-${i}`;
}
