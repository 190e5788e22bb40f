/** A topic's registry, as `lua/register.lua` writes it. */
import { SchedulerError } from '../base/errors.ts';
import { registryKeys } from '../base/keys.ts';
import type { LoadUnit } from '../base/options.ts';
import type { Client } from '../redis/run-script.ts';
import { unitOf } from './snapshot.ts';

const SCHEMA = '1';

export interface Registration {
  name: string;
  /** Its home shard. */
  home: number;
  /** 14 hex digits. */
  epoch: string;
  /** ms of the server's clock. */
  registeredUntil: number;
  /** `silent`: it did not renew its registration in time; `left`: it was closed. */
  state: 'registered' | 'silent' | 'left';
}

export interface Registry {
  /** ms of the server's clock. */
  now: number;
  /** Shards in use: 0 to this number - 1. 0 when no node registered within a day. */
  shards: number;
  /** What the load tables count. */
  loadUnit: LoadUnit;
  nodes: Registration[];
}

/** @throws SchedulerError CONFIG if the topic has a data model that we do not know */
export async function readRegistry(client: Client, topic: string): Promise<Registry> {
  const [nodesKey, metaKey] = registryKeys(topic);
  const [entries, [schema, shards, unit], [seconds, micros]] = await Promise.all([
    client.hgetall(nodesKey),
    client.hmget(metaKey, 'schema', 'shards', 'unit'),
    client.time(),
  ]);
  if (schema !== null && schema !== SCHEMA) {
    const message = `topic ${topic} has data of schema ${String(schema)}; this version reads schema ${SCHEMA}`;
    throw new SchedulerError('CONFIG', 'status', message);
  }
  const now = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  const nodes = Object.entries(entries).map(([name, entry]) => registration(name, entry, now));
  return {
    now,
    shards: Number(shards ?? 0),
    loadUnit: unitOf(unit),
    nodes: nodes.sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

/** @param entry `instance|epoch|registered until|home shard`; the instance is empty after a node left */
function registration(name: string, entry: string, now: number): Registration {
  const [instance, epoch = '', until, home] = entry.split('|');
  const registeredUntil = Number(until);
  const state = instance === '' ? 'left' : registeredUntil > now ? 'registered' : 'silent';
  return { name, home: Number(home), epoch, registeredUntil, state };
}
