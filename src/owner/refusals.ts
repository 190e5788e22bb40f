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
