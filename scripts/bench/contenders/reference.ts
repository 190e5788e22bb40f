/** The reference's algorithm; its runner has nothing of its own, and steals. */
import { now } from '../../lib/harness/history.ts';
import { Reference } from '../../lib/reference/reference.ts';
import { OUTPUT, type BenchRequest } from '../loads.ts';
import type { Contender, Place } from './port.ts';
import { readerWith, writerWith, type Sent } from './sent.ts';

export const reference: Contender = {
  owner: async (place) => {
    const node = await start<string>(place, 'owner');
    return {
      put: (requests) => node.put(requests),
      take: async () => (await node.takeReplies()).length,
      close: () => node.close(),
    };
  },
  runner: async (place) => {
    const node = await start<string>(place, 'runner');
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
    const node = await start<Sent>(place, 'owner');
    return readerWith(
      place,
      () => node.takeReplies(),
      () => node.close(),
    );
  },
  writer: async (place) => {
    const node = await start<Sent>(place, 'runner');
    return writerWith(
      place,
      (sent) => node.reply('owner', ...sent),
      () => node.close(),
    );
  },
};

async function start<Reply>({ redis, topic }: Place, node: string): Promise<Reference<BenchRequest, Reply>> {
  const scheduler = new Reference<BenchRequest, Reply>({ redis, topic, node });
  await scheduler.start();
  void scheduler.loop(() => scheduler.stayAlive());
  return scheduler;
}
