/** A topic's registry, its two keys `nodes` and `meta`, as `lua/register.lua` writes them. */
import { SchedulerError } from '../base/errors.ts';
import { registryKeys } from '../base/keys.ts';
import type { LoadUnit } from '../base/options.ts';
import type { Client } from '../redis/run-script.ts';
import { timeOf } from './decode.ts';

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

export interface Meta {
  /** Version of the data model; undefined when no node registered within a day. */
  schema: string | undefined;
  /** Shards in use: 0 to this number - 1, the most that any node asked for. 0 when no node registered within a day. */
  shards: number;
  /** What the load tables count; `requests` when no node registered within a day. */
  loadUnit: LoadUnit;
  /** The longest `ttlMs` that any node gave; undefined when no node registered within a day. */
  ttlMs: number | undefined;
}

export interface Registry {
  /** ms of the server's clock. */
  now: number;
  shards: number;
  loadUnit: LoadUnit;
  ttlMs: number | undefined;
  /** Sorted by name. */
  nodes: Registration[];
}

/** @throws SchedulerError CONFIG if the topic has a data model that this version does not know */
export async function readRegistry(client: Client, topic: string): Promise<Registry> {
  const [nodesKey] = registryKeys(topic);
  const [entries, { schema, shards, loadUnit, ttlMs }, time] = await Promise.all([
    client.hgetall(nodesKey),
    readMeta(client, topic),
    client.time(),
  ]);
  if (schema !== undefined && schema !== SCHEMA) {
    const message = `topic ${topic} has data of schema ${schema}; this version reads schema ${SCHEMA}`;
    throw new SchedulerError('CONFIG', 'status', message);
  }
  const now = timeOf(time);
  const nodes = Object.entries(entries).map(([name, entry]) => registration(name, entry, now));
  return { now, shards, loadUnit, ttlMs, nodes: nodes.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

/** What all nodes of the topic have in common. */
export async function readMeta(client: Client, topic: string): Promise<Meta> {
  const [, metaKey] = registryKeys(topic);
  const [schema, shards, unit, ttl] = await client.hmget(metaKey, 'schema', 'shards', 'unit', 'ttl');
  return {
    schema: schema ?? undefined,
    shards: Number(shards ?? 0),
    loadUnit: unitOf(unit),
    ttlMs: ttl ? Number(ttl) : undefined,
  };
}

/** How many shards of a topic are in use; see {@link Meta}. */
export async function shardsInUse(client: Client, topic: string): Promise<number> {
  return (await readMeta(client, topic)).shards;
}

/** @param unit the registry's word; null before the first node came */
function unitOf(unit: string | null | undefined): LoadUnit {
  return unit === 'tokens' ? unit : 'requests';
}

/** @param entry `instance|epoch|registered until|home shard`; the instance is empty after a node left */
function registration(name: string, entry: string, now: number): Registration {
  const [instance, epoch = '', until, home] = entry.split('|');
  const registeredUntil = Number(until);
  const state = instance === '' ? 'left' : registeredUntil > now ? 'registered' : 'silent';
  return { name, home: Number(home), epoch, registeredUntil, state };
}
