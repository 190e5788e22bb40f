/**
 * The channels that the schedulers of one process listen to, over one connection. Each channel is subscribed to by a command of
 * its own: Redis refuses all channels of a command if one of them may not be used.
 */
import type { Redis } from 'ioredis';
import { after } from '../base/clock.ts';
import { verdictOf } from './verdicts.ts';

export interface Listener {
  readonly channel: string;
  hear(message: Buffer): void;
  /** After the connection broke, or after a refusal: messages may have been missed. */
  subscribedAgain(): void;
  /** Redis refused to subscribe again. Told once, and asked for again until it does not. */
  refused(error: unknown): void;
}

export class Subscriptions {
  readonly #client: Redis;
  readonly #askAfterMs: () => number;
  readonly #byChannel = new Map<string, Set<Listener>>();
  /** Their first subscription is not answered yet. */
  readonly #coming = new Set<Listener>();
  readonly #refused = new Set<Listener>();
  #stopAsking: (() => void) | undefined;

  /** @param askAfterMs from an answer to the next question whether the server is there */
  constructor(client: Redis, askAfterMs: () => number) {
    this.#client = client;
    this.#askAfterMs = askAfterMs;
    client.on('messageBuffer', (channel: Buffer, message: Buffer) => {
      for (const listener of this.#byChannel.get(channel.toString()) ?? []) listener.hear(message);
    });
    client.on('ready', () => {
      for (const listeners of this.#byChannel.values())
        for (const listener of listeners)
          if (!this.#coming.has(listener)) void this.#subscribeAgain(listener);
    });
    client.once('end', () => this.#stopAsking?.());
  }

  /**
   * Resolves when the server has the subscription.
   * @throws what Redis says
   */
  async add(listener: Listener): Promise<void> {
    const listeners = this.#byChannel.get(listener.channel);
    if (listeners) listeners.add(listener);
    else this.#byChannel.set(listener.channel, new Set([listener]));
    this.#coming.add(listener);
    try {
      await this.#client.subscribe(listener.channel);
    } catch (error) {
      this.#forget(listener);
      throw error;
    } finally {
      this.#coming.delete(listener);
    }
    if (!this.#stopAsking) this.#askLater();
  }

  remove(listener: Listener): void {
    if (this.#forget(listener)) this.#client.unsubscribe(listener.channel).catch(() => undefined);
  }

  /** Whether nobody listens to its channel any more: a successor of the same name may be in this process, too. */
  #forget(listener: Listener): boolean {
    this.#refused.delete(listener);
    const listeners = this.#byChannel.get(listener.channel);
    if (!listeners?.delete(listener) || listeners.size > 0) return false;
    return this.#byChannel.delete(listener.channel);
  }

  #has(listener: Listener): boolean {
    return this.#byChannel.get(listener.channel)?.has(listener) === true;
  }

  async #subscribeAgain(listener: Listener): Promise<void> {
    try {
      await this.#client.subscribe(listener.channel);
      this.#refused.delete(listener);
      if (this.#has(listener)) listener.subscribedAgain();
    } catch (error) {
      // the connection broke again: the next 'ready' comes
      if (verdictOf(error) !== 'refuse' || !this.#has(listener) || this.#refused.has(listener)) return;
      this.#refused.add(listener);
      listener.refused(error);
    }
  }

  /**
   * A subscriber sends nothing by itself, and would never notice that the server has gone. An answer that does not come breaks
   * the connection (silence.ts), and the next one subscribes again.
   */
  #askLater(): void {
    this.#stopAsking = after(this.#askAfterMs(), () => {
      for (const listener of this.#refused) void this.#subscribeAgain(listener);
      const next = (): void => {
        if (this.#client.status !== 'end') this.#askLater();
      };
      this.#client.ping().then(next, next);
    });
  }
}
