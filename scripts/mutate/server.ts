/** The Redis of a judge: empty at the beginning of every run. */
import { Redis } from 'ioredis';
import { startBinary } from '../../src/testing/redis/binary.ts';
import { findRedis, type RedisServer } from '../lib/redis/find.ts';

/** A script that runs longer is killed with its server, and the mutant with it. */
const ARGS = ['--lua-time-limit', '3000'];

export class JudgeServer {
  readonly #args: readonly string[];
  #server: RedisServer | undefined;

  /** @param args more of them, of the server */
  constructor(args: readonly string[] = []) {
    this.#args = [...ARGS, ...args];
  }

  /**
   * A server without keys, scripts, or what a run that was cut short had set.
   * @param prepare may reject for what is no fault of the server, with an error that `isFault` says yes to
   */
  async empty(
    prepare: (redis: Redis) => Promise<void> = () => Promise.resolve(),
    isFault: (error: unknown) => boolean = () => false,
  ): Promise<string> {
    for (let tries = 1; ; tries += 1) {
      const { url } = (this.#server ??= await privateServer(this.#args));
      const redis = clientOf(url);
      try {
        await redis.config('SET', 'maxmemory', '0');
        await redis.flushall();
        await redis.script('FLUSH');
        await prepare(redis);
        return url;
      } catch (error) {
        if (isFault(error) || tries === 3) throw error;
        await this.close();
      } finally {
        redis.disconnect();
      }
    }
  }

  /** Whether it is still there, busy or not: what failed without it says nothing. */
  async isThere(): Promise<boolean> {
    if (this.#server === undefined) return false;
    const redis = clientOf(this.#server.url);
    try {
      await redis.ping();
      return true;
    } catch (error) {
      return error instanceof Error && /^BUSY|timed out/i.test(error.message);
    } finally {
      redis.disconnect();
    }
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.stop();
  }
}

function clientOf(url: string): Redis {
  const options = { commandTimeout: 2_000, maxRetriesPerRequest: 0, retryStrategy: () => null };
  const redis = new Redis(url, options);
  redis.on('error', () => undefined);
  return redis;
}

function privateServer(args: readonly string[]): Promise<RedisServer> {
  return startBinary(args).catch(() => findRedis({ prefer: 'container', args: [...args] }));
}
