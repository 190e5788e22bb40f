import { Redis, type Cluster, type RedisOptions } from 'ioredis';
import { backoff, monotonic, sleep } from '../base/clock.ts';
import { ConfigError, SchedulerError, messageOf } from '../base/errors.ts';
import type { RedisSource } from '../base/options.ts';
import { defineScripts, type Client } from './run-script.ts';
import { watchSilence } from './silence.ts';
import { describeRedis, readSource, type Source } from './source.ts';
import { noteTroubles } from './trouble.ts';
import { failsStart, verdictOf } from './verdicts.ts';

const MAX_RETRY_DELAY_MS = 1000;
/** A busy server may well take a moment; a connection that is given up too early is made again and again. */
const MIN_SILENCE_MS = 500;
/** While a server goes on saying that it may not write, a connection is made anew no more often than this. */
const RECONNECT_EVERY_MS = 500;

/**
 * What our connections need, whatever the user's own have: commands wait for Redis, and are not pipelined automatically
 * (lanes batch already; autopipelining halves EVALSHA throughput).
 */
const OPTIONS = {
  enableOfflineQueue: true,
  autoResendUnfulfilledCommands: true,
  enableAutoPipelining: false,
  // we subscribe again ourselves (wakeup.ts): ioredis hands out no promise for its own, and that rejects unhandled on close
  autoResubscribe: false,
  // of ioredis 6; replies of another shape are read nowhere here
  replyMapping: 'legacy',
  lazyConnect: true,
  retryStrategy: (times: number): number =>
    Math.min(MAX_RETRY_DELAY_MS, 20 * 2 ** Math.min(times, 10)) * (0.75 + Math.random() / 2),
} satisfies RedisOptions;

export interface ClientRules {
  /** How long nothing may move while a command is unanswered; see silence.ts. The source's own `socketTimeout` wins. */
  silenceMs?: () => number;
  /**
   * Who sends again what was in flight when a connection broke. `caller`: every command rejects then, and whoever sent it
   * (protocol/resend.ts) knows how often. Default `client`: ioredis does, silently.
   */
  resends?: 'client' | 'caller';
  /** This connection led to a server that may not write now, and is made anew. */
  onMisled?: () => void;
}

/**
 * Opens a connection of our own to the source. Nothing is sent before the first command; the caller closes it.
 *
 * @throws ConfigError if the source is none, see {@link readSource}
 */
export function openClient(source: RedisSource, rules: ClientRules = {}): Client {
  const read = readSource(source);
  const client = open(read, {
    maxRetriesPerRequest: rules.resends === 'caller' ? 0 : null,
    reconnectOnError: misled(rules.onMisled),
    socketTimeout: undefined,
  });
  watch(client, socketTimeoutOf(read), rules.silenceMs);
  defineScripts(client);
  noteTroubles(client);
  return client;
}

/**
 * Opens a connection for subscriptions, which is made again whenever it breaks. In a Cluster it is a plain one, to any of the
 * masters that `commands` knows then: a message goes to all of them. The Cluster client's own would not say that it was made
 * again, nor which channels were refused, nor ask whether the server is still there.
 */
export function openSubscriber(source: RedisSource, commands: Client, silenceMs: () => number): Redis {
  if (!('nodes' in commands)) return openClient(source, { silenceMs }) as Redis;
  const client = new Redis({
    ...commands.options.redisOptions,
    ...anyMasterOf(commands),
    ...OPTIONS,
    maxRetriesPerRequest: null,
    socketTimeout: undefined,
    retryStrategy: (times) => {
      // the connector reads them each time that it connects
      Object.assign(client.options, anyMasterOf(commands));
      return OPTIONS.retryStrategy(times);
    },
  });
  watchSilence(client, () => commands.options.redisOptions?.socketTimeout ?? silenceMs());
  noteTroubles(client);
  return client;
}

/** Where one of the masters is, and how to be let in; nothing if none is known just now. */
function anyMasterOf(cluster: Cluster): RedisOptions {
  const masters = cluster.nodes('master');
  const master = masters[Math.floor(Math.random() * masters.length)];
  if (!master) return {};
  const { host, port, username, password, tls } = master.options;
  return { host, port, username, password, tls } as RedisOptions;
}

/** Closes for good. ioredis forgets its own 'end' when it is cut off while it waits to connect again. */
export function closeClient(client: Client): void {
  const waiting = client.status === 'reconnecting';
  client.disconnect();
  if (waiting) client.emit('end');
}

const becomingReady = new WeakMap<Client, Promise<void>>();

/**
 * Resolves when commands can be written; undefined: now. Of a client that was never used or is closed also now: its first
 * command connects it, or is refused.
 */
export function whenReady(client: Client): Promise<void> | undefined {
  if (['ready', 'wait', 'end'].includes(client.status)) return undefined;
  let waiting = becomingReady.get(client);
  if (!waiting) {
    waiting = new Promise((resolve) => {
      const done = (): void => {
        client.off('ready', done).off('end', done);
        becomingReady.delete(client);
        resolve();
      };
      client.on('ready', done).on('end', done);
    });
    becomingReady.set(client, waiting);
  }
  return waiting;
}

/** For ioredis: whether an error reply says that another server should be asked, by a new connection. */
function misled(onMisled: () => void = () => undefined): (error: Error) => boolean {
  let lastAt = -Infinity;
  return (error) => {
    if (verdictOf(error) !== 'reconnect' || monotonic() - lastAt < RECONNECT_EVERY_MS) return false;
    lastAt = monotonic();
    onMisled();
    return true;
  };
}

function watch(client: Client, own: number | undefined, silenceMs: (() => number) | undefined): void {
  const silence = own === undefined ? silenceMs : () => own;
  if (!silence) return;
  if ('nodes' in client) client.on('+node', (node: Redis) => watchSilence(node, silence));
  else watchSilence(client, silence);
}

function socketTimeoutOf(source: Source): number | undefined {
  switch (source.kind) {
    case 'url':
      return undefined;
    case 'options':
      return source.options.socketTimeout;
    case 'redis':
      return source.client.options.socketTimeout;
    case 'cluster':
      return source.client.options.redisOptions?.socketTimeout;
  }
}

type OwnRules = Pick<RedisOptions, 'maxRetriesPerRequest' | 'reconnectOnError'> & {
  socketTimeout: undefined;
};

/** @throws ConfigError if ioredis itself refuses an option */
function open(source: Source, rules: OwnRules): Client {
  try {
    return create(source, rules);
  } catch (error) {
    const why = `ioredis refuses it: ${messageOf(error)}`;
    throw new ConfigError('redis', undefined, 'what ioredis takes', `redis: ${why}`);
  }
}

function create(source: Source, rules: OwnRules): Client {
  switch (source.kind) {
    case 'url':
      return new Redis(source.url, { ...OPTIONS, ...rules });
    case 'options':
      return new Redis({ ...source.options, ...OPTIONS, ...rules });
    case 'redis':
      return source.client.duplicate({ ...OPTIONS, ...rules });
    case 'cluster': {
      const { options } = source.client;
      // a Cluster client sends again, and finds the new master, by itself
      const own = {
        maxRetriesPerRequest: null,
        socketTimeout: undefined,
        replyMapping: OPTIONS.replyMapping,
      };
      const redisOptions = { ...options.redisOptions, ...own };
      return source.client.duplicate([], { ...options, enableAutoPipelining: false, redisOptions } as never);
    }
  }
}

/** How long a connection may be silent when it should speak, so that no lease ends before it is noticed. */
export function silenceMs({ leaseMs, commandTimeout }: { leaseMs: number; commandTimeout: number }): number {
  return Math.max(MIN_SILENCE_MS, Math.min(leaseMs / 3, commandTimeout));
}

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
  let last: unknown;
  const note = (error: unknown): void => void (last = error);
  client.on('error', note);
  const over = new AbortController();
  end?.addEventListener('abort', () => over.abort());
  try {
    const late = sleep(timeoutMs, over.signal).then(() => 'late');
    const outcome = await Promise.race([pong(client, note, over.signal), late]);
    // ioredis goes on in database 0 when it cannot select the one it was told to
    if (outcome === 'PONG' && !/DB index|SELECT/i.test(messageOf(last))) return;
    const time = outcome === 'late' ? ` within ${timeoutMs} ms` : '';
    const why = last === undefined ? '' : `: ${messageOf(last)}`;
    const message = `no connection to Redis at ${describeRedis(source)}${time}${why}`;
    throw new SchedulerError('REDIS', 'connect', message, { cause: last });
  } finally {
    over.abort();
    client.off('error', note);
  }
}

/** PONG, as soon as the server lets this connection in; undefined if it says that it never will. */
async function pong(
  client: Client,
  note: (error: unknown) => void,
  over: AbortSignal,
): Promise<string | undefined> {
  for (let attempt = 1; !over.aborted; attempt += 1) {
    try {
      return await client.ping();
    } catch (error) {
      // why a connection broke, the client has said by itself
      if (verdictOf(error) !== 'broken') note(error);
      if (failsStart(error)) return undefined;
      await sleep(backoff(attempt), over);
    }
  }
  return undefined;
}
