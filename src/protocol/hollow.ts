/** A put without its content: how its lane finds out whether a call was run that it had to give up (lane.ts). */
import type { PutAnswer, PutCall, ResetAnswer } from './wire.ts';

/** A put whose deadline has passed is refused. A reset has no content. */
export const HOLLOW_PUT = {
  of: (item: PutCall): PutCall => ('reset' in item ? item : { ...item, deadlineMs: 0, payload: '' }),
  wasRun: (answer: PutAnswer | ResetAnswer): boolean => !('status' in answer && answer.status === 'EXPIRED'),
};
