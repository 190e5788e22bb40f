/** Lists with an acknowledgement: what is claimed lies in a second list (LMOVE) until its result is there (LREM). */
import { openClient } from '../../../src/redis/connection.ts';
import { OUTPUT, type Lifecycles } from '../loads.ts';
import { lists, requestsOf, resultsOf } from './lists.ts';
import { claimedOf, look, type Contender } from './port.ts';

export const acknowledged: Contender = {
  owner: lists.owner!,
  runner: (place) => {
    const client = openClient(place.redis);
    const [requests, running] = [requestsOf(place), `{${place.topic}}:running`];
    const { batch } = place.load as Lifecycles;
    return {
      // one command each: as many at a time as come together
      claim: async (room) => {
        const moved: (string | null)[] = await Promise.all(
          Array.from({ length: Math.min(room, batch) }, () =>
            client.lmove(requests, running, 'LEFT', 'RIGHT'),
          ),
        );
        const claims = moved.flatMap((one) => (one === null ? [] : [claimedOf(one)]));
        if (claims.length === 0) await look();
        return claims;
      },
      finish: async (claims) => {
        await Promise.all([
          client.rpush(resultsOf(place), ...claims.map(() => JSON.stringify(OUTPUT))),
          ...claims.map(({ claim }) => client.lrem(running, 1, claim)),
        ]);
      },
      close: () => client.disconnect(),
    };
  },
};
