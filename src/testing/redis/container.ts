import { spawnSync } from 'node:child_process';
import { onProcessEnd } from './cleanup.ts';
import { ensureImage, findEngine } from './docker.ts';
import type { Engine } from './docker.ts';
import { probe } from './probe.ts';
import { serverArgs } from './server.ts';
import type { Log, RedisServer } from './server.ts';

const startMs = 30_000;
const redisPort = 6379;

/**
 * Starts a Redis in a container (testcontainers) from the image named by `SCHED_LUA_REDIS_IMAGE`, by default
 * `redis:7-alpine`. It ends with `stop()` or with this process.
 *
 * @param args for the server, after ours
 * @throws with the reason if no engine answers (within 2 s) or the image cannot be had (within 30 s)
 */
export async function startContainer(args: readonly string[] = [], log?: Log): Promise<RedisServer> {
  const { engine, image } = await findImage();
  log?.(`starting a container of ${image}`);
  const { GenericContainer, Wait } = await import('testcontainers');
  const container = await new GenericContainer(image)
    .withExposedPorts(redisPort)
    .withCommand(['--protected-mode', 'no', ...serverArgs(args)])
    .withWaitStrategy(Wait.forLogMessage('Ready to accept connections'))
    .withStartupTimeout(startMs)
    // Ryuk would be a second image to pull, in a container that holds the engine's socket, to end this one
    // after a SIGKILL; every other end is covered by the hook below.
    .withAutoCleanup(false)
    .start();
  const forget = onProcessEnd(() => removeNow(engine, container.getId()));
  let stopped: Promise<unknown> | undefined;
  const stop = async () => {
    await (stopped ??= container.stop({ timeout: 1_000 }));
    forget();
  };
  try {
    const address = `${container.getHost()}:${container.getMappedPort(redisPort)}`;
    const url = `redis://${address}`;
    const { program } = await probe(url, 10_000);
    return { url, kind: 'container', description: `${program} (container of ${image}, ${address})`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The engine that answers, and the image that it has now; see {@link startContainer}. */
export async function findImage(): Promise<{ engine: Engine; image: string }> {
  const engine = await findEngine();
  const image = process.env.SCHED_LUA_REDIS_IMAGE ?? 'redis:7-alpine';
  await ensureImage(engine, image);
  return { engine, image };
}

/** An exit hook cannot wait for an answer, so a short-lived child asks. */
export function removeNow(engine: Engine, id: string): void {
  const options = { ...engine, method: 'DELETE', path: `/containers/${id}?force=1&v=1` };
  const script = `require('node:http').request(${JSON.stringify(options)}).on('error', () => {}).end()`;
  spawnSync(process.execPath, ['-e', script], { timeout: 5_000, stdio: 'ignore' });
}
