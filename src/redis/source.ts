/**
 * Where Redis is, as the user gave it: told by its shape, as a client may come from another copy or version of ioredis than
 * ours, and looked at before anything is opened.
 */
import type { Cluster, Redis, RedisOptions } from 'ioredis';
import { ConfigError } from '../base/errors.ts';
import type { RedisSource } from '../base/options.ts';

/** A source that was looked at. */
export type Source =
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'options'; readonly options: RedisOptions }
  | { readonly kind: 'redis'; readonly client: Redis }
  | { readonly kind: 'cluster'; readonly client: Cluster };

const ALLOWED = 'a redis:// URL, ioredis options, or an ioredis client';

/** Options of another library: ioredis would overlook them, and connect to localhost. */
const STRANGE: Readonly<Record<string, string>> = {
  url: 'give the URL itself as redis',
  socket: 'give host and port',
  database: 'the option db has its number',
};

/** @throws ConfigError if the source is none of the four, or has a keyPrefix (the topic is the prefix) */
export function readSource(source: unknown): Source {
  if (typeof source === 'string') return ofUrl(source);
  if (typeof source !== 'object' || source === null) throw new ConfigError('redis', source, ALLOWED);
  if (isClient(source)) return ofClient(source);
  // without its value: it may hold a password
  if (!isPlain(source)) throw new ConfigError('redis', undefined, ALLOWED, `redis: allowed is ${ALLOWED}`);
  return ofOptions(source);
}

function ofUrl(url: string): Source {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  refusePrefix(parsed?.searchParams.get('keyPrefix'));
  if (parsed && ['redis:', 'rediss:'].includes(parsed.protocol)) return { kind: 'url', url };
  throw new ConfigError('redis', hidePassword(url), 'a URL that begins with redis:// or rediss://');
}

function ofOptions(options: RedisOptions): Source {
  refusePrefix(options.keyPrefix);
  for (const [name, instead] of Object.entries(STRANGE)) {
    if (!Object.hasOwn(options, name)) continue;
    const option = `redis.${name}`;
    throw new ConfigError(option, undefined, 'none', `${option} is no option of ioredis; ${instead}`);
  }
  return { kind: 'options', options };
}

function ofClient(client: Redis | Cluster): Source {
  if ('nodes' in client) {
    refusePrefix(client.options.redisOptions?.keyPrefix ?? client.options.keyPrefix);
    return { kind: 'cluster', client };
  }
  refusePrefix(client.options.keyPrefix);
  return { kind: 'redis', client };
}

function isClient(source: object): source is Redis | Cluster {
  const { status, options, duplicate, defineCommand } = source as Partial<Redis>;
  return (
    typeof status === 'string' &&
    typeof options === 'object' &&
    typeof duplicate === 'function' &&
    typeof defineCommand === 'function'
  );
}

function isPlain(source: object): source is RedisOptions {
  const prototype = Object.getPrototypeOf(source) as object | null;
  const isRecord = prototype === null || Object.getPrototypeOf(prototype) === null;
  return isRecord && !Array.isArray(source);
}

function refusePrefix(prefix: unknown): void {
  if (prefix === undefined || prefix === null || prefix === '') return;
  throw new ConfigError('redis.keyPrefix', prefix, 'none: the topic keeps fleets apart');
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
  const read = readSource(source);
  if (read.kind === 'url') return hidePassword(read.url);
  if (read.kind === 'cluster') return 'the given cluster client';
  const options = read.kind === 'redis' ? read.client.options : read.options;
  return options.path ?? `${options.host ?? 'localhost'}:${options.port ?? 6379}`;
}
