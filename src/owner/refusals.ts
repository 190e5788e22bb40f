/** Why a put was refused, in words. */
import { SchedulerError } from '../base/errors.ts';

export function duplicate(id: string): SchedulerError {
  return new SchedulerError(
    'DUPLICATE',
    'putRequests',
    `duplicate request_id ${JSON.stringify(id)}: it has not ended`,
  );
}

export function expired(id: string): SchedulerError {
  return new SchedulerError(
    'EXPIRED',
    'putRequests',
    `the deadline of ${JSON.stringify(id)} had passed when it was put`,
  );
}

export function tooLarge(id: string, tokens: number, largest: number): SchedulerError {
  const message = `${JSON.stringify(id)} was refused: its ${tokens} prompt tokens fit no living engine of the topic; the largest holds ${largest}`;
  return new SchedulerError('TOO_LARGE', 'putRequests', message, { tokens, largest });
}

export function late(id: string): SchedulerError {
  return new SchedulerError(
    'EXPIRED',
    'putRequests',
    `the deadline of ${JSON.stringify(id)} passed before Redis answered its put`,
  );
}

export function full(id: string, maxWaiting: number, retryAfterMs: number): SchedulerError {
  const message = `${JSON.stringify(id)} was refused: ${maxWaiting} requests of this node wait (option maxWaiting); try again in ${retryAfterMs} ms`;
  return new SchedulerError('FULL', 'putRequests', message, { retryAfterMs });
}
