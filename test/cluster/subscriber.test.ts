// The subscriber to wake-ups on a Cluster: whatever befalls the server that holds it, rings are heard again soon, by way of another.
import { expect } from 'chai';
import { Scheduler, SchedulerEvents } from '../../src/index.ts';
import { slotOf, wakePrefix } from '../../src/base/keys.ts';
import { TestCluster } from '../support/cluster.ts';
import { request, room, type Node, type Prompt } from '../support/fleet.ts';
import { freshTopic, waitUntil } from '../support/server.ts';

/** No poll or lease helps out: what is found is rung for. A connection is given up after a silence of a second. */
const QUIET = {
  ...{ leaseMs: 60_000, keepAliveMs: 60_000, pollMs: 60_000, commandTimeout: 1_000, loadShards: 1 },
  onWarning: () => undefined,
};
const MASTERS = 3;

describe('the subscriber on a Cluster', function () {
  this.timeout(120_000);
  const cluster = new TestCluster();
  const nodes: Node[] = [];

  before(async function () {
    if (!TestCluster.isPossible) this.skip();
    await cluster.open(MASTERS, { replicas: 1 });
  });
  afterEach(() => Promise.all(nodes.splice(0).map((node) => node.close({ drainMs: 0 }))));
  after(() => cluster.close());

  /** A topic of which the master has nothing. */
  const topicWithout = (master: number): string => {
    for (;;) {
      const topic = freshTopic();
      if ([undefined, 0].every((shard) => cluster.masterOf(slotOf(topic, shard)) !== master)) return topic;
    }
  };
  const start = async (name: string, topic: string, events?: SchedulerEvents): Promise<Node> => {
    const options = { ...QUIET, redis: cluster.places, topic, node: name };
    const node = await Scheduler.start<Prompt>({ ...options, ...(events ? { events } : {}) });
    nodes.push(node);
    return node;
  };
  const placeOf = (topic: string, name: string): Promise<number> =>
    cluster.subscribedAt(`${wakePrefix(topic)}${name}`);

  it('is at a master, at another one each time that it breaks, and says that it is there again', async () => {
    const events = new SchedulerEvents();
    let subscribed = 0;
    events.on('connectionUp', ({ connection }) => {
      if (connection === 'wake-ups') subscribed += 1;
    });
    const topic = topicWithout(0);
    await start('engine', topic, events);
    let last = await placeOf(topic, 'engine');
    expect(last).to.be.within(0, MASTERS - 1);
    for (let times = 2; times <= 5; times += 1) {
      await cluster.admin(last).call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await waitUntil(() => subscribed === times, `subscribed ${times} times`);
      await waitUntil(async () => (await placeOf(topic, 'engine')) >= 0, 'it is subscribed');
      const now = await placeOf(topic, 'engine');
      expect(now)
        .to.be.within(0, MASTERS - 1)
        .and.not.to.equal(last);
      last = now;
    }
  });

  it('leaves a master that hangs, and hears what was rung meanwhile', async () => {
    const victim = 2;
    const topic = topicWithout(victim);
    const engine = await start('engine', topic);
    const front = await start('front', topic);
    const isAtVictim = async (): Promise<boolean> => {
      const place = await placeOf(topic, 'engine');
      if (place >= 0 && place !== victim) await cluster.admin(place).call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      return place === victim;
    };
    await waitUntil(isAtVictim, 'the engine listens by way of the victim', 30_000);
    const executed: string[] = [];
    void engine.run(({ id }) => void executed.push(id), { budget: room() });
    await front.putRequests([request('before')]);
    await waitUntil(() => executed.length === 1, 'rings are heard');
    cluster.signal(victim, 'SIGSTOP');
    try {
      await front.putRequests([request('during')]);
      // far less than any poll or lease
      await waitUntil(() => executed.length === 2, 'it was heard by way of another master', 30_000);
    } finally {
      cluster.signal(victim, 'SIGCONT');
    }
  });

  it('lets twenty schedulers start while a replica hangs', async () => {
    const victim = MASTERS;
    const topics = Array.from({ length: 20 }, () => topicWithout(victim));
    cluster.signal(victim, 'SIGSTOP');
    try {
      const options = { ...QUIET, commandTimeout: 30_000, redis: cluster.places, node: 'n' };
      const started = topics.map((topic) => Scheduler.start<Prompt>({ ...options, topic }));
      const outcomes = await Promise.allSettled(started);
      for (const outcome of outcomes) if (outcome.status === 'fulfilled') nodes.push(outcome.value);
      expect(outcomes.filter(({ status }) => status === 'rejected')).to.deep.equal([]);
    } finally {
      cluster.signal(victim, 'SIGCONT');
    }
  });
});
