import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { Scheduler, SchedulerError } from '../../src/index.ts';
import { shardOf } from '../../src/base/keys.ts';
import { settle } from '../../src/base/settle.ts';
import type { Client } from '../../src/redis/run-script.ts';
import { readFacts, serverWarnings } from '../../src/redis/suitability.ts';
import { finish, rejection, request, take, useFleet } from '../support/fleet.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { sooner, waitUntil } from '../support/server.ts';

interface ShardVector {
  name: string;
  crc: number;
  shards: Record<string, number>;
}

const vectors = JSON.parse(
  readFileSync(new URL('../vectors/shards.json', import.meta.url), 'utf8'),
) as ShardVector[];

describe('Scheduler.start', () => {
  const fleet = useFleet();

  describe('takes a name', () => {
    it('that nobody has, and the first free of name:1, name:2 … otherwise', async () => {
      const names = [];
      for (let i = 0; i < 4; i += 1) names.push((await fleet.start('a')).node);
      expect(names).to.deep.equal(['a', 'a:1', 'a:2', 'a:3']);
    });

    it('that is another one for each of many that start at once, also beyond the first sixteen', async () => {
      const nodes = await Promise.all(Array.from({ length: 20 }, () => fleet.start('a')));
      const expected = ['a', ...Array.from({ length: 19 }, (_, i) => `a:${i + 1}`)];
      expect(nodes.map(({ node }) => node).sort()).to.deep.equal(expected.sort());
    });

    it('that is free again at once after close, with a higher epoch', async () => {
      const epoch = async (): Promise<string> =>
        (await fleet.redis.hget(`{${fleet.topic}}:nodes`, 'a'))!.split('|')[1]!;
      const first = await fleet.start('a');
      const before = await epoch();
      await first.close();
      expect((await fleet.start('a')).node).to.equal('a');
      expect((await epoch()) > before).to.equal(true);
    });

    it('and keeps it as long as it lives', async () => {
      const node = await fleet.start('a', { keepAliveMs: 300 });
      const till = async (): Promise<number> =>
        Number((await fleet.redis.hget(`{${fleet.topic}}:nodes`, 'a'))!.split('|')[2]);
      const first = await till();
      await waitUntil(async () => (await till()) > first + 400, 'it has been renewed beyond one keepAliveMs');
      expect((await fleet.start('a')).node).to.equal('a:1');
      expect(node.over.aborted).to.equal(false);
    });

    it('of the host if none is given', async () => {
      const scheduler = await Scheduler.start({
        redis: fleet.url,
        topic: fleet.topic,
        onWarning: () => undefined,
      });
      try {
        expect(scheduler.node).to.equal(hostname().replace(/[^A-Za-z0-9._:-]/g, '-'));
      } finally {
        await scheduler.close();
      }
    });
  });

  describe('computes the home shard', () => {
    it('as the reference does, for all of its recorded names', () => {
      expect(vectors).to.have.length(28);
      for (const { name, crc, shards } of vectors) {
        expect(shardOf(name, 65_536), name).to.equal(crc);
        for (const [count, shard] of Object.entries(shards))
          expect(shardOf(name, Number(count)), name).to.equal(shard);
      }
    });

    it('from the name it got, suffix and all', async () => {
      for (const name of ['a', 'a:1', 'a:2']) {
        const { node, shard } = await fleet.start('a', { loadShards: 100 });
        expect([node, shard]).to.deep.equal([name, shardOf(name, 100)]);
      }
    });
  });

  describe('connects', () => {
    it('to a URL, by ioredis options, or as a client does, which it does not close', async () => {
      const { hostname: host, port } = new URL(fleet.url);
      const client = new Redis(fleet.url);
      try {
        for (const [i, redis] of [fleet.url, { host, port: Number(port) }, client].entries()) {
          const node = await fleet.start(`n${i}`, { redis });
          expect(await node.putRequests([request('r')])).to.deep.equal([{ id: 'r' }]);
          await finish(node, await take(node, 1));
          await node.close();
        }
        expect(await client.ping()).to.equal('PONG');
      } finally {
        client.disconnect();
      }
    });

    it('or says why not within commandTimeout, naming the server but never its password', async () => {
      const redis = 'redis://:s3cr3t@127.0.0.1:1';
      const starting = rejection(Scheduler.start({ redis, topic: fleet.topic, commandTimeout: 300 }));
      const error = await sooner(2_000, 'start rejected', starting);
      expect(error.code).to.equal('REDIS');
      expect(error.message).to.match(
        /^no connection to Redis at redis:\/\/127\.0\.0\.1:1 within 300 ms: .*ECONNREFUSED/,
      );
      expect(JSON.stringify([error.message, error.stack])).to.not.include('s3cr3t');
    });
  });
});

describe('Scheduler.start warns', () => {
  const redis = useOwnRedis(['--lazyfree-lazy-expire', 'yes', '--appendonly', 'yes']);
  const fleet = useFleet(() => redis.url);
  const warningsWith = async (setting: string, value: string): Promise<string[]> => {
    const [, before] = (await redis.admin.config('GET', setting)) as [string, string];
    await redis.admin.config('SET', setting, value);
    await fleet.start('a');
    await redis.admin.config('SET', setting, before);
    return fleet.warnings;
  };

  it('of nothing on a server that is set up well', async () => {
    await fleet.start('a');
    expect(fleet.warnings).to.deep.equal([]);
  });

  for (const [setting, value, warning] of [
    ['maxmemory-policy', 'allkeys-lru', /^maxmemory-policy is allkeys-lru: .*set it to noeviction/],
    ['appendonly', 'no', /^Redis keeps nothing on disk: .*set appendonly yes/],
    ['lazyfree-lazy-expire', 'no', /^lazyfree-lazy-expire is no: .*set it to yes/],
    ['client-query-buffer-limit', '1mb', /^client-query-buffer-limit is 1\.0 MiB: .*maxBodyBytes 16\.0 MiB/],
    ['proto-max-bulk-len', '2mb', /^proto-max-bulk-len is 2\.0 MiB: .*or lower maxBodyBytes$/],
    ['client-output-buffer-limit', 'normal 1mb 0 0', /^client-output-buffer-limit normal is 1\.0 MiB: /],
    ['client-output-buffer-limit', 'pubsub 0 64kb 1', /^client-output-buffer-limit pubsub is 0\.1 MiB: /],
    ['timeout', '1', /^timeout is 1 s: .*; set it to 0$/],
    ['maxclients', '9', /^\d of 9 connections \(maxclients\) are taken: .*raise maxclients$/],
    ['maxmemory', '48mb', /^maxmemory is 48\.0 MiB: 4 requests of maxBodyBytes \(16\.0 MiB\) fill it/],
  ] as const) {
    it(`of ${setting} ${value}, with what to do about it`, async () => {
      const warnings = await warningsWith(setting, value);
      expect(warnings).to.have.length(1);
      expect(warnings[0]).to.match(warning);
    });
  }

  it('of a server that is too old, also when its settings may not be read', async () => {
    const old = {
      info: () => Promise.resolve('# Server\r\nredis_version:6.0.16\r\n'),
      config: () => Promise.reject(new Error('NOPERM')),
    };
    const warnings = serverWarnings(await readFacts(old as unknown as Client), settle({}));
    expect(warnings).to.deep.equal(['Redis 6.0 is too old; sched-lua needs 6.2 or newer']);
  });
});

describe('close', () => {
  const fleet = useFleet();

  it('is what `await using` does at the end of its block', async () => {
    let over: AbortSignal;
    {
      await using node = await Scheduler.start({
        redis: fleet.url,
        topic: fleet.topic,
        node: 'a',
        onWarning: () => undefined,
      });
      ({ over } = node);
      expect(over.aborted).to.equal(false);
    }
    expect(over.reason).to.be.instanceOf(SchedulerError).with.property('code', 'CLOSED');
    const entry = await fleet.redis.hget(`{${fleet.topic}}:nodes`, 'a');
    expect(entry!.startsWith('|'), 'nobody holds the name').to.equal(true);
  });

  it('refuses everything afterwards with CLOSED', async () => {
    const node = await fleet.start('a');
    await node.close();
    const calls = [
      node.putRequests([request('r')]),
      node.submit(request('r')).result(),
      node.getRequests({
        availableBlocks: 2,
        blockSize: 1,
        reservedOutputBlocks: 1,
        maxNumBatchedTokens: 1,
        batch: 1,
      }),
      node.reset(),
      node.updateConfig({ loadShards: 2 }),
      node.run(() => 1, {
        budget: () => {
          throw new Error('not asked');
        },
      }),
    ];
    for (const error of await Promise.all(calls.map(rejection))) expect(error.code).to.equal('CLOSED');
    expect(node.getResults().size).to.equal(0);
  });

  it('leaves the runners: a closed node is not rung, and its claims are free for others at once', async () => {
    const owner = await fleet.start('owner');
    const closing = await fleet.start('closing');
    await owner.putRequests([request('r')]);
    const [claim] = await take(closing, 1);
    await closing.close();
    expect(claim!.signal.aborted).to.equal(true);
    expect(await fleet.redis.zscore(fleet.key('idle'), 'closing')).to.equal(null);
    const [again] = await take(await fleet.start('other'), 1);
    expect(again!.attempt, 'a give-back counts no attempt').to.equal(1);
  });

  it('ends a getRequests that waits with []', async () => {
    const node = await fleet.start('a');
    const waiting = node.getRequests(
      { availableBlocks: 2, blockSize: 1, reservedOutputBlocks: 1, maxNumBatchedTokens: 1, batch: 1 },
      { waitMs: 15_000 },
    );
    const idle = async (): Promise<boolean> => (await fleet.redis.zcard(fleet.key('idle'))) === 1;
    await waitUntil(idle, 'it waits');
    await node.close();
    expect(await waiting).to.deep.equal([]);
    expect(await fleet.redis.exists(fleet.key('idle')), 'nobody rings it any more').to.equal(0);
  });

  it('keeps pending requests for a successor, or cancels them when asked to', async () => {
    for (const [pending, kept] of [
      ['keep', 1],
      ['cancel', 0],
    ] as const) {
      const node = await fleet.start('a');
      const submission = node.submit(request(pending));
      await waitUntil(async () => (await fleet.loads()).a === 1, 'it waits');
      await node.close({ pending });
      const { code } = await rejection(submission.result());
      expect(code).to.equal(pending === 'keep' ? 'CLOSED' : 'CANCELLED');
      expect((await fleet.loads()).a ?? 0).to.equal(kept);
      const successor = await fleet.start('a', { takeover: true });
      await successor.reset();
      await successor.close();
    }
  });
});
