/** Options of the scheduler's calls that wait and that end it, and their checks. */
import { checkNames, checkSignal, namesOf } from './base/call-options.ts';
import { ConfigError } from './base/errors.ts';
import { PUT_OPTIONS } from './owner/prepare.ts';
import type { RunnerResult } from './runner/outbox.ts';
import type { RunOptions } from './runner/run-loop.ts';

export interface CloseOptions {
  /**
   * How long handlers of `run` may go on, Infinity for as long as they do; then they are aborted and their requests given
   * back. Default 30,000. Of several calls, the one that ends first holds.
   */
  drainMs?: number;
  /**
   * Own pending requests stay in Redis for a successor (`keep`), or are cancelled. Default `keep`; of several calls the last
   * one that says so holds.
   */
  pending?: 'keep' | 'cancel';
}

/** As long as Kubernetes waits between SIGTERM and SIGKILL, if nothing else is said. */
export const DRAIN_MS = 30_000;

export interface WaitOptions {
  /** ms. Default pollMs. */
  waitMs?: number;
  /** Ends the wait. */
  signal?: AbortSignal;
}

export const SUBMIT_OPTIONS = [...PUT_OPTIONS, 'signal'];
export const RESULT_FIELDS = namesOf<RunnerResult>({
  claim: true,
  output: true,
  finished: true,
  failed: true,
});
export const RUN_OPTIONS = namesOf<RunOptions>({ budget: true, breaker: true, isEngineFailure: true });
export const UPDATE_OPTIONS = ['loadShards', 'reallocate'];
const WAIT_OPTIONS = namesOf<WaitOptions>({ waitMs: true, signal: true });
const CLOSE_OPTIONS = namesOf<CloseOptions>({ drainMs: true, pending: true });

/** @throws ConfigError */
export function checkWaitOptions(operation: string, options: WaitOptions): void {
  checkNames(operation, options, WAIT_OPTIONS);
  checkSignal(options.signal);
  const { waitMs = 0 } = options;
  if (!Number.isFinite(waitMs) || waitMs < 0) throw new ConfigError('waitMs', waitMs, 'ms of at least 0');
}

/** @throws ConfigError */
export function checkCloseOptions(options: CloseOptions): void {
  checkNames('close', options, CLOSE_OPTIONS);
  const { drainMs = DRAIN_MS, pending = 'keep' } = options;
  if (typeof drainMs !== 'number' || !(drainMs >= 0))
    throw new ConfigError('drainMs', drainMs, 'ms of at least 0');
  if (!['keep', 'cancel'].includes(pending)) throw new ConfigError('pending', pending, 'one of keep, cancel');
}
