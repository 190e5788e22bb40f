import { expect } from 'chai';
import { registryKeys, shardOf } from '../../src/base/keys.ts';
import { exemptFromTtlCheck, freshTopic, redisUrl, waitUntil } from '../support/server.ts';
import { runCli, seedNode, withClient } from './support.ts';

describe('sched-lua status', () => {
  const [first, second] = ['a', 'b'].map((name) => [name, shardOf(name, 2)] as const) as [
    [string, number],
    [string, number],
  ];

  it('prints nodes, and what waits, since when, what is claimed and what is over, for each shard', async () => {
    const topic = freshTopic();
    await withClient(redisUrl(), async (client) => {
      await seedNode(client, topic, first[0], 2, { puts: 5, claims: 2 });
      await seedNode(client, topic, second[0], 2, { keepAliveMs: 1 });
    });
    const { code, stdout, stderr } = await runCli(['status', topic], redisUrl());
    expect([code, stderr]).to.deep.equal([0, '']);
    const [head, nodes, shards] = stdout
      .trimEnd()
      .split('\n\n')
      .map((part) => part.split('\n'));
    expect(head).to.deep.equal([
      `topic ${topic} on ${new URL(redisUrl()).host}: 1 node registered, 2 shards in use, load in requests`,
    ]);
    expect(nodes?.[0]).to.match(/^NODE +HOME SHARD +EPOCH +REGISTERED +ENGINE$/);
    expect(nodes?.[1]).to.match(new RegExp(`^a +${first[1]} +[0-9a-f]{14} +for \\d+\\.\\d s more +-$`));
    expect(nodes?.[2]).to.match(new RegExp(`^b +${second[1]} +[0-9a-f]{14} +silent \\S+ m?s ago +-$`));
    expect(shards?.[0]).to.match(/^SHARD +WAITING +LOAD +OLDEST +CLAIMS +LEASES +RESULTS +DEAD$/);
    expect(shards?.[first[1] + 1]).to.match(new RegExp(`^ +${first[1]} +3 +3 +\\S+ m?s +2 +in time +0 +0$`));
    expect(shards).to.have.length(3);
  });

  it('prints the same as one JSON object', async () => {
    const topic = freshTopic();
    await withClient(redisUrl(), (client) => seedNode(client, topic, 'a', 1, { puts: 3, claims: 1 }));
    const { code, json } = await runCli(['--json', 'status', topic], redisUrl());
    expect(code).to.equal(0);
    const { ok, nodes, shards } = json() as unknown as {
      ok: boolean;
      nodes: { registeredUntil: number; epoch: string }[];
      shards: { oldestMs: number }[];
    };
    expect(ok).to.equal(true);
    const { registeredUntil, epoch } = nodes[0]!;
    expect(nodes).to.deep.equal([
      { name: 'a', home: 0, epoch, registeredUntil, state: 'registered', engine: null },
    ]);
    const { oldestMs } = shards[0]!;
    expect(oldestMs).to.be.within(0, 10_000);
    expect(shards).to.deep.equal([
      {
        shard: 0,
        waiting: 2,
        load: 2,
        oldestMs,
        claims: 1,
        leases: { inTime: 1, overdue: 0 },
        results: 0,
        dead: 0,
      },
    ]);
  });

  describe('of engines that say what they can hold', () => {
    let topic = '';
    const status = async (): Promise<string> => (await runCli(['status', topic], redisUrl())).stdout;
    beforeEach(() => (topic = freshTopic()));

    it('names the heads of lines that no living one can hold, and nothing else', async () => {
      await withClient(redisUrl(), async (client) => {
        await seedNode(client, topic, 'engine', 1, { engine: 8192 });
        await seedNode(client, topic, 'small-engine', 1, { engine: 4096 });
        await seedNode(client, topic, 'gone', 1, { engine: 100_000, keepAliveMs: 1 });
        await seedNode(client, topic, 'front-1', 1, { puts: 2, tokens: 20_000 });
        await seedNode(client, topic, 'front-2', 1, { puts: 2, tokens: 8192 });
      });
      await waitUntil(async () => /^gone .* silent /m.test(await status()), 'the large engine is silent');
      const text = await status();
      expect(text)
        .to.match(/^engine .* 8192 tokens$/m)
        .and.to.match(/^front-1 .* -$/m);
      expect(text.trimEnd().split('\n\n').at(-1)).to.equal(
        'shard 0: the head of front-1 (20000 tokens) fits no living engine (largest 8192)',
      );
      const { json } = await runCli(['--json', 'status', topic], redisUrl());
      expect(json()).to.deep.include({
        largestPrompt: 8192,
        tooLarge: [{ shard: 0, node: 'front-1', id: 'front-1-0', tokens: 20_000 }],
      });
    });

    it('names none while a living one does not say, or is of a version that says nothing', async () => {
      await withClient(redisUrl(), async (client) => {
        await seedNode(client, topic, 'engine', 1, { engine: 8192 });
        await seedNode(client, topic, 'front', 1, { puts: 1, tokens: 20_000 });
        const [nodes] = registryKeys(topic);
        expect(await status()).to.match(/fits no living engine/);
        const entry = (await client.hget(nodes, 'front'))!;
        await client.hset(nodes, 'front', entry.replace(/[|][^|]*$/, ''));
        expect(await status())
          .to.match(/^front .* size unknown$/m)
          .and.not.to.match(/fits no living engine/);
        await client.hset(nodes, 'front', entry);
        await seedNode(client, topic, 'silent-about-it', 1, { engine: 2 ** 32 - 1 });
        expect(await status()).to.match(/^silent-about-it .* size unknown$/m);
      });
      const { json } = await runCli(['--json', 'status', topic], redisUrl());
      expect(json()).to.deep.include({ largestPrompt: null, tooLarge: [] });
    });
  });

  it('says in which unit the load is', async () => {
    const topic = freshTopic();
    await withClient(redisUrl(), (client) =>
      seedNode(client, topic, 'a', 1, { puts: 3, claims: 1, loadUnit: 'tokens' }),
    );
    const text = await runCli(['status', topic], redisUrl());
    expect(text.stdout).to.match(/1 shard in use, load in tokens$/m);
    expect(text.stdout).to.match(/^ +0 +2 +256 /m);
    const { json } = await runCli(['--json', 'status', topic], redisUrl());
    const { loadUnit, shards } = json() as unknown as { loadUnit: string; shards: { load: number }[] };
    expect([loadUnit, shards[0]!.load]).to.deep.equal(['tokens', 256]);
  });

  it('counts a claim whose lease is over as overdue', async () => {
    const topic = freshTopic();
    await withClient(redisUrl(), (client) =>
      seedNode(client, topic, 'a', 1, { puts: 1, claims: 1, leaseMs: 1 }),
    );
    await waitUntil(
      async () => {
        const { stdout } = await runCli(['status', topic], redisUrl());
        return /^ +0 +0 +0 +- +1 +1 overdue +0 +0$/m.test(stdout);
      },
      'the lease is over',
      15_000,
    );
  });

  it('says so when nobody has registered', async () => {
    const topic = freshTopic();
    const text = await runCli(['status', topic], redisUrl());
    expect(text).to.include({ code: 0, stderr: '' });
    expect(text.stdout).to.match(/: no node has registered lately\n$/);
  });

  it('does not guess at data of another schema, or at keys that are not ours', async () => {
    const topic = freshTopic();
    exemptFromTtlCheck(topic);
    const [nodes, meta] = registryKeys(topic);
    await withClient(redisUrl(), async (client) => {
      await client.hset(meta, 'schema', '2', 'shards', '1');
      const other = await runCli(['status', topic], redisUrl());
      expect(other.code).to.equal(1);
      expect(other.stderr).to.match(/has data of schema 2; this version reads schema 1/);
      await client.del(meta);
      await client.set(nodes, 'a string');
      const foreign = await runCli(['status', topic], redisUrl());
      expect(foreign.code).to.equal(1);
      expect(foreign.stderr).to.match(/^sched-lua: Redis at \S+ answers: WRONGTYPE/);
      await client.del(nodes);
    });
  });
});
