/** A topic's registry, its two keys `nodes` and `meta`, as `lua/register.lua` writes them. */
import { SchedulerError } from '../base/errors.ts';
import { SCHEMA, otherSchema, registryKeys } from '../base/keys.ts';
import type { LoadUnit } from '../base/options.ts';
import { MAX_TOKENS } from '../base/ticket.ts';
import type { Client } from '../redis/run-script.ts';
import { largestPromptOf, readRegistrations, type Registration } from '../protocol/registration.ts';
import { naturally } from './natural.ts';

export type { Registration } from '../protocol/registration.ts';

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
  /** Tokens of the largest prompt that a living engine can ever hold; undefined: none lives, or one did not say. */
  largestPrompt: number | undefined;
  /** In the natural order of their names. */
  nodes: Registration[];
}

/** @throws SchedulerError CONFIG if the topic has a data model that this version does not know */
export async function readRegistry(client: Client, topic: string): Promise<Registry> {
  const [{ now, nodes }, { schema, shards, loadUnit, ttlMs }] = await Promise.all([
    readRegistrations(client, topic),
    readMeta(client, topic),
  ]);
  if (schema !== undefined && schema !== SCHEMA)
    throw new SchedulerError('CONFIG', 'status', otherSchema(topic, schema));
  const most = largestPromptOf(nodes);
  const largestPrompt = most === MAX_TOKENS ? undefined : most;
  return {
    ...{ now, shards, loadUnit, ttlMs, largestPrompt },
    nodes: nodes.sort((a, b) => naturally(a.name, b.name)),
  };
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
