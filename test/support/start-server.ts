// The Redis of a test run, by SCHED_LUA_TEST_REDIS and SCHED_LUA_REDIS_URL.
import { startBinary } from '../../src/testing/redis/binary.ts';
import { startContainer } from '../../src/testing/redis/container.ts';
import { findRedis } from '../../scripts/lib/redis/find.ts';
import type { RedisServer } from '../../scripts/lib/redis/find.ts';

export type Log = (line: string) => void;

/**
 * `SCHED_LUA_TEST_REDIS` is `container`, `binary` or a URL, and then nothing else will do. Unset: the server at
 * `SCHED_LUA_REDIS_URL`, else a container, a binary, or installing one, whichever works first. A server that
 * was there before is never flushed: tests only use topics of their own.
 */
export async function startServer(log: Log): Promise<RedisServer> {
  const wanted = process.env.SCHED_LUA_TEST_REDIS ?? '';
  if (wanted === 'container') return startContainer([], log);
  if (wanted === 'binary') return findRedis({ prefer: 'binary', log });
  if (wanted.includes('://')) return findRedis({ url: wanted });
  if (wanted !== '') throw new Error('SCHED_LUA_TEST_REDIS must be container, binary, a Redis URL or unset');
  const prefer = process.env.SCHED_LUA_REDIS_URL ? 'default' : 'container';
  return findRedis({ prefer, log });
}

/** Another one of the kind of `first`; one at a URL is shared. */
export async function startAnother(first: RedisServer): Promise<RedisServer> {
  if (first.kind === 'url') return first;
  return first.kind === 'container' ? startContainer() : startBinary();
}
