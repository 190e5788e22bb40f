/** Connections that the schedulers of one process share, however many topics they are in. */
import { checkNames, namesOf } from '../base/call-options.ts';
import { ConfigError } from '../base/errors.ts';
import { OPTIONS } from '../base/option-table.ts';
import type { RedisSource, SharedConnection } from '../base/options.ts';
import { OPEN_LINK, isStandIn, type StandIn } from '../base/stand-in.ts';
import { Sockets, type SocketsUser } from './sockets.ts';

export interface ConnectOptions {
  /** How long to wait for Redis, ms. Default: 10,000. */
  commandTimeout?: number;
}

const CONNECT_OPTIONS = namesOf<ConnectOptions>({ commandTimeout: true });

let make: (source: RedisSource) => Connection;
let socketsOf: (connection: Connection) => Sockets;

/**
 * What {@link connect} gives, for the option `redis` of schedulers. Its connections are open as long as a scheduler uses them: the
 * last one that closes closes them, and the next one that starts opens them again.
 */
export class Connection implements SharedConnection {
  readonly #source: RedisSource;
  #sockets: Sockets | undefined;
  #isClosed = false;
  readonly #unused: (() => void)[] = [];

  static {
    make = (source) => new Connection(source);
    socketsOf = (connection) => connection.#open();
  }

  private constructor(source: RedisSource) {
    this.#source = source;
    if (!isStandIn(source)) this.#open();
  }

  /** No scheduler may start with it any more. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /** Takes no scheduler any more. Resolves when those that use it have closed, which it leaves to you, and no connection is open. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (!this.#sockets?.isUsed) this.#sockets?.close();
    else await new Promise<void>((resolve) => this.#unused.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Used by the scheduler alone; undefined: nothing stands in for Redis. */
  get [OPEN_LINK](): StandIn[typeof OPEN_LINK] | undefined {
    if (!isStandIn(this.#source)) return undefined;
    this.#assertOpen();
    return this.#source[OPEN_LINK];
  }

  #assertOpen(): void {
    if (!this.#isClosed) return;
    const message = 'redis: this connection is closed';
    throw new ConfigError('redis', undefined, 'a connection that is open', message);
  }

  /** @throws ConfigError if it is closed, or its source is none */
  #open(): Sockets {
    this.#assertOpen();
    this.#sockets ??= new Sockets(this.#source, () => {
      this.#sockets = undefined;
      for (const resolve of this.#unused.splice(0)) resolve();
    });
    return this.#sockets;
  }
}

/**
 * Connects to Redis, for several schedulers: give what it answers to each as its option `redis`. They then share one connection for
 * commands, one for wake-ups, one for puts that wait for replicas (if one of them has `waitReplicas`) and one at the side (while
 * there are large calls); in a Redis Cluster one for commands to each master.
 *
 * @param source default: as of the option `redis`
 * @throws ConfigError if the source is none; SchedulerError REDIS if Redis does not answer in time
 */
export async function connect(source?: RedisSource, options: ConnectOptions = {}): Promise<Connection> {
  checkNames('connect', options, CONNECT_OPTIONS);
  const { commandTimeout } = OPTIONS;
  const timeoutMs = commandTimeout.kind.check(
    'commandTimeout',
    options.commandTimeout ?? commandTimeout.default.of({} as never),
  );
  const connection = make(
    source === undefined ? (OPTIONS.redis.default.of({} as never) as RedisSource) : source,
  );
  if (isStandIn(source)) return connection;
  try {
    await socketsOf(connection).ready(timeoutMs);
  } catch (error) {
    await connection.close();
    throw error;
  }
  return connection;
}

/**
 * The connections of a scheduler: those that it shares, or its own.
 * @throws ConfigError if the source is none, is closed, or the user does not go together with those that use it already
 */
export function joinSockets(source: RedisSource | SharedConnection, user: SocketsUser): Sockets {
  const sockets = source instanceof Connection ? socketsOf(source) : new Sockets(source as RedisSource);
  sockets.join(user);
  return sockets;
}
