/** Where the Redis of a command is, and how to be let in: from its options, and from the environment where these say nothing. */
import { readFileSync } from 'node:fs';
import type { RedisOptions } from 'ioredis';
import { ConfigError, messageOf } from '../base/errors.ts';
import { DEFAULT_REDIS_URL, REDIS_URL_VARIABLE } from '../base/option-table.ts';
import type { ClusterSource } from '../base/options.ts';
import { readUrl, type Address, type Place } from '../redis/source-url.ts';
import { UsageError, type Terminal } from './output.ts';

/** The options that say it. */
export interface TargetOptions {
  url?: string;
  user?: string;
  tlsCa?: string;
  tlsCert?: string;
  tlsKey?: string;
}

/** Each option's variable; there is none on the command line for the password. */
export const VARIABLES = {
  url: REDIS_URL_VARIABLE,
  user: 'SCHED_LUA_REDIS_USER',
  password: 'SCHED_LUA_REDIS_PASSWORD',
  tlsCa: 'SCHED_LUA_REDIS_TLS_CA',
  tlsCert: 'SCHED_LUA_REDIS_TLS_CERT',
  tlsKey: 'SCHED_LUA_REDIS_TLS_KEY',
} as const;

const FLAGS = { url: '--url', tlsCa: '--tls-ca', tlsCert: '--tls-cert', tlsKey: '--tls-key' } as const;
/** Behind what is wrong, or alone. */
const HINT =
  'it looks like redis://user:password@host:port/db, or the same with rediss:// for TLS; redis+cluster://host:port,host:port, ' +
  'redis+sentinel://host:port,host:port/name or unix:///path';

/** Where it is. Its options, rather than the URL: no message about them can hold a password. */
export interface Target {
  readonly source: RedisOptions | ClusterSource;
  /** A server that can be asked what it is; undefined: a socket. */
  readonly first: (Address & { readonly tls: boolean }) | undefined;
}

/** @throws UsageError for a bad URL, and for options that do not go together or name no file; it shows no secret */
export function targetOf(given: TargetOptions, env: Terminal['env']): Target {
  const place = placeOf(given, env);
  const { options } = place;
  const tls = tlsOf(given, env, options.tls !== undefined);
  if (tls) {
    options.tls = tls;
    if (options.sentinelTLS) options.sentinelTLS = tls;
  }
  const user = given.user ?? (options.username || env[VARIABLES.user]);
  const password = options.password ?? env[VARIABLES.password];
  if (user) options.username = user;
  if (password) options.password = password;
  if (place.kind === 'server') return { source: options, first: firstOf(options) };
  const [node] = place.nodes;
  return {
    source: { cluster: place.nodes, ...options },
    first: { ...node!, tls: options.tls !== undefined },
  };
}

function placeOf({ url }: TargetOptions, env: Terminal['env']): Place {
  const name = url === undefined ? VARIABLES.url : FLAGS.url;
  try {
    return readUrl(url ?? (env[VARIABLES.url] || DEFAULT_REDIS_URL));
  } catch (error) {
    if (error instanceof ConfigError && error.option !== 'redis') throw error;
    // what is told of a URL that begins otherwise shows that URL
    const why = /cannot be read: (.*)/s.exec(messageOf(error))?.[1];
    throw new UsageError(`${name} is no Redis URL`, why === undefined ? HINT : `${why}; ${HINT}`);
  }
}

function firstOf({ path, host, port, tls, sentinels }: RedisOptions): Target['first'] {
  if (path !== undefined) return undefined;
  const { host: name = host, port: number = port } = sentinels?.[0] ?? {};
  return { host: name!, port: number!, tls: tls !== undefined };
}

/** What the files hold; undefined: none is named. */
function tlsOf(given: TargetOptions, env: Terminal['env'], isSecure: boolean): RedisOptions['tls'] {
  const [ca, cert, key] = (['tlsCa', 'tlsCert', 'tlsKey'] as const).map((option) => {
    const file = given[option] ?? (env[VARIABLES[option]] || undefined);
    const name = given[option] === undefined ? VARIABLES[option] : FLAGS[option];
    return file === undefined ? undefined : { name, content: () => read(name, file) };
  });
  const named = ca ?? cert ?? key;
  if (!named) return undefined;
  if (!isSecure)
    throw new UsageError(`${named.name} is for TLS, and the URL is not`, 'begin the URL with rediss://');
  if (!cert !== !key)
    throw new UsageError(
      'a certificate and its key belong together',
      `give ${FLAGS.tlsCert} and ${FLAGS.tlsKey}`,
    );
  return {
    ...(ca && { ca: ca.content() }),
    ...(cert && { cert: cert.content() }),
    ...(key && { key: key.content() }),
  };
}

function read(name: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `the file of ${name} cannot be read (${code})`,
      'it holds a certificate or a key as PEM',
    );
  }
}
