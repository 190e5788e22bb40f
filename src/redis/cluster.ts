/** What ioredis' Cluster client leaves to be looked after: how often it asks for the slots, and connections to replicas. */
import type { Cluster, Redis } from 'ioredis';
import { monotonic } from '../base/clock.ts';
import { watchSilence } from './silence.ts';
import type { Client } from './run-script.ts';

/** After the slots were asked for, the next question waits; twice as long if one was waiting, up to the most. */
const FIRST_PAUSE_MS = 50;
const MOST_PAUSE_MS = 800;

/** What is used of the client that its types do not show. */
interface Inside {
  refreshSlotsCache(callback?: (error?: Error) => void): void;
  clearNodesRefreshInterval(): void;
}

/** Looks after the client for as long as it lives. Before anything is sent. */
export function tend(cluster: Cluster, silenceMs: (() => number) | undefined): void {
  if (silenceMs) cluster.on('+node', (node: Redis) => watchSilence(node, silenceMs));
  limitRefreshes(cluster);
  const leaving = new WeakSet<Redis>();
  cluster.on('refresh', () => setImmediate(() => leaveReplicas(cluster, leaving)));
}

/**
 * While a master is away each command for it is answered MOVED by another node and refused by itself, again and again, and
 * each time ioredis asks for all slots: a connection, and the walk over 16,384 slots, 20 to 70 times a second.
 */
function limitRefreshes(cluster: Cluster): void {
  const inside = cluster as unknown as Inside;
  const asked = inside.refreshSlotsCache.bind(cluster);
  // one that ends after the client sets a timer for the next, which nobody would clear
  const refresh = (callback: (error?: Error) => void): void =>
    asked((error) => {
      callback(error);
      if (cluster.status !== 'ready' && cluster.status !== 'connect') inside.clearNodesRefreshInterval();
    });
  let pauseMs = FIRST_PAUSE_MS;
  let lastAt = -Infinity;
  let waiting: ((error?: Error) => void)[] | undefined;
  inside.refreshSlotsCache = (callback = () => undefined) => {
    // to connect it is asked for once at a time, and that must not wait
    if (cluster.status !== 'ready') {
      refresh(callback);
      return;
    }
    if (waiting) {
      waiting.push(callback);
      return;
    }
    const since = monotonic() - lastAt;
    pauseMs = since > 2 * MOST_PAUSE_MS ? FIRST_PAUSE_MS : pauseMs;
    const run = (callbacks: ((error?: Error) => void)[]): void => {
      lastAt = monotonic();
      refresh((error) => {
        lastAt = monotonic();
        for (const one of callbacks) one(error);
      });
    };
    if (since >= pauseMs) {
      run([callback]);
      return;
    }
    waiting = [callback];
    setTimeout(() => {
      const callbacks = waiting!;
      waiting = undefined;
      pauseMs = Math.min(MOST_PAUSE_MS, 2 * pauseMs);
      run(callbacks);
    }, pauseMs - since).unref();
  };
}

/** A node that was given, or was a master, and is a replica: ioredis connects to it only to say so. */
function leaveReplicas(cluster: Cluster, leaving: WeakSet<Redis>): void {
  for (const node of cluster.nodes('slave')) {
    if (node.status === 'wait' || node.status === 'end' || leaving.has(node)) continue;
    const leave = (): void => {
      leaving.delete(node);
      if (cluster.nodes('slave').includes(node)) node.disconnect();
    };
    leaving.add(node);
    if (node.status === 'ready') leave();
    else node.once('ready', () => setImmediate(leave));
  }
}

/**
 * A server that answers, for what any server can be asked: of a Cluster the master that answers first, as one may hang.
 * @throws what the last master says, if none answers
 */
export async function anyServer(client: Client): Promise<Redis> {
  if (!('nodes' in client)) return client;
  const masters = client.nodes('master');
  try {
    return await Promise.any(masters.map((node) => node.ping().then(() => node)));
  } catch (error) {
    const [first] = (error as AggregateError).errors as Error[];
    throw first ?? new Error('None of startup nodes is available');
  }
}
