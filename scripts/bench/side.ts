/**
 * One of the two processes of a contender in a round. One side leads: it says how much the round had; the other follows. What
 * opens and ends a round is not measured.
 */
import type { Client } from '../../src/redis/run-script.ts';
import { now } from '../lib/harness/history.ts';

export interface Side {
  /** Makes ready for a round. */
  open(round: number): Promise<void>;
  /** The round lasts so long. Answers how much there was, when its own part is done. */
  lead?(ms: number): Promise<number>;
  /** The other one leads. */
  begin?(ms: number): void;
  /** Resolves when it has had all of it. */
  follow?(total: number): Promise<void>;
  end(): Promise<void>;
  close(): Promise<void> | void;
  /** What it counted and timed since it was asked last. */
  tell(): Told;
}

export interface Told {
  /** Requests, or chunks, of which this side knows that they went all the way. */
  count: number;
  /** ms that requests, or chunks, took. */
  waits: number[];
  /** ms of PINGs of the same moments. */
  pings: number[];
}

/** What passes in one round. */
export class Notes {
  #told: Told = { count: 0, waits: [], pings: [] };

  add(count: number): void {
    this.#told.count += count;
  }

  waited(ms: number): void {
    this.#told.waits.push(ms);
  }

  /** The first PING wakes what fell asleep meanwhile, unless what is measured has to wake it, too. */
  async ping(client: Client, wakes: boolean): Promise<void> {
    if (wakes) await client.ping();
    const from = now();
    await client.ping();
    this.#told.pings.push(now() - from);
  }

  tell(): Told {
    const told = this.#told;
    this.#told = { count: 0, waits: [], pings: [] };
    return told;
  }
}

/** One that has nothing to do. */
export function bystander(): Side {
  return {
    open: () => Promise.resolve(),
    follow: () => Promise.resolve(),
    end: () => Promise.resolve(),
    close: () => undefined,
    tell: () => ({ count: 0, waits: [], pings: [] }),
  };
}
