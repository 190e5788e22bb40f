import { startBinary } from '../../src/testing/redis/binary.ts';
import { findRedis, type RedisServer } from '../../scripts/lib/redis/find.ts';

/**
 * A server of the test's own, for what would disturb the others: SCRIPT FLUSH, passwords, pauses. Stop it when done.
 * A binary where there is one, in whatever the rest of the run lives.
 *
 * @param args for the server, like `['--cluster-enabled', 'yes']`
 */
export async function privateRedis(args: string[] = []): Promise<RedisServer> {
  return startBinary(args).catch(() => findRedis({ prefer: 'container', args }));
}
