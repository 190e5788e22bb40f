// A server of a suite's own, for what would disturb the others: restarts, FLUSHALL, ACLs, MONITOR.
import { Redis } from 'ioredis';
import type { RedisServer } from '../../scripts/lib/redis/find.ts';
import { privateRedis } from './private-server.ts';
import { waitUntil } from './server.ts';

/** Keeps every write, and may be told to restart. */
export const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always', '--enable-debug-command', 'yes'];

/** What is slow on a busy machine is no finding of a test. */
export const UNTIMED = ['--slowlog-log-slower-than', '-1'];

export class OwnRedis {
  /** A client that waits for the server whenever it is down. */
  admin!: Redis;
  #server: RedisServer | undefined;

  get url(): string {
    return this.#server!.url;
  }

  /** Another server can reach it at its URL: not so in containers, each of which has a loopback of its own. */
  get isReachable(): boolean {
    return this.#server!.kind === 'binary';
  }

  async open(args: string[]): Promise<void> {
    this.#server = await privateRedis(args);
    this.admin = new Redis(this.url, { maxRetriesPerRequest: null, retryStrategy: () => 50 });
    this.admin.on('error', () => undefined);
    await this.admin.ping();
  }

  async close(): Promise<void> {
    this.admin.disconnect();
    await this.#server?.stop();
  }

  /**
   * The server goes down now, for `ms`, and comes back on the same port with what it had on disk; needs DURABLE.
   * Resolves as soon as it is down.
   */
  async restart(ms: number): Promise<void> {
    const client = this.admin.duplicate({ retryStrategy: () => null });
    client.on('error', () => undefined);
    client.call('DEBUG', 'RESTART', String(ms)).catch(() => undefined);
    await waitUntil(() => client.status === 'end', 'the server is down');
  }

  /** It takes connections and commands, and answers none of them for `ms`. */
  async hang(ms: number): Promise<void> {
    await this.admin.client('PAUSE', ms, 'ALL');
  }
}

/** For the suite that calls this. */
export function useOwnRedis(args: string[] = []): OwnRedis {
  const redis = new OwnRedis();
  before(() => redis.open(args));
  after(() => redis.close());
  return redis;
}
