import { expect } from 'chai';
import { Redis } from 'ioredis';
import type { RedisServer } from '../../scripts/lib/redis/find.ts';
import { load } from '../../src/cli/commands/load.ts';
import { withServers } from '../../src/cli/servers.ts';
import { SchedulerError } from '../../src/base/errors.ts';
import { shardKeys } from '../../src/base/keys.ts';
import { allScripts, runScript } from '../../src/redis/run-script.ts';
import { privateRedis } from '../support/private-server.ts';
import { runCli, seedNode, withClient } from './support.ts';

describe('sched-lua load', () => {
  const scripts = Object.values(allScripts());
  let server: RedisServer;
  let redis: Redis;
  let where: string;

  before(async () => {
    server = await privateRedis();
    redis = new Redis(server.url);
    where = new URL(server.url).host;
  });
  beforeEach(() => redis.script('FLUSH'));
  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  const cached = async (): Promise<number[]> =>
    (await redis.script('EXISTS', ...scripts.map(({ sha1 }) => sha1))) as number[];

  it('puts every script into the server and prints name, SHA1, bytes and where', async () => {
    const { code, stdout, stderr } = await runCli(['load', '--url', server.url]);
    expect([code, stderr]).to.deep.equal([0, '']);
    expect(await cached()).to.deep.equal(scripts.map(() => 1));
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).to.match(/^SCRIPT +SHA1 +BYTES +SERVER$/);
    expect(lines.slice(1, -1).map((line) => line.split(/ +/))).to.deep.equal(
      scripts.map(({ name, sha1, bytes }) => [name, sha1, String(bytes), where]),
    );
    expect(lines.at(-1)).to.equal(`${scripts.length} scripts loaded`);
  });

  it('prints one JSON object with --json, and nothing with --quiet, before the command or after', async () => {
    const rows = scripts.map(({ name, sha1, bytes }) => ({ name, sha1, bytes, server: where }));
    for (const args of [
      ['--json', '--url', server.url, 'load'],
      ['load', '--url', server.url, '--json'],
    ]) {
      expect((await runCli(args)).json()).to.deep.equal({ ok: true, servers: [where], scripts: rows });
    }
    expect(await runCli(['load', '--quiet'], server.url)).to.include({ code: 0, stdout: '', stderr: '' });
  });

  it('--check says what is missing with exit code 1, loads nothing, and is content once it is there', async () => {
    await redis.script('LOAD', scripts[0]!.text);
    const before = await runCli(['load', '--check'], server.url);
    expect(before.code).to.equal(1);
    expect(before.stdout).to.not.include(scripts[0]!.sha1);
    for (const { name, sha1 } of scripts.slice(1))
      expect(before.stdout).to.match(new RegExp(`${name} +${sha1}`));
    const summary = `sched-lua: ${scripts.length - 1} of ${scripts.length} scripts missing on ${where}\n`;
    expect(before.stderr).to.equal(`${summary}hint: run "sched-lua load"\n`);
    expect((await cached()).filter((found) => found === 1)).to.have.length(1);

    const asJson = (await runCli(['load', '--check', '--json'], server.url)).json();
    expect(asJson).to.have.property('ok', false);
    expect(asJson)
      .to.have.property('missing')
      .with.length(scripts.length - 1);
    expect(asJson.error?.code).to.equal('MISSING');

    expect((await runCli(['load'], server.url)).code).to.equal(0);
    const after = await runCli(['load', '--check'], server.url);
    expect(after).to.include({ code: 0, stderr: '' });
    expect(after.stdout).to.equal(`nothing is missing: ${scripts.length} scripts on ${where}\n`);
  });

  it('is all that a user needs who may EVALSHA but not EVAL', async () => {
    const app = new URL(server.url);
    [app.username, app.password] = ['app', 'word'];
    await redis.call('ACL', 'SETUSER', 'app', 'on', '>word', '~*', '&*', '+@all', '-eval', '-script');
    const inspect = (mode: 'auto' | 'preloaded') =>
      withClient(app.href, (client) => runScript(client, mode, 'inspect', shardKeys('t', 0), []));
    const failure = (mode: 'auto' | 'preloaded') =>
      inspect(mode).then(
        () => undefined,
        (error: unknown) => error,
      );

    expect(await failure('auto')).to.match(/NOPERM.*'eval'/);
    const missing = await failure('preloaded');
    expect(missing).to.be.instanceOf(SchedulerError).with.property('code', 'SCRIPT');
    expect(missing).to.match(/run "sched-lua load"/);

    const refused = await runCli(['load'], app.href);
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.match(/^sched-lua: Redis at \S+ answers: NOPERM .*\nhint: /);
    expect(await cached()).to.deep.equal(scripts.map(() => 0));

    expect((await runCli(['load'], server.url)).code).to.equal(0);
    expect(await inspect('preloaded')).to.have.length(7);
    await withClient(server.url, (client) => seedNode(client, 't', 'a', 1));
    expect((await runCli(['status', 't'], app.href)).code).to.equal(0);
  });

  it('fails when the server answers another SHA1 than ours', () =>
    withClient(server.url, async (client) => {
      Object.assign(client, { script: () => Promise.resolve('0'.repeat(40)) });
      const error = await withServers(client, load).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).to.be.instanceOf(SchedulerError).with.property('code', 'SCRIPT');
      expect(error).to.match(/answers SHA1 0{40} for script \w+, ours is [0-9a-f]{40}/);
    }));

  it('says that a node of a cluster is not the whole cluster, and how to reach it', async () => {
    const node = await privateRedis(['--cluster-enabled', 'yes']);
    try {
      const { code, stdout, stderr } = await runCli(['load'], node.url);
      expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' });
      expect(stderr).to.match(
        /^sched-lua: no connection to Redis at \S+: this is a node of a Redis Cluster\nhint: begin the URL with redis\+cluster:\/\/\n$/,
      );
    } finally {
      await node.stop();
    }
  });
});
