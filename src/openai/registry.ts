/**
 * Which models a fleet serves. Workers say it again and again, gateways read it: only a name that a worker said gets a
 * topic, so a client can make no keys.
 *
 *     {<fleet>}:models   zset   [1, model, kind, worker, maxModelLen or 0] as JSON -> until when that is valid
 *
 * Times are ms of the server's clock. A worker that says nothing any more is gone by itself, and the whole key a minute
 * later. Saying it twice, late, or in any order changes nothing: no script is needed.
 */
import { createHash } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import { timeOf } from '../base/clock.ts';
import { ConfigError } from '../base/errors.ts';
import { modelsKey } from '../base/keys.ts';

export { modelsKey };

/** An ioredis client of the fleet's server. */
export type RegistryClient = Redis | Cluster;

/** A worker says its models this often. */
export const ANNOUNCE_EVERY_MS = 5_000;
/** What it said is valid for this long: it may miss two. */
export const VALID_MS = 15_000;
/** The key lives on for this long after the last worker said something. */
export const KEY_TTL_MS = 60_000;
/** Entries that are read; more are an error of whoever runs the fleet. */
export const MAX_ENTRIES = 4_096;
/** Characters of a model's name. */
export const MAX_NAME = 256;

const VERSION = 1;
/** Characters of a fleet's name and of a slug: together they are a topic, which has at most 128. */
const FLEET = /^[A-Za-z0-9_-]{1,48}$/;
const MAX_SLUG = 72;
const HASH = 24;

/** One model of one worker. */
export interface ModelEntry {
  model: string;
  /** Of its engine: `vllm`, `sglang` … */
  kind: string;
  /** The worker's node. */
  worker: string;
  /** Tokens of prompt and output together, at most; undefined: the engine does not say. */
  maxModelLen?: number;
}

/** A model that a fleet serves now. */
export interface Model {
  name: string;
  /** The topic of its requests. */
  topic: string;
  /** Of its engines, each once, sorted. */
  kinds: string[];
  /** Nodes of its workers, sorted. */
  workers: string[];
  /** The most that an engine of it holds; undefined: one does not say. */
  maxModelLen?: number;
  /** ms of the server's clock. */
  until: number;
}

/** @throws ConfigError unless it is a fleet's name */
export function checkFleet(fleet: unknown): string {
  if (typeof fleet === 'string' && FLEET.test(fleet)) return fleet;
  throw new ConfigError('fleet', fleet, '1 to 48 characters of A-Z a-z 0-9 _ -');
}

/** @throws ConfigError unless a model may have this name */
export function checkModelName(name: unknown): string {
  if (typeof name === 'string' && name.length >= 1 && name.length <= MAX_NAME && !/\p{Surrogate}/u.test(name))
    return name;
  throw new ConfigError('model', name, `a well-formed string of 1 to ${MAX_NAME} characters`);
}

/**
 * The topic of a model's requests. Different models have different topics: what is no letter, digit or hyphen is `_` and
 * two hex digits for each byte of UTF-8; of a long name the end is `__` and a part of its SHA-256.
 */
export function topicOf(fleet: string, model: string): string {
  const slug = model.replace(/[^A-Za-z0-9-]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `_${byte.toString(16).padStart(2, '0')}`).join(''),
  );
  if (slug.length <= MAX_SLUG) return `${fleet}:${slug}`;
  const hash = createHash('sha256').update(model).digest('hex').slice(0, HASH);
  // a cut may leave a part of an escape: no other slug has two underscores side by side, so it does not matter
  return `${fleet}:${slug.slice(0, MAX_SLUG - HASH - 2)}__${hash}`;
}

/**
 * Says that a worker serves these models, for VALID_MS from now; call it every ANNOUNCE_EVERY_MS.
 * @throws ConfigError for a bad name; what Redis refuses
 */
export async function announce(
  client: RegistryClient,
  fleet: string,
  entries: readonly ModelEntry[],
): Promise<void> {
  const key = modelsKey(checkFleet(fleet));
  const members = entries.map(memberOf);
  if (members.length === 0) return;
  const now = timeOf(await client.time());
  const valid = members.flatMap((member) => [now + VALID_MS, member]);
  await Promise.all([
    // GT: one that comes late takes nothing back
    client.zadd(key, 'GT', ...valid),
    client.zremrangebyscore(key, '-inf', now),
    client.pexpire(key, KEY_TTL_MS),
  ]);
}

/** Says that a worker serves these no more: it leaves. */
export async function withdraw(
  client: RegistryClient,
  fleet: string,
  entries: readonly ModelEntry[],
): Promise<void> {
  if (entries.length > 0) await client.zrem(modelsKey(checkFleet(fleet)), ...entries.map(memberOf));
}

/** The models that a fleet serves now, by name. An entry that this version cannot read is left out. */
export async function readModels(client: RegistryClient, fleet: string): Promise<Map<string, Model>> {
  const key = modelsKey(checkFleet(fleet));
  const now = timeOf(await client.time());
  const reply = await client.zrangebyscore(key, `(${now}`, '+inf', 'WITHSCORES', 'LIMIT', 0, MAX_ENTRIES);
  const models = new Map<string, Model>();
  for (let i = 0; i + 1 < reply.length; i += 2) {
    const entry = entryOf(reply[i]!);
    if (entry) add(models, fleet, entry, Number(reply[i + 1]));
  }
  return new Map([...models].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function add(models: Map<string, Model>, fleet: string, entry: ModelEntry, until: number): void {
  const { model: name, kind, worker, maxModelLen } = entry;
  const known = models.get(name);
  const lens = known ? [known.maxModelLen, maxModelLen] : [maxModelLen];
  const most = lens.includes(undefined) ? undefined : Math.max(...(lens as number[]));
  models.set(name, {
    ...{ name, topic: topicOf(fleet, name) },
    kinds: sorted(known?.kinds, kind),
    workers: sorted(known?.workers, worker),
    ...(most === undefined ? {} : { maxModelLen: most }),
    until: Math.max(known?.until ?? 0, until),
  });
}

function sorted(list: readonly string[] = [], one: string): string[] {
  return [...new Set([...list, one])].sort();
}

function memberOf({ model, kind, worker, maxModelLen = 0 }: ModelEntry): string {
  return JSON.stringify([VERSION, checkModelName(model), kind, worker, maxModelLen]);
}

function entryOf(member: string): ModelEntry | undefined {
  let parts: unknown;
  try {
    parts = JSON.parse(member);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parts) || parts[0] !== VERSION) return undefined;
  const [, model, kind, worker, maxModelLen] = parts as unknown[];
  const areNames = [model, kind, worker].every((name) => typeof name === 'string' && name.length <= MAX_NAME);
  if (!areNames || model === '' || !Number.isSafeInteger(maxModelLen)) return undefined;
  return {
    ...{ model: model as string, kind: kind as string, worker: worker as string },
    ...((maxModelLen as number) > 0 ? { maxModelLen: maxModelLen as number } : {}),
  };
}
