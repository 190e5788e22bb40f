/**
 * Where Redis is, as the user gave it: told by its shape, as a client may come from another copy or version of ioredis than
 * ours, and looked at before anything is opened.
 */
import type { Cluster, ClusterOptions, Redis, RedisOptions } from 'ioredis';
import { ConfigError } from '../base/errors.ts';
import type { ClusterSource, RedisSource } from '../base/options.ts';
import { ofCluster, readOptions, refuseDatabase, refusePrefix } from './source-options.ts';
import { hidePassword, readUrl, type Address } from './source-url.ts';

/** A source that was looked at. */
export type Source =
  | { readonly kind: 'server'; readonly options: RedisOptions }
  | { readonly kind: 'nodes'; readonly nodes: readonly Address[]; readonly options: ClusterOptions }
  | { readonly kind: 'redis'; readonly client: Redis }
  | { readonly kind: 'cluster'; readonly client: Cluster };

const ALLOWED = 'a redis:// URL, ioredis options, nodes of a Cluster, or an ioredis client';

/** @throws ConfigError if the source is none of these, or has a keyPrefix (the topic is the prefix) */
export function readSource(source: unknown): Source {
  if (typeof source === 'string') return ofUrl(source);
  if (typeof source !== 'object' || source === null) throw new ConfigError('redis', source, ALLOWED);
  if (isClient(source)) return ofClient(source);
  if (Array.isArray(source)) return asSource(ofCluster({ cluster: source as ClusterSource['cluster'] }));
  // without its value: it may hold a password
  if (!isPlain(source)) throw new ConfigError('redis', undefined, ALLOWED, `redis: allowed is ${ALLOWED}`);
  return asSource(readOptions(source));
}

function ofUrl(url: string): Source {
  const place = readUrl(url);
  if (place.kind === 'server') return place;
  return { kind: 'nodes', nodes: place.nodes, options: { redisOptions: place.options } };
}

function asSource(choice: ReturnType<typeof readOptions>): Source {
  return choice.kind === 'server' ? choice : { ...choice, kind: 'nodes' };
}

function ofClient(client: Redis | Cluster): Source {
  if ('nodes' in client) {
    refusePrefix(client.options.redisOptions?.keyPrefix ?? client.options.keyPrefix);
    refuseDatabase(client.options.redisOptions?.db);
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

function isPlain(source: object): boolean {
  const prototype = Object.getPrototypeOf(source) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Which server a source names, without any password. */
export function describeRedis(source: RedisSource): string {
  if (typeof source === 'string') return hidePassword(source);
  const read = readSource(source);
  switch (read.kind) {
    case 'nodes':
      return `the Cluster of ${placesOf(read.nodes)}`;
    case 'cluster':
      return 'the given cluster client';
    case 'redis':
      return placeOf(read.client.options);
    case 'server':
      return placeOf(read.options);
  }
}

function placeOf({ path, host, port, sentinels, name }: RedisOptions): string {
  if (sentinels) return `master ${name} of the sentinels ${placesOf(sentinels)}`;
  return path ?? `${host ?? 'localhost'}:${port ?? 6379}`;
}

function placesOf(places: readonly Partial<Address>[]): string {
  return places
    .map(({ host = 'localhost', port }) => (port === undefined ? host : `${host}:${port}`))
    .join(', ');
}
