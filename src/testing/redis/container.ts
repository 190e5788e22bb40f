import { spawnSync } from 'node:child_process';
import { messageOf } from '../../base/errors.ts';
import { freePort, portTries } from './binary.ts';
import { onProcessEnd } from './cleanup.ts';
import { ensureImage, findEngine } from './docker.ts';
import type { ContainerEngine } from './docker.ts';
import { probe } from './probe.ts';
import { serverArgs } from './server.ts';
import type { Log, PrivateRedis } from './server.ts';

const startMs = 30_000;
const redisPort = 6379;

/**
 * Starts a Redis in a container from the image named by `SCHED_LUA_REDIS_IMAGE`, by default `redis:7-alpine`. It ends
 * with `stop()` or with this process. `SCHED_LUA_CONTAINER_NETWORK=host`, for an engine on this machine, puts it on a free
 * loopback port of the machine itself: what is forwarded to a container's own network can cost a quarter of the time.
 *
 * @param args for the server, after those of `serverArgs`
 * @throws Error if no container engine answers (within 2 s), if the image is not there and cannot be pulled (within
 *   30 s), or if the package testcontainers is not installed
 */
export async function startContainer(args: readonly string[] = [], log?: Log): Promise<PrivateRedis> {
  const { engine, image } = await findImage();
  log?.(`starting a container of ${image}`);
  const { GenericContainer, Wait } = await importTestcontainers();
  const unstarted = new GenericContainer(image)
    .withWaitStrategy(Wait.forLogMessage('Ready to accept connections'))
    .withStartupTimeout(startMs)
    // No Ryuk, testcontainers' own cleaner. It is a second image to pull, in a container that gets the engine's socket,
    // and only needed after SIGKILL: the hook below covers every other end.
    .withAutoCleanup(false);
  const { started: container, port: hostPort } = isOnHost()
    ? await onFreePort((port) =>
        unstarted
          .withNetworkMode('host')
          .withCommand(['--port', String(port), '--bind', '127.0.0.1', ...serverArgs(args)])
          .start(),
      )
    : {
        started: await unstarted
          .withExposedPorts(redisPort)
          .withCommand(['--protected-mode', 'no', ...serverArgs(args)])
          .start(),
        port: undefined,
      };
  const forget = onProcessEnd(() => removeNow(engine, container.getId()));
  let stopped: Promise<unknown> | undefined;
  const stop = async () => {
    await (stopped ??= container.stop({ timeout: 1_000 }));
    forget();
  };
  try {
    const address =
      hostPort === undefined
        ? `${container.getHost()}:${container.getMappedPort(redisPort)}`
        : `127.0.0.1:${hostPort}`;
    const url = `redis://${address}`;
    const { program } = await probe(url, 10_000);
    return { url, kind: 'container', description: `${program} (container of ${image}, ${address})`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** @throws Error for a network that we do not know */
function isOnHost(): boolean {
  const network = process.env.SCHED_LUA_CONTAINER_NETWORK ?? '';
  if (network !== '' && network !== 'host')
    throw new Error('SCHED_LUA_CONTAINER_NETWORK must be host or unset');
  return network === 'host';
}

/** Starts on a free port of this machine, and on another one if that is taken before it is bound. */
async function onFreePort<Started>(
  start: (port: number) => Promise<Started>,
): Promise<{ started: Started; port: number }> {
  for (let tries = 1; ; tries += 1) {
    const port = await freePort();
    try {
      return { started: await start(port), port };
    } catch (error) {
      if (tries === portTries) throw error;
    }
  }
}

/** Finds the container engine and makes sure that it has the image; see {@link startContainer}. */
export async function findImage(): Promise<{ engine: ContainerEngine; image: string }> {
  const engine = await findEngine();
  const image = process.env.SCHED_LUA_REDIS_IMAGE ?? 'redis:7-alpine';
  await ensureImage(engine, image);
  return { engine, image };
}

/** Removes a container before it returns: an exit hook cannot wait, so it runs a short-lived child process. */
export function removeNow(engine: ContainerEngine, id: string): void {
  const options = { ...engine, method: 'DELETE', path: `/containers/${id}?force=1&v=1` };
  const script = `require('node:http').request(${JSON.stringify(options)}).on('error', () => {}).end()`;
  spawnSync(process.execPath, ['-e', script], { timeout: 5_000, stdio: 'ignore' });
}

/** An optional peer dependency, loaded (0.7 s) only when a container is started. */
async function importTestcontainers() {
  try {
    return await import('testcontainers');
  } catch (error) {
    if (!/^Cannot find (package|module) 'testcontainers'/.test(messageOf(error))) throw error;
    const text =
      'the package testcontainers is not installed; run "npm install --save-dev testcontainers" to start containers';
    throw new Error(text, { cause: error });
  }
}
