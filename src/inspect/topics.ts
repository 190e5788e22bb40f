/** The topics of a server, found by the keys of their registries. */
import { monotonic } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { TOPICS } from '../base/keys.ts';
import type { Client } from '../redis/run-script.ts';
import { naturally } from './natural.ts';

/** Keys that the server looks at for one reply: some ms of its time. */
const KEYS_A_REPLY = 1_000;

/**
 * @param ms after which the search ends: it walks over all keys of the server
 * @returns in their natural order, those that were found by then; undefined: this user may not look
 */
export async function findTopics(client: Client, ms: number): Promise<string[] | undefined> {
  const found = new Set<string>();
  const until = monotonic() + ms;
  let cursor = '0';
  try {
    do {
      const [next, keys] = (await client.call(
        ...['SCAN', cursor, 'MATCH', '{*}:meta', 'COUNT', String(KEYS_A_REPLY)],
      )) as [string, string[]];
      for (const key of keys) {
        const topic = key.slice(1, -'}:meta'.length);
        if (TOPICS.pattern.test(topic)) found.add(topic);
      }
      cursor = next;
    } while (cursor !== '0' && monotonic() < until);
  } catch (error) {
    if (messageOf(error).startsWith('NOPERM')) return undefined;
    throw error;
  }
  return [...found].sort(naturally);
}
