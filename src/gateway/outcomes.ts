/** What the scheduler says of a request, as the gateway's answer. */
import { SchedulerError } from '../base/errors.ts';
import type { FinalResult } from '../index.ts';
import type { WireResult } from '../openai/wire.ts';
import { ApiError } from './api-error.ts';
import { redisDown } from './models.ts';

const DRAIN_RETRY_MS = 1_000;

/** Of a put, or of reading its results. */
export function errorOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (!(error instanceof SchedulerError)) return internal();
  switch (error.code) {
    case 'FULL':
      return new ApiError('queue_full', 'too many requests of this model wait', {
        retryAfterMs: error.retryAfterMs ?? DRAIN_RETRY_MS,
      });
    case 'TOO_LARGE':
      return new ApiError('never_fits', tooLarge(error));
    case 'EXPIRED':
      return deadline();
    case 'TIMEOUT':
    case 'REDIS':
      return redisDown();
    case 'CLOSED':
    case 'EVICTED':
    case 'CANCELLED':
      return draining();
    default:
      return internal();
  }
}

/** Of a request that did not finish. */
export function errorOfFinal({ kind, reason }: FinalResult<WireResult>): ApiError {
  if (kind === 'expired') return deadline();
  if (kind === 'cancelled') return draining();
  // a reason is of the scheduler or of a worker, and holds nothing of the prompt
  return new ApiError('worker_lost', `no worker could serve it: ${reason ?? 'it failed'}`);
}

export function draining(): ApiError {
  return new ApiError('draining', 'this gateway stops; ask another', { retryAfterMs: DRAIN_RETRY_MS });
}

function deadline(): ApiError {
  return new ApiError('deadline', 'the deadline has passed');
}

function internal(): ApiError {
  return new ApiError('internal', 'the gateway failed');
}

function tooLarge({ tokens, largest }: SchedulerError): string {
  if (tokens === undefined || largest === undefined) return 'the request is larger than any that is carried';
  return `a prompt of about ${tokens} tokens; the largest engine of this model holds ${largest}`;
}
