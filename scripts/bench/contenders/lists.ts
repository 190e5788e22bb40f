/**
 * The bound: the least that anything with a queue and a mailbox in Redis does. RPUSH of a batch, LPOP of a batch, RPUSH of its
 * results, LPOP of its results, by clients with the options of ours. Who finds nothing looks again after a ms, or where
 * waiting is measured blocks.
 */
import { openClient } from '../../../src/redis/connection.ts';
import type { Client } from '../../../src/redis/run-script.ts';
import { OUTPUT, type BenchRequest, type Streams } from '../loads.ts';
import { claimedOf, look, type Contender, type Place } from './port.ts';
import { readerWith, writerWith, type Sent } from './sent.ts';

/** Most of one LPOP of results: as many as the reference takes. */
const MOST = 300;
const BLOCK_S = 1;

export const lists: Contender = {
  owner: (place) => {
    const client = openClient(place.redis);
    return {
      put: (requests) => client.rpush(requestsOf(place), ...requests.map(text)),
      take: async () => (await pop(client, [resultsOf(place)], MOST, waits(place))).length,
      close: () => client.disconnect(),
    };
  },
  runner: (place) => {
    const client = openClient(place.redis);
    return {
      claim: async (room) =>
        (await pop(client, [requestsOf(place)], room, waits(place))).map((one) => claimedOf(one)),
      finish: (claims) => client.rpush(resultsOf(place), ...claims.map(() => JSON.stringify(OUTPUT))),
      close: () => client.disconnect(),
    };
  },
  reader: (place) => {
    const client = openClient(place.redis);
    const { pacedMs } = place.load as Streams;
    const read = async (): Promise<Sent[]> =>
      (await pop(client, mailboxesOf(place), MOST, pacedMs !== undefined)).map(
        (one) => JSON.parse(one) as Sent,
      );
    return readerWith(place, read, () => client.disconnect());
  },
  writer: (place) => {
    const client = openClient(place.redis);
    const keys = mailboxesOf(place);
    const send = async (sent: readonly Sent[]): Promise<void> => {
      const mail = keys.map((): string[] => []);
      for (const one of sent) mail[one.stream % keys.length]!.push(JSON.stringify(one));
      await Promise.all(
        mail.flatMap((some, owner) => (some.length > 0 ? [client.rpush(keys[owner]!, ...some)] : [])),
      );
    };
    return writerWith(place, send, () => client.disconnect());
  },
};

export function requestsOf({ topic }: Place): string {
  return `{${topic}}:requests`;
}

export function resultsOf({ topic }: Place): string {
  return `{${topic}}:results`;
}

/** One for each owner of streams. */
export function mailboxesOf({ topic, load }: Place): string[] {
  const owners = Math.max(1, (load as Streams).owners);
  return Array.from({ length: owners }, (_, owner) => `{${topic}}:mailbox:${owner}`);
}

export function text(request: BenchRequest): string {
  return JSON.stringify(request);
}

/** Where waiting is measured, nobody looks in turns. */
export function waits({ load }: Place): boolean {
  return load.kind === 'lifecycles' && load.pauseMs !== undefined;
}

/** What is in the lists, after a wait for some. */
export async function pop(
  client: Client,
  keys: readonly string[],
  most: number,
  blocks: boolean,
): Promise<string[]> {
  const popped = (await Promise.all(keys.map((key) => client.lpop(key, most)))).flatMap((some) => some ?? []);
  if (popped.length > 0) return popped;
  if (!blocks) {
    await look();
    return [];
  }
  const [, one] = (await client.blpop([...keys], BLOCK_S)) ?? [];
  return one === undefined ? [] : [one];
}
