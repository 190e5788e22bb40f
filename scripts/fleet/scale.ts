/** How fast the experiment's time runs. */
import { openClient } from '../../src/redis/connection.ts';
import { quantile } from '../lib/measure/statistics.ts';
import { DEFAULT_ENGINE } from '../../src/testing/engine/engine-model.ts';

const PINGS = 300;
/** The shortest iteration is at least so many round trips: what Redis costs must stay small beside it. */
const ROUND_TRIPS = 20;
/**
 * Not faster, whatever the round trip: timers are whole ms, and two cores have to keep up. Twice as fast, they alone
 * add 5 % to the p99 of a busy fleet.
 */
const FASTEST = 1 / 3;

/** Median round trip to the server, in real ms. */
export async function measurePing(redis: string): Promise<number> {
  const client = openClient(redis);
  try {
    const times: number[] = [];
    for (let i = 0; i < PINGS; i += 1) {
      const from = performance.now();
      await client.ping();
      times.push(performance.now() - from);
    }
    return quantile(times, 0.5);
  } finally {
    client.disconnect();
  }
}

/** Real ms per model ms, as fast as is sound with such a round trip. */
export function scaleFor(pingMs: number): number {
  return Math.max(FASTEST, (ROUND_TRIPS * pingMs) / DEFAULT_ENGINE.iterationMs);
}

/** Round trips in the shortest iteration. */
export function roundTripsIn(scale: number, pingMs: number): number {
  return (DEFAULT_ENGINE.iterationMs * scale) / pingMs;
}
