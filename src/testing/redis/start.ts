import { messageOf } from '../../base/errors.ts';
import { startBinary } from './binary.ts';
import { startContainer } from './container.ts';
import type { Log, PrivateRedis } from './server.ts';

/**
 * Options of {@link startRedis}.
 * @experimental
 */
export interface StartRedisOptions {
  /**
   * What is tried first; the other one is tried if it fails. Default `binary`, which starts in some 30 ms.
   *
   * `binary`: the `redis-server` or `valkey-server` on PATH.
   * `container`: a container of the image in `SCHED_LUA_REDIS_IMAGE`, by default `redis:7-alpine`. It needs a
   * container engine and the package `testcontainers`, an optional peer dependency. With
   * `SCHED_LUA_CONTAINER_NETWORK=host` it listens on the loopback of this machine, not behind a forwarded port.
   */
  prefer?: 'binary' | 'container';
  /** More arguments for the server, like `['--maxmemory', '10mb']`. */
  args?: readonly string[];
  /** Told what is tried, and why something failed. Default: no log. */
  log?: Log;
}

/** One way to get a server, with a name for messages. */
export type Way<Server> = readonly [name: string, start: () => Promise<Server>];

/** The ways of {@link startRedis}, by the names of its option `prefer`. */
export function waysToStart(
  args: readonly string[],
  log?: Log,
): Record<PrivateRedis['kind'], Way<PrivateRedis>> {
  return {
    binary: ['a server on PATH', () => startBinary(args)],
    container: ['a container', () => startContainer(args, log)],
  };
}

/**
 * Starts a private Redis for a test suite: on a free port, without persistence and eviction, with no password.
 * It ends with `stop()` or with this process, also by SIGINT, SIGTERM, SIGHUP or an uncaught error. Only SIGKILL
 * leaves it running.
 *
 * @throws Error that lists what was tried and why each way failed
 * @experimental
 */
export async function startRedis(options: StartRedisOptions = {}): Promise<PrivateRedis> {
  const { prefer = 'binary', args = [], log } = options;
  const { binary, container } = waysToStart(args, log);
  const ways = prefer === 'binary' ? [binary, container] : [container, binary];
  return firstThatWorks(ways, 'could not start a private Redis; install redis-server or valkey-server', log);
}

/**
 * Tries the ways in order and answers the first server.
 *
 * @param failure begins the error's message; what was tried follows
 * @throws Error that lists why each way failed
 */
export async function firstThatWorks<Server>(
  ways: readonly Way<Server>[],
  failure: string,
  log?: Log,
): Promise<Server> {
  const reasons: string[] = [];
  for (const [name, start] of ways) {
    try {
      return await start();
    } catch (error) {
      const reason = `${name}: ${messageOf(error)}`;
      reasons.push(reason);
      log?.(reason);
    }
  }
  throw new Error(`${failure}. Tried:\n- ${reasons.join('\n- ')}`);
}
