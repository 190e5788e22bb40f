import crc16CcittFalse from 'crc/crc16ccitt';
import { ConfigError } from './errors.ts';
import { slotOfTag, suffixOf } from './suffixes.ts';

/**
 * The schema: the version of the data model in Redis, with the names of its keys. `lua/lib/schema.lua` has the same. 1 had the
 * shard's number where 2 has its suffix.
 */
export const SCHEMA = '2';

/** Why a topic of another schema is left alone. */
export function otherSchema(topic: string, found: string): string {
  return (
    `topic ${topic} has data of schema ${found}; this version reads schema ${SCHEMA}: ` +
    'let nodes of a version that reads it end what it holds, or take another topic'
  );
}

/** The twelve tables of a shard, in the order of every shard script's KEYS (lua/README.md#tables). */
export const SHARD_TABLES = [
  'waiting',
  'head',
  'load',
  'request',
  'body',
  'due',
  'out',
  'node',
  'idle',
  'calls',
  'shard',
  'dead',
] as const;

export type ShardTable = (typeof SHARD_TABLES)[number];

/** Keys of one shard; they share the hash tag `{topic.suffix}`, so they live in one Redis Cluster slot. See suffixes.ts. */
export function shardKeys(topic: string, shard: number): string[] {
  return SHARD_TABLES.map((table) => shardKey(topic, shard, table));
}

/** The key of one table of a shard. */
export function shardKey(topic: string, shard: number, table: ShardTable): string {
  return `{${tagOf(topic, shard)}}:${table}`;
}

/** Keys of a topic's registry: the node names, the schema version with the shards in use, and what the nodes tell of themselves. */
export function registryKeys(topic: string): [nodes: string, meta: string, cards: string] {
  return [`{${topic}}:nodes`, `{${topic}}:meta`, `{${topic}}:cards`];
}

/** The list of topics of a server; it is of no topic, so it is in no topic's slot. */
export const TOPICS_KEY = 'sched-lua:topics';

/** What names a shard in its keys, between the braces. */
function tagOf(topic: string, shard: number): string {
  return `${topic}.${suffixOf(shard)}`;
}

/** The slot of a shard in a Redis Cluster; without a shard, that of the registry. */
export function slotOf(topic: string, shard?: number): number {
  return slotOfTag(shard === undefined ? topic : tagOf(topic, shard));
}

/** The slot of a key with a hash tag. */
export function slotOfKey(key: string): number {
  return slotOfTag(key.slice(key.indexOf('{') + 1, key.indexOf('}')));
}

/** The keys of a topic, as glob patterns: those of its registry and of its shards. They match no key of another topic. */
export function keyPatterns(topic: string): [registry: string, shards: string] {
  return [`{${topic}}:*`, `{${topic}.???}:*`];
}

/** The key of a fleet's registry of models; openai/registry.ts tells what is in it. */
export function modelsKey(fleet: string): string {
  return `{${fleet}}:models`;
}

/**
 * The keys of a fleet, as glob patterns: its registry, and those of all its topics, which are `<fleet>:<model>`. A fleet's name has
 * no colon, so they match no key of another fleet.
 */
export function fleetPatterns(fleet: string): [models: string, topics: string] {
  return [modelsKey(fleet), `{${fleet}:*}:*`];
}

/** A node's wake-up channel is this prefix and its name. */
export function wakePrefix(topic: string): string {
  return `{${topic}}:wake:`;
}

/** A node's home shard: CRC-16/CCITT-FALSE of its name, modulo the number of load shards, as in FastDeploy. */
export function shardOf(name: string, loadShards: number): number {
  return crc16CcittFalse(name) % loadShards;
}

/** Which node names are allowed, as a pattern and in words. */
export const NODE_NAMES = {
  pattern: /^[A-Za-z0-9._:-]{1,128}$/,
  allowed: '1 to 128 characters of A-Z a-z 0-9 . _ : -',
} as const;

/** Which topics are allowed, as a pattern and in words. */
export const TOPICS = {
  pattern: /^[A-Za-z0-9_:-]{1,128}$/,
  allowed: '1 to 128 characters of A-Z a-z 0-9 _ : -',
} as const;

/** @throws ConfigError unless it is a node name */
export function checkNodeName(name: unknown): string {
  if (typeof name === 'string' && NODE_NAMES.pattern.test(name)) return name;
  throw new ConfigError('node', name, NODE_NAMES.allowed);
}

/** @throws ConfigError unless it is a topic */
export function checkTopic(topic: unknown): string {
  if (typeof topic === 'string' && TOPICS.pattern.test(topic)) return topic;
  throw new ConfigError('topic', topic, TOPICS.allowed);
}
