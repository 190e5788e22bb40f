// Who is told of work, and when. No poll helps out: it would come a minute later.
import { expect } from 'chai';
import type { StealPolicy } from '../../src/index.ts';
import { monotonic } from '../../src/base/clock.ts';
import { shardOf, wakePrefix } from '../../src/base/keys.ts';
import { commandsDuring, counts } from '../support/commands.ts';
import {
  bringEngine,
  finish,
  request,
  requests,
  room,
  take,
  useFleet,
  type Node,
  type NodeOptions,
} from '../support/fleet.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';

const NEVER_MS = 60_000;
/** Far more than a ring takes, far less than the fallback. */
const WAIT_MS = 20_000;
const QUIET = { pollMs: NEVER_MS, leaseMs: NEVER_MS, keepAliveMs: NEVER_MS, stealAfterMs: NEVER_MS } as const;

describe('wake-ups', () => {
  const redis = useOwnRedis();
  const fleet = useFleet(() => redis.url);

  const start = (name: string, options: NodeOptions = {}): Promise<Node> =>
    fleet.start(name, { ...QUIET, ...options });

  const isIdle = async (node: Node, shard = 0): Promise<boolean> =>
    (await fleet.redis.zscore(fleet.key('idle', shard), node.node)) !== null;

  /** Asks for work in the background; answers what it got so far. */
  function serving(node: Node, batch = 16): string[] {
    const executed: string[] = [];
    void node.run(({ id }) => void executed.push(id), { budget: room(batch) });
    return executed;
  }

  it('reach the owner that waits for work', async () => {
    const owner = await start('owner');
    const executed = serving(owner);
    await waitUntil(() => isIdle(owner), 'it is idle');
    await owner.putRequests(requests('r', 3));
    await waitUntil(() => executed.length === 3, 'it has executed them');
  });

  it('are not sent to a node for its own put: its claim follows right behind, and rings for what it leaves', async () => {
    const owner = await start('owner', { minLoadScore: 1 });
    const peer = await start('peer', { minLoadScore: 1 });
    const executed = serving(peer);
    await waitUntil(() => isIdle(peer), 'the peer is idle');
    const ears = fleet.redis.duplicate();
    const heard: string[] = [];
    ears.on('message', (_channel: string, message: string) => heard.push(message));
    await ears.subscribe(wakePrefix(fleet.topic) + owner.node);
    try {
      let answers = 0;
      owner.events.on('answered', ({ script }) => (answers += script === 'claim' ? 1 : 0));
      const claimed = owner.getRequests(room(1), { waitMs: WAIT_MS });
      // it must know so itself
      await waitUntil(() => answers > 0, 'the owner is told that there is no work');
      await waitUntil(() => isIdle(owner), 'the owner is idle, too');
      await owner.putRequests(requests('r', 2));
      expect((await claimed).map(({ id }) => id)).to.deep.equal(['r0']);
      await waitUntil(() => executed.length === 1, 'the peer serves the rest');
      expect(heard.filter((message) => message.startsWith('claim'))).to.deep.equal([]);
    } finally {
      ears.disconnect();
    }
  });

  for (const policy of ['oldest', 'lucky'] satisfies StealPolicy[]) {
    it(`reach an idle peer when the owner’s last put makes it overloaded (${policy})`, async () => {
      const owner = await start('owner', { policy });
      await bringEngine(owner);
      const peer = await start('peer', { policy });
      const executed = serving(peer);
      await waitUntil(() => isIdle(peer), 'it is idle');
      for (const id of ['1', '2']) await owner.putRequests([request(id)]);
      expect(executed).to.deep.equal([]);
      await owner.putRequests([request('3')]);
      await waitUntil(() => executed.length > 0, 'the peer serves');
    });

    it(`reach an idle peer when the owner’s request comes of age, and not before (${policy})`, async () => {
      const stealAfterMs = 400;
      const owner = await start('owner', { policy, stealAfterMs });
      await bringEngine(owner);
      const peer = await start('peer', { policy, stealAfterMs });
      let servedAt = 0;
      void peer.run(() => void (servedAt = monotonic()), { budget: room() });
      await waitUntil(() => isIdle(peer), 'it is idle');
      const put = monotonic();
      await owner.putRequests([request('r')]);
      await waitUntil(() => servedAt > 0, 'the peer serves');
      // both clocks are of this machine, one of them cut to ms
      expect(servedAt - put).to.be.at.least(stealAfterMs - 5);
    });

    it(`go on to the next idle runner as long as work is left (${policy})`, async () => {
      const owner = await start('owner', { policy, minLoadScore: 1 });
      const runners = await Promise.all(
        ['a', 'b', 'c'].map((name) => start(name, { policy, minLoadScore: 1 })),
      );
      const claims = runners.map((node) => node.getRequests(room(2), { waitMs: WAIT_MS }));
      await waitUntil(async () => (await fleet.redis.zcard(fleet.key('idle'))) === 3, 'three are idle');
      await owner.putRequests(requests('r', policy === 'lucky' ? 3 : 6));
      // half a batch each, by lucky
      const each = policy === 'lucky' ? 1 : 2;
      expect((await Promise.all(claims)).map(({ length }) => length)).to.deep.equal([each, each, each]);
    });
  }

  it('are passed on by a node that no longer asks', async () => {
    const owner = await start('owner', { minLoadScore: 1 });
    const [busy, free] = [await start('busy', { minLoadScore: 1 }), await start('free', { minLoadScore: 1 })];
    await busy.getRequests(room(), { waitMs: 0 });
    await waitUntil(() => isIdle(busy), 'busy is believed idle');
    const executed = serving(free);
    await waitUntil(() => isIdle(free), 'free is idle');
    await owner.putRequests([request('r')]);
    await waitUntil(() => executed.length === 1, 'the free node has executed it');
  });

  it('are passed on with their delay: a busy node hands the age of a head to another', async () => {
    const stealAfterMs = 400;
    const owner = await start('owner', { stealAfterMs });
    await bringEngine(owner);
    const free = await start('free', { stealAfterMs });
    const executed = serving(free);
    await waitUntil(() => isIdle(free), 'free is idle');
    const busy = await start('busy', { stealAfterMs });
    await busy.getRequests(room(), { waitMs: 0 });
    await waitUntil(() => isIdle(busy), 'busy is the one heard of last');
    await owner.putRequests([request('r')]);
    await waitUntil(() => executed.length === 1, 'the free node has executed it');
  });

  // work to take now rings who has been idle longest, work that is too young who was heard of last
  for (const [when, options, idleMs] of [
    ['now', { minLoadScore: 1 }, -1],
    ['later', { stealAfterMs: 400 }, 1],
  ] as const)
    it(`are passed on by a node that closes, and still drains (work to take ${when})`, async () => {
      const owner = await start('owner', options);
      await bringEngine(owner);
      const closing = await start('closing', options);
      let release: () => void = () => undefined;
      const running = new Promise<void>((resolve) => (release = resolve));
      const begun: string[] = [];
      void closing.run(({ id }) => (begun.push(id), running), { budget: room() });
      await waitUntil(() => isIdle(closing), 'it is idle');
      await owner.putRequests([request('running')]);
      await waitUntil(async () => begun.length === 1 && (await isIdle(closing)), 'it runs one, and has room');
      const closed = closing.close({ drainMs: WAIT_MS });
      const free = await start('free', options);
      const executed = serving(free);
      await waitUntil(() => isIdle(free), 'another is idle');
      const until = Number(await fleet.redis.zscore(fleet.key('idle'), free.node));
      await fleet.redis.zadd(fleet.key('idle'), 'XX', until + idleMs, closing.node);
      await owner.putRequests([request('r')]);
      await waitUntil(() => executed.length === 1, 'the other has executed it');
      expect(begun).to.deep.equal(['running']);
      release();
      await closed;
    });

  it('wake one runner for one request', async () => {
    const owner = await start('owner', { minLoadScore: 1 });
    const runners = await Promise.all(['a', 'b', 'c'].map((name) => start(name, { minLoadScore: 1 })));
    for (const node of runners) serving(node);
    await waitUntil(async () => (await fleet.redis.zcard(fleet.key('idle'))) === 3, 'all are idle');
    // every script has been sent once: the first EVALSHA of a script is answered with NOSCRIPT
    await owner.putRequests([request('warm')]);
    await waitUntil(() => owner.getResults().size === 1, 'it has ended');
    await waitUntil(async () => (await fleet.redis.zcard(fleet.key('idle'))) === 3, 'all are idle again');
    const sent = await commandsDuring(redis.admin, async () => {
      await owner.putRequests([request('r')]);
      await waitUntil(() => owner.getResults().size === 1, 'it has ended');
      await waitUntil(async () => (await fleet.redis.zcard(fleet.key('idle'))) === 3, 'all are idle again');
    });
    // the ring's claim, and one in vain behind what it got
    expect(counts(sent).claim).to.equal(2);
  });

  it('reach a node that is idle in every shard, from its start on', async () => {
    const shards = { loadShards: 8, loadLookup: 5, minLoadScore: 1 };
    const thief = await start('thief', shards);
    const executed = serving(thief);
    const idleEverywhere = async (): Promise<boolean> => {
      const idle = await Promise.all(Array.from({ length: 8 }, (_, shard) => isIdle(thief, shard)));
      return idle.every(Boolean);
    };
    await waitUntil(idleEverywhere, 'it is idle in all eight');
    const owners = await Promise.all(
      ['n0', 'n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7'].map((name) => start(name, shards)),
    );
    expect(new Set(owners.map(({ node }) => shardOf(node, 8))).size).to.be.greaterThan(2);
    for (const [i, owner] of owners.entries()) {
      await owner.putRequests([request(owner.node)]);
      await waitUntil(() => executed.length === i + 1, `${owner.node}’s request is executed`);
      await waitUntil(idleEverywhere, 'it is idle in all eight again');
    }
  });

  it('that get lost cost one fallback poll', async () => {
    const owner = await start('owner', { minLoadScore: 1 });
    const thief = await start('thief', { minLoadScore: 1, pollMs: 300 });
    const executed = serving(thief);
    await waitUntil(() => isIdle(thief), 'it is idle');
    await fleet.redis.del(fleet.key('idle'));
    await owner.putRequests([request('r')]);
    await waitUntil(() => executed.length === 1, 'it is found');
  });

  it('that were missed while the subscription was broken are made up for', async () => {
    const owner = await start('owner', { minLoadScore: 1 });
    const thief = await start('thief', { minLoadScore: 1 });
    const executed = serving(thief);
    for (let i = 0; i < 3; i += 1) {
      await waitUntil(() => isIdle(thief), 'it is idle');
      await fleet.redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await owner.putRequests([request(`r${i}`)]);
      await waitUntil(() => executed.length === i + 1, 'it is executed');
      await waitUntil(() => owner.getResults().size === 1, 'and its result is here');
    }
  });

  it('to a dead runner cost one ring: the next reaches a living one', async () => {
    const owner = await start('owner', { minLoadScore: 1 });
    const thief = await start('thief', { minLoadScore: 1 });
    const executed = serving(thief);
    await waitUntil(() => isIdle(thief), 'it is idle');
    // idle for longer than anybody, until the fallback of the others
    const until = Number(await fleet.redis.zscore(fleet.key('idle'), 'thief'));
    await fleet.redis.zadd(fleet.key('idle'), until - 1, 'dead');
    await owner.putRequests([request('1')]);
    expect(await fleet.redis.zscore(fleet.key('idle'), 'dead')).to.equal(null);
    expect(executed).to.deep.equal([]);
    await owner.putRequests([request('2')]);
    await waitUntil(() => executed.length === 2, 'the living one has executed both');
  });

  it('come with a result, and with a cancellation', async () => {
    const owner = await start('owner', { minLoadScore: 1 });
    const runner = await start('runner', { minLoadScore: 1 });
    const submission = owner.submit(request('r'));
    const [claim] = await take(runner, 1);
    await submission.cancel();
    await waitUntil(() => claim!.signal.aborted, 'its runner is told');
    await owner.putRequests([request('s')]);
    await finish(runner, await take(runner, 1));
    await waitUntil(() => owner.getResults().has('s'), 'its owner is told');
  });

  it('are not waited for any longer when the caller’s signal fires', async () => {
    const node = await start('node');
    const controller = new AbortController();
    const claimed = node.getRequests(room(), { waitMs: WAIT_MS, signal: controller.signal });
    await waitUntil(() => isIdle(node), 'it is idle');
    controller.abort();
    expect(await claimed).to.deep.equal([]);
  });

  it('are not waited for any longer when the node closes, and it is no longer idle', async () => {
    const node = await start('node');
    const claimed = node.getRequests(room(), { waitMs: WAIT_MS });
    await waitUntil(() => isIdle(node), 'it is idle');
    await node.close();
    expect(await claimed).to.deep.equal([]);
    expect(await isIdle(node)).to.equal(false);
  });
});
