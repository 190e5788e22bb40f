/**
 * The reference's algorithm. Its runner takes from the owner's own queue: a peer that is not loaded is not looked at, so another
 * node would leave the last requests where they are.
 */
import { now } from '../../lib/harness/history.ts';
import { Reference } from '../../lib/reference/reference.ts';
import { OUTPUT, type BenchRequest } from '../loads.ts';
import type { Contender, Place } from './port.ts';
import { readerWith, writerWith, type Sent } from './sent.ts';

export const reference: Contender = {
  owner: async (place) => {
    const node = await start<string>(place);
    return {
      put: (requests) => node.put(requests),
      take: async () => (await node.takeReplies()).length,
      close: () => node.close(),
    };
  },
  runner: async (place) => {
    const node = await start<string>(place);
    return {
      claim: async (room) =>
        (await node.get(room, (popped) => popped.length)).map((request) => ({
          ...{ request, claim: request.id, claimedAt: now() },
        })),
      finish: (claims) => node.reply('owner', ...claims.map(() => OUTPUT)),
      close: () => node.close(),
    };
  },
  reader: async (place) => {
    const node = await start<Sent>(place);
    return readerWith(
      place,
      () => node.takeReplies(),
      () => node.close(),
    );
  },
  writer: async (place) => {
    const node = await start<Sent>(place);
    return writerWith(
      place,
      (sent) => node.reply('owner', ...sent),
      () => node.close(),
    );
  },
};

async function start<Reply>({ redis, topic, role }: Place): Promise<Reference<BenchRequest, Reply>> {
  const scheduler = new Reference<BenchRequest, Reply>({ redis, topic, node: 'owner' });
  if (role === 'owner') {
    await scheduler.start();
    void scheduler.loop(() => scheduler.stayAlive());
  }
  return scheduler;
}
