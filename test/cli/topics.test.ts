import { expect } from 'chai';
import { Redis } from 'ioredis';
import { registryKeys } from '../../src/base/keys.ts';
import { commandsDuring } from '../support/commands.ts';
import { useFleet } from '../support/fleet.ts';
import { privateRedis } from '../support/private-server.ts';
import { freshTopic, redisUrl, waitUntil } from '../support/server.ts';
import { noteTopic, runCli, seedNode, withClient } from './support.ts';

describe('sched-lua topics', () => {
  const fleet = useFleet();

  async function listed(): Promise<{ topic: string; names: number; shards: number }[]> {
    return (await runCli(['topics', '--json'], redisUrl())).json()['topics'] as Awaited<
      ReturnType<typeof listed>
    >;
  }

  it('lists a topic as soon as a scheduler of it has come, with its nodes and shards', async () => {
    await fleet.start('a', { loadShards: 3 });
    await fleet.start('b', { loadShards: 3 });
    const own = async () => (await listed()).filter(({ topic }) => topic === fleet.topic);
    await waitUntil(async () => (await own()).length > 0, 'it is listed');
    expect(await own()).to.deep.equal([{ topic: fleet.topic, names: 2, shards: 3 }]);
    const { code, stdout, stderr } = await runCli(['topics'], redisUrl());
    expect([code, stderr]).to.deep.equal([0, '']);
    expect(stdout)
      .to.match(/^TOPIC +NODES +SHARDS$/m)
      .and.to.match(new RegExp(`^${fleet.topic} +2 +3$`, 'm'));
  });

  it('leaves out those whose registries are gone, sorts the others naturally, and searches no keys', async () => {
    const prefix = freshTopic();
    const topics = ['n10', 'n2', 'gone'].map((name) => `${prefix}-${name}`);
    await withClient(redisUrl(), async (client) => {
      for (const topic of topics) {
        await seedNode(client, topic, 'a', 1);
        await noteTopic(client, topic);
      }
      await client.unlink(...registryKeys(topics[2]!));
    });
    const sent = await commandsDuring(fleet.redis, async () => {
      const own = (await listed()).flatMap(({ topic }) => (topic.startsWith(prefix) ? [topic] : []));
      expect(own).to.deep.equal([topics[1], topics[0]]);
    });
    const commands = new Set(sent.map(({ command }) => command.toUpperCase()));
    for (const never of ['SCAN', 'KEYS', 'PUBSUB']) expect([...commands]).to.not.include(never);
  });

  it('says that there is none, or that this user may not look', async () => {
    const server = await privateRedis();
    const client = new Redis(server.url);
    try {
      const none = await runCli(['topics'], server.url);
      expect(none).to.include({ code: 0, stdout: 'no topics\n', stderr: '' });
      await client.call('ACL', 'SETUSER', 'default', '-zrangebyscore');
      const refused = await runCli(['topics', '--json'], server.url);
      expect(refused.code).to.equal(1);
      expect(refused.json()).to.have.nested.property('error.code', 'REDIS');
      expect(refused.stderr).to.match(/this Redis user lacks a right/);
    } finally {
      client.disconnect();
      await server.stop();
    }
  });
});
