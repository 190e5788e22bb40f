// `sched-lua metrics`: a scrape by HTTP of what is in Redis, also while Redis is down.
import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { TOPIC_METRICS } from '../../src/metrics/topic-metrics.ts';
import { bringEngine, PATIENT, request, requests, room, take, useFleet } from '../support/fleet.ts';
import { commandsDuring, counts } from '../support/commands.ts';
import { DURABLE, useOwnRedis } from '../support/own-redis.ts';
import { freshTopic, waitUntil } from '../support/server.ts';
import { runCli, seedNode, startCli, withClient } from './support.ts';

/** Values by series, as `name{labels}`, without the topic. */
type Scrape = Map<string, number>;

/** Every line is one of the format, and every metric has its HELP and TYPE before its samples, once. */
function parse(text: string): Scrape {
  expect(text.endsWith('\n')).to.equal(true);
  const scrape: Scrape = new Map();
  let metric = '';
  const seen = new Set<string>();
  for (const line of text.slice(0, -1).split('\n')) {
    const [, help] = /^# HELP (\w+) \S/.exec(line) ?? [];
    if (help !== undefined) {
      expect(seen.has(help), line).to.equal(false);
      seen.add((metric = help));
      continue;
    }
    if (line === `# TYPE ${metric} gauge`) continue;
    const [, name, labels, value] =
      /^(\w+)\{topic="[^"]+"((?:,\w+="(?:[^"\\]|\\.)*")*)\} (\S+)$/.exec(line) ?? [];
    expect(name, line).to.equal(metric);
    scrape.set(`${name}{${labels!.slice(1)}}`, Number(value));
  }
  expect(Object.keys(TOPIC_METRICS)).to.include.members([...seen]);
  return scrape;
}

describe('sched-lua metrics', function () {
  this.timeout(120_000);
  const redis = useOwnRedis(DURABLE);
  const fleet = useFleet(() => redis.url);
  const running: ReturnType<typeof startCli>[] = [];

  afterEach(async () => {
    for (const child of running.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'close');
    }
  });

  /** The command as a process, and its URL. */
  async function serve(topic: string, ...more: string[]) {
    const child = startCli(['metrics', topic, '--port', '0', '--json', ...more], redis.url);
    running.push(child);
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const { url } = JSON.parse(line) as { url: string };
    const scrape = async (): Promise<Scrape> => parse(await (await fetch(url)).text());
    return { child, url, scrape };
  }

  it('says what waits, runs and is left, by shard and by node, in the text format 0.0.4', async () => {
    const owner = await fleet.start('owner');
    const engine = await fleet.start('engine', { policy: 'none' });
    await bringEngine(engine);
    await engine.putRequests(requests('own', 2));
    await take(engine, 1);
    await owner.putRequests(requests('r', 3, 50));
    await withClient(redis.url, (client) => seedNode(client, fleet.topic, 'sized', 1, { engine: 131_072 }));
    const { url, scrape } = await serve(fleet.topic);
    const answer = await fetch(url);
    expect(answer.headers.get('content-type')).to.equal('text/plain; version=0.0.4; charset=utf-8');
    const now = parse(await answer.text());
    const figures = Object.fromEntries(
      [...now].filter(([, value]) => Number.isInteger(value) && value < 100),
    );
    expect(figures).to.deep.include({
      'sched_lua_topic_up{}': 1,
      'sched_lua_topic_shards{}': 1,
      'sched_lua_topic_nodes{state="registered",role="engine"}': 2,
      'sched_lua_topic_nodes{state="registered",role="front"}': 1,
      'sched_lua_topic_nodes{state="silent",role="engine"}': 0,
      'sched_lua_topic_queue_size{shard="0"}': 4,
      'sched_lua_topic_running_requests{shard="0"}': 1,
      'sched_lua_topic_leases_overdue{shard="0"}': 0,
      'sched_lua_topic_node_up{node="owner"}': 1,
      'sched_lua_topic_node_queue_size{node="owner"}': 3,
      'sched_lua_topic_node_queue_size{node="engine"}': 1,
      'sched_lua_topic_node_circuit_open{node="engine"}': 0,
      'sched_lua_topic_too_large_heads{shard="0"}': 0,
    });
    expect(now.get('sched_lua_topic_queue_bytes{shard="0"}')).to.be.above(100);
    expect(now.get('sched_lua_topic_queue_oldest_seconds{shard="0"}')).to.be.above(0);
    expect(now.get('sched_lua_topic_node_queue_oldest_seconds{node="owner"}')).to.be.above(0);
    expect(now.get('sched_lua_topic_node_largest_prompt_tokens{node="sized"}')).to.equal(131_072);
    await owner.close({ pending: 'cancel' });
    expect((await scrape()).get('sched_lua_topic_node_queue_size{node="owner"}')).to.equal(undefined);
  });

  it('shows a request that waits beside an idle engine with room for it, once that has lasted', async () => {
    const owner = await fleet.start('owner', { policy: 'none' });
    // it leaves what others accepted, so it goes on being idle
    const idle = await fleet.start('idle', {
      policy: 'none',
      pollMs: 30_000,
      leaseMs: 60_000,
      keepAliveMs: 60_000,
    });
    const waiting = idle.getRequests(room(), { waitMs: 60_000 }).catch(() => []);
    await owner.putRequests([request('r')]);
    const { scrape } = await serve(fleet.topic);
    const of = async (what: string): Promise<number> =>
      (await scrape()).get(`sched_lua_topic_work_conservation_${what}{shard="0"}`)!;
    expect(await of('violations'), 'at first sight').to.equal(0);
    await waitUntil(async () => (await of('violations')) === 1, 'it is seen', 30_000);
    expect(await of('violation_seconds')).to.be.at.least(1);
    await owner.cancel('r');
    expect(await of('violations')).to.equal(0);
    expect(await of('violation_seconds')).to.equal(0);
    await idle.close();
    await waiting;
  });

  it('goes on while Redis is down, and says so; other paths and methods are refused', async () => {
    const owner = await fleet.start('owner', { commandTimeout: 60_000 });
    await owner.putRequests([request('r')]);
    const { url, scrape, child } = await serve(fleet.topic, '--timeout', '300');
    let said = '';
    child.stderr.on('data', (data: Buffer) => (said += data.toString()));
    await redis.restart(2_000);
    await waitUntil(async () => (await scrape()).get('sched_lua_topic_up{}') === 0, 'it is down');
    expect([...(await scrape()).keys()].map((name) => name.replace(/\{.*/, ''))).to.deep.equal([
      'sched_lua_topic_up',
      'sched_lua_topic_look_duration_seconds',
    ]);
    await waitUntil(async () => (await scrape()).get('sched_lua_topic_up{}') === 1, 'it is back', 60_000);
    expect((await scrape()).get('sched_lua_topic_queue_size{shard="0"}')).to.equal(1);
    expect(said).to.match(/^no look at topic \S+: .*\nRedis answers again\n$/);
    expect((await fetch(new URL('/', url))).status).to.equal(404);
    const post = await fetch(url, { method: 'POST' });
    expect([post.status, post.headers.get('allow')]).to.deep.equal([405, 'GET, HEAD']);
    const head = await fetch(url, { method: 'HEAD' });
    expect([head.status, await head.text()]).to.deep.equal([200, '']);
  });

  it('sends the same commands however many wait, and none that reads a whole table', async () => {
    const owner = await fleet.start('owner');
    await owner.putRequests(requests('a', 3));
    const { scrape } = await serve(fleet.topic);
    await scrape();
    const sent = async (): Promise<Record<string, number>> => {
      const all = await commandsDuring(redis.admin, scrape);
      const { from } = all.find(({ command }) => command === 'inspect')!;
      return counts(all.filter((one) => one.from === from));
    };
    const few = await sent();
    // HGETALL is of the registry's nodes
    expect(few).to.deep.equal({
      ...{ HGETALL: 1, TIME: 1, HMGET: 2, inspect: 1 },
      ...{ ZRANGEBYLEX: 1, ZLEXCOUNT: 1, MEMORY: 1 },
    });
    await owner.putRequests(requests('b', 2_000));
    expect((await scrape()).get('sched_lua_topic_queue_size{shard="0"}')).to.equal(2_003);
    expect(await sent()).to.deep.equal(few);
  });

  it('serves a topic that is not there yet', async () => {
    const { scrape } = await serve(freshTopic());
    const now = await scrape();
    expect(now.get('sched_lua_topic_up{}')).to.equal(1);
    expect(now.get('sched_lua_topic_shards{}')).to.equal(0);
  });

  it('leaves out what its Redis user may not ask', async () => {
    const owner = await fleet.start('owner');
    await owner.putRequests([request('r')]);
    await redis.admin.call('ACL', 'SETUSER', 'default', '-memory');
    try {
      const now = await (await serve(fleet.topic)).scrape();
      expect(now.get('sched_lua_topic_queue_size{shard="0"}')).to.equal(1);
      expect([...now.keys()].join()).not.to.contain('queue_bytes');
    } finally {
      await redis.admin.call('ACL', 'SETUSER', 'default', '+memory');
    }
    await owner.getRequests(room(), PATIENT);
  });

  it('ends by SIGTERM with 0 and by SIGINT with 130, also while somebody is connected', async () => {
    for (const [signal, code] of [
      ['SIGTERM', 0],
      ['SIGINT', 130],
    ] as const) {
      const { child, scrape } = await serve(freshTopic());
      await scrape();
      child.kill(signal);
      expect(await once(child, 'close'), signal).to.deep.equal([code, null]);
    }
  });

  it('refuses a bad port, and says that one is taken', async () => {
    const bad = await runCli(['metrics', '--port', '70000'], redis.url);
    expect([bad.code, bad.stderr.split('\n')[0]]).to.deep.equal([
      2,
      "sched-lua: option '--port <n>' argument '70000' is invalid. Allowed is an integer from 0 to 65535.",
    ]);
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const taken = await runCli(['metrics', '--port', String(port), '--json'], redis.url);
    other.close();
    expect(taken.code).to.equal(1);
    expect(taken.json().error).to.include({ code: 'CONFIG' });
    expect(taken.json().error!.message).to.match(new RegExp(`^cannot listen on 127.0.0.1 port ${port}: `));
    await withClient(redis.url, (client) => client.ping());
  });
});
