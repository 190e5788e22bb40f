import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { messageOf } from '../../base/errors.ts';

/** What a server says about itself. */
export interface Probe {
  /** Like `redis-server 7.0.15`. */
  program: string;
  pid: number;
}

/**
 * Waits until the server answers PING and INFO, at most `timeoutMs`.
 *
 * @param giveUp asked after each failed try; the error that it answers ends the wait and is thrown
 * @throws Error with the last reason after `timeoutMs`
 */
export async function probe(
  url: string,
  timeoutMs: number,
  giveUp?: () => Error | undefined,
): Promise<Probe> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const left = end - performance.now();
    try {
      return await ask(url, Math.max(left, 100));
    } catch (error) {
      const final = giveUp?.();
      if (final) throw final;
      if (left <= 0)
        throw new Error(`no answer within ${timeoutMs} ms: ${messageOf(error)}`, { cause: error });
      await sleep(20);
    }
  }
}

async function ask(url: string, timeoutMs: number): Promise<Probe> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let cause: Error | undefined;
  redis.on('error', (error: Error) => (cause = error));
  // ioredis' own commandTimeout is not used: its timer stays after a command was refused
  const timer = setTimeout(() => {
    cause ??= new Error('it takes a connection, but does not answer');
    redis.disconnect();
  }, timeoutMs);
  try {
    await redis.connect();
    await redis.ping();
    return parse(await redis.info('server'));
  } catch (error) {
    // connect() only says that the connection is closed; the event 'error' says why
    throw cause ?? error;
  } finally {
    clearTimeout(timer);
    // ioredis starts a timer of 2 s when a client that has ended is disconnected
    if (redis.status !== 'end') redis.disconnect();
  }
}

function parse(info: string): Probe {
  const field = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1];
  const valkey = field('valkey_version');
  return {
    program: valkey
      ? `valkey-server ${valkey}`
      : `redis-server ${field('redis_version') ?? '(unknown version)'}`,
    pid: Number(field('process_id')),
  };
}
