import type { Course } from './course.ts';
import type { ResultKind } from '../protocol/wire.ts';

/**
 * What an owner is told of a request. `chunk`s come in order, each once; `restart` says that a later attempt began and
 * what came before is void; the other four end the request, and one of them is the last result.
 */
export interface Result<Output = unknown> {
  kind: ResultKind | 'restart';
  /** Of chunk and finished, if the runner gave one. */
  output?: Output;
  /** Of failed, cancelled and expired: why. */
  reason?: string;
}

/** Where a request's results go. */
export interface Sink<Output> {
  deliver(result: Result<Output>): void;
  /** Results that were delivered and that nobody has read. */
  unread(): number;
  /** The scheduler ends before the request does (CLOSED, EVICTED). */
  fail(error: Error): void;
}

/** How a request ended: a {@link Result} that is its last. */
export type FinalResult<Output = unknown> = Result<Output> &
  Partial<Course> & { kind: 'finished' | 'failed' | 'cancelled' | 'expired' };

export function isFinal<Output>(result: Result<Output>): result is FinalResult<Output> {
  return result.kind !== 'chunk' && result.kind !== 'restart';
}
