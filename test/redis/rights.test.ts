// The rule that `sched-lua acl` prints: enough for everything that schedulers do, and nothing of it can be left out.
// That they are all that the sources call is looked at in test/scripts/rights.test.ts.
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { messageOf } from '../../src/base/errors.ts';
import { registryKeys, shardKey, slotOf, wakePrefix } from '../../src/base/keys.ts';
import { rightsOf, trialsOf, type RightsOf } from '../../src/redis/rights.ts';
import { examineRights } from '../../src/redis/dry-run.ts';
import { TestCluster } from '../support/cluster.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { freshTopic, waitUntil } from '../support/server.ts';
import { OPTIONAL, subscribersIn, troublesOf } from '../support/whole-life.ts';

const WORD = 'a-word-nobody-shows';
/** The list of topics is the server's: a user of one topic may neither read it nor note its own there. */
const OPTIONAL_REFUSALS = [
  ...OPTIONAL.application.map((command) => `command ${command}`),
  'key sched-lua:topics',
  'command zremrangebyrank',
];
async function allow(admin: Redis, user: string, rules: readonly string[]): Promise<void> {
  await admin.call('ACL', 'SETUSER', user, 'reset', 'on', `>${WORD}`, ...rules);
}

async function refusal(asked: Promise<unknown>): Promise<string> {
  return asked.then(() => 'allowed', messageOf);
}

/** What users were refused, but for the words by which ioredis introduces itself. */
async function refused(admin: Redis): Promise<string[]> {
  const log = (await admin.call('ACL', 'LOG')) as (string | number)[][];
  return log
    .map(
      (entry) =>
        new Map(Array.from({ length: entry.length / 2 }, (_, i) => [entry[2 * i], entry[2 * i + 1]])),
    )
    .map((entry) => `${String(entry.get('reason'))} ${String(entry.get('object'))}`)
    .filter((text) => !text.startsWith('command client|') && !OPTIONAL_REFUSALS.includes(text));
}

describe('the rights of a Redis user', function () {
  this.timeout(240_000);

  it('are each tried by a command that is refused without it', async () => {
    const of: RightsOf = { topic: 'topic', role: 'operator' };
    const needed = rightsOf(of).flatMap((rule) => (rule.startsWith('+') ? [rule.slice(1)] : []));
    const tried = new Set(
      trialsOf(of).map(([name, second]) => (needed.includes(name) ? name : `${name}|${second!}`)),
    );
    expect([...tried].sort()).to.deep.equal(needed);
    await Promise.resolve();
  });

  describe('on one server', () => {
    const redis = useOwnRedis(['--repl-diskless-sync', 'yes', '--repl-diskless-sync-delay', '0']);
    const replica = useOwnRedis();

    before(async function () {
      if (!redis.isReachable) this.skip();
      const { hostname, port } = new URL(redis.url);
      await replica.admin.replicaof(hostname, Number(port));
      const inSync = async (): Promise<boolean> => /state=online/.test(await redis.admin.info('replication'));
      await waitUntil(inSync, 'the replica is in sync', 30_000);
    });
    beforeEach(() => redis.admin.call('ACL', 'LOG', 'RESET'));

    // a database of its own: ioredis must select it
    const source = (user: string) => {
      const { hostname, port } = new URL(redis.url);
      return { host: hostname, port: Number(port), username: user, password: WORD, db: 1 };
    };
    const lifeOf = (topic: string) =>
      troublesOf({
        ...{ redis: source('app'), topic, replicas: 1 },
        subscribers: (node) => subscribersIn([redis.admin], wakePrefix(topic) + node),
      });

    it('are enough for a whole life: put, claim, results, dead letters, takeover, replicas', async () => {
      const topic = freshTopic();
      await redis.admin.script('FLUSH');
      await allow(redis.admin, 'app', rightsOf({ topic, role: 'application' }));
      expect(await lifeOf(topic)).to.deep.equal([]);
      expect(await refused(redis.admin)).to.deep.equal([]);
    });

    for (const rule of rightsOf({ topic: 'TOPIC', role: 'application' }).filter((one) => /^[~&+]/.test(one)))
      it(`are no longer enough without ${rule.replace('TOPIC', '<topic>')}, which a trial names`, async () => {
        const topic = freshTopic();
        const left = rightsOf({ topic, role: 'application' }).filter(
          (one) => one !== rule.replace('TOPIC', topic),
        );
        await redis.admin.script('FLUSH');
        await allow(redis.admin, 'app', left);
        const { found, trouble } = await examineRights(redis.admin, { topic, role: 'application' }, 'app');
        expect(found).to.equal(`app lacks ${rule.replace('TOPIC', topic)}`);
        expect(trouble?.remedy).to.equal(
          `"sched-lua acl ${topic} --role application" prints all that it needs`,
        );
        expect(await lifeOf(topic)).to.not.deep.equal([]);
      });

    it('reach no other topic, not even one whose name begins alike: keys, channels, wake-ups', async () => {
      const topic = freshTopic();
      await allow(redis.admin, 'app', rightsOf({ topic, role: 'operator' }));
      const app = redis.admin.duplicate({ username: 'app', password: WORD });
      app.on('error', () => undefined);
      try {
        for (const other of [`${topic}x`, topic.slice(0, -1), 'default', `${topic}:wake:`]) {
          const denied = [
            app.hgetall(registryKeys(other)[0]),
            app.hgetall(shardKey(other, 0, 'request')),
            app.zadd(shardKey(other, 3, 'waiting'), 0, 'x'),
            app.eval("return redis.call('HGETALL', KEYS[1])", 1, shardKey(other, 0, 'body')),
            // a key that the script does not name, and a ring that it sends
            app.eval(`return redis.call('HGETALL', '${shardKey(other, 0, 'body')}')`, 0),
            app.eval(`return redis.call('PUBLISH', '${wakePrefix(other)}a', 'claim 0 0')`, 0),
            app.publish(`${wakePrefix(other)}a`, 'claim 0 0'),
            app.subscribe(`${wakePrefix(other)}a`),
          ];
          for (const [i, one] of denied.entries())
            expect(await refusal(one), `${other} ${i}`).to.match(
              /NOPERM|ACL failure|The user executing the script/,
            );
        }
        expect(await app.hgetall(registryKeys(topic)[0])).to.deep.equal({});
        const denied = [
          app.keys('*'),
          app.flushall(),
          app.config('SET', 'maxmemory', 1),
          app.call('ACL', 'LIST'),
        ];
        for (const one of denied) expect(await refusal(one)).to.match(/NOPERM/);
      } finally {
        app.disconnect();
      }
    });
  });

  describe('in a Cluster', () => {
    const cluster = new TestCluster();

    before(async function () {
      if (!TestCluster.isPossible) this.skip();
      await cluster.open(3);
    });
    after(() => cluster.close());

    it('are enough for a whole life, also while the slot of the registry moves', async () => {
      const topic = freshTopic();
      const rules = rightsOf({ topic, role: 'application', cluster: true });
      for (const admin of cluster.admins) await allow(admin, 'app', rules);
      const client = cluster.client({ username: 'app', password: WORD });
      const life = {
        ...{ redis: client, topic, replicas: 0, more: { loadShards: 3 } },
        subscribers: (node: string) => subscribersIn(cluster.admins, wakePrefix(topic) + node),
      };
      expect(await troublesOf(life)).to.deep.equal([]);
      const slot = slotOf(topic);
      const [from, to] = [cluster.masterOf(slot), (cluster.masterOf(slot) + 1) % 3];
      const move = await cluster.beginMove(slot, from, to);
      expect(await troublesOf(life), 'under way').to.deep.equal([]);
      expect(await cluster.admins[to]!.info('commandstats')).to.match(/cmdstat_asking:calls=[1-9]/);
      await move.end();
      expect(await troublesOf(life), 'moved').to.deep.equal([]);
      for (const admin of cluster.admins) expect(await refused(admin)).to.deep.equal([]);
    });
  });
});
