// The life of a gateway: its start, its health, its drain, another with its name, and a Redis that is away.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Scheduler } from '../../src/index.ts';
import { bundle } from '../support/bundle.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { redisUrl, waitUntil } from '../support/server.ts';
import { CHAT, STREAM, chunk, codeOf, useHouse } from './support.ts';

const PATH = '/v1/chat/completions';
const never = (): Promise<void> => new Promise(() => undefined);

describe('a gateway', () => {
  const house = useHouse();

  it('is healthy at once, and ready when there is a worker', async () => {
    await house.start();
    const ready = async () => {
      const { status, body } = await house.operator('/ready');
      return `${status} ${body.toString()}`;
    };
    expect((await house.operator('/health')).status).to.equal(200);
    expect(await ready()).to.equal('503 no_workers\n');
    await house.worker(never);
    await waitUntil(async () => (await ready()) === '200 ready\n', 'it is ready');
    expect((await house.operator('/v1/models')).status).to.equal(404);
  });

  it('waits for the workers of a model that it knows to come back', async () => {
    await house.start();
    const answer = async (
      _: unknown,
      run: { head: (h: object, b: string) => Promise<unknown>; end: () => Promise<void> },
    ) => {
      await run.head({}, '{}');
      await run.end();
    };
    const first = await house.worker(answer);
    expect((await house.post(CHAT)).status).to.equal(200);
    await house.leave(first);
    await waitUntil(
      async () => (await house.operator('/ready')).status === 503,
      'it knows that they are gone',
    );
    const waiting = house.post(CHAT);
    await house.worker(answer, { worker: 'w2' });
    const { status, headers } = await waiting;
    expect([status, headers['x-sched-lua-worker']]).to.deep.equal([200, 'w2']);
  });

  it('lets what runs end while it drains, and takes nothing new', async () => {
    await house.start({ drain: '30s' });
    let go = (): void => undefined;
    const gone = new Promise<void>((resolve) => (go = resolve));
    const worker = await house.worker(async (_, run) => {
      await run.events();
      await run.body(chunk('one'));
      await gone;
      await run.body('data: [DONE]\n\n');
      await run.end();
    });
    const call = house.call(PATH, JSON.stringify(STREAM));
    await waitUntil(() => call.text.includes('one'), 'it runs');
    const closed = house.gateway.close();
    const refused = await house.post(CHAT);
    expect([refused.status, codeOf(refused), refused.headers.connection]).to.deep.equal([
      503,
      'draining',
      'close',
    ]);
    expect((await house.operator('/ready')).body.toString()).to.equal('draining\n');
    go();
    const { body, isComplete } = await call.answer;
    expect([body.toString().endsWith('[DONE]\n\n'), isComplete]).to.deep.equal([true, true]);
    await closed;
    expect(worker.claims.length).to.equal(1);
  });

  it('ends what does not end while it drains, and tells client and worker', async () => {
    await house.start({ drain: '100ms' });
    const worker = await house.worker(async (_, run) => {
      await run.events();
      await run.body(chunk('one'));
      await never();
    });
    const [stream, plain] = [
      house.call(PATH, JSON.stringify(STREAM)),
      house.call(PATH, JSON.stringify(CHAT)),
    ];
    await waitUntil(() => worker.claims.length === 2 && stream.text.includes('one'), 'both run');
    await house.gateway.close();
    expect((await stream.answer).body.toString()).to.match(/"code":"draining"\}\}\n\n$/);
    await plain.answer.catch(() => undefined);
    await waitUntil(() => worker.claims.every(({ signal }) => signal.aborted), 'the worker was told');
  });

  it('stops when another node takes its name', async () => {
    await house.start({ name: 'front' });
    const worker = await house.worker(never);
    const call = house.call(PATH, JSON.stringify(STREAM));
    await waitUntil(() => worker.claims.length === 1, 'it runs');
    expect(worker.claims[0]!.owner).to.equal('front');
    const taken = await Scheduler.start({
      ...{ redis: redisUrl(), topic: worker.scheduler.topic, node: 'front', takeover: true },
      onWarning: () => undefined,
    });
    try {
      await house.gateway.closed;
      expect([codeOf(await call.answer), house.warnings.at(-1)]).to.deep.equal([
        'draining',
        'another gateway took the name front: this one stops',
      ]);
    } finally {
      await taken.close();
    }
  });

  it('is stopped by SIGTERM, with exit code 0', async () => {
    const file = await bundle(new URL('../../dist/cli/main.js', import.meta.url));
    const args = ['--fleet', house.fleet, '--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0'];
    const child = spawn(process.execPath, [fileURLToPath(file), 'gateway', ...args], {
      env: { ...process.env, SCHED_LUA_REDIS_URL: redisUrl() },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exited = once(child, 'exit');
    let said = '';
    child.stderr.on('data', (part: Buffer) => (said += part.toString()));
    await waitUntil(() => said.includes('/metrics on http://'), 'it listens');
    child.kill('SIGTERM');
    expect(await exited).to.deep.equal([0, null]);
  }).timeout(60_000);
});

describe('a gateway whose Redis is away', () => {
  const redis = useOwnRedis();
  const house = useHouse(() => redis.url);

  it('pauses streams with comments, refuses new requests with 503, and goes on afterwards', async () => {
    await house.start({ keepalive: '100ms' });
    let go = (): void => undefined;
    const gone = new Promise<void>((resolve) => (go = resolve));
    await house.worker(async ({ request }, run) => {
      if (!request.head.stream) {
        await run.head({}, '{}');
        await run.end();
        return;
      }
      await run.events();
      await run.body(chunk('one'));
      await gone;
      await run.body(chunk(' two') + 'data: [DONE]\n\n');
      await run.end();
    });
    const call = house.call(PATH, JSON.stringify(STREAM));
    await waitUntil(() => call.text.includes('one'), 'it runs');
    await redis.hang(6_000);
    go();
    const refused = await house.post(CHAT);
    expect([refused.status, codeOf(refused)]).to.deep.equal([503, 'redis_down']);
    expect(Number(refused.headers['retry-after'])).to.be.above(0);
    expect((await house.operator('/ready')).body.toString()).to.equal('redis_down\n');
    const { body } = await call.answer;
    const text = body.toString();
    expect(text).to.match(/\n:\n/);
    expect(text.replaceAll(/^:\n/gm, '')).to.equal(`${chunk('one')}${chunk(' two')}data: [DONE]\n\n`);
    await waitUntil(async () => (await house.post(CHAT)).status === 200, 'it serves again', 30_000);
  }).timeout(60_000);
});
