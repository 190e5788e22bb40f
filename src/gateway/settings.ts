/** What the gateway can be told: the names, the defaults, and what is allowed, of each option. */
import { ConfigError } from '../base/errors.ts';
import { checkFleet } from '../openai/registry.ts';
import { readSettings, type Given, type Table } from '../service/settings.ts';
import {
  addressOf,
  addressOrOff,
  addressText,
  checkMap,
  checkName,
  durationOf,
  flagOf,
  integerOf,
  sizeOf,
  type Address,
} from '../service/values.ts';
import { readKeys, type KeyOptions } from './key-options.ts';

/** Times are ms, sizes bytes. */
export interface GatewaySettings {
  listen: Address;
  /** Undefined: nowhere. */
  metricsListen: Address | undefined;
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

/** In the order of the help. */
export const GATEWAY_SETTINGS: Table<GatewaySettings> = {
  listen: {
    argument: 'host:port',
    fallback: '127.0.0.1:8080',
    help: 'where clients connect',
    read: (option, given) => addressOf(option, given),
    show: addressText,
  },
  fleet: {
    argument: 'name',
    fallback: 'default',
    help: 'workers of this fleet serve',
    read: (_, given) => checkFleet(given),
  },
  keys: {
    argument: 'file',
    fallback: [],
    help: 'JSON file with the keys of clients',
    read: readKeys,
    show: (keys) => keys.map((key) => ({ ...key, sha256: '***' })),
  },
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
    help: '/health, /ready and /metrics, or off',
    read: addressOrOff,
    show: addressText,
  },
  aliases: {
    fallback: {},
    fileOnly: true,
    help: 'other names of models',
    read: checkMap('a name', (value): value is string => typeof value === 'string'),
  },
  objectives: {
    fallback: {},
    fileOnly: true,
    help: 'head starts by name, ms',
    read: checkMap('an integer', (value): value is number => Number.isInteger(value)),
  },
};

/** @throws ConfigError naming what is not allowed, and where it was given */
export function readGateway(given: Given): GatewaySettings {
  return checked(readSettings('gateway', GATEWAY_SETTINGS, given));
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;

/** @throws ConfigError if others can reach it and need no key */
export function checked<Settings extends GatewaySettings>(settings: Settings): Settings {
  const { listen, keys, noAuth } = settings;
  if (!LOOPBACK.test(listen.host) && keys.length === 0 && !noAuth) {
    const message = `listen: ${listen.host} can be reached from other machines; give --keys, or --no-auth to do without`;
    throw new ConfigError('listen', listen.host, 'a loopback address, or keys', message);
  }
  return settings;
}
