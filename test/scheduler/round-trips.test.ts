// What the calls cost in commands, seen with MONITOR.
import { expect } from 'chai';
import { settle } from '../../src/base/settle.ts';
import { commandsDuring, counts } from '../support/commands.ts';
import {
  PATIENT,
  ended,
  finish,
  requests,
  room,
  take,
  useFleet,
  type Claimed,
  type Node,
} from '../support/fleet.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';

/** Enough to have the taken results removed, which costs a command of its own when none follow. */
const ACKNOWLEDGED_MS = 150;

describe('one round trip', () => {
  const redis = useOwnRedis();
  const fleet = useFleet(() => redis.url);
  let owner: Node;
  let runner: Node;

  // leases and names so long that no heartbeat comes in between
  beforeEach(async () => {
    const quiet = { leaseMs: 600_000, keepAliveMs: 600_000, ttlMs: 1_200_000, pollMs: 60_000 };
    owner = await fleet.start('owner', quiet);
    runner = await fleet.start('runner', { ...quiet, minLoadScore: 1 });
    // each has sent every script once: the first EVALSHA of a new script is answered with NOSCRIPT
    await owner.putRequests(requests('warm', 1));
    await finish(runner, await take(runner, 1));
    await ended(owner, ['warm0']);
    await owner.putRequests(requests('own', 1));
    await finish(owner, await take(owner, 1));
    await waitUntil(async () => (await redis.admin.exists(fleet.key('out'))) === 0, 'the mailbox is empty');
  });

  const sent = async (act: () => Promise<unknown>): Promise<Record<string, number>> =>
    counts(await commandsDuring(redis.admin, act));

  it('is a put, also of many requests', async () => {
    expect(await sent(() => owner.putRequests(requests('r', 1)))).to.deep.equal({ put_requests: 1 });
    expect(await sent(() => owner.putRequests(requests('s', 100)))).to.deep.equal({ put_requests: 1 });
  });

  it('is a put of many that are submitted one by one in the same turn', async () => {
    const submitAll = async (): Promise<void> => {
      const all = requests('r', 50).map((one) => owner.putRequests([one]));
      await Promise.all(all);
    };
    expect(await sent(submitAll)).to.deep.equal({ put_requests: 1 });
  });

  it('is a claim of own requests, and a claim of a peer’s with their bodies', async () => {
    for (const node of [owner, runner]) {
      await owner.putRequests(requests(node.node, 10, 50));
      let claims: Claimed[] = [];
      const claim = async (): Promise<void> => void (claims = await node.getRequests(room(10), PATIENT));
      expect(await sent(claim)).to.deep.equal({ claim: 1 });
      expect(claims).to.have.length(10);
      expect(claims.every(({ request }) => request.prompt_token_ids.length === 50)).to.equal(true);
      await finish(node, claims);
    }
  });

  it('is a batch of results, chunks and finals of many requests together', async () => {
    await owner.putRequests(requests('r', 20));
    const claims = await take(runner, 20, room(20));
    const items = claims.flatMap(({ claim }) =>
      [1, 2, 3].map((output) => ({ claim, output, finished: output === 3 })),
    );
    const { put_results } = await sent(() => runner.putResults(items));
    expect(put_results).to.equal(1);
  });

  it('is taking a batch of results, and one more removes them when none follow', async () => {
    await owner.putRequests(requests('r', 20));
    const claims = await take(runner, 20, room(20));
    const began = performance.now();
    const all = await sent(async () => {
      await finish(runner, claims);
      await ended(
        owner,
        claims.map(({ id }) => id),
      );
      const gone = async (): Promise<boolean> => (await fleet.snapshot()).out.length === 0;
      await waitUntil(
        async () => performance.now() - began > ACKNOWLEDGED_MS && (await gone()),
        'they are removed',
      );
    });
    expect([all.put_results, all.take_results]).to.deep.equal([1, 2]);
  });

  it('is a lifecycle of own requests in three calls: put, claim, results', async () => {
    const lifecycle = async (): Promise<void> => {
      await owner.putRequests(requests('r', 5));
      await finish(owner, await owner.getRequests(room(5), PATIENT));
    };
    expect(await sent(lifecycle)).to.deep.equal({ put_requests: 1, claim: 1, put_results: 1 });
    expect(owner.getResults().size).to.equal(6);
  });
});

describe('an idle node', () => {
  const redis = useOwnRedis();
  const fleet = useFleet(() => redis.url);
  /** The default times are divided by this, so that the test sees as many heartbeats as a node sends in 26 s. */
  const FASTER = 10;
  const WATCH_MS = 2_600;

  it('sends at most one command per second, and half a look per second with several shards, heartbeats included', async () => {
    const { leaseMs, keepAliveMs, pollMs } = settle({});
    const quick = { leaseMs: leaseMs / FASTER, keepAliveMs: keepAliveMs / FASTER, pollMs: pollMs / FASTER };
    // both connections of a node bear its name, so that its commands can be added up
    const { hostname: host, port } = new URL(redis.url);
    const start = (name: string, more: object = {}): Promise<Node> =>
      fleet.start(name, { redis: { host, port: Number(port), connectionName: name }, ...quick, ...more });
    const nodes = await Promise.all(['a', 'b', 'c'].map((name) => start(name)));
    nodes.push(await start('d', { topic: `${fleet.topic}-8`, loadShards: 8 }));
    for (const node of nodes) void node.run(() => 1, { budget: room() });
    // the first look into the shards belongs to the start
    const began = performance.now();
    await waitUntil(() => performance.now() - began > 300, 'they have begun');
    const watch = performance.now();
    const sent = await commandsDuring(redis.admin, () =>
      waitUntil(() => performance.now() - watch > WATCH_MS, 'the time is over', WATCH_MS + 5_000),
    );
    const list = String(await redis.admin.client('LIST'));
    const nameOf = (address: string): string => new RegExp(`addr=${address} .* name=(\\w*) `).exec(list)![1]!;
    const byNode = new Map<string, string[]>(nodes.map(({ node }) => [node, []]));
    for (const { from, command } of sent) byNode.get(nameOf(from))?.push(command);
    for (const commands of byNode.values()) {
      expect(commands).to.include.members(['claim', 'refresh', 'register']);
      const looks = commands.filter((command) => command === 'EXISTS').length;
      expect((commands.length - looks) / ((WATCH_MS / 1_000) * FASTER)).to.be.at.most(1);
      expect(looks / ((WATCH_MS / pollMs) * FASTER)).to.be.at.most(1.4);
    }
  });
});
