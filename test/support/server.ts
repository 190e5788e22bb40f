// The Redis of this process and the topics of its tests, and a check that they left nothing behind. A worker of the test
// runner opens and checks for each file; where mocha is run by itself, its root hooks do, for all files together.
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import type { RedisServer } from '../../scripts/lib/redis/find.ts';
import { findKeys, keysWithoutTtl, leftClients, leftHandles, listClients, openHandles } from './leaks.ts';
import type { Handles } from './leaks.ts';
import { startServer } from './start-server.ts';
import { waitUntil as waitAtMost } from '../../src/testing/wait.ts';

/**
 * How long a test waits for what takes no time, on a machine whose cores are all busy. Below the 20 s and more that tests give to a
 * poll or a lease which must not be what helps.
 */
const WAIT_MS = 15_000;
const startMs = 600_000;
const checkMs = 30_000;
const exitMs = 3_000;
const prefix = `test-${Date.now().toString(36)}-${randomBytes(4).toString('hex')}`;
const exempt = new Set<string>();
/** Complaints about keys: each is made once. */
const told = new Set<string>();
let topics = 0;
let server: Pick<RedisServer, 'url' | 'kind'> | undefined;
let baseline: Handles = new Map();
let clients: string[] = [];

/** The URL of the Redis of this run. */
export function redisUrl(): string {
  if (server === undefined)
    throw new Error('redisUrl() is known only inside tests and hooks, once Redis runs');
  return server.url;
}

/** See `sched-lua/testing`; it waits longer here. */
export function waitUntil(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = WAIT_MS,
): Promise<void> {
  return waitAtMost(condition, what, timeoutMs);
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
 * What the promise gives, if it does before a timer of `ms` that is set now. Both run in this process: a busy machine
 * holds them up alike, and their order stands.
 */
export async function sooner<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it took ${ms} ms until ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Tests use this Redis from now on. What is open now, and who is connected, is not of the tests that follow. */
export async function openRun(redis: Pick<RedisServer, 'url' | 'kind'>): Promise<void> {
  server = redis;
  clients = await withClient(redis, listClients);
  baseline = await openHandles();
}

/** Complaints about what was left since {@link openRun}: handles, clients of the server, keys without a TTL. */
export async function checkLeft(): Promise<string[]> {
  const running = server;
  if (running === undefined) return [];
  const handles = await leftHandles(baseline);
  return withClient(running, async (redis) => {
    // others may come and go on a server that is not ours
    const connected = running.kind === 'url' ? [] : await leftClients(redis, clients);
    const keys = await findKeys(redis, prefix);
    const owned = keys.filter((key) => !exempt.has(new RegExp(`${prefix}-\\d+`).exec(key)?.[0] ?? ''));
    const lasting = (await keysWithoutTtl(redis, owned)).filter((complaint) => !told.has(complaint));
    for (const complaint of lasting) told.add(complaint);
    const complaints = [...handles, ...connected, ...lasting];
    if (running.kind === 'url') await Promise.all(keys.map((key) => redis.unlink(key)));
    return complaints;
  });
}

async function withClient<T>({ url }: { url: string }, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1 });
  redis.on('error', () => undefined);
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
    // its socket is open until then
    if (redis.status !== 'end') await new Promise((gone) => redis.once('end', gone));
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

let own: RedisServer | undefined;

/** Root hooks, registered by .mocharc.json. */
export const mochaHooks: Mocha.RootHookObject = {
  async beforeAll(this: Mocha.Context) {
    this.timeout(startMs);
    const before = await openHandles();
    own = await startServer((line) => console.log(`  ${line}`));
    await openRun(own);
    baseline = before;
    console.log(`  Redis of this run: ${own.description}`);
  },

  async afterAll(this: Mocha.Context) {
    this.timeout(checkMs);
    if (own === undefined) return;
    try {
      const complaints = await checkLeft();
      if (complaints.length > 0) throw new Error(`the tests left behind:\n${complaints.join('\n')}`);
    } finally {
      await own.stop();
      exitEvenIfHeld();
    }
  },
};
