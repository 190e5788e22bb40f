import { findServer, startBinary } from '../../../src/testing/redis/binary.ts';
import { startContainer } from '../../../src/testing/redis/container.ts';
import { installRedis } from './install.ts';
import { reason } from '../../../src/testing/redis/server.ts';
import type { Log, RedisServer } from '../../../src/testing/redis/server.ts';
import { useUrl } from '../../../src/testing/redis/url.ts';

export type { RedisServer } from '../../../src/testing/redis/server.ts';

export interface FindOptions {
  /**
   * What to try, in this order:
   * `default`: the URL in `SCHED_LUA_REDIS_URL`, a binary, a container, installing a binary;
   * `container`: a container, a binary, installing one;
   * `binary`: a binary, installing one.
   */
  prefer?: 'default' | 'container' | 'binary';
  /** Use the server at this URL and nothing else. */
  url?: string;
  /** More arguments for a server that is started here, like `['--maxmemory', '10mb']`. */
  args?: string[];
  /** Told what is tried and why something was passed over. */
  log?: Log;
}

type Way = [name: string, start: () => Promise<RedisServer>];

/**
 * Finds a Redis, or starts a private one that ends with `stop()` or with this process. A URL that was given
 * is used or fails: it is never replaced by another server.
 *
 * @throws one error that lists what was tried and why each way failed
 */
export async function findRedis(options: FindOptions = {}): Promise<RedisServer> {
  const { prefer = 'default', args = [], log } = options;
  if (options.url !== undefined) return useUrl(options.url, 'option url');
  const fromEnv = process.env.SCHED_LUA_REDIS_URL;
  if (prefer === 'default' && fromEnv !== undefined && fromEnv !== '') {
    return useUrl(fromEnv, 'SCHED_LUA_REDIS_URL');
  }

  const binary: Way = ['a server on PATH', () => startBinary(args)];
  const container: Way = ['a container', () => startContainer(args, log)];
  const install: Way = ['installing one', () => installAndStart(args, log)];
  const ways = {
    default: [binary, container, install],
    container: [container, binary, install],
    binary: [binary, install],
  }[prefer];

  const failures: string[] = [];
  for (const [name, start] of ways) {
    try {
      return await start();
    } catch (error) {
      const failure = `${name}: ${reason(error)}`;
      failures.push(failure);
      log?.(failure);
    }
  }
  throw new Error(
    `found no Redis and could not start one; set SCHED_LUA_REDIS_URL to use your own. Tried:\n- ${failures.join('\n- ')}`,
  );
}

async function installAndStart(args: readonly string[], log: Log | undefined): Promise<RedisServer> {
  if (findServer() !== undefined) throw new Error('not tried, as there is one already');
  await installRedis(log);
  return startBinary(args);
}
