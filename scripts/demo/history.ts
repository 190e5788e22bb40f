/** What a node process of the demo writes into its history; the ledger knows nothing else of it. */
import type { Result } from '../../src/index.ts';
import type { Recorded } from '../lib/harness/history.ts';

/** What the engine gives for a request, chunk by chunk; the last is the final output. */
export interface Output {
  /** As the runner read it from the payload. */
  id: string;
  attempt: number;
  /** Of the results of this attempt, from 1. */
  number: number;
  /** Output tokens so far. */
  tokens: number;
}

export type Happening =
  /** The put of a client's request was answered. */
  | { what: 'accepted'; id: string }
  | { what: 'refused'; id: string; code: string; reason: string }
  /** A claim came into hand and entered the engine. */
  | { what: 'claimed'; id: string; owner: string; attempt: number }
  /** The engine is done with it: its final is sent now. */
  | { what: 'done'; id: string; owner: string; attempt: number }
  /** The claim was lost or given back before its end. */
  | { what: 'stopped'; id: string; owner: string; attempt: number }
  /** A result was handed to the client. */
  | { what: 'told'; id: string; kind: Result['kind']; output?: Output; reason?: string }
  | { what: 'warned'; message: string };

export type Entry = Recorded<Happening>;
