import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { startRedis } from '../../src/testing/index.ts';
import { findServer } from '../../src/testing/redis/binary.ts';
import type { PrivateRedis } from '../../src/testing/redis/server.ts';
import { waitUntil } from '../../src/testing/wait.ts';
import { isAlive, runChild, type Child } from './child.ts';

/** For a process that has to start on a busy machine. */
const START_MS = 30_000;
/** No container engine listens there. */
const NO_ENGINE = 'unix:///nowhere/docker.sock';

async function ask<T>(url: string, command: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { maxRetriesPerRequest: 0 });
  try {
    return await command(redis);
  } finally {
    redis.disconnect();
  }
}

const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'it did not reject',
    (error: unknown) => (error as Error).message,
  );

describe('a private Redis of sched-lua/testing', function () {
  this.timeout(60_000);
  const servers: PrivateRedis[] = [];
  let environment: NodeJS.ProcessEnv;

  const start = async (...options: Parameters<typeof startRedis>): Promise<PrivateRedis> => {
    const server = await startRedis(...options);
    servers.push(server);
    return server;
  };

  before(function () {
    if (findServer() === undefined) this.skip();
  });
  beforeEach(() => (environment = { ...process.env }));
  afterEach(async () => {
    for (const name of ['PATH', 'DOCKER_HOST'] as const) {
      if (environment[name] === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = environment[name];
    }
    await Promise.all(servers.splice(0).map((server) => server.stop()));
  });

  it('answers, is empty, keeps nothing on disk and evicts nothing', async () => {
    const server = await start();
    expect(server.kind).to.equal('binary');
    expect(server.url).to.match(/^redis:\/\/127\.0\.0\.1:\d+$/);
    expect(server.description).to.contain(new URL(server.url).host);
    const said = await ask(server.url, async (redis) => [
      await redis.dbsize(),
      await redis.config('GET', 'save'),
      await redis.config('GET', 'appendonly'),
      await redis.config('GET', 'maxmemory-policy'),
    ]);
    expect(said).to.deep.equal([0, ['save', ''], ['appendonly', 'no'], ['maxmemory-policy', 'noeviction']]);
  });

  it('takes more arguments, which win over its own', async () => {
    const server = await start({ args: ['--maxmemory', '10mb', '--appendonly', 'yes'] });
    const said = await ask(server.url, async (redis) => [
      await redis.config('GET', 'maxmemory'),
      await redis.config('GET', 'appendonly'),
    ]);
    expect(said).to.deep.equal([
      ['maxmemory', String(10 * 2 ** 20)],
      ['appendonly', 'yes'],
    ]);
  });

  it('says why a server does not start', async () => {
    process.env.DOCKER_HOST = NO_ENGINE;
    const message = await failure(start({ args: ['--no-such-option', 'x'] }));
    expect(message).to.contain('could not start a private Redis').and.to.contain('no-such-option');
  });

  it('is another one at every call', async () => {
    const [one, other] = await Promise.all([start(), start()]);
    await ask(one.url, (redis) => redis.set('here', '1'));
    expect(await ask(other.url, (redis) => redis.dbsize())).to.equal(0);
  });

  it('is gone with its folder after stop, which may be called again', async () => {
    const server = await start();
    const [, folder] = await ask(
      server.url,
      (redis) => redis.config('GET', 'dir') as Promise<[string, string]>,
    );
    expect([isAlive(server.pid!), existsSync(folder)]).to.deep.equal([true, true]);
    await server.stop();
    expect([isAlive(server.pid!), existsSync(folder)]).to.deep.equal([false, false]);
    await server.stop();
  });

  it('is a binary where a container is preferred but there is no engine, and the log says why', async () => {
    process.env.DOCKER_HOST = NO_ENGINE;
    const lines: string[] = [];
    const server = await start({ prefer: 'container', log: (line) => lines.push(line) });
    expect(server.kind).to.equal('binary');
    expect(lines.length).to.equal(1);
    expect(lines[0]).to.match(/^a container: the container engine does not answer: .*ENOENT/);
  });

  it('is refused with everything that was tried where there is neither a program nor an engine', async () => {
    process.env.PATH = '/nowhere';
    process.env.DOCKER_HOST = NO_ENGINE;
    const lines = (await failure(start())).split('\n');
    expect(lines.length).to.equal(3);
    expect(lines[0]).to.match(
      /^could not start a private Redis; install redis-server or valkey-server\. Tried:$/,
    );
    expect(lines[1]).to.equal('- a server on PATH: neither redis-server nor valkey-server is on PATH');
    expect(lines[2]).to.match(/^- a container: the container engine does not answer/);
  });

  describe('ends with its process', () => {
    const program = (then: string) => `
      import { startRedis } from './src/testing/index.ts';
      const { pid } = await startRedis();
      console.log('server', pid);
      ${then}
    `;
    const serverOf = (child: Child) => Number(/^server (\d+)$/m.exec(child.stdout())?.[1]);
    const isGone = (pid: number) => waitUntil(() => !isAlive(pid), 'the server is gone', START_MS);

    it('when it has nothing left to do', async () => {
      const child = await runChild(program(''));
      expect(await child.ended, child.stderr()).to.deep.equal({ code: 0, signal: null });
      await isGone(serverOf(child));
    });

    it('when it dies of an error', async () => {
      const child = await runChild(program(`throw new Error('a bug of the suite');`));
      expect((await child.ended).code).to.equal(1);
      expect(child.stderr()).to.contain('a bug of the suite');
      await isGone(serverOf(child));
    });

    it('when SIGINT, SIGTERM or SIGHUP ends it', async () => {
      const numbers = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
      const endBy = async (signal: keyof typeof numbers): Promise<void> => {
        const child = await runChild(program('setInterval(() => undefined, 1_000);'));
        await waitUntil(() => serverOf(child) > 0, 'the server runs', START_MS);
        child.kill(signal);
        const ended = await child.ended;
        expect([signal, numbers[signal]]).to.include(ended.signal ?? ended.code);
        await isGone(serverOf(child));
      };
      await Promise.all((['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map(endBy));
    });

    it('not before, where the program handles the signal itself', async () => {
      const child = await runChild(
        program(`
          setInterval(() => undefined, 1_000);
          process.on('SIGTERM', () => {
            console.log('alive', process.kill(pid, 0));
            process.exit(7);
          });
        `),
      );
      await waitUntil(() => serverOf(child) > 0, 'the server runs', START_MS);
      const server = serverOf(child);
      child.kill('SIGTERM');
      expect((await child.ended).code).to.equal(7);
      expect(child.stdout()).to.contain('alive true');
      await isGone(server);
    });
  });

  describe('in a container, without the package testcontainers', () => {
    let folder: string;
    let engine: Server;

    // our own sources, where only ioredis and crc are installed
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'sched-lua-without-'));
      await cp('src', join(folder, 'src'), { recursive: true });
      await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
      await mkdir(join(folder, 'node_modules'));
      const ioredis = dirname(createRequire(import.meta.url).resolve('ioredis/package.json'));
      for (const name of ['ioredis', 'crc'])
        await symlink(join(ioredis, '..', name), join(folder, 'node_modules', name));
      // says that it is there and has every image: what follows needs the package
      engine = createServer((_, response) => response.end('{}')).listen(0, '127.0.0.1');
      await once(engine, 'listening');
    });
    after(async () => {
      engine.close();
      await rm(folder, { recursive: true, force: true });
    });

    it('is refused with the name of the package and how to install it', async () => {
      const code = `
        import { startRedis } from './src/testing/index.ts';
        await startRedis({ prefer: 'container' }).catch((error) => console.log(error.message));
      `;
      const { port } = engine.address() as AddressInfo;
      const child = await runChild(
        code,
        { DOCKER_HOST: `tcp://127.0.0.1:${port}`, PATH: '/nowhere' },
        folder,
      );
      expect(await child.ended, child.stderr()).to.deep.equal({ code: 0, signal: null });
      expect(child.stdout()).to.contain(
        '- a container: the package testcontainers is not installed; run "npm install --save-dev testcontainers"',
      );
    });
  });
});
