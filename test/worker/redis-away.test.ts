// Redis goes away under a worker, and comes back.
import { expect } from 'chai';
import { counted } from '../../src/testing/counting/counting.ts';
import { useCountingEngines } from '../support/counting/engines.ts';
import { DURABLE, useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';
import { ask, contentComes, contentOf, useWorkerFleet } from './support.ts';

describe('a worker whose Redis goes away', () => {
  const redis = useOwnRedis(DURABLE);
  const fleet = useWorkerFleet(() => redis.url);
  const engine = useCountingEngines();

  it('keeps its streams, token-exact, and announces its models again', async () => {
    const one = await engine({ tokenMs: 20 });
    const worker = await fleet.worker(one.url);
    const front = await fleet.front();
    const body = {
      model: 'counting',
      stream: true,
      messages: [{ role: 'user', content: 'go' }],
      max_tokens: 200,
    };
    const all = Array.from({ length: 4 }, () => ask(front, { body }));
    for (const heard of all) await contentComes(heard, counted(5));
    await redis.restart(1_500);
    await Promise.all(all.map(({ ended }) => ended));
    for (const heard of all) {
      expect(contentOf(heard)).to.equal(counted(200));
      expect(heard.final).to.equal('finished');
    }
    expect(one.seen).to.have.length(4);
    await waitUntil(() => worker.unready.length === 0, 'it is ready');
  });
});
