/** A search through a shard: a claim looks at so many requests, and says where the next goes on if it took none. */
import type { ClaimAnswer, ClaimItem } from '../protocol/wire.ts';

/** Asks for no request: the script only rings. */
export const NOTHING: Omit<ClaimItem, 'keepForMs'> = {
  ...{ limit: 0, aloneTokens: 0, sumTokens: 0, totalTokens: 0 },
  ...{ idleForMs: 0, patienceMs: 0, askOn: 0, elsewhereTokens: -1 },
};

/** @param isStopped asked before each further claim */
export async function search(
  claim: (item: ClaimItem) => Promise<ClaimAnswer>,
  item: ClaimItem,
  isStopped: () => boolean,
): Promise<ClaimAnswer> {
  let answer = await claim(item);
  let isBlocked = answer.status === 'BLOCKED';
  let againMs = answer.againMs ?? Infinity;
  while (answer.askOn !== undefined && !isStopped()) {
    answer = await claim({ ...item, askOn: answer.askOn });
    isBlocked ||= answer.status === 'BLOCKED';
    againMs = Math.min(againMs, answer.againMs ?? Infinity);
  }
  const status = isBlocked && answer.status === 'IDLE' ? 'BLOCKED' : answer.status;
  return { ...answer, status, ...(againMs < Infinity ? { againMs } : {}) };
}
