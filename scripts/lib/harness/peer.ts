/** What a chaos node needs of a scheduler, so that ours and the naive twin go through the same. */
import type { HistoryWriter } from './history.ts';
import type { Happening, Output } from './happenings.ts';

/** A request as it travels through Redis. */
export interface ChaosRequest {
  request_id: string;
  prompt_token_ids: number[];
  /** Results before the last one, and ms before each result. */
  chunks: number;
  stepMs: number;
}

export interface PeerSettings {
  /** Of the proxy. */
  redis: string;
  topic: string;
  node: string;
  takeover: boolean;
  /** Requests that its engine runs at once; 0: it runs none. */
  slots: number;
  /** ms; 0: its engine begins with work at any time. The reference's does always. */
  iterationMs: number;
  leaseMs: number;
  loadShards: number;
  policy: 'oldest' | 'lucky';
}

/** A claim in the hand of the engine. */
export interface Task {
  request: ChaosRequest;
  owner: string;
  fence: string;
  attempt: number;
  signal: AbortSignal;
}

/** Executes a request; the returned output is the final one. */
export type Execute = (task: Task) => AsyncGenerator<Output, Output, undefined>;

export interface Refusal {
  code: string;
  reason: string;
}

export interface PutRequest {
  request: ChaosRequest;
  priority: number;
  deadlineMs: number | undefined;
  /** Cancels it when it fires. */
  signal: AbortSignal | undefined;
}

export interface Peer {
  readonly node: string;
  /** Per request: why it was refused, or undefined: it is accepted. What it becomes is told through the history. */
  put(requests: readonly PutRequest[]): Promise<(Refusal | undefined)[]>;
  close(): Promise<void>;
}

export type StartPeer = (
  settings: PeerSettings,
  history: HistoryWriter<Happening>,
  execute: Execute,
) => Promise<Peer>;

/** The exit code by which a node says that another instance took its name. */
export const EVICTED_EXIT = 3;
