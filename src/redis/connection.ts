import { Redis, type Cluster, type RedisOptions } from 'ioredis';
import { after } from '../base/clock.ts';
import { ConfigError, SchedulerError, messageOf } from '../base/errors.ts';
import type { RedisSource } from '../base/options.ts';
import { defineScripts, type Client } from './run-script.ts';

const MAX_RETRY_DELAY_MS = 1000;
/** A busy server may well take a moment; a connection that is given up too early is made again and again. */
const MIN_SILENCE_MS = 500;

/**
 * What our connections need, whatever the user's own have: commands wait for Redis and are sent again after a broken
 * connection (each may run twice: lua/README.md#what-runs-twice), and are not pipelined automatically (lanes batch already;
 * autopipelining halves EVALSHA throughput).
 */
const OPTIONS = {
  maxRetriesPerRequest: null,
  enableOfflineQueue: true,
  autoResendUnfulfilledCommands: true,
  enableAutoPipelining: false,
  // we subscribe again ourselves (wakeup.ts): ioredis hands out no promise for its own, and that rejects unhandled on close
  autoResubscribe: false,
  lazyConnect: true,
  retryStrategy: (times: number): number =>
    Math.min(MAX_RETRY_DELAY_MS, 20 * 2 ** Math.min(times, 10)) * (0.75 + Math.random() / 2),
} satisfies RedisOptions;

/**
 * Opens a connection of our own to the source. Nothing is sent before the first command; the caller closes it.
 *
 * @param silenceMs how long a command may go unanswered before the connection is given up and made anew: a peer that
 *   vanished sends no end of the connection (it stays half-open). The source's own `socketTimeout` wins.
 * @throws ConfigError if the source is none of the three, or has a keyPrefix (the topic is the prefix)
 */
export function openClient(source: RedisSource, silenceMs?: number): Client {
  const client = create(source, silenceMs === undefined ? {} : { socketTimeout: Math.ceil(silenceMs) });
  defineScripts(client);
  client.on('error', (error: Error) => troubles.set(client, error));
  client.on('ready', () => troubles.delete(client));
  return client;
}

/** Closes for good. ioredis forgets its own 'end' when it is cut off while it waits to connect again. */
export function closeClient(client: Client): void {
  const waiting = client.status === 'reconnecting';
  client.disconnect();
  if (waiting) client.emit('end');
}

const troubles = new WeakMap<Client, Error>();

/** The last thing that went wrong with this connection since it was ready. */
export function troubleOf(client: Client): Error | undefined {
  return troubles.get(client);
}

function create(source: RedisSource, silence: { socketTimeout?: number }): Client {
  if (isCluster(source)) {
    refusePrefix(source.options.redisOptions?.keyPrefix ?? source.options.keyPrefix);
    const redisOptions = { ...silence, ...source.options.redisOptions, maxRetriesPerRequest: null };
    return source.duplicate([], { ...source.options, enableAutoPipelining: false, redisOptions } as never);
  }
  if (isRedis(source)) {
    refusePrefix(source.options.keyPrefix);
    const own = source.options.socketTimeout === undefined ? silence : {};
    return source.duplicate({ ...own, ...OPTIONS } as never) as Redis;
  }
  if (typeof source === 'string') {
    checkUrl(source);
    return new Redis(source, { ...silence, ...OPTIONS });
  }
  if (typeof source === 'object' && (source as unknown) !== null) {
    refusePrefix(source.keyPrefix);
    const options: unknown = { ...silence, ...source, ...OPTIONS };
    return new Redis(options as typeof OPTIONS);
  }
  throw new ConfigError('redis', source, 'a redis:// URL, ioredis options, or an ioredis client');
}

function checkUrl(url: string): void {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  refusePrefix(parsed?.searchParams.get('keyPrefix'));
  if (parsed && ['redis:', 'rediss:'].includes(parsed.protocol)) return;
  throw new ConfigError('redis', hidePassword(url), 'a URL that begins with redis:// or rediss://');
}

function refusePrefix(prefix: unknown): void {
  if (prefix === undefined || prefix === null || prefix === '') return;
  throw new ConfigError('redis.keyPrefix', prefix, 'none: the topic keeps fleets apart');
}

// by shape, not by class: the user's ioredis may be another copy or major version than ours
function isRedis(source: RedisSource): source is Redis {
  return typeof source === 'object' && 'duplicate' in source && !isCluster(source);
}

function isCluster(source: RedisSource): source is Cluster {
  return typeof source === 'object' && 'duplicate' in source && 'nodes' in source;
}

/** How long a connection may be silent when it should speak, so that no lease ends before it is noticed. */
export function silenceMs({ leaseMs, commandTimeout }: { leaseMs: number; commandTimeout: number }): number {
  return Math.max(MIN_SILENCE_MS, Math.min(leaseMs / 3, commandTimeout));
}

/** A URL without its password, for messages. */
export function hidePassword(url: string): string {
  const scheme = /^[a-z]+:\/\//i.exec(url)?.[0] ?? '';
  const userInfo = url.slice(scheme.length, Math.max(scheme.length, url.lastIndexOf('@')));
  const user = userInfo.split(':')[0]!;
  const place = url.slice(scheme.length + (userInfo === '' && !url.includes('@') ? 0 : userInfo.length + 1));
  return `${scheme}${user === '' ? '' : `${user}@`}${place.replace(/([?&]password=)[^&]*/gi, '$1***')}`;
}

/** Which server a source names, without any password. */
export function describeRedis(source: RedisSource): string {
  if (typeof source === 'string') return hidePassword(source);
  if (isCluster(source)) return 'the given cluster client';
  const options = isRedis(source) ? source.options : source;
  return options.path ?? `${options.host ?? 'localhost'}:${options.port ?? 6379}`;
}

/**
 * Connects, or says why not within `timeoutMs`.
 * @throws SchedulerError REDIS, its message naming the server (never the password)
 */
export async function ready(client: Client, source: RedisSource, timeoutMs: number): Promise<void> {
  let last: unknown;
  const note = (error: unknown): void => void (last = error);
  client.on('error', note);
  let cancel = (): void => undefined;
  const late = new Promise<'late'>((resolve) => (cancel = after(timeoutMs, () => resolve('late'))));
  try {
    const pong = client.ping().catch(note);
    const outcome = await Promise.race([pong, late]);
    // ioredis goes on in database 0 when it cannot select the one it was told to
    if (outcome === 'PONG' && !/DB index|SELECT/i.test(messageOf(last))) return;
    const time = outcome === 'late' ? ` within ${timeoutMs} ms` : '';
    const why = last === undefined ? '' : `: ${messageOf(last)}`;
    const message = `no connection to Redis at ${describeRedis(source)}${time}${why}`;
    throw new SchedulerError('REDIS', 'connect', message, { cause: last });
  } finally {
    cancel();
    client.off('error', note);
  }
}
