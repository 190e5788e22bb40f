/** The connection for wake-ups. */
import { Redis, type Cluster, type RedisOptions } from 'ioredis';
import type { RedisSource } from '../base/options.ts';
import { openClient } from './connection.ts';
import { OPTIONS, retryDelay } from './create.ts';
import type { Client } from './run-script.ts';
import { watchSilence } from './silence.ts';
import { noteTroubles } from './trouble.ts';

const CONNECT_MS = 10_000;
/** A subscriber asks whether its server is there so often in the time that it may be silent. */
const ASKS_A_SILENCE = 4;

/** How long after an answer it asks again: a Cluster goes on without this server, so that it is missed sooner. */
export function askAfterMs(commands: Client, silenceMs: number): number {
  return 'nodes' in commands ? silenceMs / ASKS_A_SILENCE : silenceMs;
}

/**
 * Opens a connection for subscriptions, which is made again whenever it breaks. In a Cluster it is a plain one to one of the
 * masters that `commands` knows then, to another one each time: a message goes to all of them. The Cluster client's own would not
 * say that it was made again, nor which channels were refused, nor ask whether the server is still there.
 */
export function openSubscriber(source: RedisSource, commands: Client, silenceMs: () => number): Redis {
  if (!('nodes' in commands)) return openClient(source, { silenceMs }) as Redis;
  const own = (): number => commands.options.redisOptions?.socketTimeout ?? silenceMs();
  const place = (last?: RedisOptions): RedisOptions => ({
    ...masterOf(commands, last),
    connectTimeout: Math.min(commands.options.redisOptions?.connectTimeout ?? CONNECT_MS, own()),
  });
  const client = new Redis({
    ...commands.options.redisOptions,
    ...place(),
    ...OPTIONS,
    maxRetriesPerRequest: null,
    socketTimeout: undefined,
    retryStrategy: (times) => {
      // the connector reads them each time that it connects
      Object.assign(client.options, place(client.options));
      return retryDelay(times);
    },
  });
  watchSilence(client, own);
  noteTroubles(client);
  return client;
}

/**
 * Where one of the masters is, and how to be let in: one that answers, as far as is known, and not the last one, if there is
 * another. Nothing if none is known just now.
 */
function masterOf(cluster: Cluster, last: RedisOptions | undefined): RedisOptions {
  const masters = cluster.nodes('master');
  const others = masters.filter(({ options }) => options.host !== last?.host || options.port !== last?.port);
  const up = others.filter(({ status }) => status === 'ready');
  const among = [up, others, masters].find((list) => list.length > 0) ?? [];
  const master = among[Math.floor(Math.random() * among.length)];
  if (!master) return {};
  const { host, port, username, password, tls } = master.options;
  return { host, port, username, password, tls } as RedisOptions;
}
