/** The servers behind a client, each by itself: what is asked of a server, a Cluster answers for one of them only. */
import type { Cluster, Redis } from 'ioredis';
import { anyServer } from '../redis/cluster.ts';
import type { Client } from '../redis/run-script.ts';
import { describeRedis } from '../redis/source.ts';

/** A server, and where it is. */
export interface Server {
  readonly name: string;
  readonly role: 'master' | 'replica';
  readonly redis: Redis;
}

/** Of CLUSTER SLOTS: a range of slots, its master, and its replicas. */
type Place = [host: string | null, port: number, ...unknown[]];
type Range = [from: number, to: number, ...nodes: Place[]];

/**
 * Runs `use` with the server of a plain client, or with every master and replica of a Cluster that has slots, by connections of
 * their own. With Sentinel that is the master.
 */
export async function withServers<T>(
  client: Client,
  use: (servers: readonly Server[]) => Promise<T>,
): Promise<T> {
  if (!('nodes' in client)) return use([{ name: describeRedis(client), role: 'master', redis: client }]);
  const servers = await serversOf(client);
  try {
    return await use(servers);
  } finally {
    for (const { redis } of servers) redis.disconnect();
  }
}

/** Masters first. The client itself knows no replicas, as it has no connection to them. */
async function serversOf(cluster: Cluster): Promise<Server[]> {
  const master = await anyServer(cluster);
  const ranges = (await master.cluster('SLOTS')) as unknown as Range[];
  const servers = new Map<string, Server>();
  const add = (role: Server['role'], [host, port]: Place): void => {
    // a server that does not know its own address leaves it out
    const place = { host: host || master.options.host || '127.0.0.1', port };
    const name = `${place.host}:${port}`;
    if (servers.has(name)) return;
    // it is not cut off when the Cluster learns that it is a replica
    const own = { ...place, lazyConnect: true, readOnly: false, retryStrategy: () => null };
    servers.set(name, { name, role, redis: quiet(master.duplicate(own)) });
  };
  for (const [, , first] of ranges) if (first) add('master', first);
  for (const [, , , ...replicas] of ranges) for (const one of replicas) add('replica', one);
  return [...servers.values()];
}

/** Its commands reject, too. */
function quiet(redis: Redis): Redis {
  redis.on('error', () => undefined);
  return redis;
}
