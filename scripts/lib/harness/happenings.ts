/** What the processes of a run write into their histories. The checker knows nothing else of them. */
import type { Budget, Result } from '../../../src/index.ts';
import { isFinal as endsRequest } from '../../../src/owner/results.ts';
import type { Recorded } from './history.ts';

/** What a runner gives for a request, chunk by chunk; the last one is the final output. */
export interface Output {
  /** As the runner read it from the payload. */
  id: string;
  /** Of the claim: a tick, so later claims have higher ones. */
  fence: string;
  /** Of the results of this claim, from 1. */
  number: number;
  /** Output tokens so far; given if the put said how many are wanted. */
  tokens?: number;
}

/** What a client says of its request, if it says so. */
interface PutFacts {
  deadlineMs?: number;
  promptTokens?: number;
  outputTokens?: number;
}

/** What an engine holds when nothing runs on it. */
export type EngineSize = Pick<Budget, 'availableBlocks' | 'blockSize' | 'reservedOutputBlocks' | 'batch'>;

export type Happening =
  /** It has a name now. `takeover`: it asked for its predecessor's results. `engine`: missing if it serves nothing. */
  | { what: 'started'; node: string; takeover: boolean; engine?: EngineSize }
  /** It ends in order, and claims nothing any more. */
  | { what: 'closing' }
  /** A client brings a request to this process, and says what it wants. */
  | ({ what: 'put'; id: string; priority: number } & PutFacts)
  | { what: 'accepted'; id: string }
  | { what: 'refused'; id: string; code: string; reason: string }
  /** Redis answered a put of it: it has this ticket now. More than once: what Redis lost was put again. */
  | { what: 'placed'; id: string; ticket: string; shard: number }
  /** Redis answered a claim with this ticket, whether or not it is executed. */
  | { what: 'granted'; id: string; ticket: string; fence: string; shard: number; triesSpent: number }
  /** The claim goes back to Redis now. */
  | { what: 'givenBack'; id: string; fence: string }
  /** The claim came into a handler's hand. */
  | { what: 'claimed'; id: string; owner: string; fence: string; attempt: number }
  /** A result is handed to the scheduler now. */
  | { what: 'sent'; id: string; fence: string; number: number; final: boolean }
  /** The handler stopped before its end: the claim was lost or given back. */
  | { what: 'stopped'; id: string; fence: string }
  /** The client asks for its request's end. */
  | { what: 'cancelling'; id: string }
  /** Redis ran one of the scripts by which a loss is noticed and made good. */
  | { what: 'answered'; shard: number; script: string }
  /** The process has this result from its mailbox in Redis, and is about to deal with it. */
  | { what: 'taken'; id: string; ticket: string; fence: string; number: number; final: boolean }
  /** The client was told a result. */
  | {
      what: 'told';
      id: string;
      kind: Result['kind'];
      output?: Output | undefined;
      reason?: string | undefined;
    }
  /** The scheduler is over. */
  | { what: 'over'; code: string }
  | { what: 'warned'; message: string };

export type Entry = Recorded<Happening>;

/** One process as the checker knows it: its history, and whether it ended in order. */
export interface ProcessHistory {
  /** Unlike a node's name, never used again. */
  readonly label: string;
  readonly entries: readonly Entry[];
  /** When it was killed or evicted; undefined: it ended in order. */
  readonly diedAt: number | undefined;
}

/** The name that a process had; undefined: it never got one. */
export function nameOf({ entries }: ProcessHistory): string | undefined {
  const entry = entries.find(({ what }) => what === 'started');
  return entry?.what === 'started' ? entry.node : undefined;
}

/** A process for people: label and name. */
export function describe(process: ProcessHistory): string {
  const name = nameOf(process);
  return name === undefined ? process.label : `${process.label} (${name})`;
}

/** Whether a result is the last that a client is told of its request. */
export function isFinal({ kind }: { kind: Result['kind'] }): boolean {
  return endsRequest({ kind } as Result);
}
