// `sched-lua acl --fleet`: enough for gateways, workers and who looks after them, and for no other fleet.
import { expect } from 'chai';
import { messageOf } from '../../src/base/errors.ts';
import { fleetPatterns, modelsKey, registryKeys, shardKey, wakePrefix } from '../../src/base/keys.ts';
import { topicOf } from '../../src/openai/registry.ts';
import { counted } from '../../src/testing/counting/counting.ts';
import { useCountingEngines } from '../support/counting/engines.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { freshTopic } from '../support/server.ts';
import { runCli } from '../cli/support.ts';
import { Stream, useCommands } from './support.ts';

const WORD = 'a-word-nobody-shows';

describe('sched-lua acl --fleet', function () {
  this.timeout(240_000);
  const redis = useOwnRedis();
  const engine = useCountingEngines();
  let fleet = '';
  const urlOf = (user: string): string => redis.url.replace('redis://', `redis://${user}:${WORD}@`);
  const start = useCommands(() => urlOf('app'));
  beforeEach(async () => {
    fleet = freshTopic();
    await redis.admin.call('ACL', 'LOG', 'RESET');
  });

  async function setUser(user: string, ...args: string[]): Promise<string[]> {
    const { stdout } = await runCli(['acl', '--fleet', fleet, '--name', user, ...args]);
    const words = stdout.trim().split(' ');
    expect(words.slice(0, 3)).to.deep.equal(['ACL', 'SETUSER', user]);
    await redis.admin.call('ACL', 'SETUSER', user, 'reset', `>${WORD}`, ...words.slice(3));
    return words.slice(3);
  }
  /** But for the words by which ioredis introduces itself, and the list of topics, which is the server's. */
  async function refused(): Promise<string[]> {
    const log = (await redis.admin.call('ACL', 'LOG')) as (string | number)[][];
    return log
      .map(([, , , reason, , , , object]) => `${String(reason)} ${String(object)}`)
      .filter((text) => !/client\||sched-lua:topics|zremrangebyrank|config\|get/.test(text));
  }

  it('lets a node serve from its start to its end, and an operator see it', async () => {
    await setUser('app');
    await setUser('op', '--role', 'operator');
    const { url } = await engine();
    const flags = ['--listen', '127.0.0.1:0', '--metrics-listen', 'off'];
    const node = start('node', '--fleet', fleet, '--engine', url, ...flags);
    const address = await node.says(/ listens on http:\/\/(\S+)/);
    await node.says(/ serves counting of /);
    const stream = new Stream(address, 20);
    await stream.ended;
    expect(stream.content).to.equal(counted(20));
    const models = await runCli(['models', '--fleet', fleet], urlOf('op'));
    expect(models.stderr + String(models.code)).to.equal('0');
    const status = await runCli(['status', topicOf(fleet, 'counting')], urlOf('op'));
    expect(status.code).to.equal(0);
    node.child.kill('SIGTERM');
    expect(await node.gone).to.deep.equal([0, null]);
    expect(await refused()).to.deep.equal([]);
    expect(node.said()).to.not.contain('cannot be announced');
  });

  it('gives keys and channels of that fleet alone', async () => {
    const words = await setUser('app');
    const app = redis.admin.duplicate({ username: 'app', password: WORD, retryStrategy: () => null });
    app.on('error', () => undefined);
    const told = (asked: Promise<unknown>): Promise<string> => asked.then(() => 'allowed', messageOf);
    try {
      const mine = topicOf(fleet, 'org/m');
      for (const one of [
        app.zadd(modelsKey(fleet), 1, 'x'),
        app.hgetall(registryKeys(mine)[0]),
        app.zadd(shardKey(mine, 3, 'waiting'), 0, 'x'),
        app.publish(`${wakePrefix(mine)}a`, 'claim 0 0'),
      ])
        expect(await told(one)).to.equal('allowed');
      for (const other of [`${fleet}x`, fleet.slice(0, -1), 'default'])
        for (const one of [
          app.zadd(modelsKey(other), 1, 'x'),
          app.hgetall(registryKeys(topicOf(other, 'm'))[0]),
          app.zadd(shardKey(topicOf(other, 'm'), 3, 'waiting'), 0, 'x'),
          app.publish(`${wakePrefix(topicOf(other, 'm'))}a`, 'claim 0 0'),
        ])
          expect(await told(one)).to.match(/NOPERM/);
      await redis.admin.del(modelsKey(fleet), shardKey(mine, 3, 'waiting'));
      const limits = words.filter((word) => /^[~&]/.test(word));
      expect(limits).to.deep.equal([
        ...fleetPatterns(fleet).map((pattern) => `~${pattern}`),
        `&{${fleet}:*}:wake:*`,
      ]);
    } finally {
      app.disconnect();
    }
  });

  it('is not for a topic, too, and takes the name of a fleet', async () => {
    expect((await runCli(['acl', 'chat', '--fleet', 'a'])).code).to.equal(2);
    expect((await runCli(['acl', '--fleet', 'a:b'])).code).to.equal(2);
    const json = (await runCli(['acl', '--fleet', 'a', '--json'])).json();
    expect(json).to.include({ ok: true, fleet: 'a', user: 'a-application' });
  });
});
