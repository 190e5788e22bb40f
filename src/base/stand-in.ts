/**
 * What stands in for Redis: it is given as `redis`, and brings the way by which a node reaches its topic (src/node/link.ts). Told by
 * a registered symbol, as it may come from another copy of this package.
 */
export const OPEN_LINK: unique symbol = Symbol.for('sched-lua.openLink');

/** Given as `redis` in its place: an `InProcessRedis` of `sched-lua/testing`, or what `connect` makes of one. */
export interface StandIn {
  /** Used by the scheduler alone. */
  readonly [OPEN_LINK]: (context: never) => object;
}

export function isStandIn(redis: unknown): redis is StandIn {
  return typeof (redis as Partial<StandIn> | null | undefined)?.[OPEN_LINK] === 'function';
}
