/** The invariants of a whole topic, on a live server. */
import type { Client } from '../redis/run-script.ts';
import { checkInvariants, type Violation } from './invariants.ts';
import { readMeta, type Meta } from './registry.ts';
import { readSnapshot } from './snapshot.ts';

/**
 * Checks the invariants of every shard in use, one shard after the other, each at an instant of its own. Reads everything
 * that waits, but no payloads. Changes nothing.
 * @param meta what the registry says, if it was read before
 */
export async function verifyTopic(
  client: Client,
  topic: string,
  meta?: Pick<Meta, 'shards' | 'loadUnit'>,
): Promise<Violation[]> {
  const { shards, loadUnit } = meta ?? (await readMeta(client, topic));
  const violations: Violation[] = [];
  for (let shard = 0; shard < shards; shard += 1) {
    const snapshot = await readSnapshot(client, topic, shard, { payloads: false });
    violations.push(...checkInvariants(snapshot, { loadUnit }));
  }
  return violations;
}
