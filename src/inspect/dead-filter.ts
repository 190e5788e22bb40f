/** Which entries of `dead` are meant. */
import type { Client } from '../redis/run-script.ts';
import { PAGE, entriesOf, type DeadEntry, type DeadKind } from './dead-letters.ts';

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

/** Of those shards, the entries that are meant, shard by shard in pages: the oldest first. */
export async function* pagesOf(
  { client, topic, shards, now }: { client: Client; topic: string; shards: number; now: number },
  filter: DeadFilter,
): AsyncGenerator<DeadEntry[]> {
  for (let shard = 0; shard < shards; shard += 1) {
    let page: DeadEntry[] = [];
    for await (const entry of entriesOf(client, topic, shard)) {
      if (isMeant(entry, filter, now)) page.push(entry);
      if (page.length < PAGE) continue;
      yield page;
      page = [];
    }
    if (page.length > 0) yield page;
  }
}
