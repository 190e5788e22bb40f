/** Items without their content: how a lane finds out whether a call was run that it had to give up (lane.ts). */
import { NO_TICK } from '../base/ticket.ts';
import type { PutAnswer, PutCall, ResetAnswer, ResultAnswer, ResultItem } from './wire.ts';

/** A put whose deadline has passed is refused. A reset has no content. */
export const HOLLOW_PUT = {
  of: (item: PutCall): PutCall => ('reset' in item ? item : { ...item, deadlineMs: 0, payload: '' }),
  wasRun: (answer: PutAnswer | ResetAnswer): boolean => !('status' in answer && answer.status === 'EXPIRED'),
};

/** No claim has this fence. An answer LOST leaves open whose it is, and means the same of either. */
export const HOLLOW_RESULT = {
  of: (item: ResultItem): ResultItem => ({ ...item, fence: NO_TICK, payload: '' }),
  wasRun: (answer: ResultAnswer): boolean => answer !== 'LOST',
};
