import { once } from 'node:events';
import { expect } from 'chai';
import { jsonCodec } from '../../src/base/codec.ts';
import { registryKeys } from '../../src/base/keys.ts';
import { request, room, take, useFleet, type Node, type Prompt } from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';
import { deadEntry, runCli, startCli } from './support.ts';

describe('sched-lua dead', () => {
  const fleet = useFleet();

  /** Puts these requests and lets a runner that cannot decode them end them; they are in `dead` then. */
  async function giveUp(list: readonly Prompt[]): Promise<void> {
    const owner = await fleet.start('owner');
    const blind = await fleet.start('blind', {
      minLoadScore: 1,
      codec: {
        ...jsonCodec<Prompt>(),
        decode: () => {
          throw new Error('of a newer version');
        },
      },
    });
    await owner.putRequests(list);
    await waitUntil(
      async () => {
        await blind.getRequests(room(), { waitMs: 50 });
        return (await fleet.redis.xlen(fleet.key('dead'))) === list.length;
      },
      'all have been given up',
      15_000,
    );
    await blind.close();
    await owner.close();
  }

  const cli = (...args: string[]) => runCli(['dead', ...args], fleet.url);
  const entries = async (): Promise<{ entry: string; id: string }[]> =>
    (await cli('ls', fleet.topic, '--json')).json()['entries'] as { entry: string; id: string }[];

  it('ls lists them, oldest first, with owner, reason, tries, age and size', async () => {
    await giveUp([request('x', 10), request('y')]);
    const { code, stdout, stderr } = await cli('ls', fleet.topic);
    expect([code, stderr]).to.deep.equal([0, '']);
    const [head, ...lines] = stdout.trimEnd().split('\n');
    expect(head).to.match(/^SHARD:ENTRY +REQUEST +OWNER +KIND +REASON +TRIES +WHEN +BYTES$/);
    expect(
      lines.map((line) =>
        line
          .replace(/^0:\d+-\d+ +/, '')
          .replace(/\S+ m?s ago/, 'lately')
          .split(/ {2,}/),
      ),
    ).to.deep.equal(
      [request('x', 10), request('y')].map((one) => [
        ...[one.request_id, 'owner', 'undecodable', 'the request could not be decoded: of a newer version'],
        ...['1', 'lately'],
        String(JSON.stringify(one).length),
      ]),
    );
    const [first] = await entries();
    expect(first).to.deep.include({
      id: 'x',
      owner: 'owner',
      promptTokens: 10,
      kind: 'undecodable',
      reason: 'a runner could not decode it',
      error: 'the request could not be decoded: of a newer version',
      nodes: ['blind'],
      tries: 1,
      bytes: JSON.stringify(request('x', 10)).length,
    });
  });

  it('ls says so when there is none, and drop and show when there is no such one', async () => {
    expect(await cli('ls', fleet.topic)).to.include({
      code: 0,
      stdout: `topic ${fleet.topic}: no dead requests\n`,
    });
    for (const command of ['show', 'drop', 'retry']) {
      const { code, stderr, stdout } = await cli(command, '0:1-1', fleet.topic);
      expect([code, stdout]).to.deep.equal([1, '']);
      expect(stderr).to.match(
        /^sched-lua: topic \S+ has no dead request 0:1-1\nhint: run "sched-lua dead ls"/,
      );
    }
  });

  it('show prints one with its payload, named by its shard:entry or its request id', async () => {
    await giveUp([request('x', 3)]);
    const [one] = await entries();
    const text = await cli('show', one!.entry, fleet.topic);
    expect(text).to.include({ code: 0, stderr: '' });
    expect(text.stdout).to.match(/^shard:entry +0:\S+\nrequest +x\nowner +owner\n/);
    expect(text.stdout.trimEnd().split('\n').at(-1)).to.equal(JSON.stringify(request('x', 3)));
    const { json } = await cli('show', 'x', fleet.topic, '--json');
    expect(json()).to.deep.include({
      ok: true,
      entry: one!.entry,
      payload: JSON.stringify(request('x', 3)),
      encoding: 'utf8',
    });
  });

  it('shows a payload that is no text, or would steer a terminal, in base64', async () => {
    const payloads = [Buffer.from([0xff, 0, 1]), Buffer.from('\u001b[2J')];
    for (const [i, payload] of payloads.entries()) {
      const id = `bytes${i}`;
      await fleet.redis.xadd(...bury(id, payload.length, payload));
      await fleet.redis.expire(fleet.key('dead'), 600);
    }
    await fleet.start('one');
    for (const [i, payload] of payloads.entries()) {
      const { json } = await cli('show', `bytes${i}`, fleet.topic, '--json');
      expect(json()).to.deep.include({ payload: payload.toString('base64'), encoding: 'base64' });
    }
  });

  const bury = (id: string, bytes: number, body: Buffer, owner = 'owner') =>
    deadEntry(fleet.key('dead'), { id, bytes, body, owner });

  it('asks for the shard:entry where several entries are of one request id', async () => {
    for (const owner of ['a', 'b']) await fleet.redis.xadd(...bury('x', 1, Buffer.from('x'), owner));
    await fleet.redis.expire(fleet.key('dead'), 600);
    await fleet.start('one');
    const { code, stderr } = await cli('drop', 'x', fleet.topic);
    expect(code).to.equal(2);
    expect(stderr).to.match(
      /^sched-lua: 2 entries are of request x: 0:\S+, 0:\S+\nhint: name one of them by its shard:entry/,
    );
    const [one] = await entries();
    expect(await cli('drop', one!.entry, fleet.topic)).to.include({ code: 0 });
    expect(await entries()).to.have.length(1);
  });

  it('drop removes one, and only that', async () => {
    await giveUp([request('x'), request('y')]);
    const { code, stdout } = await cli('drop', 'x', fleet.topic);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^dropped 0:\S+, request x of owner\n$/);
    expect((await entries()).map(({ id }) => id)).to.deep.equal(['y']);
  });

  it('retry puts it again as a new one, prints its result, and removes the entry', async () => {
    await giveUp([request('x', 3)]);
    const runner = await fleet.start('runner');
    const seen: unknown[] = [];
    const served = runner.run(
      async function* ({ request: body, promptTokens, owner }) {
        seen.push({ body, promptTokens, owner });
        yield await Promise.resolve('to be');
        return 'or not';
      },
      { budget: room() },
    );
    const { code, stdout, stderr } = await cli('retry', 'x', fleet.topic);
    expect([code, stdout]).to.deep.equal([0, '"to be"\n"or not"\n']);
    expect(stderr).to.match(/^put again by node dead-retry, waiting for a runner\n/);
    expect(seen).to.deep.equal([{ body: request('x', 3), promptTokens: 3, owner: 'dead-retry' }]);
    expect(await entries()).to.deep.equal([]);
    await runner.close();
    await served;
    expect(await fleet.loads()).to.deep.equal({});
  });

  for (const ttlMs of [3_600_000, 10_000]) {
    it(`retry goes by the topic's ttl of ${ttlMs} ms: it shortens nothing, lengthens nothing and buries nobody`, async () => {
      const [owner, runner] = [await fleet.start('owner', { ttlMs }), await fleet.start('runner', { ttlMs })];
      await fleet.redis.xadd(...bury('x', 2, Buffer.from('{}')));
      // an owner that has been silent for as long as the topic keeps it, all but a minute
      await fleet.redis.zadd(fleet.key('node'), Date.now() - ttlMs + 60_000, 'silent');
      const served = runner.run(() => 'done', { budget: room() });
      const expiry = async (): Promise<number> => fleet.redis.pexpiretime(fleet.key('node'));
      const before = await expiry();
      expect((await cli('retry', 'x', fleet.topic)).code).to.equal(0);
      expect(await expiry()).to.be.at.least(before);
      expect(await fleet.redis.hget(fleet.key('shard'), 'ttl')).to.equal(String(ttlMs));
      const [, meta] = registryKeys(fleet.topic);
      expect(await fleet.redis.hget(meta, 'ttl')).to.equal(String(ttlMs));
      expect(await fleet.redis.zscore(fleet.key('node'), 'silent')).to.be.a('string');
      await Promise.all([owner.close(), runner.close()]);
      await served;
    });
  }

  it('retry leaves the entry when the request does not end well, with exit code 1', async () => {
    await giveUp([request('x')]);
    const runner = await fleet.start('runner');
    const served = runner.run(() => Promise.reject(new Error('no such model')), { budget: room() });
    const { code, stderr } = await cli('retry', 'x', fleet.topic, '--quiet');
    expect(code).to.equal(1);
    expect(stderr).to.match(
      /^sched-lua: request x ended as failed: no such model\nhint: entry 0:\S+ is kept\n$/,
    );
    const again = (await cli('retry', 'x', fleet.topic, '--json')).json();
    expect(again).to.deep.include({ ok: false, id: 'x', kind: 'failed', removed: false });
    expect((await entries()).map(({ id }) => id)).to.deep.equal(['x']);
    await runner.close();
    await served;
  });

  it('retry says that a body was not kept', async () => {
    await fleet.redis.xadd(...bury('large', 65_537, Buffer.alloc(0)));
    await fleet.redis.expire(fleet.key('dead'), 600);
    await fleet.start('one');
    const { code, stderr } = await cli('retry', 'large', fleet.topic);
    expect(code).to.equal(1);
    expect(stderr).to.match(
      /cannot be retried: its payload was not kept \(option maxDeadBodyBytes of its owner\) \(65537 bytes\)/,
    );
    const { json } = await cli('retry', 'large', fleet.topic, '--json');
    expect(json()).to.have.property('topic', fleet.topic);
    expect(json()).to.have.nested.property('error.code', 'TOO_LARGE');
    expect((await cli('show', 'large', fleet.topic)).stdout).to.match(
      /nodes +a b\n(?:.*\n)*.*its payload was not kept \(option maxDeadBodyBytes of its owner\)\n$/,
    );
  });

  it('an interrupted retry cancels its request and leaves the entry', async () => {
    await giveUp([request('x')]);
    const runner: Node = await fleet.start('runner');
    const child = startCli(['dead', 'retry', 'x', fleet.topic], fleet.url);
    const stderr: string[] = [];
    child.stderr.setEncoding('utf8').on('data', (text: string) => stderr.push(text));
    child.stdout.resume();
    const over = once(child, 'close');
    const [claim] = await take(runner, 1);
    child.kill('SIGINT');
    const [code] = (await over) as [number];
    expect(code).to.equal(130);
    expect(stderr.join('')).to.match(/request x was interrupted and cancelled\nhint: entry 0:\S+ is kept/);
    await waitUntil(() => claim!.signal.aborted, 'its runner has heard of it', 15_000);
    expect((await entries()).map(({ id }) => id)).to.deep.equal(['x']);
    expect(await fleet.redis.hlen(fleet.key('request'))).to.equal(0);
  });
});
