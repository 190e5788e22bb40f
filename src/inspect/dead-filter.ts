/** Which entries of `dead` are meant. Pure. */
import type { DeadEntry, DeadKind } from './dead-letters.ts';

/** What is missing excludes nothing. */
export interface DeadFilter {
  owner?: string | undefined;
  /** Found in the reason or in the last error. */
  reason?: RegExp | undefined;
  kind?: DeadKind | undefined;
  /** ms since the request was given up: at least, and at most. */
  olderMs?: number | undefined;
  newerMs?: number | undefined;
}

/** @param now ms of the server's clock; what was given up later is not meant: a request that is retried may come again */
export function isMeant(
  entry: Pick<DeadEntry, 'owner' | 'reason' | 'error' | 'kind' | 'at'>,
  { owner, reason, kind, olderMs = 0, newerMs = Infinity }: DeadFilter,
  now: number,
): boolean {
  const age = now - entry.at;
  return (
    (owner === undefined || entry.owner === owner) &&
    (kind === undefined || entry.kind === kind) &&
    (reason === undefined || reason.test(entry.reason) || reason.test(entry.error ?? '')) &&
    age >= olderMs &&
    age <= newerMs
  );
}
