/** What one process knows of its scheduler, see docs/stats.md. */
import type { ConnectionName } from '../observe/events.ts';
import type { ScriptTally } from '../observe/tally.ts';
import type { RunLoop } from '../runner/run-loop.ts';

/** What the loop of `run` knows. */
export type Running = Pick<RunLoop<never, never>, 'running' | 'breaker'>;

/**
 * A plain object, which JSON keeps. Times are ms. Gauges are of this moment, `totals` and `scripts` since the start. docs/stats.md
 * has a row for each field.
 */
export interface SchedulerStats {
  topic: string;
  node: string;
  /** Since the start. */
  upMs: number;
  /** Put by this process, and not ended. */
  requests: {
    /** Redis has not said whether it takes them. */
    unanswered: number;
    /** Accepted. */
    pending: number;
    /** Bytes of these, as they were encoded. */
    pendingBytes: number;
    /** Of these, Redis has lost so many, and they are being put again. */
    puttingAgain: number;
    /** Results of these that nobody has read. */
    unread: number;
    /** Their outputs, encoded. */
    unreadBytes: number;
    /** Ids of which `getResults` has something to tell, ended or not. */
    news: number;
  };
  claims: {
    held: number;
    /** Of these, the final result, or the give-back, is on its way. */
    ending: number;
    /** Handlers of `run` that have not ended. */
    running: number;
    /** Results on their way to Redis. */
    unanswered: number;
  };
  /** Of `run`; null: it does not run, or has none. */
  breaker: {
    state: 'closed' | 'open';
    /** Of the engine, in a row. */
    failures: number;
    /** From the last failure to the next trial; null while it is closed. */
    pauseMs: number | null;
  } | null;
  shards: {
    home: number;
    /** How many the topic has. */
    inUse: number;
    /** Those that have not answered a claim in time, and are not asked until they have. */
    slow: number[];
    /** What has not answered for 250 ms, or refuses, in words: shards and the registry. */
    troubles: string[];
  };
  /** Those that are made: `side` is while it is up, `replicated puts` with `waitReplicas`. */
  connections: Partial<Record<ConnectionName, 'up' | 'down'>>;
  totals: {
    /** Given to `putRequests` and `submit`. */
    put: number;
    accepted: number;
    refused: number;
    /** Accepted here, and ended. */
    ended: Record<'finished' | 'failed' | 'cancelled' | 'expired', number>;
    putAgain: number;
    claimed: number;
    /** Of these, another node accepted so many. */
    stolen: number;
    givenBack: number;
    lost: number;
    /** Results of claims that Redis took. */
    resultsSent: number;
    /** Results of claims that came too late, or for which the owner had no room. */
    resultsRefused: number;
    /** Results that came out of the mailbox. */
    resultsTaken: number;
  };
  /** Calls that shards answered, by the name of their script. */
  scripts: Record<string, ScriptTally>;
}
