/** Where Redis is, as an object or an array says it: what ioredis would overlook, and then connect to localhost, is refused. Pure. */
import type { ClusterOptions, RedisOptions } from 'ioredis';
import { namesOf } from '../base/call-options.ts';
import { ConfigError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import type { ClusterNode, ClusterSource } from '../base/options.ts';
import { readAddress, readUrl, type Address } from './source-url.ts';

/** What an object says. */
export type Choice =
  | { readonly kind: 'server'; readonly options: RedisOptions }
  | { readonly kind: 'cluster'; readonly nodes: readonly Address[]; readonly options: ClusterOptions };

const CLUSTER = 'the nodes of a Redis Cluster are given as { cluster: [...] }';
/** Options of another library, or of another constructor. */
const STRANGE: Readonly<Record<string, string>> = {
  url: 'give the URL itself as redis',
  uri: 'give the URL itself as redis',
  socket: 'give host and port',
  database: 'the option db has its number',
  nodes: CLUSTER,
  startupNodes: CLUSTER,
  rootNodes: CLUSTER,
  hosts: CLUSTER,
  clusterNodes: CLUSTER,
  masterName: 'give sentinels, and name',
  sentinel: 'give sentinels, and name',
};

/** Any of these says where Redis is. */
const PLACES = ['host', 'port', 'path', 'Connector'] as const;

const SERVER_OPTIONS = namesOf<RedisOptions>({
  ...{ host: true, port: true, family: true, path: true, tls: true, Connector: true, name: true, role: true },
  ...{ sentinels: true, sentinelUsername: true, sentinelPassword: true, sentinelTLS: true, natMap: true },
  ...{ sentinelRetryStrategy: true, sentinelReconnectStrategy: true, sentinelCommandTimeout: true },
  ...{ sentinelMaxConnections: true, preferredSlaves: true, updateSentinels: true, failoverDetector: true },
  ...{ enableTLSForSentinelMode: true, retryStrategy: true, commandTimeout: true, blockingTimeout: true },
  ...{
    blockingTimeoutGrace: true,
    socketTimeout: true,
    keepAlive: true,
    noDelay: true,
    connectionName: true,
  },
  ...{ disableClientInfo: true, clientInfoTag: true, username: true, password: true, db: true },
  ...{ autoResubscribe: true, autoResendUnfulfilledCommands: true, reconnectOnError: true, readOnly: true },
  ...{
    stringNumbers: true,
    protocol: true,
    replyMapping: true,
    connectTimeout: true,
    disconnectTimeout: true,
  },
  ...{ monitor: true, maxRetriesPerRequest: true, maxLoadingRetryTime: true, enableAutoPipelining: true },
  ...{
    autoPipeliningIgnoredCommands: true,
    offlineQueue: true,
    commandQueue: true,
    enableOfflineQueue: true,
  },
  ...{ enableReadyCheck: true, lazyConnect: true, scripts: true, himportFieldsets: true, keyPrefix: true },
  ...{ showFriendlyErrorStack: true },
});

/** Those of the Cluster itself; the others are of the connection to each node. */
const CLUSTER_OPTIONS = namesOf<ClusterOptions>({
  ...{ clusterRetryStrategy: true, clusterNodeRetryStrategy: true, enableOfflineQueue: true },
  ...{ enableReadyCheck: true, scaleReads: true, maxRedirections: true, retryDelayOnFailover: true },
  ...{ retryDelayOnClusterDown: true, retryDelayOnTryAgain: true, retryDelayOnMoved: true },
  ...{ slotsRefreshTimeout: true, slotsRefreshInterval: true, shardedSubscribers: true, redisOptions: true },
  ...{ lazyConnect: true, useSRVRecords: true, resolveSrv: true, dnsLookup: true, natMap: true },
  ...{
    enableAutoPipelining: true,
    autoPipeliningIgnoredCommands: true,
    scripts: true,
    himportFieldsets: true,
  },
  ...{ keyPrefix: true, showFriendlyErrorStack: true },
});

/** @throws ConfigError, which shows no value: it may hold a password */
export function readOptions(given: object): Choice {
  const options = given as RedisOptions & Partial<ClusterSource>;
  refusePrefix(options.keyPrefix);
  for (const [name, instead] of Object.entries(STRANGE))
    if (Object.hasOwn(options, name)) refuse(name, `redis.${name} is no option of ioredis; ${instead}`);
  if (isGiven(options.cluster)) return ofCluster(options as ClusterSource);
  if (isGiven(options.sentinels)) return ofSentinels(options);
  if (isGiven(options.name))
    refuse('name', 'redis.name is the name of a master that sentinels know; give sentinels, too');
  if (!PLACES.some((name) => isGiven(options[name]))) refuseUnknown(options);
  return { kind: 'server', options };
}

/** Without a place a name that ioredis does not know is most likely the place, and localhost is not meant. */
function refuseUnknown(options: object): void {
  const name = Object.keys(options).find((one) => !SERVER_OPTIONS.includes(one) && one !== 'cluster');
  if (name === undefined) return;
  const near = nearest(name, [...SERVER_OPTIONS, 'cluster']);
  const hint = near === undefined ? 'where Redis is, host and port say' : `did you mean ${near}?`;
  const shown = /^\w{1,64}$/.test(name) ? `redis.${name}` : 'redis: this';
  refuse(name, `${shown} is no option of ioredis; ${hint}`);
}

function ofSentinels(options: RedisOptions): Choice {
  const { sentinels, name } = options;
  const isListed = Array.isArray(sentinels) && sentinels.length > 0;
  if (!isListed) refuse('sentinels', 'redis.sentinels: allowed is an array of at least one { host, port }');
  if (typeof name !== 'string' || name === '')
    refuse('name', 'redis.name: beside sentinels stands the name of the master that they know');
  const listed = (sentinels as readonly unknown[]).map((one, i): Address => {
    const { host, port } = (typeof one === 'string' ? readAddress(one, 26_379) : one) as Partial<Address>;
    if (typeof host !== 'string' && !isPort(port))
      refuse('sentinels', `redis.sentinels[${i}] names no host and no port`);
    return typeof one === 'string' ? { host: host!, port: port! } : (one as Address);
  });
  // else ioredis speaks to the master without TLS, whatever tls says
  const secure = options.tls ? { enableTLSForSentinelMode: true } : {};
  return { kind: 'server', options: { ...secure, ...options, sentinels: listed } };
}

/** @throws ConfigError */
export function ofCluster({ cluster, ...others }: ClusterSource): Choice {
  const listed: unknown = cluster;
  if (!Array.isArray(listed) || listed.length === 0)
    refuse(
      'cluster',
      'redis.cluster: allowed is an array of at least one node: { host, port }, host:port or a redis:// URL',
    );
  for (const name of ['host', 'port', 'path', 'sentinels', 'name'] as const)
    if (isGiven((others as RedisOptions)[name]))
      refuse(name, `redis.${name} and redis.cluster exclude each other`);
  const nodes = (listed as readonly ClusterNode[]).map(nodeOf);
  const [own, options]: [RedisOptions, ClusterOptions] = [{}, {}];
  for (const [name, value] of Object.entries(others))
    Object.assign(CLUSTER_OPTIONS.includes(name) ? options : own, { [name]: value });
  // how to be let in holds for nodes that are found later, too
  const known = nodes.find(({ username, password, tls }) => username ?? password ?? tls) ?? {};
  const { username, password, tls } = known;
  const found = Object.fromEntries(
    Object.entries({ username, password, tls }).filter(([, value]) => isGiven(value)),
  );
  const redisOptions = { ...found, ...options.redisOptions, ...own };
  refuseDatabase(redisOptions.db);
  return {
    kind: 'cluster',
    nodes: nodes.map(({ host, port }) => ({ host: host!, port: port! })),
    options: { ...options, redisOptions },
  };
}

function nodeOf(node: ClusterNode, i: number): RedisOptions {
  const where = `cluster[${i}]`;
  const one = readNode(node);
  if (one === undefined)
    refuse(
      'cluster',
      `redis.${where}: allowed is { host, port }, host:port, a redis:// URL, or a port of this machine`,
    );
  return { ...one, host: one.host ?? '127.0.0.1', port: one.port ?? 6379 };
}

function readNode(node: unknown): RedisOptions | undefined {
  if (typeof node === 'number') return isPort(node) ? { port: node } : undefined;
  if (typeof node === 'string' && node.includes('://')) {
    const place = readUrl(node);
    refuseDatabase(place.options.db);
    return place.kind === 'server' && place.options.host !== undefined ? place.options : undefined;
  }
  if (typeof node === 'string') return readAddress(node);
  if (typeof node !== 'object' || node === null) return undefined;
  const { host, port } = node as RedisOptions;
  const isPlace = (typeof host === 'string' && host !== '') || isGiven(port);
  return isPlace && (!isGiven(port) || isPort(Number(port))) ? node : undefined;
}

export function refuseDatabase(db: unknown): void {
  if (Number(db ?? 0) !== 0) refuse('db', 'redis.db: a Redis Cluster has only database 0');
}

export function refusePrefix(prefix: unknown): void {
  if (!isGiven(prefix) || prefix === '') return;
  throw new ConfigError('redis.keyPrefix', prefix, 'none: the topic keeps fleets apart');
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535;
}

/** ioredis takes both for not given. */
function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function refuse(name: string, message: string): never {
  throw new ConfigError(`redis.${name}`, undefined, 'what docs/operating.md lists', message);
}
