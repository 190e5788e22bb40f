import { monotonic } from '../base/clock.ts';
import type { RedisSource } from '../base/options.ts';
import { tend } from './cluster.ts';
import { create } from './create.ts';
import { defineScripts, type Client } from './run-script.ts';
import { watchSilence } from './silence.ts';
import { readSource, type Source } from './source.ts';
import { noteTroubles } from './trouble.ts';
import { verdictOf } from './verdicts.ts';

/** A busy server may well take a moment; a connection that is given up too early is made again and again. */
const MIN_SILENCE_MS = 500;
/** While a server goes on saying that it may not write, a connection is made anew no more often than this. */
const RECONNECT_EVERY_MS = 500;

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
  const client = create(read, {
    maxRetriesPerRequest: rules.resends === 'caller' ? 0 : null,
    reconnectOnError: misled(rules.onMisled),
    socketTimeout: undefined,
  });
  watch(client, socketTimeoutOf(read), rules.silenceMs);
  defineScripts(client);
  noteTroubles(client);
  return client;
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
  if ('nodes' in client) tend(client, silence);
  else if (silence) watchSilence(client, silence);
}

function socketTimeoutOf(source: Source): number | undefined {
  switch (source.kind) {
    case 'server':
      return source.options.socketTimeout;
    case 'nodes':
      return source.options.redisOptions?.socketTimeout;
    case 'redis':
      return source.client.options.socketTimeout;
    case 'cluster':
      return source.client.options.redisOptions?.socketTimeout;
  }
}

/** How long a connection may be silent when it should speak, so that no lease ends before it is noticed. */
export function silenceMs({ leaseMs, commandTimeout }: { leaseMs: number; commandTimeout: number }): number {
  return Math.max(MIN_SILENCE_MS, Math.min(leaseMs / 3, commandTimeout));
}
