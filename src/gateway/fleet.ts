/** The schedulers of a gateway: one for each model that was asked for, all over the same connections to Redis. */
import { SchedulerError } from '../base/errors.ts';
import type { RedisSource } from '../base/options.ts';
import { Scheduler, connect, type Connection } from '../index.ts';
import type { Model } from '../openai/registry.ts';
import { MAX_HEAD, WIRE_OPTIONS, type WireRequest, type WireResult } from '../openai/wire.ts';
import type { GatewaySettings } from './settings.ts';

export type WireScheduler = Scheduler<WireRequest, WireResult>;

/** A put that Redis has not answered for this long is refused. */
const COMMAND_MS = 2_000;
/** Redis may be busy when the gateway starts. */
const CONNECT_MS = 10_000;
/**
 * A gateway is taken for dead after this; its requests end then, running ones too. So one that starts again takes no name
 * over: the clients of the one before are gone, and a successor would keep alive what nobody reads.
 */
const KEEP_ALIVE_MS = 10_000;
/** A scheduler needs more than two leases. Each put says its own deadline. */
const MIN_TTL_MS = 60_000;
/** Of one stream: what came at once while the process was held up. */
const MAX_UNREAD_BYTES = 16 * 1_048_576;

export class Fleet {
  readonly #connection: Connection;
  /** Others use the connection, too. */
  readonly #isShared: boolean;
  readonly #settings: GatewaySettings;
  /** This gateway's node in every topic. */
  readonly node: string;
  readonly #warn: (message: string) => void;
  readonly #evicted: () => void;
  readonly #schedulers = new Map<string, Promise<WireScheduler>>();
  #isClosed = false;

  private constructor(connection: Connection, settings: GatewaySettings, node: string, parts: FleetParts) {
    this.#connection = connection;
    this.#isShared = parts.connection !== undefined;
    this.#settings = settings;
    this.node = node;
    this.#warn = parts.warn;
    this.#evicted = parts.evicted;
  }

  /** @throws SchedulerError REDIS if Redis does not answer; ConfigError */
  static async connect(
    source: RedisSource,
    settings: GatewaySettings,
    node: string,
    parts: FleetParts,
  ): Promise<Fleet> {
    const connection = parts.connection ?? (await connect(source, { commandTimeout: CONNECT_MS }));
    return new Fleet(connection, settings, node, parts);
  }

  /**
   * The scheduler of a model's topic.
   * @throws SchedulerError if it cannot start; the next call tries again
   */
  of({ topic }: Model): Promise<WireScheduler> {
    if (this.#isClosed)
      return Promise.reject(new SchedulerError('CLOSED', 'gateway', 'the gateway is closing'));
    let started = this.#schedulers.get(topic);
    if (!started) {
      started = this.#start(topic);
      this.#schedulers.set(topic, started);
      started.catch(() => this.#schedulers.delete(topic));
    }
    return started;
  }

  async #start(topic: string): Promise<WireScheduler> {
    const { maxBody, maxWaiting, deadline } = this.#settings;
    const scheduler = await Scheduler.start<WireRequest, WireResult>({
      ...WIRE_OPTIONS,
      ...{ redis: this.#connection, topic, node: this.node, maxWaiting },
      ...{
        maxBodyBytes: maxBody + MAX_HEAD,
        maxUnreadBytes: MAX_UNREAD_BYTES,
        ttlMs: Math.max(deadline, MIN_TTL_MS),
      },
      ...{ commandTimeout: COMMAND_MS, keepAliveMs: KEEP_ALIVE_MS, leaseMs: KEEP_ALIVE_MS },
      onOwnerLoss: 'abort',
      onWarning: (message) => this.#warn(`${topic}: ${message}`),
    });
    scheduler.over.addEventListener('abort', () => {
      if ((scheduler.over.reason as SchedulerError).code === 'EVICTED') this.#evicted();
    });
    return scheduler;
  }

  /** Ends every request that is still there. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const started = await Promise.allSettled(this.#schedulers.values());
    const open = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    await Promise.allSettled(open.map((scheduler) => scheduler.close({ pending: 'cancel' })));
    if (!this.#isShared) await this.#connection.close();
  }
}

export interface FleetParts {
  /** In the place of the source; it is left open. */
  connection?: Connection | undefined;
  warn: (message: string) => void;
  /** Another process took the name. */
  evicted: () => void;
}
