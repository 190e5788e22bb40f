// A front has never asked for work: nobody waits for it. No poll helps out, and no request comes of age: each would take a
// minute.
import { expect } from 'chai';
import type { StealPolicy } from '../../src/index.ts';
import { quantile } from '../../scripts/lib/measure/statistics.ts';
import {
  all,
  bringEngine,
  ended,
  endings,
  finish,
  idsOf,
  request,
  requests,
  room,
  take,
  useFleet,
  type Node,
  type NodeOptions,
} from '../support/fleet.ts';
import { useProcesses } from '../support/node-process.ts';
import { waitUntil } from '../support/server.ts';

const NEVER_MS = 60_000;
const QUIET = { pollMs: NEVER_MS, leaseMs: NEVER_MS, keepAliveMs: NEVER_MS, stealAfterMs: NEVER_MS } as const;

describe('a front', () => {
  const fleet = useFleet();

  const start = (name: string, options: NodeOptions = {}): Promise<Node> =>
    fleet.start(name, { ...QUIET, ...options });

  const isIdle = async (node: Node): Promise<boolean> =>
    (await fleet.redis.zscore(fleet.key('idle'), node.node)) !== null;

  async function serving(node: Node): Promise<string[]> {
    const executed: string[] = [];
    void node.run(({ id }) => void executed.push(id), { budget: room() });
    await waitUntil(() => isIdle(node), `${node.node} is idle`);
    return executed;
  }

  for (const policy of ['oldest', 'lucky'] satisfies StealPolicy[]) {
    it(`has its request served at once by an idle engine, one after the other (${policy})`, async () => {
      const [front, engine] = [await start('front', { policy }), await start('engine', { policy })];
      const executed = await serving(engine);
      for (const id of ['1', '2', '3']) await front.submit(request(id)).result();
      expect(executed).to.deep.equal(['1', '2', '3']);
    });

    it(`has what waited before the engine came served when it asks (${policy})`, async () => {
      const front = await start('front', { policy });
      await front.putRequests([request('r')]);
      await serving(await start('engine', { policy }));
      expect(endings(await ended(front, ['r']))).to.deep.equal({ r: 'finished' });
    });
  }

  it('among others, and several engines: each request is executed once', async () => {
    const fronts = await Promise.all(['f0', 'f1', 'f2'].map((name) => start(name)));
    const engines = await Promise.all(['e0', 'e1', 'e2'].map((name) => start(name)));
    const executed = await Promise.all(engines.map(serving));
    const lists = fronts.map(({ node }) => requests(`${node}.`, 40));
    await Promise.all(fronts.map((front, i) => front.putRequests(lists[i]!)));
    for (const [i, front] of fronts.entries())
      expect(endings(await ended(front, idsOf(lists[i]!)))).to.deep.equal(all(lists[i]!, 'finished'));
    expect(executed.flat().sort()).to.deep.equal(lists.flatMap(idsOf).sort());
  });

  it('in another shard than the engine is served at once', async () => {
    const shards = { loadShards: 2 };
    const front = await start('front', shards);
    const names = Array.from({ length: 9 }, (_, i) => `engine${i}`);
    const engines = await Promise.all(names.map((name) => start(name, shards)));
    const engine = engines.find(({ shard }) => shard !== front.shard)!;
    void engine.run(() => 'done', { budget: room() });
    const key = fleet.key('idle', front.shard);
    await waitUntil(async () => (await fleet.redis.zscore(key, engine.node)) !== null, 'it is idle there');
    expect(await front.submit(request('r')).result()).to.equal('done');
  });

  for (const [what, options, tokens] of [
    ['that waits for replicas', { waitReplicas: { replicas: 1, timeoutMs: 50 } }, 1],
    ['whose request is so large that it has a connection of its own', {}, 60_000],
  ] as const)
    it(`${what} is one all the same`, async () => {
      const [front, engine] = [await start('front', options), await start('engine')];
      const executed = await serving(engine);
      const large = Array.from({ length: tokens }, (_, i) => 100_000 + i);
      await front.submit({ request_id: 'r', prompt_token_ids: large }).result();
      expect(executed).to.deep.equal(['r']);
    });

  it('is none any more once it has asked for work, also for a full engine', async () => {
    const [node, front, peer] = [await start('node'), await start('front'), await start('peer')];
    const executed = await serving(peer);
    await node.submit(request('before')).result();
    await bringEngine(node);
    await node.putRequests([request('own')]);
    // the peer is there, and idle
    await front.submit(request('other')).result();
    expect(await fleet.loads()).to.deep.equal({ node: 1 });
    await finish(node, await take(node, 1));
    expect(executed).to.deep.equal(['before', 'other']);
  });

  it('that begins to serve runs what it put before', async () => {
    const node = await start('node');
    await node.putRequests(requests('r', 2));
    const executed = await serving(node);
    await node.submit(request('later')).result();
    expect(executed).to.deep.equal(['r0', 'r1', 'later']);
  });

  it('stays one after a takeover, and when a table is lost', async () => {
    const engine = await start('engine');
    const executed = await serving(engine);
    await (await start('front')).submit(request('1')).result();
    const front = await start('front', { takeover: true });
    await front.submit(request('2')).result();
    await fleet.redis.del(fleet.key('calls'));
    await front.submit(request('3')).result();
    expect(executed).to.deep.equal(['1', '2', '3']);
  });

  it('is not served by an engine that can begin only later, but by one that is free', async () => {
    const [front, busy, free] = [await start('front'), await start('busy'), await start('free')];
    await busy.getRequests(room(), { waitMs: 0 });
    await waitUntil(() => isIdle(busy), 'busy is believed idle');
    const gone = new AbortController();
    const asked = busy.getRequests(room(16, { readyInMs: NEVER_MS }), {
      ...{ waitMs: NEVER_MS, signal: gone.signal },
    });
    const executed = await serving(free);
    for (const id of ['1', '2']) await front.submit(request(id)).result();
    expect(executed).to.deep.equal(['1', '2']);
    gone.abort();
    expect(await asked).to.deep.equal([]);
  });
});

describe('a front in a process of its own', function () {
  // on a busy machine it takes seconds to start them
  this.timeout(120_000);
  const fleet = useFleet();
  const startProcess = useProcesses(fleet);
  /** As a short generation takes; the way to the engine and back is what the topologies differ in. */
  const SERVE_MS = 250;
  /** Without the front it would be this and SERVE_MS: 21 times as long. */
  const STEAL_AFTER_MS = 5_000;
  const RATIO = 1.3;
  const [ROUNDS, EACH] = [5, 5];

  it('has its results as soon as an owner with an engine: p50 within 1.3 times', async () => {
    const options = { stealAfterMs: STEAL_AFTER_MS, leaseMs: 10_000, pollMs: NEVER_MS };
    const [front, engine, owner] = await Promise.all([
      startProcess('front', options),
      startProcess('engine', options),
      startProcess('owner', { ...options, topic: `${fleet.topic}-own` }),
    ]);
    for (const node of [engine, owner]) await node.call('serve', room(1), SERVE_MS, 0);
    let ratio = Infinity;
    // a busy machine may slow one round down: the best counts, and none of a front that waits comes near
    for (let round = 0; round < ROUNDS && ratio > RATIO; round += 1) {
      const [ofFront, ofOwner]: [number[], number[]] = [[], []];
      for (let i = 0; i < EACH; i += 1) {
        ofFront.push(await front.call('submit', request(`${round}.${i}`)));
        ofOwner.push(await owner.call('submit', request(`${round}.${i}`)));
      }
      ratio = Math.min(ratio, quantile(ofFront, 0.5) / quantile(ofOwner, 0.5));
    }
    expect(ratio).to.be.at.most(RATIO);
    expect(engine.executes).to.have.length.at.least(EACH);
  });
});
