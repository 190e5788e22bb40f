// Connections that the schedulers of a process share: how few there are, and that what befalls one scheduler is no other's.
import { expect } from 'chai';
import { ConfigError, Scheduler, SchedulerEvents, connect, type Connection } from '../../src/index.ts';
import { monotonic } from '../../src/base/clock.ts';
import { TestCluster } from '../support/cluster.ts';
import {
  rejection,
  request,
  requests,
  serve,
  useFleet,
  type Node,
  type NodeOptions,
  type Prompt,
} from '../support/fleet.ts';
import { listClients } from '../support/leaks.ts';
import { runsScript, useLyingProxy } from '../support/lying-proxy.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { freshTopic, waitUntil } from '../support/server.ts';

/** No poll, refresh or renewal helps out: what is found is rung for. */
const QUIET = { pollMs: 60_000, leaseMs: 60_000, keepAliveMs: 60_000 } as const;

describe('a shared connection', function () {
  this.timeout(60_000);
  const redis = useOwnRedis();
  const fleet = useFleet(() => redis.url);
  const held = useLyingProxy(() => Number(new URL(redis.url).port));
  let shared: Connection;

  beforeEach(async () => (shared = await connect(redis.url)));
  afterEach(() => shared.close());

  const others = async (): Promise<string[]> => {
    const mine = `id=${await redis.admin.client('ID')} `;
    const fleets = `id=${await fleet.redis.client('ID')} `;
    const clients = await listClients(redis.admin);
    return clients.filter((line) => !line.startsWith(mine) && !line.startsWith(fleets));
  };
  const kinds = async (): Promise<string[]> =>
    (await others()).map((line) => / flags=(\w+)/.exec(line)![1]!).sort();
  const inTopic = (i: number): string => `${fleet.topic}-${i}`;
  /** Schedulers of topics of their own, as which they are called. */
  const start = (count: number, options: NodeOptions = {}): Promise<Node[]> =>
    Promise.all(
      Array.from({ length: count }, (_, i) =>
        fleet.start(`node-${i}`, { redis: shared, topic: inTopic(i), ...options }),
      ),
    );
  const served = async (node: Node, id: string): Promise<void> => {
    expect(await node.submit(request(id)).result()).to.equal(id);
  };

  it('carries a hundred schedulers by two sockets, and none is left after the last close', async () => {
    expect(await kinds(), 'connected').to.deep.equal(['N']);
    const nodes = await start(100, { ...QUIET, commandTimeout: 30_000 });
    expect(await kinds()).to.deep.equal(['N', 'P']);
    const executed = nodes.map((node) => serve(node));
    await Promise.all(nodes.map((node, i) => served(node, `r${i}`)));
    expect(executed.map((list) => list.map(({ id }) => id))).to.deep.equal(nodes.map((_, i) => [`r${i}`]));
    expect(await kinds()).to.deep.equal(['N', 'P']);
    await Promise.all(nodes.slice(1).map((node) => node.close()));
    await served(nodes[0]!, 'last');
    expect(await kinds(), 'one is left').to.deep.equal(['N', 'P']);
    await nodes[0]!.close();
    await waitUntil(async () => (await others()).length === 0, 'no socket is left');
    const [again] = await start(1);
    serve(again!);
    await served(again!, 'again');
  });

  it('that is closed waits for those that use it, and takes no other', async () => {
    const [node] = await start(1);
    let closed = false;
    const closing = shared.close().then(() => (closed = true));
    const error = await rejection(fleet.start('late', { redis: shared }));
    expect(error).to.be.instanceOf(ConfigError).with.property('option', 'redis');
    expect(error.message).to.equal('redis: this connection is closed');
    serve(node!);
    await served(node!, 'r');
    expect([closed, shared.closed]).to.deep.equal([false, true]);
    await node!.close();
    await closing;
    await waitUntil(async () => (await others()).length === 0, 'no socket is left');
  });

  it('that cannot be made says why, and leaves nothing', async () => {
    const nobody = 'redis://127.0.0.1:1';
    const error = await rejection(connect(nobody, { commandTimeout: 300 }));
    expect(error.code).to.equal('REDIS');
    expect(error.message).to.match(/^no connection to Redis at redis:\/\/127\.0\.0\.1:1 within 300 ms/);
    expect(await rejection(connect(null as never))).to.be.instanceOf(ConfigError);
    expect(await rejection(connect(redis.url, { timeout: 1 } as never))).to.be.instanceOf(ConfigError);
    // of another copy of this package, say
    class Alike {
      readonly closed = false;
      readonly close = (): Promise<void> => Promise.resolve();
    }
    expect(await rejection(fleet.start('a', { redis: new Alike() as never }))).to.be.instanceOf(ConfigError);
  });

  it('asks the server for its settings once', async () => {
    await redis.admin.config('RESETSTAT');
    await start(5);
    const stats = await redis.admin.info('commandstats');
    expect(stats)
      .to.match(/cmdstat_config\|get:calls=9,/)
      // two of them for each connection: ioredis', and whether this is a node of a Cluster or a sentinel
      .and.match(/cmdstat_info:calls=([1-9]|1\d),/);
  });

  it('that breaks is told by each that uses it, and all subscribe again', async () => {
    const events = new SchedulerEvents();
    const told: string[] = [];
    events.on('connectionUp', ({ connection, topic }) => told.push(`${topic} ${connection} up`));
    events.on('connectionDown', ({ connection, topic }) => told.push(`${topic} ${connection} down`));
    const expected = (...what: string[]): string[] =>
      [0, 1, 2].flatMap((i) => what.map((one) => `${inTopic(i)} ${one}`));
    // one after the other: the later ones find it up
    const engines: Node[] = [];
    const fronts: Node[] = [];
    for (const i of [0, 1, 2])
      engines.push(await fleet.start('engine', { ...QUIET, redis: shared, topic: inTopic(i), events }));
    expect(told).to.have.members(expected('commands up', 'wake-ups up'));
    for (const i of [0, 1, 2])
      fronts.push(await fleet.start('front', { ...QUIET, redis: shared, topic: inTopic(i) }));
    for (const engine of engines) serve(engine);
    told.length = 0;
    await redis.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await waitUntil(() => told.length === 6, 'each was told');
    expect(told).to.have.members(expected('wake-ups down', 'wake-ups up'));
    // what was missed meanwhile is looked for; what comes later is rung for
    await Promise.all(fronts.map((front, i) => served(front, `r${i}`)));
    await Promise.all(fronts.map((front, i) => served(front, `s${i}`)));
  });

  it('a channel that is refused is its own scheduler’s trouble alone', async () => {
    const allow = (...rules: string[]): Promise<unknown> =>
      redis.admin.call('ACL', 'SETUSER', 'app', 'reset', 'on', '>word', '~*', '+@all', ...rules);
    const channel = (i: number): string => `&{${inTopic(i)}}:wake:*`;
    await allow(channel(0), channel(1));
    await shared.close();
    shared = await connect(redis.url.replace('redis://', 'redis://app:word@'));
    const [first, second] = await start(2, { ...QUIET, leaseMs: 1_500 });
    const third = await rejection(fleet.start('third', { redis: shared, topic: inTopic(2) }));
    expect([third.code, third.operation]).to.deep.equal(['CONFIG', 'subscribe']);
    const fronts = await Promise.all(
      [0, 1].map((i) => fleet.start('front', { ...QUIET, redis: redis.url, topic: inTopic(i) })),
    );
    for (const node of [first!, second!]) serve(node);
    await allow(channel(1));
    await redis.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    const refused = (): string[] => fleet.warnings.filter((message) => message.includes('may not subscribe'));
    await waitUntil(() => refused().length > 0, 'the refused one warns');
    await served(fronts[1]!, 'r');
    expect(refused()).to.have.length(1);
    expect(refused()[0]).to.include(`{${inTopic(0)}}:wake:node-0`);
    await allow(channel(0), channel(1));
    await served(fronts[0]!, 's');
  });

  it('is no longer subscribed to the channel of one that has closed, unless its successor is', async () => {
    const channel = `{${inTopic(0)}}:wake:node-0`;
    const listeners = async (): Promise<number> =>
      ((await redis.admin.pubsub('NUMSUB', channel)) as [string, number])[1];
    const [node, other] = await start(2);
    const [successor] = await start(1, { takeover: true });
    await waitUntil(
      () =>
        node!.over.aborted ||
        node!.putRequests([request('r')]).then(
          () => false,
          () => true,
        ),
      'over',
    );
    await node!.close();
    expect(await listeners()).to.equal(1);
    serve(successor!);
    await served(successor!, 's');
    await successor!.close();
    await waitUntil(async () => (await listeners()) === 0, 'nobody listens');
    serve(other!);
    await served(other!, 't');
  });

  it('is given up after the silence of the one that has the least', async () => {
    const reasons: (string | undefined)[] = [];
    const events = new SchedulerEvents();
    events.on('connectionDown', ({ reason }) => reasons.push(reason));
    const quick = await fleet.start('quick', { redis: shared, topic: inTopic(1), leaseMs: 1_500 });
    await fleet.start('patient', { redis: shared, topic: inTopic(0), events, leaseMs: 30_000 });
    await redis.hang(1_500);
    await waitUntil(() => reasons.length > 0, 'it is given up');
    expect(reasons[0]).to.equal('Socket timeout: nothing moved for 500 ms');
    await redis.admin.ping();
    await quick.close();
    reasons.length = 0;
    const hung = monotonic();
    await redis.hang(1_500);
    await redis.admin.ping();
    expect(monotonic() - hung).to.be.above(1_200);
    expect(reasons, 'the others have more').to.deep.equal([]);
  });

  it('survives the calls of one scheduler that break it, again and again: the others go on', async () => {
    const { proxy } = held;
    await shared.close();
    shared = await connect(proxy.url);
    const [bad, ...good] = await start(4, { commandTimeout: 40_000 });
    proxy.fate = (words) => (runsScript(words, 'poison') ? 'break' : 'pass');
    for (const node of good) serve(node);
    const over = new AbortController();
    const poisoned = (async () => {
      const codes: (string | undefined)[] = [];
      for (let i = 0; i < 2; i += 1)
        codes.push((await bad!.putRequests([request(`poison${i}`)]))[0]!.error?.code);
      over.abort();
      return codes;
    })();
    let rounds = 0;
    while (!over.signal.aborted) {
      const ids = good.map((_, i) => `r${i}-${rounds}`);
      await Promise.all(good.map((node, i) => served(node, ids[i]!)));
      rounds += 1;
    }
    expect(await poisoned).to.deep.equal(['REDIS', 'REDIS']);
    expect(rounds).to.be.above(2);
    expect(await bad!.putRequests([request('fine')])).to.deep.equal([{ id: 'fine' }]);
    expect((await others()).length).to.be.at.most(3);
  });

  it('has one connection at the side for the large calls of all', async () => {
    const nodes = await start(5, { commandTimeout: 40_000 });
    const big = { ...request('big'), body: 'x'.repeat(300 * 1024) };
    for (const outcomes of await Promise.all(nodes.map((node) => node.putRequests([big]))))
      expect(outcomes).to.deep.equal([{ id: 'big' }]);
    expect(await kinds()).to.deep.equal(['N', 'N', 'P']);
  });

  describe('of schedulers that wait for replicas', () => {
    const waitReplicas = { replicas: 1, timeoutMs: 200 };

    it('has one more for their puts, and each waits for one WAIT before its own at most', async () => {
      const nodes = await start(10, { waitReplicas, commandTimeout: 30_000 });
      const without = await fleet.start('without', { redis: shared, topic: inTopic(10) });
      await redis.admin.config('RESETSTAT');
      const outcomes = await Promise.all(nodes.map((node) => node.putRequests([request('r')])));
      expect(outcomes).to.deep.equal(nodes.map(() => [{ id: 'r', replicated: false }]));
      // the first put, and all others
      expect(await redis.admin.info('commandstats')).to.match(/cmdstat_wait:calls=[1-2],/);
      expect(await kinds()).to.deep.equal(['N', 'N', 'P']);
      await redis.admin.script('FLUSH');
      const again = await Promise.all(nodes.map((node) => node.putRequests(requests('s', 2))));
      expect(again.flat().every(({ replicated }) => replicated === false)).to.equal(true);
      await Promise.all(nodes.map((node) => node.close({ pending: 'cancel' })));
      await waitUntil(async () => (await others()).length === 2, 'nobody waits for replicas any more');
      expect(await without.putRequests([request('r')])).to.deep.equal([{ id: 'r' }]);
    });

    it('is refused to one that waits otherwise than the others', async () => {
      await start(1, { waitReplicas });
      const other = { redis: shared, waitReplicas: { replicas: 2, timeoutMs: 200 } };
      const error = await rejection(fleet.start('other', other));
      expect(error).to.be.instanceOf(ConfigError).with.property('option', 'waitReplicas');
      expect(error.message).to.include(
        'allowed is { replicas: 1, timeoutMs: 200 }, as of the schedulers that share',
      );
      expect((await start(1, { waitReplicas: { ...waitReplicas } }))[0]!.node).to.equal('node-0:1');
    });
  });
});

describe('a shared connection to a Cluster', function () {
  this.timeout(60_000);
  const cluster = new TestCluster();
  before(async function () {
    if (!TestCluster.isPossible) this.skip();
    await cluster.open(3);
  });
  after(() => cluster.close());

  it('has a socket for each master and one for wake-ups, however many schedulers there are', async () => {
    const topics = Array.from({ length: 20 }, () => freshTopic());
    {
      await using shared = await connect(cluster.client());
      const options = { ...QUIET, redis: shared, commandTimeout: 30_000, onWarning: () => undefined };
      const started = (node: string): Promise<Node[]> =>
        Promise.all(topics.map((topic) => Scheduler.start<Prompt>({ ...options, topic, node })));
      const engines = await started('engine');
      const fronts = await started('front');
      for (const engine of engines) serve(engine);
      const served = async (id: string): Promise<void> => {
        const results = fronts.map((front) => front.submit(request(id)).result());
        expect(await Promise.all(results)).to.deep.equal(topics.map(() => id));
      };
      await served('r');
      expect(await cluster.sockets()).to.equal(4);
      for (const round of ['s', 't', 'u']) {
        await cluster.cutSubscribers();
        await served(round);
      }
      expect(await cluster.sockets()).to.equal(4);
      await Promise.all([...engines, ...fronts].map((node) => node.close()));
    }
    await waitUntil(async () => (await cluster.sockets()) === 0, 'no socket is left');
  });
});
