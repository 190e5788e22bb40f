/** Streams of Redis: XADD and XREAD, for requests in a consumer group with XACK and XDEL. Readers block. */
import { openClient } from '../../../src/redis/connection.ts';
import type { Client } from '../../../src/redis/run-script.ts';
import { OUTPUT } from '../loads.ts';
import { mailboxesOf, requestsOf, resultsOf, text } from './lists.ts';
import { claimedOf, type Contender, type Place } from './port.ts';
import { readerWith, writerWith, type Sent } from './sent.ts';

const MOST = 300;
const BLOCK_MS = 1_000;
/** Entries that a stream of results keeps; more than any reader is behind. */
const KEPT = 100_000;
const GROUP = 'engines';

type Entries = [id: string, fields: string[]][];

export const redisStreams: Contender = {
  owner: (place) => {
    const client = openClient(place.redis);
    const reader = readerOf(place, [resultsOf(place)]);
    return {
      put: async (requests) => {
        await Promise.all(requests.map((one) => client.xadd(requestsOf(place), '*', 'r', text(one))));
      },
      take: async () => (await reader.read()).length,
      close: () => {
        client.disconnect();
        reader.close();
      },
    };
  },
  runner: async (place) => {
    const [client, blocking] = [openClient(place.redis), openClient(place.redis)];
    const requests = requestsOf(place);
    await client.xgroup('CREATE', requests, GROUP, '0', 'MKSTREAM');
    return {
      claim: async (room) => {
        const read = (await blocking.xreadgroup(
          ...(['GROUP', GROUP, 'one', 'COUNT', room, 'BLOCK', BLOCK_MS, 'STREAMS', requests, '>'] as const),
        )) as [string, Entries][] | null;
        return (read?.[0]?.[1] ?? []).map(([id, fields]) => claimedOf(fields[1]!, id));
      },
      finish: async (claims) => {
        const ids = claims.map(({ claim }) => claim);
        await Promise.all([
          ...claims.map(() => add(client, resultsOf(place), JSON.stringify(OUTPUT))),
          client.xack(requests, GROUP, ...ids),
          client.xdel(requests, ...ids),
        ]);
      },
      close: () => {
        client.disconnect();
        blocking.disconnect();
      },
    };
  },
  reader: (place) => {
    const reader = readerOf(place, mailboxesOf(place));
    const read = async (): Promise<Sent[]> => (await reader.read()).map((one) => JSON.parse(one) as Sent);
    return readerWith(place, read, () => reader.close());
  },
  writer: (place) => {
    const client = openClient(place.redis);
    const keys = mailboxesOf(place);
    const send = async (sent: readonly Sent[]): Promise<void> => {
      await Promise.all(sent.map((one) => add(client, keys[one.stream % keys.length]!, JSON.stringify(one))));
    };
    return writerWith(place, send, () => client.disconnect());
  },
};

function add(client: Client, key: string, body: string): Promise<string | null> {
  return client.xadd(key, 'MAXLEN', '~', KEPT, '*', 'r', body);
}

/** Reads on from where it was. */
function readerOf({ redis }: Place, keys: readonly string[]) {
  const client = openClient(redis);
  const last = new Map(keys.map((key) => [key, '0']));
  return {
    read: async (): Promise<string[]> => {
      const where = [...last.keys(), ...last.values()];
      const read = await client.xread('COUNT', MOST, 'BLOCK', BLOCK_MS, 'STREAMS', ...where);
      return (read ?? []).flatMap(([key, entries]) => {
        last.set(key, entries.at(-1)![0]);
        return entries.map(([, fields]) => fields[1]!);
      });
    },
    close: () => client.disconnect(),
  };
}
