// Mocha's root hooks: one Redis for the whole run, and a check at its end that nothing was left behind.
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { startContainer } from '../../src/testing/redis/container.ts';
import { findRedis } from '../../scripts/lib/redis/find.ts';
import type { RedisServer } from '../../scripts/lib/redis/find.ts';
import { findKeys, keysWithoutTtl, leftClients, leftHandles, openHandles } from './leaks.ts';
import type { Handles } from './leaks.ts';

export { waitUntil } from '../../src/testing/wait.ts';

const startMs = 600_000;
const checkMs = 30_000;
const exitMs = 3_000;
const prefix = `test-${Date.now().toString(36)}-${randomBytes(4).toString('hex')}`;
const exempt = new Set<string>();
let topics = 0;
let server: RedisServer | undefined;
let baseline: Handles = new Map();

/** The URL of the Redis of this run. */
export function redisUrl(): string {
  if (server === undefined)
    throw new Error('redisUrl() is known only inside tests and hooks, once Redis runs');
  return server.url;
}

/** A topic that no other test of any run uses. At the end of the run every key of it must have a TTL. */
export function freshTopic(): string {
  topics += 1;
  return `${prefix}-${topics}`;
}

/** For a test that needs keys without a TTL: those of this topic are not complained about. */
export function exemptFromTtlCheck(topic: string): void {
  exempt.add(topic);
}

/**
 * `SCHED_LUA_TEST_REDIS` is `container`, `binary` or a URL, and then nothing else will do. Unset: the server at
 * `SCHED_LUA_REDIS_URL`, else a container, a binary, or installing one, whichever works first. A server that
 * was there before is never flushed: tests only use topics of their own.
 */
async function startServer(): Promise<RedisServer> {
  const log = (line: string) => console.log(`  ${line}`);
  const wanted = process.env.SCHED_LUA_TEST_REDIS ?? '';
  if (wanted === 'container') return startContainer([], log);
  if (wanted === 'binary') return findRedis({ prefer: 'binary', log });
  if (wanted.includes('://')) return findRedis({ url: wanted });
  if (wanted !== '') throw new Error('SCHED_LUA_TEST_REDIS must be container, binary, a Redis URL or unset');
  const prefer = process.env.SCHED_LUA_REDIS_URL ? 'default' : 'container';
  return findRedis({ prefer, log });
}

async function whatIsLeft(running: RedisServer): Promise<string[]> {
  const handles = await leftHandles(baseline);
  const redis = new Redis(running.url, { maxRetriesPerRequest: 1 });
  redis.on('error', () => undefined);
  try {
    // others may come and go on a server that is not ours
    const clients = running.kind === 'url' ? [] : await leftClients(redis);
    const keys = await findKeys(redis, prefix);
    const owned = keys.filter((key) => !exempt.has(new RegExp(`${prefix}-\\d+`).exec(key)?.[0] ?? ''));
    const complaints = [...handles, ...clients, ...(await keysWithoutTtl(redis, owned))];
    if (running.kind === 'url') await Promise.all(keys.map((key) => redis.unlink(key)));
    return complaints;
  } finally {
    redis.disconnect();
  }
}

/** A leaked handle would keep mocha alive for ever, and the failure it caused unseen. */
function exitEvenIfHeld(): void {
  setTimeout(() => {
    console.error(`mocha cannot end by itself; still open: ${process.getActiveResourcesInfo().join(', ')}`);
    // after mocha's own exit hook, which sets the number of failed tests
    process.on('exit', () => (process.exitCode = 1));
    process.exit();
  }, exitMs).unref();
}

/** Root hooks, registered by .mocharc.json. */
export const mochaHooks: Mocha.RootHookObject = {
  async beforeAll(this: Mocha.Context) {
    this.timeout(startMs);
    baseline = await openHandles();
    server = await startServer();
    console.log(`  Redis of this run: ${server.description}`);
  },

  async afterAll(this: Mocha.Context) {
    this.timeout(checkMs);
    if (server === undefined) return;
    try {
      const complaints = await whatIsLeft(server);
      if (complaints.length > 0) throw new Error(`the tests left behind:\n${complaints.join('\n')}`);
    } finally {
      await server.stop();
      exitEvenIfHeld();
    }
  },
};
