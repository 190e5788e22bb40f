/** The first word with a server: that it answers, lets us in, and is one that can be worked with. */
import { Redis, type RedisOptions } from 'ioredis';
import { backoff, sleep } from '../base/clock.ts';
import { SchedulerError, messageOf } from '../base/errors.ts';
import type { RedisSource } from '../base/options.ts';
import { anyServer } from './cluster.ts';
import { whenReady } from './connection.ts';
import type { Client } from './run-script.ts';
import { describeRedis } from './source.ts';
import { failsStart, verdictOf } from './verdicts.ts';

/**
 * Connects, or says why not within `timeoutMs`.
 * @param end ends the wait when it fires
 * @throws SchedulerError REDIS, its message naming the server (never the password)
 */
export async function ready(
  client: Client,
  source: RedisSource,
  timeoutMs: number,
  end?: AbortSignal,
): Promise<void> {
  const trouble = new Trouble(client);
  const over = new AbortController();
  end?.addEventListener('abort', () => over.abort());
  try {
    const late = sleep(timeoutMs, over.signal).then(() => 'late');
    const outcome = await Promise.race([admitted(client, trouble, over.signal), trouble.isFinal, late]);
    // ioredis goes on in database 0 when it cannot select the one it was told to
    if (outcome === 'admitted' && !/DB index|SELECT/i.test(messageOf(trouble.last))) return;
    const time = outcome === 'late' ? ` within ${timeoutMs} ms` : '';
    const message = `no connection to Redis at ${describeRedis(source)}${time}${trouble.why}`;
    throw new SchedulerError('REDIS', 'connect', message, { cause: trouble.last });
  } finally {
    over.abort();
    trouble.end();
  }
}

/** What a client says meanwhile. */
class Trouble {
  last: unknown;
  /** What the last server of a Cluster, or the last sentinel, said: the client's own error only says that none is left. */
  #inner: unknown;
  /** Resolves when a Cluster was refused in a way that will not end; a plain client answers commands so. */
  readonly isFinal: Promise<'refused'>;
  readonly #client: Client;
  #asked: Redis | undefined;
  #refuse!: (outcome: 'refused') => void;

  constructor(client: Client) {
    this.#client = client;
    this.isFinal = new Promise((resolve) => (this.#refuse = resolve));
    client.on('error', this.note).on('sentinelError', this.#noteInner);
  }

  readonly note = (error: unknown): void => {
    const { lastNodeError } = error as { lastNodeError?: unknown };
    this.last = lastNodeError ?? error;
    if (messageOf(lastNodeError) === 'Connection is closed.') this.#ask();
    if (lastNodeError instanceof Error && lastNodeError.name === 'ReplyError' && failsStart(lastNodeError))
      this.#refuse('refused');
  };

  readonly #noteInner = (error: unknown): void => void (this.#inner = error);

  /** A Cluster client does not say why a node took no connection: asked of one node, once. */
  #ask(): void {
    if (this.#asked || !('nodes' in this.#client)) return;
    const { startupNodes, options } = this.#client as unknown as Inside;
    const place = { ...options.redisOptions, ...startupNodes[0] };
    this.#asked = new Redis({
      ...place,
      replyMapping: 'legacy',
      retryStrategy: () => null,
      lazyConnect: true,
    });
    this.#asked.on('error', this.#noteInner);
    this.#asked.connect().catch(() => undefined);
  }

  get why(): string {
    if (this.last === undefined && this.#inner === undefined) return '';
    const text = messageOf(this.last ?? this.#inner);
    if (!OUTER.test(text) || this.#inner === undefined) return `: ${text}`;
    return `: ${messageOf(this.#inner).replace(UNKNOWN_MASTER, 'the sentinel $1 knows no master of that name')}`;
  }

  end(): void {
    this.#asked?.disconnect();
    this.#client.off('error', this.note).off('sentinelError', this.#noteInner);
  }
}

/** What is used of a Cluster client that its types do not show. */
interface Inside {
  startupNodes: readonly RedisOptions[];
  options: { redisOptions?: RedisOptions };
}

/** These do not say why. */
const OUTER = /^(All sentinels are unreachable|Connection is closed)/;
/** What ioredis says of a sentinel that answers nil, or an error. */
const UNKNOWN_MASTER =
  /^(?:failed to connect|connected) to sentinel (\S+) (?:because ERR No such master.*|successfully, but got an invalid reply: null)$/;

/** As soon as the server lets this connection in; `refused` if it says that it never will. */
async function admitted(
  client: Client,
  { note }: Trouble,
  over: AbortSignal,
): Promise<'admitted' | 'refused' | undefined> {
  for (let attempt = 1; !over.aborted; attempt += 1) {
    try {
      if ('nodes' in client) await meet(client);
      else await refuseOthers(client);
      return 'admitted';
    } catch (error) {
      // why a connection broke, the client has said by itself
      if (verdictOf(error) !== 'broken') note(error);
      if (failsStart(error)) return 'refused';
      await sleep(backoff(attempt), over);
    }
  }
  return undefined;
}

async function meet(cluster: Exclude<Client, Redis>): Promise<void> {
  if (cluster.status === 'wait') cluster.connect().catch(() => undefined);
  await whenReady(cluster);
  await anyServer(cluster);
}

/** @throws Error if this is one server of several, which can only be worked with together */
async function refuseOthers(redis: Redis): Promise<void> {
  await redis.ping();
  const info = await redis.info().catch((error: unknown) => {
    if (verdictOf(error) === 'refuse') return '';
    throw error;
  });
  const kind = modeOf(info);
  const { host = 'localhost', port = 6379 } = redis.options;
  const scheme = redis.options.tls ? 'rediss' : 'redis';
  if (kind === 'cluster' && !redis.options.sentinels)
    throw new Error(
      `this is a node of a Redis Cluster; give ${scheme}+cluster://${host}:${port}, or { cluster: [...] }`,
    );
  if (kind === 'sentinel') {
    const masters = [...info.matchAll(/^master\d+:name=([^,]*),/gm)].map(([, master]) => master);
    const known = masters.length === 0 ? 'no master' : masters.join(', ');
    const url = `${scheme}+sentinel://${host}:${port}/${masters[0] ?? 'name'}`;
    throw new Error(`this is a sentinel, which knows ${known}; give ${url}, or { sentinels: [...], name }`);
  }
}

/** What a server says of itself in INFO: `standalone`, `cluster` or `sentinel`; undefined: nothing. */
export function modeOf(info: string): string | undefined {
  if (/^cluster_enabled:1/m.test(info)) return 'cluster';
  return /^(?:redis|server)_mode:(\w+)/m.exec(info)?.[1];
}
