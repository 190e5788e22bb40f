import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { Proxy } from '../../scripts/chaos/proxy.ts';
import { SchedulerError } from '../../src/base/errors.ts';
import { shardKey } from '../../src/base/keys.ts';
import { Lookout } from '../../src/protocol/lookout.ts';
import { Resend } from '../../src/protocol/resend.ts';
import { openClient } from '../../src/redis/connection.ts';
import { exemptFromTtlCheck, freshTopic, redisUrl, waitUntil } from '../support/server.ts';

describe('the look for shards where work waits', () => {
  it('tells of each, though one of them does not answer', async () => {
    const proxy = new Proxy(Number(new URL(redisUrl()).port));
    const client = openClient(await proxy.open(), { resends: 'caller' }) as Redis;
    const topic = freshTopic();
    exemptFromTtlCheck(topic);
    const keys = [0, 2].map((shard) => shardKey(topic, shard, 'head'));
    const found: number[] = [];
    const resend = new Resend(() => Promise.resolve(true));
    try {
      for (const key of keys) await client.zadd(key, 1, 'owner');
      proxy.loseShard(1);
      const lookout = new Lookout(client, topic, resend);
      const look = (): void => lookout.look([0, 1, 2], (shard) => void found.push(shard));
      look();
      await waitUntil(() => found.length === 2, 'the first look');
      // and again
      look();
      await waitUntil(() => found.length === 4, 'the second look');
      expect(found).to.have.members([0, 2, 0, 2]);
    } finally {
      resend.end(new SchedulerError('CLOSED', 'look', 'the test is over'));
      proxy.loseShard(undefined);
      await client.del(...keys);
      client.disconnect();
      await proxy.close();
    }
  });
});
