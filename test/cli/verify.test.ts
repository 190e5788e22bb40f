import { expect } from 'chai';
import { shardKey } from '../../src/base/keys.ts';
import { freshTopic, redisUrl } from '../support/server.ts';
import { runCli, seedNode, withClient } from './support.ts';

describe('sched-lua verify', () => {
  it('is content with a shard whose tables agree', async () => {
    const topic = freshTopic();
    await withClient(redisUrl(), (client) => seedNode(client, topic, 'a', 1, { puts: 5, claims: 2 }));
    const text = await runCli(['verify', topic], redisUrl());
    expect(text).to.include({ code: 0, stderr: '' });
    expect(text.stdout).to.equal(`topic ${topic}: 1 shard, all invariants hold, load in requests\n`);
    const { json } = await runCli(['verify', topic, '--json'], redisUrl());
    expect(json()).to.deep.equal({ ok: true, topic, shards: 1, loadUnit: 'requests', violations: [] });
  });

  it('lists what is broken, with exit code 1', async () => {
    const topic = freshTopic();
    await withClient(redisUrl(), async (client) => {
      await seedNode(client, topic, 'a', 1, { puts: 5, claims: 2 });
      await client.zincrby(shardKey(topic, 0, 'load'), 1, 'a');
      await client.hdel(shardKey(topic, 0, 'body'), 'a|a-4');
    });
    const { code, stdout, stderr } = await runCli(['verify', topic], redisUrl());
    expect(code).to.equal(1);
    expect(stdout).to.match(/^shard 0, invariant 1: the load of a is 4/m);
    expect(stdout).to.match(/^shard 0, invariant 2: .*a\|a-4.* has no body$/m);
    expect(stdout.trimEnd().split('\n')).to.have.length(2);
    expect(stderr).to.equal(`sched-lua: topic ${topic}: 2 violations of its invariants\n`);

    const asJson = (await runCli(['verify', topic, '--json'], redisUrl())).json();
    expect(asJson).to.have.property('ok', false);
    expect(asJson).to.have.property('violations').with.length(2);
    expect(asJson.error?.code).to.equal('BROKEN');
  });

  it('checks the sum of a load in tokens', async () => {
    const topic = freshTopic();
    await withClient(redisUrl(), async (client) => {
      await seedNode(client, topic, 'a', 1, { puts: 5, claims: 2, loadUnit: 'tokens' });
    });
    const fine = await runCli(['verify', topic], redisUrl());
    expect(fine.stdout).to.equal(`topic ${topic}: 1 shard, all invariants hold, load in tokens\n`);
    await withClient(redisUrl(), (client) => client.zadd(shardKey(topic, 0, 'load'), 3, 'a'));
    const { code, stdout } = await runCli(['verify', topic], redisUrl());
    expect(code).to.equal(1);
    expect(stdout).to.equal('shard 0, invariant 1: the load of a is 3, and 384 tokens of its tickets wait\n');
  });

  it('says that there is nothing to verify where no shard is in use', async () => {
    const { code, stdout } = await runCli(['verify', freshTopic()], redisUrl());
    expect(code).to.equal(0);
    expect(stdout).to.match(/no shard is in use, nothing to verify/);
  });
});
