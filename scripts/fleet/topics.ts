/** Topics of the experiment: each is used once, and leaves no key behind. */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';

export function newTopic(): string {
  return `fleet-${randomBytes(6).toString('hex')}`;
}

export async function removeKeys(redis: string, topic: string): Promise<void> {
  const client = new Redis(redis);
  try {
    for await (const keys of client.scanStream({ match: `*${topic}*`, count: 1_000 }))
      if ((keys as string[]).length > 0) await client.unlink(keys as string[]);
  } finally {
    client.disconnect();
  }
}
