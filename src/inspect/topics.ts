/** The topics of a server: those of its list (lua/note_topic.lua) whose registries are there. No search through its keys. */
import { timeOf } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { registryKeys, TOPICS, TOPICS_KEY } from '../base/keys.ts';
import type { Client } from '../redis/run-script.ts';
import { naturally } from './natural.ts';

export interface TopicEntry {
  topic: string;
  /** Names that are kept: of nodes that are registered, silent, or have left a short while ago. */
  names: number;
  /** Shards in use. */
  shards: number;
}

/** @returns in their natural order, at most 1,000; undefined: this user may not look */
export async function listTopics(client: Client): Promise<TopicEntry[] | undefined> {
  try {
    const now = timeOf(await client.time());
    const noted = await client.zrangebyscore(TOPICS_KEY, now, '+inf');
    const topics = noted.filter((topic) => TOPICS.pattern.test(topic)).sort(naturally);
    const found = await Promise.all(topics.map((topic) => entryOf(client, topic)));
    return found.filter((one) => one !== undefined);
  } catch (error) {
    if (messageOf(error).startsWith('NOPERM')) return undefined;
    throw error;
  }
}

/** undefined: its registry is gone. */
async function entryOf(client: Client, topic: string): Promise<TopicEntry | undefined> {
  const [nodes, meta] = registryKeys(topic);
  const [shards, names] = await Promise.all([client.hget(meta, 'shards'), client.hlen(nodes)]);
  return shards === null ? undefined : { topic, names, shards: Number(shards) };
}
