/** What the clients of a chaos node bring, drawn from a seed. Pure. */
import type { RunRequest } from '../lib/harness/peer.ts';
import type { Random } from '../lib/traffic/random.ts';

/** A request as it travels through Redis. */
export interface ChaosRequest extends RunRequest {
  /** Results before the last one, and ms before each result. */
  chunks: number;
  stepMs: number;
  /** Makes its body large. */
  padding?: string;
}

/** What a client wants of its request. */
export interface Wish {
  priority: number;
  deadlineMs?: number;
  /** It is cancelled after so long. */
  cancelAfterMs?: number;
}

/**
 * What a client may bring beside the usual. `oversize`: a prompt that few engines hold, or none. `chatty`: more results
 * than its owner's mailbox takes. `heavy`: a large body. `poison`: a body that the server cuts the connection for.
 */
export type Burden = 'oversize' | 'chatty' | 'heavy' | 'poison';

/** ms that the longest request runs: its chunks, one after the other. */
export const LONGEST_MS = 4 * 600;
const MB = 1_000_000;

export function drawRequest(random: Random, id: string): ChaosRequest {
  const slow = random.uniform() < 0.03;
  return {
    request_id: id,
    prompt_token_ids: prompt(random.int(1, 40)),
    chunks: random.int(0, 3),
    stepMs: slow ? random.int(100, 600) : random.int(0, 8),
  };
}

export function drawWish(random: Random): Wish {
  const fate = random.uniform();
  const priority = random.uniform() < 0.05 ? 2_000 : 0;
  if (fate < 0.02) return { priority, deadlineMs: random.int(100, 2_000) };
  return fate < 0.06 ? { priority, cancelAfterMs: random.int(1, 400) } : { priority };
}

const BURDENS: Record<Burden, (random: Random) => { request: Partial<ChaosRequest>; wish: Wish }> = {
  oversize: (random) => {
    // more than the largest engine of the fleet holds, or more than the others hold
    const isForNone = random.uniform() < 0.5;
    const tokens = isForNone ? random.int(1_100, 4_000) : random.int(520, 900);
    const deadlineMs = isForNone ? random.int(2_000, 5_000) : 20_000;
    return { request: { prompt_token_ids: prompt(tokens) }, wish: { priority: 0, deadlineMs } };
  },
  chatty: () => ({ request: { chunks: 500, stepMs: 0 }, wish: { priority: 0 } }),
  heavy: (random) => ({ request: { padding: padding(random, 0.4, 0.9) }, wish: { priority: 0 } }),
  poison: (random) => ({ request: { padding: padding(random, 2, 4) }, wish: { priority: 0 } }),
};

export function drawBurden(random: Random, id: string, what: Burden): { request: ChaosRequest; wish: Wish } {
  const { request, wish } = BURDENS[what](random);
  return { request: { ...drawRequest(random, id), ...request }, wish };
}

function prompt(tokens: number): number[] {
  return Array.from({ length: tokens }, (_, i) => i);
}

function padding(random: Random, leastMb: number, mostMb: number): string {
  return 'x'.repeat(Math.round(MB * (leastMb + (mostMb - leastMb) * random.uniform())));
}
