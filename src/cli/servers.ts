/** The servers behind a client, each by itself: what is asked of a server, a Cluster answers for one of them only. */
import type { Redis, RedisOptions } from 'ioredis';
import type { Client } from '../redis/run-script.ts';
import { describeRedis } from '../redis/source.ts';

/** A server, and where it is. */
export interface Server {
  readonly name: string;
  readonly role: 'master' | 'replica';
  readonly redis: Redis;
}

/**
 * Runs `use` with the server of a plain client, or with every master and replica of a Cluster, by connections of their own.
 * With Sentinel that is the master.
 */
export async function withServers<T>(
  client: Client,
  use: (servers: readonly Server[]) => Promise<T>,
): Promise<T> {
  if (!('nodes' in client)) return use([{ name: describeRedis(client), role: 'master', redis: client }]);
  const of = (kind: 'master' | 'slave'): Server[] =>
    client.nodes(kind).map((node) => ({
      name: placeOf(node.options),
      role: kind === 'master' ? 'master' : 'replica',
      // it is not cut off when the Cluster learns that it is a replica
      redis: quiet(node.duplicate({ lazyConnect: true, readOnly: false, retryStrategy: () => null })),
    }));
  const servers = [...of('master'), ...of('slave')];
  try {
    return await use(servers);
  } finally {
    for (const { redis } of servers) redis.disconnect();
  }
}

function placeOf({ host, port }: RedisOptions): string {
  return `${host}:${port}`;
}

/** Its commands reject, too. */
function quiet(redis: Redis): Redis {
  redis.on('error', () => undefined);
  return redis;
}
