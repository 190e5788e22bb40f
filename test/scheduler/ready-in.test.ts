// Engines that say when they can begin (`budget.readyInMs`): work is left to whoever begins first. No poll helps out.
import { expect } from 'chai';
import { monotonic } from '../../src/base/clock.ts';
import { wakePrefix } from '../../src/base/keys.ts';
import { idsOf, request, requests, room, useFleet, type Node, type NodeOptions } from '../support/fleet.ts';
import { sooner, waitUntil } from '../support/server.ts';

const NEVER_MS = 60_000;
const WAIT_MS = 20_000;
const QUIET = { pollMs: NEVER_MS, leaseMs: NEVER_MS, keepAliveMs: NEVER_MS, stealAfterMs: NEVER_MS } as const;

describe('an engine that is ready later', () => {
  const fleet = useFleet();

  const start = (name: string, options: NodeOptions = {}): Promise<Node> =>
    fleet.start(name, { ...QUIET, ...options });

  const isIdle = async (node: Node): Promise<boolean> =>
    (await fleet.redis.zscore(fleet.key('idle'), node.node)) !== null;

  /** Asks in vain once, and so is believed idle. */
  async function becomeIdle(node: Node): Promise<void> {
    await node.getRequests(room(), { waitMs: 0 });
    expect(await isIdle(node)).to.equal(true);
  }

  function serving(node: Node): string[] {
    const executed: string[] = [];
    void node.run(({ id }) => void executed.push(id), { budget: room() });
    return executed;
  }

  /** In the background; the ids it gets. */
  function askIn(node: Node, readyInMs: number, signal?: AbortSignal): Promise<string[]> {
    const budget = room(16, { readyInMs });
    const claimed = node.getRequests(budget, { waitMs: WAIT_MS, ...(signal && { signal }) });
    return claimed.then((list) => idsOf(list.map((one) => one.request)));
  }

  it('claims what waits when it is ready, and not before', async () => {
    const node = await start('node');
    const from = monotonic();
    const asked = sooner(5_000, 'it has claimed', askIn(node, 300));
    const claimed = asked.then((ids) => ({ ids, afterMs: monotonic() - from }));
    await node.putRequests(requests('r', 5));
    expect(await fleet.redis.zcard(fleet.key('waiting'))).to.equal(5);
    const { ids, afterMs } = await claimed;
    expect(ids).to.deep.equal(['r0', 'r1', 'r2', 'r3', 'r4']);
    expect(afterMs).to.be.at.least(300);
  });

  it('is not asked at all if its time is over before', async () => {
    const node = await start('node');
    await node.putRequests([request('r')]);
    expect(await node.getRequests(room(16, { readyInMs: NEVER_MS }), { waitMs: 20 })).to.deep.equal([]);
    expect(await fleet.redis.zcard(fleet.key('waiting'))).to.equal(1);
  });

  it('rings nobody for its own put, if it is ready before another may steal', async () => {
    const [owner, peer] = [await start('owner'), await start('peer')];
    const executed = serving(peer);
    await waitUntil(() => isIdle(peer), 'the peer is idle');
    const ears = fleet.redis.duplicate();
    const heard: string[] = [];
    ears.on('pmessage', (_pattern, channel: string, message: string) => heard.push(`${channel} ${message}`));
    await ears.psubscribe(`${wakePrefix(fleet.topic)}*`);
    try {
      const claimed = askIn(owner, 500);
      await owner.putRequests(requests('r', 2));
      expect(await claimed).to.deep.equal(['r0', 'r1']);
      expect(heard).to.deep.equal([]);
      expect(executed).to.deep.equal([]);
    } finally {
      ears.disconnect();
    }
  });

  it('has a peer told when its request comes of age, if that is sooner', async () => {
    const stealAfterMs = 200;
    const [owner, peer] = [await start('owner', { stealAfterMs }), await start('peer', { stealAfterMs })];
    await becomeIdle(owner);
    const executed = serving(peer);
    await waitUntil(() => isIdle(peer), 'the peer is idle');
    void askIn(owner, NEVER_MS);
    const put = monotonic();
    await owner.putRequests([request('r')]);
    await waitUntil(() => executed.length === 1, 'the peer has executed it');
    expect(monotonic() - put).to.be.at.least(stealAfterMs - 5);
  });

  it('has a peer told at once when it is overloaded', async () => {
    const [owner, peer] = [await start('owner'), await start('peer')];
    await becomeIdle(owner);
    const executed = serving(peer);
    await waitUntil(() => isIdle(peer), 'the peer is idle');
    void askIn(owner, NEVER_MS);
    await owner.putRequests(requests('r', 3));
    await waitUntil(() => executed.length > 0, 'the peer executes what its owner has too much of');
  });

  it('passes on a ring that it could follow only much later', async () => {
    const owner = await start('owner', { minLoadScore: 1 });
    const [busy, free] = [await start('busy', { minLoadScore: 1 }), await start('free', { minLoadScore: 1 })];
    await becomeIdle(busy);
    const asked = monotonic();
    await waitUntil(() => monotonic() - asked > 60, 'that was long ago');
    void askIn(busy, NEVER_MS);
    const executed = serving(free);
    await waitUntil(() => isIdle(free), 'free is idle');
    await owner.putRequests([request('r')]);
    await waitUntil(() => executed.length === 1, 'the free node has executed it');
  });

  it('keeps a ring that it follows soon', async () => {
    const owner = await start('owner', { minLoadScore: 1 });
    const [busy, free] = [await start('busy', { minLoadScore: 1 }), await start('free', { minLoadScore: 1 })];
    await becomeIdle(busy);
    const executed = serving(free);
    await waitUntil(() => isIdle(free), 'free is idle');
    const claimed = askIn(busy, 40);
    await owner.putRequests([request('r')]);
    expect(await claimed).to.deep.equal(['r']);
    expect(executed).to.deep.equal([]);
  });

  it('passes on after all what it kept and then did not ask for', async () => {
    const owner = await start('owner', { minLoadScore: 1 });
    const [busy, free] = [await start('busy', { minLoadScore: 1 }), await start('free', { minLoadScore: 1 })];
    await becomeIdle(busy);
    const executed = serving(free);
    await waitUntil(() => isIdle(free), 'free is idle');
    const gone = new AbortController();
    // it has just asked in vain, so it is believed to ask again soon; on a slow machine that is long ago, and the ring is
    // passed on at once
    const claimed = askIn(busy, NEVER_MS, gone.signal);
    busy.events.once('ring', () => queueMicrotask(() => gone.abort()));
    await owner.putRequests([request('r')]);
    expect(await claimed, 'it did not ask').to.deep.equal([]);
    await waitUntil(() => executed.length === 1, 'the free node has executed it');
  });

  it('has its own put passed on when it then did not ask', async () => {
    const options = { stealAfterMs: 1_000 };
    const [owner, free] = [await start('owner', options), await start('free', options)];
    const executed = serving(free);
    await waitUntil(() => isIdle(free), 'free is idle');
    const gone = new AbortController();
    const claimed = askIn(owner, 500, gone.signal);
    await owner.putRequests([request('r')]);
    gone.abort();
    expect(await claimed).to.deep.equal([]);
    await waitUntil(() => executed.length === 1, 'the free node has executed it');
  });
});
