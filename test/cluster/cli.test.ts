// Every command of sched-lua on a Cluster, behind Sentinel, over TLS with a client certificate, and over a socket.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Scheduler, type RedisSource, type StatusReport } from '../../src/index.ts';
import { shardKey, slotOf } from '../../src/base/keys.ts';
import { openClient } from '../../src/redis/connection.ts';
import { allScripts } from '../../src/redis/run-script.ts';
import { findServer, freePort, startBinary } from '../../src/testing/redis/binary.ts';
import type { PrivateRedis } from '../../src/testing/redis/server.ts';
import { deadEntry, runCli, type Outcome } from '../cli/support.ts';
import { TestCluster } from '../support/cluster.ts';
import { request, type Prompt } from '../support/fleet.ts';
import { SELF_SIGNED } from '../support/self-signed.ts';
import { Sentinel } from '../support/sentinel.ts';
import { freshTopic } from '../support/server.ts';

const PASSWORD = 's3cr3t@:/';
const ACL = ['--user', 'app', 'on', `>${PASSWORD}`, '~*', '&*', '+@all'];
const SHARDS = 3;

interface Place {
  redis: RedisSource;
  url: string;
  flags?: string[];
  env?: Record<string, string>;
  servers: number;
}

describe('sched-lua on many machines', function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), 'sched-lua-cli-'));
  const [cert, key, socket] = ['cert', 'key', 'r.sock'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const cluster = new TestCluster();
  const servers: PrivateRedis[] = [];
  let sentinel: Sentinel | undefined;
  let tlsPort = 0;

  before(async function () {
    if (findServer() === undefined) this.skip();
    writeFileSync(cert, SELF_SIGNED.cert);
    writeFileSync(key, SELF_SIGNED.key);
    tlsPort = await freePort();
    const tls = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert];
    servers.push(await startBinary(['--tls-port', String(tlsPort), '--unixsocket', socket, ...tls, ...ACL]));
    sentinel = await Sentinel.start(Number(new URL(servers[0]!.url).port));
    await cluster.open(3, { replicas: 1, args: ACL });
  });
  after(async () => {
    await sentinel?.stop();
    await Promise.all([cluster.close(), ...servers.map((server) => server.stop())]);
    rmSync(folder, { recursive: true });
  });

  const places: Readonly<Record<string, () => Place>> = {
    'a Cluster': () => ({
      redis: cluster.places,
      url: `redis+cluster://127.0.0.1:${cluster.places[1]!.port}`,
      env: { SCHED_LUA_REDIS_USER: 'app', SCHED_LUA_REDIS_PASSWORD: PASSWORD },
      servers: 6,
    }),
    Sentinel: () => ({
      redis: servers[0]!.url,
      url: `redis+sentinel://127.0.0.1:${sentinel!.port}/${sentinel!.name}`,
      servers: 1,
    }),
    'TLS with a client certificate': () => ({
      redis: servers[0]!.url,
      url: `rediss://localhost:${tlsPort}`,
      flags: ['--tls-ca', cert, '--tls-cert', cert, '--tls-key', key, '--user', 'app'],
      env: { SCHED_LUA_REDIS_PASSWORD: PASSWORD },
      servers: 1,
    }),
    'TLS by the environment': () => ({
      redis: servers[0]!.url,
      url: `rediss://localhost:${tlsPort}`,
      env: {
        SCHED_LUA_REDIS_TLS_CA: cert,
        SCHED_LUA_REDIS_TLS_CERT: cert,
        SCHED_LUA_REDIS_TLS_KEY: key,
      },
      servers: 1,
    }),
    'a socket': () => ({ redis: servers[0]!.url, url: `unix://${socket}`, servers: 1 }),
  };
  for (const [what, placeOf] of Object.entries(places))
    it(`works on ${what}, with every command`, async () => {
      const { redis, url, flags = [], env = {}, servers: count } = placeOf();
      const run = (...args: string[]): Promise<Outcome> => runCli([...flags, ...args], url, env);
      const fine = async (...args: string[]): Promise<string> => {
        const { code, stdout, stderr } = await run(...args);
        expect(stdout + stderr).not.to.include('s3cr3t');
        expect(code, stderr).to.equal(0);
        return stdout;
      };
      const topic = freshTopic();
      const node = await Scheduler.start<Prompt>({
        ...{ redis, topic, node: 'front', loadShards: SHARDS, onWarning: () => undefined },
      });
      const client = openClient(redis);
      try {
        await node.putRequests([request('a'), request('b')]);
        expect((await fine('status', topic)).replace(/\s+/g, ' ')).to.match(
          /1 node registered, 3 shards in use/,
        );
        expect((await run('status', `${topic}-not`)).stderr).to.include(topic);
        expect(await fine('verify', topic)).to.match(/3 shards, all invariants hold/);
        expect(await fine('load')).to.include(`${Object.keys(allScripts()).length * count} scripts loaded`);
        expect(await fine('load', '--check')).to.match(/^nothing is missing/);
        const isCluster = count === 6;
        const status = JSON.parse(await fine('status', '--json', topic)) as StatusReport;
        expect(status.shards.map(({ place }) => place)).to.deep.equal(
          [0, 1, 2].map((shard) => {
            if (!isCluster) return undefined;
            const slot = slotOf(topic, shard);
            return { slot, server: `127.0.0.1:${cluster.places[cluster.masterOf(slot)]!.port}` };
          }),
        );
        expect(/ SLOT +MASTER\n/.test(await fine('status', topic))).to.equal(isCluster);
        const { findings } = (await run('doctor', '--over', '0', '--json', topic)).json();
        const kinds = (findings as { what: string; state: string }[]).reduce<Record<string, string[]>>(
          (all, { what, state }) => ({ ...all, [what]: [...(all[what] ?? []), state] }),
          {},
        );
        expect(kinds['scripts']).to.have.length(count);
        expect(kinds['version']).to.deep.equal(Array(isCluster ? 3 : 1).fill('ok'));
        expect(kinds).to.deep.include({ rights: kinds['version'], invariants: ['ok'] });
        for (const what of ['cluster', 'open slots'])
          expect(kinds[what]).to.deep.equal(isCluster ? ['ok', 'ok', 'ok'] : undefined);
        expect(kinds['shards per master']).to.deep.equal(isCluster ? ['ok'] : undefined);
        await client.call('XADD', ...deadEntry(shardKey(topic, 2, 'dead'), { id: 'gone' }));
        await client.pexpire(shardKey(topic, 2, 'dead'), 60_000);
        expect(await fine('dead', 'ls', topic)).to.match(/gone/);
        const [{ entry }] = (
          JSON.parse(await fine('dead', 'ls', topic, '--json')) as { entries: [{ entry: string }] }
        ).entries;
        expect(await fine('dead', 'retry', entry, topic, '--no-wait')).to.match(/put again/);
        expect(await fine('dead', 'ls', topic)).not.to.match(/gone/);
      } finally {
        client.disconnect();
        await node.close();
      }
    });

  it('names slots of a Cluster that are half moved, at both masters, until the move ends', async () => {
    const { url, env } = places['a Cluster']!();
    const look = async (): Promise<string[]> => {
      const { json } = await runCli(['doctor', '--over', '0', '--json'], url, env);
      const findings = json().findings as { what: string; state: string; found: string }[];
      return findings
        .filter(({ what }) => what === 'open slots')
        .map(({ state, found }) => `${state} ${found}`);
    };
    const move = await cluster.beginMove(7, 0, 1);
    expect((await look()).sort()).to.deep.equal(['ok none', 'warning 7 comes', 'warning 7 leaves']);
    await move.end();
    expect(await look()).to.deep.equal(['ok none', 'ok none', 'ok none']);
  });

  it('names a sentinel, a node of a Cluster, and a single server by what they are', async () => {
    const said = async (url: string): Promise<string> => (await runCli(['status'], url)).stderr;
    expect(await said(`redis://127.0.0.1:${sentinel!.port}`)).to.match(
      /: this is a sentinel, which knows fleet\nhint: begin the URL with redis\+sentinel:\/\/ and end it with/,
    );
    expect(await said(`redis://127.0.0.1:${cluster.places[3]!.port}`)).to.match(
      /: this is a node of a Redis Cluster\nhint: begin the URL with redis\+cluster:\/\/\n$/,
    );
    expect(await said(`redis+cluster://${new URL(servers[0]!.url).host}`)).to.match(
      /cluster support disabled\nhint: this is a single server/,
    );
  });

  const wrong: readonly [what: string, flags: () => string[], says: RegExp][] = [
    [
      'TLS files and a plain URL',
      () => ['--tls-ca', cert],
      /^sched-lua: --tls-ca is for TLS, and the URL is not\nhint: .*rediss:/,
    ],
    ['a certificate without its key', () => ['--url', 'rediss://h', '--tls-cert', cert], /belong together/],
    [
      'a file that is not there',
      () => ['--url', 'rediss://h', '--tls-ca', `${cert}-not`],
      /file of --tls-ca cannot be read \(ENOENT\)/,
    ],
  ];
  for (const [what, flags, says] of wrong)
    it(`refuses ${what}`, async () => {
      const { code, stderr } = await runCli(['status', ...flags()], 'redis://h');
      expect(code).to.equal(2);
      expect(stderr).to.match(says);
    });
});
