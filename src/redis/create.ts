/** Makes the ioredis client of a source, with what our connections need whatever the user's own have. */
import { Cluster, Redis, type ClusterOptions, type RedisOptions } from 'ioredis';
import { ConfigError, messageOf } from '../base/errors.ts';
import type { Client } from './run-script.ts';
import type { Source } from './source.ts';

const MAX_RETRY_DELAY_MS = 1000;
/** A sentinel that hangs is asked no longer than this, if the source does not say so: ioredis would wait for it for ever. */
const SENTINEL_MS = 2_000;
/** A Cluster's slots are looked at again so often, if nothing says sooner that they have moved. */
const SLOTS_EVERY_MS = 30_000;
/** Of a Cluster: as of ioredis, and at least this, as 0 would not wait and go on, but give up. */
const REDIRECTIONS = 16;
const RETRY_DELAY_MS = 100;

export function retryDelay(times: number): number {
  return Math.min(MAX_RETRY_DELAY_MS, 20 * 2 ** Math.min(times, 10)) * (0.75 + Math.random() / 2);
}

/**
 * Commands wait for Redis, whatever comes; they go to masters only, and are not pipelined automatically (lanes batch already;
 * autopipelining halves EVALSHA throughput).
 */
export const OPTIONS = {
  enableOfflineQueue: true,
  autoResendUnfulfilledCommands: true,
  enableAutoPipelining: false,
  // we subscribe again ourselves (wakeup.ts): ioredis hands out no promise for its own, and that rejects unhandled on close
  autoResubscribe: false,
  // of ioredis 6; replies of another shape are read nowhere here
  replyMapping: 'legacy' as const,
  lazyConnect: true,
  readOnly: false,
  role: 'master',
  retryStrategy: retryDelay,
  // one that gives up would end the client for good
  sentinelRetryStrategy: retryDelay,
} satisfies RedisOptions;

export type OwnRules = Pick<RedisOptions, 'maxRetriesPerRequest' | 'reconnectOnError'> & {
  socketTimeout: undefined;
};

/** @throws ConfigError if ioredis itself refuses an option */
export function create(source: Source, rules: OwnRules): Client {
  try {
    return made(source, rules);
  } catch (error) {
    const why = `ioredis refuses it: ${messageOf(error)}`;
    throw new ConfigError('redis', undefined, 'what ioredis takes', `redis: ${why}`);
  }
}

function made(source: Source, rules: OwnRules): Client {
  switch (source.kind) {
    case 'server':
      return new Redis({ ...source.options, ...ofSentinel(source.options), ...OPTIONS, ...rules });
    case 'redis':
      return source.client.duplicate({ ...OPTIONS, ...ofSentinel(source.client.options), ...rules });
    case 'nodes':
      return new Cluster([...source.nodes], ofCluster(source.options));
    case 'cluster':
      return source.client.duplicate([], ofCluster(source.client.options) as never);
  }
}

/** The role of a server that a sentinel named is looked at by the ready check only. */
function ofSentinel({ sentinels, sentinelCommandTimeout }: RedisOptions) {
  if (!sentinels) return {};
  return { enableReadyCheck: true, sentinelCommandTimeout: sentinelCommandTimeout ?? SENTINEL_MS };
}

/** A Cluster client sends again, and finds the new master, by itself. */
function ofCluster(own: ClusterOptions) {
  const redisOptions = {
    ...own.redisOptions,
    maxRetriesPerRequest: null,
    socketTimeout: undefined,
    replyMapping: OPTIONS.replyMapping,
  };
  return {
    ...own,
    enableOfflineQueue: true,
    enableAutoPipelining: false,
    lazyConnect: true,
    scaleReads: 'master' as const,
    shardedSubscribers: false,
    // it asks one node, by chance, which may hang; one that says CLUSTERDOWN is asked again
    enableReadyCheck: false,
    clusterRetryStrategy: retryDelay,
    clusterNodeRetryStrategy: null,
    maxRedirections: Math.max(REDIRECTIONS, own.maxRedirections ?? 0),
    retryDelayOnFailover: own.retryDelayOnFailover || RETRY_DELAY_MS,
    retryDelayOnClusterDown: own.retryDelayOnClusterDown || RETRY_DELAY_MS,
    retryDelayOnTryAgain: own.retryDelayOnTryAgain || RETRY_DELAY_MS,
    slotsRefreshInterval: own.slotsRefreshInterval || SLOTS_EVERY_MS,
    redisOptions,
  } satisfies ClusterOptions;
}
