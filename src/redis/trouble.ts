/** The last thing that went wrong with a connection since it was ready. */
import type { Cluster, Redis } from 'ioredis';

const troubles = new WeakMap<Redis | Cluster, Error>();

export function noteTroubles(client: Redis | Cluster): void {
  client.on('error', (error: Error) => troubles.set(client, error));
  client.on('ready', () => troubles.delete(client));
}

export function troubleOf(client: Redis | Cluster): Error | undefined {
  return troubles.get(client);
}
