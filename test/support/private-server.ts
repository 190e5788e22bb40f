import { startRedis, type PrivateRedis } from '../../src/testing/index.ts';

/**
 * A server of the test's own, for what would disturb the others: SCRIPT FLUSH, passwords, pauses. Stop it when done.
 * A binary where there is one, whatever the run's own Redis is.
 *
 * @param args for the server, like `['--cluster-enabled', 'yes']`
 */
export function privateRedis(args: string[] = []): Promise<PrivateRedis> {
  return startRedis({ args });
}
