/** What the gateway can be told: the names, the defaults, and what is allowed, of each option. */
import { readFileSync } from 'node:fs';
import { ConfigError, show } from '../base/errors.ts';
import { checkFleet } from '../openai/registry.ts';
import {
  addressOf,
  checkKeys,
  checkMap,
  checkName,
  durationOf,
  flagOf,
  integerOf,
  sizeOf,
  type Address,
} from './values.ts';
import type { KeyOptions } from './keys.ts';

/** Times are ms, sizes bytes. */
export interface GatewaySettings {
  listen: Address;
  metricsListen: Address;
  fleet: string;
  /** Undefined: one of its own at every start. */
  name: string | undefined;
  /** How long a request may wait until a worker takes it. */
  queueTtl: number;
  /** From arrival to the last byte. */
  deadline: number;
  /** Requests of one model that wait at this gateway. */
  maxWaiting: number;
  maxBody: number;
  keepalive: number;
  migrations: number;
  hold: number;
  drain: number;
  imageTokens: number;
  denyRemoteMedia: boolean;
  noAuth: boolean;
  keys: readonly KeyOptions[];
  /** Another name of a model -> its name. */
  aliases: Readonly<Record<string, string>>;
  /** An objective's name -> its head start in ms. */
  objectives: Readonly<Record<string, number>>;
}

interface Row {
  /** Its argument on the command line; undefined: it is a switch. */
  argument?: string;
  /** As it would be given. */
  fallback: unknown;
  help: string;
  /** In the file of `--config` alone. */
  fileOnly?: true;
  /** @throws ConfigError */
  read: (option: string, given: unknown) => unknown;
}

/** In the order of the help. */
export const GATEWAY_OPTIONS: Readonly<Record<keyof GatewaySettings, Row>> = {
  listen: {
    argument: 'host:port',
    fallback: '127.0.0.1:8080',
    help: 'where clients connect',
    read: addressOf,
  },
  fleet: {
    argument: 'name',
    fallback: 'default',
    help: 'workers of this fleet serve',
    read: (_, given) => checkFleet(given),
  },
  keys: { argument: 'file', fallback: [], help: 'JSON file with the keys of clients', read: readKeys },
  noAuth: { fallback: false, help: 'take requests without a key, also from other machines', read: flagOf },
  name: {
    argument: 'node',
    fallback: undefined,
    help: 'name of its nodes; one that is taken gets :1, :2 ...',
    read: checkName,
  },
  queueTtl: {
    argument: 'time',
    fallback: '30s',
    help: 'how long a request may wait for a worker',
    read: durationOf,
  },
  deadline: {
    argument: 'time',
    fallback: '900s',
    help: 'how long a request may take in all',
    read: durationOf,
  },
  maxWaiting: {
    argument: 'n',
    fallback: 1000,
    help: 'requests of a model that may wait here',
    read: integerOf(1, 1_000_000),
  },
  maxBody: { argument: 'size', fallback: '16MiB', help: 'largest body of a request', read: sizeOf },
  keepalive: { argument: 'time', fallback: '15s', help: 'how long a stream may be silent', read: durationOf },
  migrations: {
    argument: 'n',
    fallback: 3,
    help: 'how often a request is moved to another worker',
    read: integerOf(0, 100),
  },
  hold: {
    argument: 'time',
    fallback: '30s',
    help: 'how long to wait for a worker to come back',
    read: durationOf,
  },
  drain: {
    argument: 'time',
    fallback: '30s',
    help: 'how long requests may go on after SIGTERM',
    read: durationOf,
  },
  imageTokens: {
    argument: 'n',
    fallback: 1024,
    help: 'prompt tokens that an image is taken for',
    read: integerOf(0, 1_000_000),
  },
  denyRemoteMedia: { fallback: false, help: 'refuse images, sound and video by URL', read: flagOf },
  metricsListen: {
    argument: 'host:port',
    fallback: '127.0.0.1:9464',
    help: '/health, /ready and /metrics',
    read: addressOf,
  },
  aliases: {
    fallback: {},
    fileOnly: true,
    help: 'other names of models',
    read: checkMap('a name', (v) => typeof v === 'string'),
  },
  objectives: {
    fallback: {},
    fileOnly: true,
    help: 'head starts by name, ms',
    read: checkMap('an integer', Number.isInteger),
  },
};

const NAMES = Object.keys(GATEWAY_OPTIONS) as (keyof GatewaySettings)[];

/** `queueTtl` -> `queue-ttl`: a flag is this with two hyphens. */
export function flagName(option: string): string {
  return option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `queueTtl` -> `SCHED_LUA_QUEUE_TTL`. */
export function variableName(option: string): string {
  return `SCHED_LUA_${flagName(option).replaceAll('-', '_').toUpperCase()}`;
}

/** What was given where; an option that is absent was not given there. */
export interface Given {
  flags: Readonly<Record<string, unknown>>;
  env: Readonly<NodeJS.ProcessEnv>;
  /** Path of a JSON file. */
  config?: string | undefined;
}

/**
 * A flag wins over the environment, that over the file, that over the default.
 * @throws ConfigError naming what is not allowed, and where it was given
 */
export function readSettings({ flags, env, config }: Given): GatewaySettings {
  const file = config === undefined ? {} : readFile(config);
  const settings: Record<string, unknown> = {};
  for (const name of NAMES) {
    const { fallback, read, fileOnly } = GATEWAY_OPTIONS[name];
    const variable = variableName(name);
    const sources: [string, unknown][] = [
      ...(fileOnly
        ? []
        : ([
            [`--${flagName(name)}`, flags[name]],
            [variable, env[variable] || undefined],
          ] as const)),
      [`${name} in ${config ?? ''}`, file[name]],
      [name, fallback],
    ] as [string, unknown][];
    const [where, given] = sources.find(([, value]) => value !== undefined) ?? [name, undefined];
    settings[name] = given === undefined ? undefined : read(where, given);
  }
  return checked(settings as unknown as GatewaySettings);
}

function readFile(path: string): Record<string, unknown> {
  const file = readJson(path, '--config');
  if (typeof file !== 'object' || file === null || Array.isArray(file))
    throw new ConfigError('--config', path, 'a file with a JSON object');
  const unknown = Object.keys(file).find((name) => !(NAMES as string[]).includes(name));
  if (unknown === undefined) return file as Record<string, unknown>;
  const message = `${show(unknown)} in ${path} is no option of the gateway; there are ${NAMES.join(', ')}`;
  throw new ConfigError(unknown, undefined, NAMES.join(', '), message);
}

function readJson(path: string, option: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown;
  } catch (error) {
    // what the parser says has a piece of the text in it
    const why = error instanceof SyntaxError ? 'it is no JSON' : (error as Error).message;
    throw new ConfigError(option, path, 'a JSON file', `${option}: ${path} cannot be read: ${why}`);
  }
}

/** A path, or in the file of `--config` the keys themselves. */
function readKeys(option: string, given: unknown): KeyOptions[] {
  return checkKeys(option, typeof given === 'string' ? readJson(given, option) : given);
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;

function checked(settings: GatewaySettings): GatewaySettings {
  const { listen, keys, noAuth } = settings;
  if (!LOOPBACK.test(listen.host) && keys.length === 0 && !noAuth) {
    const message = `listen: ${listen.host} can be reached from other machines; give --keys, or --no-auth to do without`;
    throw new ConfigError('listen', listen.host, 'a loopback address, or keys', message);
  }
  return settings;
}

/** The settings for people: what is secret is hidden. */
export function shownSettings({
  listen,
  metricsListen,
  keys,
  ...rest
}: GatewaySettings): Record<string, unknown> {
  const text = ({ host, port }: Address): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return {
    ...{ listen: text(listen), metricsListen: text(metricsListen) },
    ...rest,
    name: rest.name ?? null,
    keys: keys.map((key) => ({ ...key, sha256: '***' })),
  };
}
