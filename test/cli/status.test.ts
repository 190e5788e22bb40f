import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { registryKeys, shardOf } from '../../src/base/keys.ts';
import { exemptFromTtlCheck, freshTopic, redisUrl, waitUntil } from '../support/server.ts';
import { privateRedis } from '../support/private-server.ts';
import { noteTopic, runCli, seedNode, startCli, told, withClient } from './support.ts';

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
    const [head, nodes, shards, wrong] = stdout
      .trimEnd()
      .split('\n\n')
      .map((part) => part.split('\n'));
    expect(head?.join(' ').replace(/ +/g, ' ')).to.equal(
      `topic ${topic} on ${new URL(redisUrl()).host}: 1 node registered, 2 shards in use, load in requests`,
    );
    expect(nodes?.[0]).to.match(/^NODE +WAITING +OLDEST +RUNNING +ROOM +STATE +HOST +VERSION$/);
    expect(nodes?.[1]).to.match(/^a +3 +\S+ m?s +- +- +front +- +-$/);
    expect(nodes?.[2]).to.match(/^b +0 +- +- +- +silent \S+ m?s +- +-$/);
    expect(shards?.[0]).to.match(/^SHARD +WAITING +LOAD +OLDEST +CLAIMS +LEASES +RESULTS +DEAD$/);
    expect(shards?.[first[1] + 1]).to.match(new RegExp(`^ +${first[1]} +3 +3 +\\S+ m?s +2 +in time +0 +0$`));
    expect(shards).to.have.length(3);
    expect(wrong?.slice(0, 2)).to.deep.equal([
      'broken: no living node has an engine: 1 node accepts, 3 requests wait',
      '=> start a node with an engine, one that calls run or getRequests, in this topic',
    ]);
    expect(wrong?.[2]).to.match(/^warning: b has been silent for at least \S+ m?s$/);
  });

  it('prints the same as one JSON object', async () => {
    const topic = freshTopic();
    await withClient(redisUrl(), (client) => seedNode(client, topic, 'a', 1, { puts: 3, claims: 1 }));
    const { code, json } = await runCli(['--json', 'status', topic], redisUrl());
    expect(code).to.equal(0);
    const { ok, nodes, shards } = json() as unknown as {
      ok: boolean;
      nodes: { registeredUntil: number; epoch: string }[];
      shards: { oldestMs: number; visitedMs: number }[];
    };
    expect(ok).to.equal(true);
    const { registeredUntil, epoch } = nodes[0]!;
    const { oldestMs, visitedMs } = shards[0]!;
    expect(nodes).to.deep.equal([
      {
        ...{ name: 'a', home: 0, epoch, registeredUntil, state: 'registered', engine: null },
        ...{ condition: 'front', waiting: 2, oldestMs, heardAt: null, nextTryAt: null, card: null },
      },
    ]);
    expect(visitedMs).to.be.within(0, 10_000);
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
        visitedMs,
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
      expect(told(text)).to.include(
        'warning: the head of front-1 in shard 0 (20000 tokens) fits no living engine (largest 8192); 1 wait behind it ' +
          '=> start an engine that can hold 20000 tokens, or cancel request front-1-0 at front-1',
      );
      expect(text.match(/fits\s+no\s+living/g)).to.have.length(1);
      const { json } = await runCli(['--json', 'status', topic], redisUrl());
      expect(json()).to.deep.include({
        largestPrompt: 8192,
        tooLarge: [{ shard: 0, node: 'front-1', id: 'front-1-0', tokens: 20_000, behind: 1 }],
      });
    });

    it('names those whose breaker is open, with failures, pause and reason, while they live', async () => {
      const breaker = '3|2000|fetch | failed\u001b[2J';
      await withClient(redisUrl(), async (client) => {
        await seedNode(client, topic, 'well', 1, { engine: 8192 });
        await seedNode(client, topic, 'broken', 1, { engine: 8192, breaker });
        await seedNode(client, topic, 'gone', 1, { engine: 8192, breaker, keepAliveMs: 1 });
      });
      await waitUntil(async () => /^gone .* silent /m.test(await status()), 'one is silent');
      const text = await status();
      expect(text)
        .to.match(/^well .* serving +- +-$/m)
        .and.to.match(/^broken .* down +- +-$/m);
      expect(told(text)).to.include(
        'warning: circuit of broken open: fetch | failed [2J, tried again 2.0 s after the last (3 failures in a row) ' +
          '=> restart the engine behind broken; the node tries it by itself',
      );
      expect(text.match(/circuit\s+of/g)).to.have.length(1);
      const { nodes } = (await runCli(['--json', 'status', topic], redisUrl())).json();
      const engines = (nodes as { name: string; engine: unknown }[]).map(({ name, engine }) => [
        name,
        engine,
      ]);
      const down = { failures: 3, pauseMs: 2_000, reason: 'fetch | failed\u001b[2J' };
      expect(engines).to.deep.equal([
        ['broken', { largestPrompt: 8192, down }],
        ['gone', { largestPrompt: 8192, down }],
        ['well', { largestPrompt: 8192, down: null }],
      ]);
    });

    it('prints five findings of a kind, and how many more there are; --json has all', async () => {
      await withClient(redisUrl(), async (client) => {
        for (let i = 0; i < 8; i += 1)
          await seedNode(client, topic, `gpu-${i}`, 1, { engine: 8192, breaker: '3|2000|gone' });
      });
      const text = told(await status());
      expect(text.match(/circuit of gpu-\d open/g)).to.deep.equal(
        [0, 1, 2, 3, 4].map((i) => `circuit of gpu-${i} open`),
      );
      expect(text).to.match(/ warning: and 3 more like these; --json has all$/);
      const { findings } = (await runCli(['--json', 'status', topic], redisUrl())).json();
      expect(findings).to.have.length(9);
    });

    it('names none while a living one does not say, or is of a version that says nothing', async () => {
      await withClient(redisUrl(), async (client) => {
        await seedNode(client, topic, 'engine', 1, { engine: 8192 });
        await seedNode(client, topic, 'front', 1, { puts: 1, tokens: 20_000 });
        const [nodes] = registryKeys(topic);
        expect(await status()).to.match(/fits\s+no\s+living\s+engine/);
        const entry = (await client.hget(nodes, 'front'))!;
        await client.hset(nodes, 'front', entry.replace(/[|][^|]*[|][^|]*$/, ''));
        expect(await status()).not.to.match(/fits\s+no\s+living\s+engine/);
        await client.hset(nodes, 'front', entry);
        await seedNode(client, topic, 'silent-about-it', 1, { engine: 2 ** 32 - 1 });
        expect(await status()).not.to.match(/fits\s+no\s+living\s+engine/);
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
    expect(text.stdout).to.match(/1\s+shard\s+in\s+use,\s+load\s+in\s+tokens$/m);
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

  it('says that there is no such topic, with exit code 1, and which there are, in their natural order', async () => {
    const [topic, near] = [freshTopic(), `${freshTopic()}-n`];
    const others = [`${near}2`, `${near}10`];
    await withClient(redisUrl(), async (client) => {
      for (const other of [...others].reverse()) {
        await seedNode(client, other, 'a', 1);
        await noteTopic(client, other);
      }
    });
    const text = await runCli(['status', topic], redisUrl());
    expect(text).to.include({ code: 1, stdout: '' });
    const named = new RegExp(`^sched-lua: no such topic: ${topic}; topics: (.*)\\n`).exec(text.stderr)![1]!;
    const { code, json } = await runCli(['status', topic, '--json'], redisUrl());
    expect(code).to.equal(1);
    expect(json()).to.have.nested.property('error.code', 'MISSING');
    const topics = json()['topics'] as string[];
    expect(topics.filter((one) => one.startsWith(near))).to.deep.equal(others);
    expect(topics).not.to.include(topic);
    expect(named.replace(/ and \d+ more$/, '').split(', ')).to.deep.equal(topics.slice(0, 20));
    await withClient(redisUrl(), async (client) => {
      for (const other of others) await client.del(...registryKeys(other));
    });
  });

  it('says only that there is none to a user who may not look', async () => {
    const server = await privateRedis();
    const client = new Redis(server.url);
    try {
      const empty = await runCli(['status', 'x'], server.url);
      expect(empty.stderr).to.match(/^sched-lua: no such topic: x; topics: none\n/);
      await client.call('ACL', 'SETUSER', 'default', '-zrangebyscore');
      const { code, stderr, json } = await runCli(['status', 'x', '--json'], server.url);
      expect([code, stderr.split('\n')[0]]).to.deep.equal([1, 'sched-lua: no such topic: x']);
      expect(json()).to.have.property('topics', null);
    } finally {
      client.disconnect();
      await server.stop();
    }
  });

  it('fits 80 columns with names of any length, sorted naturally; --json has them whole', async () => {
    const topic = `${freshTopic()}-${'long-topic'.repeat(8)}`.slice(0, 128);
    const names = ['pod-2', 'pod-10', `pod-11-${'x'.repeat(110)}-tail`];
    await withClient(redisUrl(), async (client) => {
      for (const name of [...names].reverse())
        await seedNode(client, topic, name, 1, { puts: 3, tokens: 200_000, engine: 131_072 });
    });
    const { code, stdout } = await runCli(['status', topic], redisUrl());
    expect(code).to.equal(0);
    const lines = stdout.split('\n');
    const nodes = lines.filter((line) => /^pod-\d+.* serving +- +-$/.test(line));
    expect(nodes.map((line) => line.split(/ +/)[0]!.slice(0, 6).replace(/-$/, ''))).to.deep.equal([
      'pod-2',
      'pod-10',
      'pod-11',
    ]);
    expect(nodes[2]).to.match(/^pod-11-x+…x+-tail +3 /);
    expect(stdout.match(/fits\s+no\s+living\s+engine/g) ?? []).to.have.length(3);
    // the name of the topic has no place to break, and is longer than a line
    const long = lines.filter((line) => line.length > 80 && !line.includes(topic));
    expect(long).to.deep.equal([]);
    const { json } = await runCli(['--json', 'status', topic], redisUrl());
    expect((json()['nodes'] as { name: string }[]).map(({ name }) => name)).to.deep.equal(names);
  });

  it('--watch shows it again and again until Ctrl-C, whatever goes wrong meanwhile', async function () {
    this.timeout(60_000);
    const topic = freshTopic();
    await withClient(redisUrl(), (client) => seedNode(client, topic, 'a', 1, { puts: 2 }));
    const child = startCli(['status', '--watch', '--json', topic], redisUrl());
    const reports: { ok: boolean }[] = [];
    createInterface(child.stdout).on('line', (line) => reports.push(JSON.parse(line) as { ok: boolean }));
    const [nodes] = registryKeys(topic);
    await waitUntil(() => reports.length >= 2, 'it is shown twice', 30_000);
    await withClient(redisUrl(), async (client) => {
      await client.rename(nodes, `${nodes}-away`);
      await client.set(nodes, 'a string', 'EX', 60);
      await waitUntil(() => !reports.at(-1)!.ok, 'it says what is wrong', 30_000);
      await client.rename(`${nodes}-away`, nodes);
    });
    await waitUntil(() => reports.at(-1)!.ok, 'it goes on', 30_000);
    child.kill('SIGINT');
    const [code] = (await once(child, 'close')) as [number];
    expect(code).to.equal(130);
    expect(reports[0]).to.have.nested.property('nodes[0].name', 'a');
  });

  it('does not guess at data of another schema, or at keys that are not ours', async () => {
    const topic = freshTopic();
    exemptFromTtlCheck(topic);
    const [nodes, meta] = registryKeys(topic);
    await withClient(redisUrl(), async (client) => {
      await client.hset(meta, 'schema', '1', 'shards', '1');
      const other = await runCli(['status', topic], redisUrl());
      expect(other.code).to.equal(1);
      expect(other.stderr).to.match(
        /has data of schema 1; this version reads schema 2: let nodes of a version that reads it end/,
      );
      await client.del(meta);
      await client.set(nodes, 'a string');
      const foreign = await runCli(['status', topic], redisUrl());
      expect(foreign.code).to.equal(1);
      expect(foreign.stderr).to.match(/^sched-lua: Redis at \S+ answers: WRONGTYPE/);
      await client.del(nodes);
    });
  });
});
