/** What a contender does in each of its two processes. */
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '../../lib/harness/history.ts';
import type { BenchRequest, Chunk, Load } from '../loads.ts';

export type Role = 'owner' | 'runner';

export type ContenderName =
  | 'ours'
  | 'lists'
  | 'acknowledged'
  | 'redis-streams'
  | 'one-script'
  | 'bullmq'
  | 'bullmq-events'
  | 'reference';

/** Where, and with what. */
export interface Place {
  /** URL. */
  redis: string;
  /** In the names of all keys. */
  topic: string;
  role: Role;
  load: Load;
  /** A file of the project: packages are found from there. */
  from: string;
}

/** Puts requests and takes their results. */
export interface OwnerPort {
  put(requests: readonly BenchRequest[]): Promise<unknown>;
  /** How many results came, after a wait for some. Missing: who puts does not hear of results. */
  take?(): Promise<number>;
  close(): Promise<void> | void;
}

/** A request in an engine's hand. */
export interface Claimed {
  request: BenchRequest;
  /** By what the contender knows it. */
  claim: string;
  /** Of the histories' clock. */
  claimedAt: number;
}

/** Claims requests and puts their results. */
export interface RunnerPort {
  /** At most `room`, after a wait for some. */
  claim(room: number): Promise<readonly Claimed[]>;
  finish(claims: readonly Claimed[]): Promise<unknown>;
  close(): Promise<void> | void;
}

/** Told of what a reader gets. */
export interface Heard {
  chunk(stream: number, chunk: Chunk): void;
  end(stream: number): void;
}

/** Reads streams. */
export interface ReaderPort {
  /** Opens a round's streams: 0, 1 … */
  open(round: number, heard: Heard): Promise<void>;
  /** Missing: it cannot. */
  cancel?(stream: number): Promise<unknown>;
  close(): Promise<void> | void;
}

/** Sends streams. */
export interface WriterPort {
  open(round: number): Promise<void>;
  /** The chunk of this number of each stream; resolves when the next may be sent. */
  send(index: number): Promise<void>;
  end(): Promise<void>;
  close(): Promise<void> | void;
}

/** What there is to make of one contender; a missing one cannot carry such a load. */
export interface Contender {
  owner?: (place: Place) => OwnerPort | Promise<OwnerPort>;
  runner?: (place: Place) => RunnerPort | Promise<RunnerPort>;
  reader?: (place: Place) => ReaderPort | Promise<ReaderPort>;
  writer?: (place: Place) => WriterPort | Promise<WriterPort>;
}

/** Who looks into a list in vain looks again after so long. */
export const LOOK_MS = 1;

export function look(): Promise<void> {
  return sleep(LOOK_MS);
}

export function claimedOf(text: string, claim = text): Claimed {
  return { request: JSON.parse(text) as BenchRequest, claim, claimedAt: now() };
}

/** A package of the project, in a process whose program lies elsewhere. */
export function packageOf(place: Place, name: string): unknown {
  return createRequire(place.from)(name);
}
