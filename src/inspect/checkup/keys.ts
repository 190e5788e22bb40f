/** Keys of a topic that do not belong to it, or will never expire: found by a SCAN that ends after so many keys. */
import type { Redis } from 'ioredis';
import { keyPatterns, registryKeys, shardKeys } from '../../base/keys.ts';
import { count } from '../../base/words.ts';
import type { Finding } from '../../redis/suitability.ts';
import { findingOf } from './condition.ts';

const PAGE = 1_000;
/** Keys that are named in a finding. */
const NAMED = 3;

/**
 * @param most keys of the whole server that are looked at
 * @throws what Redis says: who may not SCAN is answered NOPERM
 */
export async function examineKeys(
  server: Redis,
  { topic, shards, most }: { topic: string; shards: number; most: number },
): Promise<Finding> {
  const known = new Set([
    ...registryKeys(topic),
    ...Array.from({ length: shards }, (_, shard) => shardKeys(topic, shard)).flat(),
  ]);
  const [registry, ofShards] = keyPatterns(topic).map((pattern) => pattern.replace(/\*$/, ''));
  // `{topic.???}:`: three characters stand for the shard
  const isOurs = (key: string): boolean =>
    key.startsWith(registry!) ||
    (key.startsWith(ofShards!.slice(0, -'???}:'.length)) && key.indexOf('}:') === ofShards!.length - 2);
  const ours = new Set<string>();
  let [cursor, looked] = ['0', 0];
  do {
    const [next, keys] = await server.scan(cursor, 'COUNT', PAGE);
    for (const key of keys) if (isOurs(key)) ours.add(key);
    cursor = next;
    looked += keys.length;
  } while (cursor !== '0' && looked < most);
  const strangers = [...ours].filter((key) => !known.has(key)).sort();
  const tables = [...ours].filter((key) => known.has(key)).sort();
  const expiries = await Promise.all(tables.map((key) => expiryOf(server, key)));
  const endless = tables.filter((_, at) => expiries[at] === -1);
  const rest = cursor === '0' ? '' : `, the first ${looked} of the server`;
  const found = `${count(ours.size, 'key')} of the topic${rest}`;
  if (strangers.length > 0)
    return findingOf('keys', found, {
      why: `${count(strangers.length, 'key')} of no table or of a shard that is not in use: ${some(strangers)}`,
      remedy: 'if nobody needs them, remove them (look first: TYPE, OBJECT IDLETIME)',
      command: `UNLINK ${strangers.slice(0, NAMED).join(' ')}`,
    });
  if (endless.length === 0) return findingOf('keys', found);
  // as its neighbours do: the tables of a shard go together
  const [first] = endless as [string];
  const neighbours = tables.flatMap((key, at) => (prefixOf(key) === prefixOf(first) ? [expiries[at]!] : []));
  const at = Math.max(...neighbours);
  return findingOf('keys', found, {
    why: `${count(endless.length, 'table')} without an expiry: ${some(endless)}; somebody took it (PERSIST, a restore)`,
    remedy: 'a refresh by a node of the topic gives it again; of a topic that is over',
    command: at > NO_DURATION ? `PEXPIREAT ${first} ${at}` : `UNLINK ${first}`,
  });
}

/** Greater is a moment. */
const NO_DURATION = 1e12;
const prefixOf = (key: string): string => key.slice(0, key.indexOf('}:'));

/** A moment; -1: never. Before Redis 7 ms that are left. */
async function expiryOf(server: Redis, key: string): Promise<number> {
  try {
    return await server.pexpiretime(key);
  } catch {
    return server.pttl(key);
  }
}

function some(keys: readonly string[]): string {
  const more = keys.length - NAMED;
  return `${keys.slice(0, NAMED).join(' ')}${more > 0 ? ` and ${more} more` : ''}`;
}
