// `sched-lua worker` as a process, as it ships, beside an engine that counts.
import { expect } from 'chai';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { counted } from '../../src/testing/counting/counting.ts';
import { useCountingEngines } from '../support/counting/engines.ts';
import { redisUrl, waitUntil } from '../support/server.ts';
import { ask, contentComes, contentOf, useWorkerFleet } from '../worker/support.ts';
import { runCli, startCli } from './support.ts';

describe('sched-lua worker', () => {
  const fleet = useWorkerFleet();
  const engine = useCountingEngines();
  const running: ReturnType<typeof startCli>[] = [];
  let folder = '';

  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'sched-lua-worker-'))));
  afterEach(async () => {
    for (const one of running.splice(0)) {
      if (one.exitCode !== null || one.signalCode !== null) continue;
      one.kill('SIGKILL');
      await once(one, 'exit');
    }
    rmSync(folder, { recursive: true });
  });

  function start(...args: string[]): { child: ReturnType<typeof startCli>; said: () => string } {
    const child = startCli(['worker', '--fleet', fleet.name, ...args], redisUrl());
    running.push(child);
    let said = '';
    child.stderr.on('data', (data) => (said += String(data)));
    return { child, said: () => said };
  }

  async function page(address: string, path: string): Promise<{ status: number | undefined; body: string }> {
    const request = get(`http://${address}${path}`, { agent: false });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return { status: response.statusCode, body: await text(response) };
  }

  async function addressOf(said: () => string): Promise<string> {
    await waitUntil(() => said().includes('takes') || said().includes(' serves '), 'it serves');
    return /on http:\/\/(127\.0\.0\.1:\d+)/.exec(said())![1]!;
  }

  it('serves, tells how it is, lets what runs end after SIGTERM, and leaves with 0', async () => {
    const one = await engine({ tokenMs: 10 });
    const { child, said } = start('--engine', one.url, '--listen', '127.0.0.1:0', '--slots', '4');
    const address = await addressOf(said);
    expect(said()).to.contain(`serves counting of ${one.url} (vllm)`);
    expect(await page(address, '/health')).to.deep.equal({ status: 200, body: 'ok\n' });
    expect((await page(address, '/ready')).status).to.equal(200);
    expect((await page(address, '/v1/models')).status).to.equal(404);
    const heard = ask(await fleet.front(), {
      body: { model: 'counting', stream: true, messages: [], max_tokens: 50 },
    });
    await contentComes(heard, counted(2));
    const { body } = await page(address, '/metrics');
    expect(body).to.contain('sched_lua_engine_up{kind="vllm"} 1\n');
    expect(body).to.contain('sched_lua_engine_slots 4\n');
    expect(body).to.contain('sched_lua_engine_requests 1\n');
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await waitUntil(() => said().includes('takes nothing more'), 'it drains');
    expect(await page(address, '/ready')).to.deep.equal({ status: 503, body: 'draining\n' });
    await heard.ended;
    expect(contentOf(heard)).to.equal(counted(50));
    expect(await gone).to.deep.equal([0, null]);
  });

  it('ends at once after a second SIGTERM', async () => {
    const one = await engine({ tokenMs: 10 });
    const { child, said } = start('--engine', one.url, '--listen', 'off');
    await waitUntil(() => said().includes(' serves '), 'it serves');
    const front = await fleet.front();
    const heard = ask(front, { body: { model: 'counting', stream: true, messages: [], max_tokens: 900 } });
    await contentComes(heard, counted(2));
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await waitUntil(() => said().includes('takes nothing more'), 'it drains');
    child.kill('SIGTERM');
    expect(await gone).to.deep.equal([143, null]);
    await front.cancel(heard.id);
    await heard.ended;
  });

  it('waits for an engine that is not there yet', async () => {
    const one = await engine();
    const port = one.port;
    await one.kill();
    const { said } = start('--engine', one.url, '--listen', 'off');
    await waitUntil(() => said().includes('waiting for the engine'), 'it waits');
    await one.start(port);
    await waitUntil(() => said().includes(' serves '), 'it serves');
  });

  it('prints its options, and not the key of the engine', async () => {
    const key = join(folder, 'key');
    const file = join(folder, 'worker.json');
    writeFileSync(key, 'sk-secret\n');
    writeFileSync(file, JSON.stringify({ engine: 'http://127.0.0.1:1', engineKeyFile: key, models: ['m'] }));
    const printed = await runCli(
      ['--json', 'worker', '--config', file, '--slots', '3', '--print-config'],
      undefined,
    );
    expect(printed.code).to.equal(0);
    expect(printed.json().config).to.deep.include({
      metricsListen: '127.0.0.1:9465',
      name: null,
      ...{ engine: 'http://127.0.0.1:1', engineKeyFile: key, models: [{ name: 'm' }], slots: 3 },
    });
    expect(printed.stdout).not.to.contain('sk-secret');
  });

  it('sends the key of the engine, and nothing of the client', async () => {
    const one = await engine();
    const key = join(folder, 'key');
    writeFileSync(key, 'sk-secret\n');
    const { said } = start('--engine', one.url, '--engine-key-file', key, '--listen', 'off');
    await waitUntil(() => said().includes(' serves '), 'it serves');
    await ask(await fleet.front()).ended;
    expect(one.seen[0]!.headers.authorization).to.equal('Bearer sk-secret');
    expect(said()).not.to.contain('sk-secret');
  });

  for (const [why, args, message] of [
    ['no engine', [], 'engine: give the URL'],
    ['a flag that is not known', ['--slot', '3'], "unknown option '--slot'"],
    ['an engine with a password in its URL', ['--engine', 'http://u:p@h'], 'engine: allowed is'],
    [
      'a kind that is not known',
      ['--engine', 'http://127.0.0.1:1', '--kind', 'vlm', '--listen', 'off'],
      'kind',
    ],
    ['a file that is not there', ['--config', '/nowhere/x.json'], 'config: /nowhere/x.json cannot be read'],
    [
      'a key that is not there',
      ['--engine', 'http://127.0.0.1:1', '--engine-key-file', '/nowhere/k', '--listen', 'off'],
      'engineKeyFile',
    ],
  ] as const)
    it(`refuses ${why}`, async () => {
      const { code, stderr } = await runCli(['worker', ...args], redisUrl());
      expect(stderr).to.contain(message);
      expect(code).to.equal(2);
      expect(stderr).not.to.contain(':p@');
    });

  it('refuses an engine that does not say what it holds, and names the option', async () => {
    const one = await engine();
    const args = [
      'worker',
      '--engine',
      one.url,
      '--kind',
      'openai',
      '--fleet',
      fleet.name,
      '--listen',
      'off',
    ];
    const { code, stderr } = await runCli(args, redisUrl());
    expect(stderr).to.contain('give it as --slots');
    expect(code).to.equal(2);
  });
});
