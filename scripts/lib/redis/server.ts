import type { PrivateRedis } from '../../../src/testing/redis/server.ts';

/** A Redis that answers, however it was found. Stopping one that was there before does nothing. */
export interface RedisServer extends Omit<PrivateRedis, 'kind'> {
  /** `url`: it was there before, and others may use it too. */
  readonly kind: 'url' | PrivateRedis['kind'];
}
