/**
 * Where Redis is, as a URL says it. Pure.
 *
 * - `redis://user:password@host:port/db`, `rediss://` over TLS
 * - `redis+cluster://user:password@host:port,host:port`, `rediss+cluster://`
 * - `redis+sentinel://user:password@host:port,host:port/name/db`, `rediss+sentinel://`
 * - `unix:///path?db=1`, `unix://user:password@/path`
 */
import type { RedisOptions } from 'ioredis';
import { ConfigError } from '../base/errors.ts';

/** A place where a server listens. */
export interface Address {
  host: string;
  port: number;
}

/** What a URL says. */
export type Place =
  | { readonly kind: 'server'; readonly options: RedisOptions }
  | { readonly kind: 'cluster'; readonly nodes: readonly Address[]; readonly options: RedisOptions };

const PORT = 6379;
const SENTINEL_PORT = 26379;
const FORMS =
  'a URL that begins with redis://, rediss:// (TLS), redis+cluster://, rediss+cluster://, redis+sentinel://, ' +
  'rediss+sentinel:// or unix:///';
const SCHEME = /^(redis|rediss|redis\+cluster|rediss\+cluster|redis\+sentinel|rediss\+sentinel|unix):\/\//i;
const ENCODE = 'encode @ : / ? # and % in user and password, as encodeURIComponent does';

/** What may stand behind the `?`. Anything else is refused: ioredis would overlook it. */
const PARAMETERS: Readonly<Record<string, 'text' | 'number'>> = {
  db: 'number',
  username: 'text',
  password: 'text',
  sentinelUsername: 'text',
  sentinelPassword: 'text',
  connectionName: 'text',
  family: 'number',
  connectTimeout: 'number',
  socketTimeout: 'number',
  keepAlive: 'number',
};

/** @throws ConfigError, which shows no password */
export function readUrl(url: string): Place {
  const scheme = SCHEME.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined) throw new ConfigError('redis', hidePassword(url), FORMS);
  const [, authority, path, query] =
    /^[^:]+:\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/.exec(url) ?? bad(ENCODE);
  const at = authority!.lastIndexOf('@');
  const options: RedisOptions = {
    ...userOf(authority!.slice(0, Math.max(0, at))),
    ...readQuery(query ?? ''),
  };
  const places = authority!.slice(at + 1);
  if (scheme === 'unix') return ofSocket(places, path ?? '', options);
  if (scheme.startsWith('rediss')) options.tls = {};
  const kind = scheme.split('+')[1] ?? 'server';
  if (kind !== 'sentinel' && ('sentinelUsername' in options || 'sentinelPassword' in options))
    bad('sentinelUsername and sentinelPassword belong to redis+sentinel://');
  if (kind === 'sentinel') return ofSentinels(addressesOf(places, SENTINEL_PORT), path ?? '', options);
  const addresses = addressesOf(places, PORT);
  if (kind === 'cluster') return ofCluster(addresses, path ?? '', options);
  const others = 'several servers are given by redis+cluster:// or by redis+sentinel://';
  if (addresses.length > 1) bad(others);
  return { kind: 'server', options: { ...addresses[0], ...options, ...databaseOf(path ?? '', options) } };
}

function ofCluster(nodes: Address[], path: string, options: RedisOptions): Place {
  const { db } = { ...options, ...databaseOf(path, options) };
  if (db) bad('a Redis Cluster has only database 0');
  delete options.db;
  return { kind: 'cluster', nodes, options };
}

function ofSentinels(sentinels: Address[], path: string, options: RedisOptions): Place {
  const [, name, database] =
    /^\/([^/]+)(\/.*)?$/.exec(path) ?? bad('behind the sentinels stands the name of the master');
  const secure = options.tls ? { sentinelTLS: {}, enableTLSForSentinelMode: true } : {};
  const master = { ...options, ...secure, ...databaseOf(database ?? '', options) };
  return { kind: 'server', options: { ...master, sentinels, name: decoded(name!) } };
}

function ofSocket(host: string, path: string, options: RedisOptions): Place {
  if (host !== '' || path.length < 2) bad('a socket is unix:///path, with three slashes');
  return { kind: 'server', options: { ...options, path: decoded(path) } };
}

function userOf(text: string): RedisOptions {
  if (text === '') return {};
  const [, username, password] = /^([^:]*)(?::(.*))?$/s.exec(text)!;
  return { username: decoded(username!), ...(password === undefined ? {} : { password: decoded(password) }) };
}

function addressesOf(text: string, port: number): Address[] {
  return text
    .split(',')
    .map((one) => readAddress(one, port) ?? bad('it names no host, or no port from 1 to 65535'));
}

/** `host`, `host:port`, `[address of IPv6]:port`; undefined: it is none. */
export function readAddress(text: string, port = PORT): Address | undefined {
  const [, six, name, digits] = /^(?:\[([0-9a-f:.%]+)\]|([^\s:@/?#,[\]]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const host = six ?? name;
  const number = digits === undefined ? port : Number(digits);
  return host === undefined || number < 1 || number > 65_535 ? undefined : { host, port: number };
}

/** A path that is no number is most likely the rest of a password with an unencoded slash: it is not shown. */
function databaseOf(path: string, { db }: RedisOptions): RedisOptions {
  const [, digits] =
    /^\/?(\d{0,9})$/.exec(path) ?? bad(`behind the last / stands the number of a database; ${ENCODE}`);
  if (digits !== '' && db !== undefined) bad('it names two databases');
  return digits === '' ? {} : { db: Number(digits) };
}

function readQuery(query: string): RedisOptions {
  const options: Record<string, string | number> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    if (name === 'keyPrefix' && value === '') continue;
    if (name === 'keyPrefix')
      throw new ConfigError('redis.keyPrefix', value, 'none: the topic keeps fleets apart');
    const kind = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined;
    const shown = /^\w{1,40}$/.test(name) ? `?${name}` : 'that name';
    if (kind === undefined)
      bad(
        `it knows no parameter ${shown}, there are ${Object.keys(PARAMETERS).join(', ')}; ioredis options have more`,
      );
    if (kind === 'number' && !/^\d{1,9}$/.test(value)) bad(`?${name} is no number`);
    options[name] = kind === 'number' ? Number(value) : value;
  }
  return options;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return bad(ENCODE);
  }
}

/** Without the URL: where it cannot be parsed, its password cannot be found and hidden. */
function bad(why: string): never {
  throw new ConfigError('redis', undefined, FORMS, `redis: this URL cannot be read: ${why}`);
}

/** A URL without its passwords, for messages. */
export function hidePassword(url: string): string {
  const scheme = /^[a-z+]+:\/\//i.exec(url)?.[0] ?? '';
  const userInfo = url.slice(scheme.length, Math.max(scheme.length, url.lastIndexOf('@')));
  const user = userInfo.split(':')[0]!;
  const place = url.slice(scheme.length + (userInfo === '' && !url.includes('@') ? 0 : userInfo.length + 1));
  return `${scheme}${user === '' ? '' : `${user}@`}${place.replace(/([?&][^=&]*password=)[^&]*/gi, '$1***')}`;
}
