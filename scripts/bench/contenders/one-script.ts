/**
 * What a Lua script costs that checks nothing: for each owner one script, with as many keys and arguments as ours, whose two
 * commands keep what it is given and publish it. The reader hears it, and takes what is kept once in many times, as ours does.
 * A design that fences in a script cannot be cheaper.
 */
import { openClient } from '../../../src/redis/connection.ts';
import { SHARD_TABLES } from '../../../src/base/keys.ts';
import { SCRIPTS } from '../../../src/redis/declarations.ts';
import type { Client } from '../../../src/redis/run-script.ts';
import { mailboxesOf } from './lists.ts';
import type { Contender, Place } from './port.ts';
import { readerWith, writerWith, type Sent } from './sent.ts';

const KEYS = SHARD_TABLES.length;
const SCRIPT = `
  redis.call('ZADD', KEYS[1], 0, ARGV[2])
  return redis.call('PUBLISH', ARGV[1], ARGV[2])
`;
/** What our scripts are told of the caller, about as long. */
const CALLER = SCRIPTS.put_results.args.map(() => 'caller..');
/** Commands that are not its script's. */
export const DIRECT = ['zpopmin'];
/** So many messages are heard before what was kept is taken. */
const TAKEN_AT_ONCE = 16;

type WithScript = Client & { postAndPublish(...keysAndArguments: string[]): Promise<number> };

export const oneScript: Contender = {
  reader: async (place) => {
    const [client, ears] = [openClient(place.redis), openClient(place.redis)];
    const keys = mailboxesOf(place);
    const heard: Sent[] = [];
    const untaken = new Map(keys.map((key) => [key, 0]));
    let wake = (): void => undefined;
    ears.on('message', (key: string, message: string) => {
      heard.push(...(JSON.parse(message.slice(message.indexOf('['))) as Sent[]));
      const count = untaken.get(key)! + 1;
      untaken.set(key, count % TAKEN_AT_ONCE);
      if (count === TAKEN_AT_ONCE) void client.zpopmin(key, TAKEN_AT_ONCE).catch(() => undefined);
      wake();
    });
    await ears.subscribe(...keys);
    const read = async (): Promise<Sent[]> => {
      if (heard.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return heard.splice(0);
    };
    return readerWith(place, read, () => {
      client.disconnect();
      ears.disconnect();
    });
  },
  writer: (place) => {
    const client = clientOf(place);
    const keys = mailboxesOf(place);
    let number = 0;
    const send = async (sent: readonly Sent[]): Promise<void> => {
      const mail = keys.map((): Sent[] => []);
      for (const one of sent) mail[one.stream % keys.length]!.push(one);
      await Promise.all(
        mail.flatMap((some, owner) => {
          if (some.length === 0) return [];
          // two alike would be one
          const entry = `${String((number += 1)).padStart(14, '0')}${JSON.stringify(some)}`;
          const names = Array.from({ length: KEYS }, () => keys[owner]!);
          return [client.postAndPublish(...names, keys[owner]!, entry, ...CALLER)];
        }),
      );
    };
    return writerWith(place, send, () => client.disconnect());
  },
};

function clientOf({ redis }: Place): WithScript {
  const client = openClient(redis);
  client.defineCommand('postAndPublish', { lua: SCRIPT, numberOfKeys: KEYS });
  return client as WithScript;
}
