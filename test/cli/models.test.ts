// `sched-lua models`: what the workers of a fleet announce, beside what the topics of the models know.
import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { announce, topicOf } from '../../src/openai/registry.ts';
import { freshTopic, redisUrl } from '../support/server.ts';
import { runCli, seedNode, withClient } from './support.ts';

describe('sched-lua models', () => {
  let folder = '';
  let fleet = '';
  before(() => void (folder = mkdtempSync(join(tmpdir(), 'sched-lua-models-'))));
  after(() => rmSync(folder, { recursive: true }));
  beforeEach(() => void (fleet = freshTopic()));

  const config = (value: object): string => {
    const path = join(folder, 'gateway.json');
    writeFileSync(path, JSON.stringify(value));
    return path;
  };
  const seed = () =>
    withClient(redisUrl(), async (client) => {
      await announce(client, fleet, [
        { model: 'org/big', kind: 'vllm', worker: 'w1', maxModelLen: 8_192 },
        { model: 'org/big', kind: 'sglang', worker: 'w2', maxModelLen: 16_384 },
        { model: 'small', kind: 'llamacpp', worker: 'w1' },
      ]);
      const big = topicOf(fleet, 'org/big');
      await seedNode(client, big, 'gateway-1', 1, { puts: 5 });
      await seedNode(client, big, 'w1', 1, { engine: 7_000, puts: 2, claims: 2 });
      await seedNode(client, big, 'w2', 1, { engine: 16_000, breaker: '3|1000|refused' });
      await seedNode(client, topicOf(fleet, 'small'), 'w1', 1, { engine: 500, breaker: '3|1000|refused' });
    });

  it('shows models, workers and aliases, and fails if no engine of a model takes requests', async () => {
    await seed();
    const file = config({ fleet, aliases: { default: 'org/big', gone: 'x' }, queueTtl: '5s' });
    const { code, stdout, stderr } = await runCli(['models', '--config', file], redisUrl());
    expect(stdout.replace(/fleet \S+ on \S+:/, 'fleet F on R:')).to.equal(
      [
        'fleet F on R: 2 models',
        '',
        'MODEL    KIND         WORKERS  LARGEST  WAITING  RUNNING  STATE',
        'org/big  sglang,vllm        2    16000        5        2  serving',
        'small    llamacpp           1      500        0        0  down',
        '',
        'WORKER  MODEL    LARGEST  RUNNING  STATE',
        'w1      org/big     7000        0  serving',
        'w2      org/big    16000        0  down',
        'w1      small        500        0  down',
        '',
        'ALIAS    MODEL',
        'default  org/big',
        '',
      ].join('\n'),
    );
    expect(code).to.equal(1);
    expect(stderr)
      .to.contain('1 model of fleet')
      .and.contain(`sched-lua status ${topicOf(fleet, 'small')}`);
    const { models, ...rest } = (await runCli(['models', '--config', file, '--json'], redisUrl())).json();
    expect(rest).to.deep.include({ ok: false, fleet });
    expect((models as unknown[])[0]).to.deep.equal({
      ...{ name: 'org/big', topic: topicOf(fleet, 'org/big'), aliases: ['default'], state: 'serving' },
      ...{ kinds: ['sglang', 'vllm'], maxModelLen: 16_384, largestPrompt: 16_000, waiting: 5, running: 2 },
      workers: [
        { name: 'w1', state: 'serving', largestPrompt: 7_000, running: 0 },
        { name: 'w2', state: 'down', largestPrompt: 16_000, running: 0 },
      ],
    });
  });

  it('ends with 0 when each has an engine, and with 1 and a way out when there is none', async () => {
    await withClient(redisUrl(), async (client) => {
      await announce(client, fleet, [{ model: 'm', kind: 'vllm', worker: 'w1' }]);
      await seedNode(client, topicOf(fleet, 'm'), 'w1', 1, { engine: 100 });
    });
    expect((await runCli(['models'], redisUrl(), { SCHED_LUA_FLEET: fleet })).code).to.equal(0);
    const none = await runCli(['models', '--fleet', `${fleet}-x`], redisUrl());
    expect([none.code, none.stdout]).to.deep.equal([1, '']);
    expect(none.stderr).to.contain(`{${fleet}-x}:models`).and.contain('sched-lua worker --engine');
    expect((await runCli(['models', '--fleet', 'a:b'], redisUrl())).code).to.equal(2);
    expect((await runCli(['models', '--config', config({ x: 1 })], redisUrl())).code).to.equal(2);
  });
});
