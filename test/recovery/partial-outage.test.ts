// lua/README.md#slow-shards: one master of a Redis Cluster is away, and the shards of the others go on as before.
import { expect } from 'chai';
import { Scheduler, SchedulerEvents } from '../../src/index.ts';
import { monotonic, sleep } from '../../src/base/clock.ts';
import { registryKeys, shardOf, slotOf } from '../../src/base/keys.ts';
import { TestCluster } from '../support/cluster.ts';
import { QUICK, rejection, request, room, type Claimed, type Node, type Prompt } from '../support/fleet.ts';
import { freshTopic, waitUntil } from '../support/server.ts';

const SHARDS = 3;
const VICTIM = 2;
const OPTIONS = { ...QUICK, loadShards: SHARDS, leaseMs: 3_000, commandTimeout: 4_000, minLoadScore: 1 };
/** Three leases: whoever waits for the shard that is away loses what it holds in the others. */
const OUTAGE_MS = 9_000;
/** Between two requests of a front. */
const PACE_MS = 80;

describe('an outage of one master of a Cluster', function () {
  this.timeout(120_000);
  const cluster = new TestCluster();
  const nodes: Node[] = [];
  const warnings: string[] = [];
  let topic = '';

  // one of its own for each test: a killed master stays away
  beforeEach(async function () {
    if (!TestCluster.isPossible) this.skip();
    await cluster.open(3);
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.close({ drainMs: 0 })));
    await cluster.close();
  });

  const start = async (base: string, home: number, events = new SchedulerEvents()): Promise<Node> => {
    const node = await Scheduler.start<Prompt>({
      ...{ ...OPTIONS, redis: cluster.client(), topic, node: nameAt(base, home), events },
      onWarning: (message) => void warnings.push(message),
    });
    nodes.push(node);
    return node;
  };

  for (const signal of ['SIGSTOP', 'SIGKILL'] as const)
    it(`costs the shards of that master, and nothing else (${signal})`, async () => {
      topic = topicWith(cluster);
      warnings.length = 0;
      const events = new SchedulerEvents();
      const lost: string[] = [];
      // of one that has just ended, a refresh may hear so before its final is answered
      events.on('lost', ({ id }) => {
        if (id.startsWith('long')) lost.push(id);
      });
      const [engine, peer] = [await start('engine', 0, events), await start('peer', 2, events)];
      const [front, other, away] = [await start('front', 0), await start('other', 2), await start('away', 1)];
      const executed: string[] = [];
      let release: () => void = () => undefined;
      const released = new Promise<void>((resolve) => (release = resolve));
      for (const node of [engine, peer])
        void node.run(
          async ({ id }) => {
            executed.push(id);
            if (id.startsWith('long')) await released;
            return id;
          },
          { budget: room(4) },
        );
      const long = ['long0', 'long1'].map((id, i) => [front, other][i]!.submit(request(id)).result());
      await waitUntil(() => executed.length === 2, 'the long ones run');
      await cluster.freeOfSubscribers(VICTIM);

      const before = await traffic([front, other], 'before', OUTAGE_MS / 3);
      cluster.signal(VICTIM, signal);
      const stranded = rejection(away.putRequests([request('stranded')]));
      const during = await traffic([front, other], 'during', OUTAGE_MS);
      const ratio = during.count / OUTAGE_MS / (before.count / (OUTAGE_MS / 3));
      const { code, message } = await stranded;
      if (signal === 'SIGSTOP') cluster.signal(VICTIM, 'SIGCONT');

      // a call that waits for the shard waits a quarter of a second; the rest is for a busy machine
      expect(during.longestMs).to.be.at.most(3_000);
      expect(ratio, 'of what it served before').to.be.at.least(0.2);
      expect(lost, 'no lease ended').to.deep.equal([]);
      release();
      expect(await Promise.all(long)).to.deep.equal(['long0', 'long1']);
      expect(new Set(executed).size, 'nothing ran twice').to.equal(executed.length);
      const shard = `shard 1 \\(slot ${slotOf(topic, 1)}\\)`;
      expect(code).to.equal('TIMEOUT');
      expect(message).to.match(new RegExp(`: ${shard}: `));
      expect(warnings.join('\n')).to.match(
        new RegExp(`^${shard}: Redis does not answer, \\w+ has waited for (?:[5-9]|\\d\\d+)\\.\\d s;`, 'm'),
      );
      if (signal === 'SIGSTOP') {
        await away.putRequests([request('after')]);
        await waitUntil(() => executed.includes('after'), 'the shard is served again', 20_000);
      }
    });

  it('lets a node close: what it holds in the other shards goes back at once, and its name is free', async () => {
    topic = topicWith(cluster);
    const [engine, peer] = [await start('engine', 0), await start('peer', 2)];
    const [front, away] = [await start('front', 0), await start('away', 1)];
    const executed: string[] = [];
    const handler = ({ id, attempt, signal }: Claimed): Promise<void> => {
      executed.push(`${id} ${attempt}`);
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    };
    void engine.run(handler, { budget: room(2) });
    // the one that cannot go back is the first that it holds
    for (const [i, owner] of [away, front].entries()) {
      await owner.putRequests([request(`r${i}`)]);
      await waitUntil(() => executed.length === i + 1, `it holds ${i + 1}`);
    }
    await cluster.freeOfSubscribers(VICTIM);
    const registry = cluster.client();
    await registry.hgetall(registryKeys(topic)[0]);
    cluster.signal(VICTIM, 'SIGSTOP');
    try {
      const closed = engine.close({ drainMs: 0 });
      void peer.run(handler, { budget: room(2) });
      await waitUntil(() => executed.length === 3, 'the peer has what went back', 15_000);
      expect(executed).to.deep.equal(['r0 1', 'r1 1', 'r1 1']);
      const entry = (): Promise<string | null> => registry.hget(registryKeys(topic)[0], engine.node);
      await waitUntil(async () => (await entry())?.startsWith('|') === true, 'its name is free', 15_000);
      await closed;
    } finally {
      cluster.signal(VICTIM, 'SIGCONT');
      registry.disconnect();
    }
  });
});

/** One request after the other at each node, for so long. */
async function traffic(
  fronts: Node[],
  base: string,
  ms: number,
): Promise<{ count: number; longestMs: number }> {
  const until = monotonic() + ms;
  let [count, longestMs] = [0, 0];
  const flows = fronts.map(async (front) => {
    for (let i = 0; monotonic() < until; i += 1) {
      const from = monotonic();
      await front.submit(request(`${base}.${front.node}.${i}`)).result();
      count += 1;
      longestMs = Math.max(longestMs, monotonic() - from);
      await sleep(PACE_MS);
    }
  });
  await Promise.all(flows);
  return { count, longestMs };
}

/** The victim has its shard 1, and nothing else of it. */
function topicWith(cluster: TestCluster): string {
  for (;;) {
    const topic = freshTopic();
    const masters = [undefined, 0, 1, 2].map((shard) => cluster.masterOf(slotOf(topic, shard)));
    if (masters.every((master, i) => (master === VICTIM) === (i === 2))) return topic;
  }
}

function nameAt(base: string, shard: number): string {
  for (let i = 0; ; i += 1) if (shardOf(`${base}-${i}`, SHARDS) === shard) return `${base}-${i}`;
}
