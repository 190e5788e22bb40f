/**
 * The connections of one or several schedulers to one Redis: one for commands, one for wake-ups, and when they are needed one
 * for puts that wait for replicas and one at the side. They are there as long as somebody uses them.
 */
import type { Redis } from 'ioredis';
import { monotonic } from '../base/clock.ts';
import { ConfigError } from '../base/errors.ts';
import type { RedisSource, WaitReplicas } from '../base/options.ts';
import type { ConnectionName } from '../observe/events.ts';
import { closeClient, openClient } from './connection.ts';
import { ready } from './ready.ts';
import type { Client } from './run-script.ts';
import { SideConnection } from './side-connection.ts';
import { askAfterMs, openSubscriber } from './subscriber.ts';
import { Subscriptions, type Listener } from './subscriptions.ts';
import { readFacts, type Facts } from './suitability.ts';
import { troubleOf } from './trouble.ts';
import { WaitQueue } from './wait-queue.ts';

/** How long nothing may move on a connection that no scheduler uses yet. */
const UNUSED_SILENCE_MS = 10_000;
/** A hundred schedulers that start together ask a server for its settings once; one that starts later asks again. */
const FACTS_MS = 60_000;

/** One scheduler. */
export interface SocketsUser {
  /** How long nothing may move while a command is unanswered, as far as this one is concerned: the smallest holds. */
  readonly silenceMs: number;
  /** Those of all users that wait for replicas are the same. */
  readonly waitReplicas: WaitReplicas | undefined;
  /** A connection came up, or broke: with the last error, if there was one. */
  up(connection: ConnectionName): void;
  down(connection: ConnectionName, reason: string | undefined): void;
}

export class Sockets {
  readonly commands: Client;
  /** For large calls, and those that may be what breaks connections. */
  readonly side: SideConnection;
  readonly #source: RedisSource;
  readonly #users = new Set<SocketsUser>();
  readonly #up = new Set<ConnectionName>();
  readonly #onUnused: () => void;
  #subscriber: Redis | undefined;
  #subscriptions: Subscriptions | undefined;
  #waits: WaitQueue | undefined;
  #facts: { readonly at: number; readonly read: Promise<Facts> } | undefined;

  /**
   * Nothing is sent before the first command.
   * @param onUnused told when the last user has left, and all is closed
   * @throws ConfigError if the source is none
   */
  constructor(source: RedisSource, onUnused: () => void = () => undefined) {
    this.#source = source;
    this.#onUnused = onUnused;
    this.commands = openClient(source, {
      resends: 'caller',
      silenceMs: this.#silenceMs,
      // it hears of nothing by itself: a server that was the master goes on answering its PING
      onMisled: () => this.#subscriber?.disconnect(true),
    });
    // each start that is under way listens for errors
    this.commands.setMaxListeners(0);
    this.#watch('commands', this.commands);
    this.side = new SideConnection({
      open: (silenceMs) => this.#watch('side', openClient(source, { resends: 'caller', silenceMs })),
      silenceMs: this.#silenceMs,
      main: this.commands,
    });
  }

  get isUsed(): boolean {
    return this.#users.size > 0;
  }

  /** @throws ConfigError if it does not go together with those that use it already */
  join(user: SocketsUser): void {
    this.#checkWaits(user);
    this.#users.add(user);
  }

  /** The last one that leaves closes it all. */
  leave(user: SocketsUser): void {
    if (!this.#users.delete(user)) return;
    const waits = this.#waits;
    if (waits && ![...this.#users].some(({ waitReplicas }) => waitReplicas)) {
      closeClient(waits.client);
      this.#waits = undefined;
    }
    if (!this.isUsed) this.close();
  }

  /** For good. */
  close(): void {
    this.side.close();
    for (const client of [this.#waits?.client, this.#subscriber, this.commands])
      if (client) closeClient(client);
    this.#onUnused();
  }

  /**
   * Connects, or says why not.
   * @param user told what is up already
   * @throws SchedulerError REDIS
   */
  ready(timeoutMs: number, user?: SocketsUser): Promise<void> {
    for (const connection of this.#up) user?.up(connection);
    return ready(this.commands, this.#source, timeoutMs);
  }

  /** What the server says of itself, as it was a minute ago at most. */
  async facts(): Promise<Facts> {
    if (!this.#facts || monotonic() - this.#facts.at > FACTS_MS)
      this.#facts = { at: monotonic(), read: readFacts(this.commands) };
    const facts = await this.#facts.read;
    // the connection broke: the next one asks again
    if (facts.info === undefined) this.#facts = undefined;
    return facts;
  }

  /** Those that this user needs and that are made. */
  states({ waitReplicas }: SocketsUser): Partial<Record<ConnectionName, 'up' | 'down'>> {
    const state = (connection: ConnectionName): 'up' | 'down' => (this.#up.has(connection) ? 'up' : 'down');
    return {
      commands: state('commands'),
      ...(this.#subscriber ? { 'wake-ups': state('wake-ups') } : {}),
      ...(waitReplicas ? { 'replicated puts': state('replicated puts') } : {}),
      ...(this.#up.has('side') ? { side: 'up' } : {}),
    };
  }

  /** For puts of a user that waits for replicas. */
  waitsOf({ waitReplicas }: SocketsUser): WaitQueue | undefined {
    if (!waitReplicas) return undefined;
    this.#waits ??= new WaitQueue(this.#openWaits(waitReplicas), waitReplicas);
    return this.#waits;
  }

  /**
   * Resolves when the server has the subscription.
   * @throws what Redis says
   */
  async subscribe(listener: Listener): Promise<void> {
    this.#subscriptions ??= new Subscriptions(this.#openSubscriber(), () =>
      askAfterMs(this.commands, this.#silenceMs()),
    );
    await this.#subscriptions.add(listener);
  }

  unsubscribe(listener: Listener): void {
    this.#subscriptions?.remove(listener);
  }

  readonly #silenceMs = (): number =>
    this.isUsed ? Math.min(...[...this.#users].map(({ silenceMs }) => silenceMs)) : UNUSED_SILENCE_MS;

  #openSubscriber(): Redis {
    this.#subscriber = openSubscriber(this.#source, this.commands, this.#silenceMs);
    return this.#watch('wake-ups', this.#subscriber);
  }

  #openWaits({ timeoutMs }: WaitReplicas): Client {
    const silenceMs = (): number => this.#silenceMs() + timeoutMs;
    return this.#watch('replicated puts', openClient(this.#source, { resends: 'caller', silenceMs }));
  }

  /** One WAIT is for the puts of all. */
  #checkWaits({ waitReplicas }: SocketsUser): void {
    const others = [...this.#users].find((user) => user.waitReplicas)?.waitReplicas;
    if (!waitReplicas || !others) return;
    const { replicas, timeoutMs } = others;
    if (waitReplicas.replicas === replicas && waitReplicas.timeoutMs === timeoutMs) return;
    const allowed = `{ replicas: ${replicas}, timeoutMs: ${timeoutMs} }, as of the schedulers that share this connection`;
    throw new ConfigError('waitReplicas', waitReplicas, allowed);
  }

  /** Every user is told when it comes up and breaks. */
  #watch<C extends Client>(connection: ConnectionName, client: C): C {
    client.on('ready', () => {
      this.#up.add(connection);
      for (const user of this.#users) user.up(connection);
    });
    client.on('close', () => {
      if (!this.#up.delete(connection)) return;
      const reason = troubleOf(client)?.message;
      for (const user of this.#users) user.down(connection, reason);
    });
    return client;
  }
}
