/** The nodes of a chaos fleet, and the options that they have in common. */
import type { ChaosSettings } from './node.ts';
import type { ChaosOptions } from './run.ts';

/** What a process is started with; the fleet fills in the rest. */
export type FreeSettings = Omit<ChaosSettings, 'label' | 'number' | 'history'>;

/** Short, so that much happens. */
export const LEASE_MS = 1_500;
export const POLL_MS = 500;
/** A name stands for two leases without a renewal. */
const KEEP_ALIVE_MS = 2 * LEASE_MS;
/** Longer than any run: a name that is silent for it is forgotten with its results. */
const TTL_MS = 3_600_000;

/**
 * Shares of the clients, engine slots, and length of the engine's iterations (0: it begins at any time): nodes that
 * execute little of what they accept, or nothing, or only execute, and that ask early or late.
 */
export const ROLES = [
  { share: 0.35, slots: 8, iterationMs: 30 },
  { share: 0.25, slots: 8, iterationMs: 0 },
  { share: 0.2, slots: 2, iterationMs: 0 },
  { share: 0, slots: 16, iterationMs: 50 },
  { share: 0.2, slots: 0, iterationMs: 0 },
] as const;

export function nameOf(role: number): string {
  return `node-${role}`;
}

export function settingsOf(
  role: number,
  options: Pick<ChaosOptions, 'algorithm' | 'seed' | 'perSecond' | 'setup'> & {
    redis: string;
    topic: string;
  },
): FreeSettings {
  const { algorithm, seed, perSecond, setup, redis, topic } = options;
  const { share, slots, iterationMs } = ROLES[role]!;
  return {
    ...{ algorithm, redis, topic, node: nameOf(role), takeover: false, seed, ...setup },
    ...{ slots, iterationMs, perSecond: perSecond * share },
    ...{ leaseMs: LEASE_MS, keepAliveMs: KEEP_ALIVE_MS, pollMs: POLL_MS, ttlMs: TTL_MS },
  };
}
