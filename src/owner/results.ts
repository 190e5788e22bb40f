import type { Backlog } from './backlog.ts';
import type { Course } from './course.ts';

/**
 * What an owner is told of a request, by its `kind`. `chunk`s come in order, each once; `restart` says that a later attempt
 * began and what came before is void; the other four end the request, and one of them is the last result.
 */
export type Result<Output = unknown> = ChunkResult<Output> | RestartResult | FinalResult<Output>;

/** A part of the output. */
interface ChunkResult<Output = unknown> {
  kind: 'chunk';
  output: Output;
  reason?: undefined;
}

/** What came before is void: its runner was lost, and another attempt began. */
interface RestartResult {
  kind: 'restart';
  output?: undefined;
  reason?: undefined;
}

/** How a request ended: the last of its results; and how it went, unless it was ended here. */
export type FinalResult<Output = unknown> = (FinishedResult<Output> | FailedResult | DroppedResult) &
  Partial<Course>;

interface FinishedResult<Output = unknown> {
  kind: 'finished';
  /** Missing: the runner gave none, or all of it in chunks. */
  output?: Output;
  reason?: undefined;
}

interface FailedResult {
  kind: 'failed';
  output?: undefined;
  /** Why, in words. */
  reason: string;
}

/** It was cancelled, or its deadline has passed. */
interface DroppedResult {
  kind: 'cancelled' | 'expired';
  output?: undefined;
  /** Why, if there is more to say. */
  reason?: string;
}

/** Where a request's results go. */
export interface Sink<Output> {
  /** @param bytes of its output, encoded */
  deliver(result: Result<Output>, bytes?: number): void;
  /** What was delivered and that nobody has read. */
  readonly backlog: Backlog;
  /** The scheduler ends before the request does (CLOSED, EVICTED). */
  fail(error: Error): void;
}

export function isFinal<Output>(result: Result<Output>): result is FinalResult<Output> {
  return result.kind !== 'chunk' && result.kind !== 'restart';
}
