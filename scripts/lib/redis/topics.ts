/** Topics of a tool's run: each is used once, and leaves no key behind. */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';

/** @param tool of which it is */
export function newTopic(tool: string): string {
  return `${tool}-${randomBytes(6).toString('hex')}`;
}

/** Removes all keys with this topic in their names. */
export async function removeKeys(redis: string, topic: string): Promise<void> {
  const client = new Redis(redis);
  try {
    for await (const keys of client.scanStream({ match: `*${topic}*`, count: 1_000 }))
      if ((keys as string[]).length > 0) await client.unlink(keys as string[]);
  } finally {
    client.disconnect();
  }
}
