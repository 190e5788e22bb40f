// `sched-lua node`: gateway and worker in one process, with one set of settings, one connection and one drain.
import { expect } from 'chai';
import { NODE_SETTINGS, readNode } from '../../src/fleet/node-settings.ts';
import { counted } from '../../src/testing/counting/counting.ts';
import { useCountingEngines } from '../support/counting/engines.ts';
import { listClients } from '../support/leaks.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { freshTopic, waitUntil } from '../support/server.ts';
import { runCli } from '../cli/support.ts';
import { Stream, page, useCommands, type Started } from './support.ts';

describe('sched-lua node', function () {
  this.timeout(120_000);
  const redis = useOwnRedis();
  const engine = useCountingEngines();
  const start = useCommands(() => redis.url);
  let fleet = '';
  beforeEach(() => void (fleet = freshTopic()));

  const node = (url: string, ...more: string[]): Started =>
    start(
      ...['node', '--fleet', fleet, '--engine', url, '--listen', '127.0.0.1:0'],
      ...['--metrics-listen', '127.0.0.1:0', ...more],
    );
  const addressesOf = async ({ says }: Started): Promise<{ clients: string; operators: string }> => {
    await says(/ serves counting of /);
    return {
      clients: await says(/ listens on http:\/\/(\S+)/),
      operators: await says(/\/metrics on http:\/\/(\S+)/),
    };
  };

  it('serves its clients by its engine, tells of both, and drains both at once', async () => {
    const one = await engine({ tokenMs: 10 });
    const started = node(one.url, '--name', 'n1', '--slots', '4');
    const { clients, operators } = await addressesOf(started);
    await waitUntil(async () => (await page(operators, '/ready')).status === 200, 'it is ready');
    const stream = new Stream(clients, 60);
    await stream.says(counted(3));
    const { body } = await page(operators, '/metrics');
    expect(body).to.contain('sched_lua_inflight 1\n').and.contain('sched_lua_engine_requests 1\n');
    // those of the command, and of both parts: one for commands and one for wake-ups
    const own = (await listClients(redis.admin)).filter((line) => !line.includes('cmd=client'));
    expect(own.map((line) => /cmd=(\S+)/.exec(line)![1])).to.have.length(3);
    started.child.kill('SIGTERM');
    await started.says(/takes nothing more/);
    expect(await page(operators, '/ready')).to.deep.equal({ status: 503, body: 'draining\n' });
    await stream.ended;
    expect([stream.isDone, stream.content]).to.deep.equal([true, counted(60)]);
    expect(await started.gone).to.deep.equal([0, null]);
    expect(started.said()).to.contain('gateway n1-gateway of fleet').and.contain('n1 has left: 1 model');
  });

  it('serves by the engine of another node while its own is down, and moves what its own had begun', async () => {
    const [mine, other] = [await engine({ tokenMs: 100 }), await engine()];
    const { clients } = await addressesOf(node(mine.url, '--name', 'a'));
    const stream = new Stream(clients, 100);
    await stream.says(counted(3));
    await addressesOf(node(other.url, '--name', 'b'));
    expect(stream.isDone).to.equal(false);
    await mine.kill();
    await stream.ended;
    expect([stream.isDone, stream.content]).to.deep.equal([true, counted(100)]);
    const next = new Stream(clients, 5);
    await next.ended;
    expect([next.status, next.content]).to.deep.equal([200, counted(5)]);
    expect(other.seen).to.have.length(2);
  });

  it('answers for operators and leaves with 0 while it waits for its engine', async () => {
    const started = node('http://127.0.0.1:1');
    const operators = await started.says(/\/metrics on http:\/\/(\S+)/);
    await started.says(/waiting for the engine/);
    expect((await page(operators, '/health')).status).to.equal(200);
    expect(await page(operators, '/ready')).to.deep.equal({ status: 503, body: 'no_workers\n' });
    started.child.kill('SIGTERM');
    expect(await started.gone).to.deep.equal([0, null]);
    expect(started.said()).to.contain('the worker did not begin');
  });

  it('has each setting of both once: what they share, with one meaning', async () => {
    const printed = await runCli(
      ['node', '--engine', 'http://127.0.0.1:1', '--print-config', '--json'],
      undefined,
      { SCHED_LUA_LISTEN: '127.0.0.1:81', SCHED_LUA_METRICS_LISTEN: 'off', SCHED_LUA_DRAIN: '5s' },
    );
    expect(printed.code).to.equal(0);
    const config = printed.json()['config'] as Record<string, unknown>;
    expect(Object.keys(config)).to.deep.equal(Object.keys(NODE_SETTINGS));
    expect(config).to.include({ listen: '127.0.0.1:81', metricsListen: 'off', drain: 5_000, probe: 1_000 });
    const flags = { engine: 'http://127.0.0.1:1' };
    expect(() => readNode({ flags: { ...flags, listen: '0.0.0.0:80' }, env: {} })).to.throw(/give --keys/);
    expect(() => readNode({ flags: { ...flags, name: 'n'.repeat(128) }, env: {} })).to.throw(/-gateway/);
    const { code, stderr } = await runCli(['node', '--fleet', fleet], redis.url);
    expect([code, stderr.includes('engine: give the URL')]).to.deep.equal([2, true]);
  });
});
