import { findServer, startBinary } from '../../../src/testing/redis/binary.ts';
import type { Log } from '../../../src/testing/redis/server.ts';
import { firstThatWorks, waysToStart, type Way } from '../../../src/testing/redis/start.ts';
import { installRedis } from './install.ts';
import type { RedisServer } from './server.ts';
import { useUrl } from './url.ts';

export type { RedisServer } from './server.ts';

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

  const { binary, container } = waysToStart(args, log);
  const install: Way<RedisServer> = ['installing one', () => installAndStart(args, log)];
  const ways: Way<RedisServer>[] = {
    default: [binary, container, install],
    container: [container, binary, install],
    binary: [binary, install],
  }[prefer];
  const failure = 'found no Redis and could not start one; set SCHED_LUA_REDIS_URL to use your own';
  return firstThatWorks(ways, failure, log);
}

async function installAndStart(args: readonly string[], log: Log | undefined): Promise<RedisServer> {
  if (findServer() !== undefined) throw new Error('not tried, as there is one already');
  await installRedis(log);
  return startBinary(args);
}
