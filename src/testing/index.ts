/**
 * `sched-lua/testing`: what a test suite of a program on sched-lua needs. Our own tests are built on it.
 *
 * - {@link InProcessRedis}: stands in for Redis, so that schedulers share a topic in memory.
 * - {@link startRedis}: a private Redis, from the program on PATH or in a container.
 * - {@link EmulatedEngine}: an inference engine with continuous batching that only takes the time of one.
 * - {@link waitUntil}: waits for a condition instead of sleeping.
 *
 * Experimental: names and options may change in any release until 1.0.
 * @experimental
 * @module
 */
export { InProcessRedis } from './in-process/redis.ts';
export { startRedis, type StartRedisOptions } from './redis/start.ts';
export type { Log, PrivateRedis } from './redis/server.ts';
export { EmulatedEngine, type EmulatedEngineOptions, type RunOptions } from './engine/engine.ts';
export { DEFAULT_ENGINE, type EngineOptions } from './engine/engine-model.ts';
export type { Chunk, Completion } from './engine/job.ts';
export type { Clock } from './engine/clock.ts';
export { waitUntil } from './wait.ts';
