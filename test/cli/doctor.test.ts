import { expect } from 'chai';
import { SHARD_TABLES, registryKeys, shardKey } from '../../src/base/keys.ts';
import { allScripts } from '../../src/redis/run-script.ts';
import { request, room, useFleet } from '../support/fleet.ts';
import { UNTIMED, useOwnRedis } from '../support/own-redis.ts';
import { exemptFromTtlCheck, freshTopic, redisUrl, waitUntil } from '../support/server.ts';
import { runCli, seedNode, withClient, type Outcome } from './support.ts';

const SERVER = [
  ...['version', 'role', 'maxmemory-policy', 'memory', 'persistence', 'lazyfree-lazy-expire'],
  ...[
    'client-query-buffer-limit',
    'proto-max-bulk-len',
    'client-output-buffer-limit',
    'timeout',
    'maxclients',
  ],
  ...['disk', 'replicas', 'clock', 'scripts', 'slow calls'],
];

interface Told {
  what: string;
  state: string;
  found: string | null;
  trouble?: { why: string; remedy: string; command?: string };
}

/** What `--json` has of it. */
const findingsOf = ({ json }: Outcome): Told[] => json().findings as Told[];
const bad = (outcome: Outcome): string[] =>
  findingsOf(outcome)
    .filter(({ state }) => !['ok', 'note'].includes(state))
    .map(({ state, what }) => `${state} ${what}`);
const named = (outcome: Outcome, what: string): Told => findingsOf(outcome).find((one) => one.what === what)!;

describe('sched-lua doctor', function () {
  this.timeout(60_000);
  const redis = useOwnRedis(['--lazyfree-lazy-expire', 'yes', '--appendonly', 'yes', ...UNTIMED]);
  const doctor = (...args: string[]): Promise<Outcome> =>
    runCli(['doctor', '--over', '0', ...args], redis.url);

  afterEach(async () => {
    await redis.admin.call('ACL', 'SETUSER', 'default', '+config', '+slowlog');
    for (const [name, value] of [
      ['maxmemory', '0'],
      ['maxmemory-policy', 'noeviction'],
      ['lazyfree-lazy-expire', 'yes'],
      ['min-replicas-to-write', '0'],
    ] as const)
      await redis.admin.config('SET', name, value);
    await redis.admin.call('SLOWLOG', 'RESET');
  });

  it('is content with a server that is set up well, and says what it found', async () => {
    await runCli(['load'], redis.url);
    const { code, stdout, stderr } = await doctor();
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    const rows = stdout.trimEnd().split('\n');
    expect(rows[0]).to.match(/^STATE +WHAT +FOUND$/);
    const width = rows[0]!.indexOf('FOUND');
    expect(rows.slice(1).map((row) => row.slice(0, width).trimEnd().replace(/ {2,}/, ' '))).to.deep.equal(
      SERVER.map((what) => `ok ${what}`),
    );
    expect(stdout).to.match(/^ok +version +(Redis|Valkey) \d+\.\d+\.\d+$/m);
    expect(stdout).to.match(/^ok +memory +\d+\.\d MiB, no maxmemory$/m);
    expect(stdout).to.match(/^ok +replicas +none$/m);
    const all = Object.keys(allScripts()).length;
    expect(stdout).to.match(new RegExp(`^ok +scripts +${all} of ${all} scripts$`, 'm'));
  });

  it('explains what does not suit and the command that mends it, with exit code 1, as text and as JSON', async () => {
    await runCli(['load'], redis.url);
    await redis.admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await redis.admin.config('SET', 'lazyfree-lazy-expire', 'no');
    const text = await doctor();
    expect(text.code).to.equal(1);
    expect(text.stdout).to.match(/^warning +maxmemory-policy +allkeys-lru$/m);
    expect(text.stdout.split('\n\n')[1]).to.equal(
      [
        'warning: maxmemory-policy is allkeys-lru: Redis may drop requests',
        '=> set it to noeviction: CONFIG SET maxmemory-policy noeviction',
        'warning: lazyfree-lazy-expire is no: a large shard that expires stalls Redis',
        '=> set it to yes: CONFIG SET lazyfree-lazy-expire yes',
        '',
      ].join('\n'),
    );
    expect(text.stderr).to.equal(`sched-lua: 0 broken, 2 warnings of ${SERVER.length} findings\n`);

    const outcome = await doctor('--json');
    expect([outcome.code, outcome.json().error]).to.deep.equal([
      1,
      { code: 'UNSUITABLE', message: `0 broken, 2 warnings of ${SERVER.length} findings` },
    ]);
    expect(named(outcome, 'maxmemory-policy')).to.deep.equal({
      what: 'maxmemory-policy',
      found: 'allkeys-lru',
      trouble: {
        why: 'maxmemory-policy is allkeys-lru: Redis may drop requests',
        remedy: 'set it to noeviction',
        command: 'CONFIG SET maxmemory-policy noeviction',
      },
      state: 'warning',
    });
    for (const what of ['maxmemory-policy', 'lazyfree-lazy-expire'])
      await redis.admin.call(...(named(outcome, what).trouble!.command!.split(' ') as [string]));
    expect((await doctor()).code, 'the commands mend it').to.equal(0);
  });

  it('warns before the memory is full, and is of exit code 2 when it is', async () => {
    const [, used] = /used_memory:(\d+)/.exec(await redis.admin.info('memory'))!;
    await redis.admin.config('SET', 'maxmemory', String(Math.round(Number(used) * 1.1)));
    const near = await doctor();
    expect(near.code).to.equal(1);
    expect(near.stdout).to.match(/^warning +memory +\d+\.\d MiB of \d+\.\d MiB$/m);
    expect(near.stdout).to.match(/^warning: \d+ % of maxmemory are used: /m);
    await redis.admin.config('SET', 'maxmemory', '100000');
    const full = await doctor('--json');
    expect([full.code, full.json().error?.code, bad(full)]).to.deep.equal([2, 'BROKEN', ['broken memory']]);
    const { command } = named(full, 'memory').trouble!;
    expect(command).to.equal('CONFIG SET maxmemory 200000');
  });

  it('watches how memory grows', async () => {
    const outcome = await runCli(['doctor', '--json', '--over', '.05'], redis.url);
    expect(named(outcome, 'growth').found).to.match(/^[+-]\d+\.\d MiB\/s over \d+ ms$/);
  });

  it('is of exit code 2 where writes are refused for want of replicas, and the command that it says mends it', async () => {
    await redis.admin.config('SET', 'min-replicas-to-write', '1');
    const outcome = await doctor('--json');
    expect([outcome.code, bad(outcome)]).to.deep.equal([2, ['broken replicas']]);
    await redis.admin.call(...(named(outcome, 'replicas').trouble!.command!.split(' ') as [string]));
    expect((await doctor()).code).to.equal(0);
  });

  it('names slow scripts by their names, and not by their SHA1', async () => {
    const topic = freshTopic();
    await redis.admin.config('SET', 'slowlog-log-slower-than', '0');
    try {
      await runCli(['load'], redis.url);
      await runCli(['status', topic], redis.url);
      await withClient(redis.url, (client) => seedNode(client, topic, 'a', 1, { puts: 2, claims: 1 }));
    } finally {
      await redis.admin.config('SET', 'slowlog-log-slower-than', '-1');
    }
    const { found } = named(await doctor('--json'), 'slow calls');
    expect(found).to.match(/script (claim|register|put_requests) \d+ times?, at most \d+ ms/);
    expect(found).not.to.match(/[0-9a-f]{40}/);
  });

  it('says what it may not read, and does not take it for bad', async () => {
    await redis.admin.call('ACL', 'SETUSER', 'default', '-config', '-slowlog');
    const { code, stdout, stderr } = await doctor();
    expect(code).to.equal(0);
    expect(stdout).to.match(/^unknown +maxmemory-policy +may not be read$/m);
    expect(stdout).to.match(/^unknown +slow calls +may not be read$/m);
    expect(stderr).to.match(
      /^note: this user may not read maxmemory-policy, persistence, lazyfree-lazy-expire, client-query-buffer-limit/,
    );
  });

  it('tells a replica from a master', async () => {
    await redis.admin.call('REPLICAOF', '127.0.0.1', '1');
    try {
      const { code, stdout } = await doctor();
      expect(code).to.equal(2);
      expect(stdout).to.match(/^broken +role +slave$/m);
      expect(stdout).to.match(
        /^broken: this is a replica: it refuses every write\n=> use the URL of its master$/m,
      );
    } finally {
      await redis.admin.call('REPLICAOF', 'NO', 'ONE');
    }
  });

  it('takes options about a topic only with a topic', async () => {
    for (const option of ['--try=app', '--keys', '--verify']) {
      const { code, stderr } = await doctor(option);
      expect([option, code]).to.deep.equal([option, 2]);
      expect(stderr).to.match(/^sched-lua: --\w+ needs a topic/);
    }
    expect((await doctor('--max-keys', '0', 'x')).code).to.equal(2);
    expect((await runCli(['doctor', '--over', '-1'], redis.url)).code).to.equal(2);
  });
});

describe('sched-lua doctor of a topic', function () {
  this.timeout(120_000);
  const fleet = useFleet();
  const look = (...args: string[]): Promise<Outcome> =>
    runCli(['doctor', '--json', '--over', '0', ...args, fleet.topic], redisUrl());
  const states = (outcome: Outcome): Record<string, string> =>
    Object.fromEntries(findingsOf(outcome).map(({ what, state }) => [what, state]));

  it('has no more to say of one that nobody has used', async () => {
    const outcome = await look();
    expect(named(outcome, 'topic').found).to.equal(`no node of ${fleet.topic} has registered within a day`);
    expect(states(outcome)).to.include({ topic: 'ok', rights: 'ok' }).and.not.have.property('invariants');
  });

  it('is content with a fleet that works, and names fronts without an engine, and ttlMs that differ', async () => {
    const front = await fleet.start('front');
    await front.putRequests([request('a')]);
    const alone = await look();
    expect(alone.code).to.equal(2);
    expect(named(alone, 'no_engine')).to.deep.include({
      state: 'broken',
      trouble: {
        why: 'no living node has an engine: 1 node accepts, 1 request waits',
        remedy: 'start a node with an engine, one that calls run or getRequests, in this topic',
        severity: 'broken',
      },
    });
    const engine = await fleet.start('engine');
    void engine.run(({ id }) => id, { budget: room() });
    await waitUntil(async () => states(await look()).topic === 'ok', 'nothing is wrong', 60_000);
    const fine = await look();
    expect(states(fine)).to.include({ ttlMs: 'ok', invariants: 'ok', rights: 'ok' });
    expect(named(fine, 'topic').found).to.equal('2 nodes registered, 1 shard in use, nothing is wrong');
    expect(named(fine, 'invariants').found).to.match(/^\d+ requests? in 1 shard, all hold$/);
    await fleet.start('other', { ttlMs: 400_000 });
    const { trouble, state } = named(await look(), 'ttlMs');
    expect(state).to.equal('warning');
    expect(trouble!.why).to.match(/^nodes differ in their ttlMs: 300000 ms \(.*\), 400000 ms \(other\); /);
  });

  it('names violated invariants, and is of exit code 2', async () => {
    await withClient(redisUrl(), (client) => seedNode(client, fleet.topic, 'a', 1, { puts: 2 }));
    await fleet.redis.zadd(fleet.key('load'), 7, 'a');
    const outcome = await look();
    expect(outcome.code).to.equal(2);
    const { state, trouble } = named(outcome, 'invariants');
    expect([state, trouble!.command]).to.deep.equal(['broken', `sched-lua verify ${fleet.topic}`]);
    expect(trouble!.why).to.match(/^\d+ violations?: shard 0, invariant \d+: /);
    await fleet.redis.zadd(fleet.key('load'), 2, 'a');
    expect(named(await look(), 'invariants').state).to.equal('ok');
  });

  it('searches for keys that do not belong only if it is asked to, and the command that it says removes them', async () => {
    await withClient(redisUrl(), (client) => seedNode(client, fleet.topic, 'a', 1, { puts: 1 }));
    const strangers = [`{${fleet.topic}}:mine`, shardKey(fleet.topic, 3, 'waiting')];
    for (const key of strangers) await fleet.redis.set(key, 1, 'EX', 600);
    // of another topic, whose name begins alike
    const other = registryKeys(`${fleet.topic}x`)[0];
    await fleet.redis.set(other, 1, 'EX', 60);
    expect(states(await look())).not.to.have.property('keys');
    const { state, trouble } = named(await look('--keys'), 'keys');
    expect(state).to.equal('warning');
    expect(trouble!.why).to.match(/^2 keys of no table or of a shard that is not in use: /);
    for (const key of strangers) expect(trouble!.why).to.include(key);
    await fleet.redis.call(...(trouble!.command!.split(' ') as [string]));
    const after = named(await look('--keys'), 'keys');
    expect(after.state).to.equal('ok');
    expect(after.found).to.match(/^\d+ keys of the topic$/);
    await fleet.redis.del(other);
  });

  it('names tables that would stay for ever', async () => {
    exemptFromTtlCheck(fleet.topic);
    await withClient(redisUrl(), (client) => seedNode(client, fleet.topic, 'a', 1, { puts: 1 }));
    await fleet.redis.persist(fleet.key('waiting'));
    const { trouble } = named(await look('--keys', '--max-keys', '100000'), 'keys');
    expect(trouble!.why).to.match(/^1 table without an expiry: \S+:waiting; /);
    await fleet.redis.call(...(trouble!.command!.split(' ') as [string]));
    expect(named(await look('--keys'), 'keys').state).to.equal('ok');
    expect(SHARD_TABLES).to.include('waiting');
  });

  it('names scripts that are missing while nodes live, and load brings them', async () => {
    await fleet.start('front', { keepAliveMs: 60_000, leaseMs: 60_000, pollMs: 60_000 });
    const without = async (): Promise<Told> => {
      await fleet.redis.script('FLUSH');
      return named(await look(), 'scripts');
    };
    let found: Told | undefined;
    // what other tests of this server run may bring one of them back
    await waitUntil(async () => (found = await without()).state === 'warning', 'it is named', 60_000);
    expect(found!.trouble!.command).to.equal('sched-lua load');
    expect(found!.trouble!.why).to.include("nodes with scripts: 'preloaded' are refused");
    await runCli(['load'], redisUrl());
    expect(named(await look(), 'scripts').state).to.equal('ok');
  });
});
