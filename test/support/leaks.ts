// What a test run may leave behind, and how it is noticed. Each function returns the complaints it has.
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';

const clientsMs = 1_000;
/** ioredis keeps a timer of 2 s when it disconnects from a server that has gone. */
const handlesMs = 3_000;

/** Kinds of handles that a test can forget; files and the terminal come and go on their own. */
const kinds = [
  'TCPSocketWrap',
  'TCPServerWrap',
  'PipeWrap',
  'ProcessWrap',
  'Timeout',
  'Immediate',
  'FSEventWrap',
];

/** How many handles of each kind keep this process alive. */
export type Handles = ReadonlyMap<string, number>;

/** Counted in a turn of its own: mocha starts the timer of a hook only when the hook first waits. */
export async function openHandles(): Promise<Handles> {
  await nextTurn();
  const active = process.getActiveResourcesInfo();
  return new Map(kinds.map((kind) => [kind, active.filter((name) => name === kind).length]));
}

/** Handles beyond `baseline`, after up to 3 s in which they may close. */
export function leftHandles(baseline: Handles): Promise<string[]> {
  return patiently(handlesMs, async () =>
    [...(await openHandles())]
      .map(([kind, count]) => [kind, count - (baseline.get(kind) ?? 0)] as const)
      .filter(([, extra]) => extra > 0)
      .map(([kind, extra]) => `${extra} ${kind} still open in this process`),
  );
}

/** Lines of the server's clients, each of which begins with its id. */
export async function listClients(redis: Redis): Promise<string[]> {
  return String(await redis.client('LIST'))
    .split('\n')
    .filter((line) => line !== '');
}

/** Clients beyond `before` other than `redis` itself, after up to a second in which they may go. */
export async function leftClients(redis: Redis, before: readonly string[] = []): Promise<string[]> {
  const idOf = (line: string): string => line.slice(0, line.indexOf(' '));
  const known = new Set([`id=${await redis.client('ID')}`, ...before.map(idOf)]);
  return patiently(clientsMs, async () =>
    (await listClients(redis))
      .filter((line) => !known.has(idOf(line)))
      .map((line) => `client still connected: ${line.trim()}`),
  );
}

/** Keys whose name contains `prefix`. */
export async function findKeys(redis: Redis, prefix: string): Promise<string[]> {
  const keys = new Set<string>();
  let cursor = '0';
  do {
    const [next, found] = await redis.scan(cursor, 'MATCH', `*${prefix}*`, 'COUNT', 1_000);
    for (const key of found) keys.add(key);
    cursor = next;
  } while (cursor !== '0');
  return [...keys].sort();
}

/** Those of `keys` that would stay for ever. */
export async function keysWithoutTtl(redis: Redis, keys: readonly string[]): Promise<string[]> {
  const ttls = await Promise.all(keys.map((key) => redis.pttl(key)));
  return keys.filter((_, i) => ttls[i] === -1).map((key) => `key without a TTL: ${key}`);
}

async function patiently(forMs: number, complaints: () => Promise<string[]>): Promise<string[]> {
  const end = performance.now() + forMs;
  for (;;) {
    const found = await complaints();
    if (found.length === 0 || performance.now() > end) return found;
    await sleep(20);
  }
}
