// What is asked for without bound is done in bounded steps (lua/README.md#scripts), and nothing of it is left behind.
import { expect } from 'chai';
import { shardKeys, wakePrefix } from '../../src/base/keys.ts';
import { MAX_CLAIMS } from '../../src/protocol/wire.ts';
import { idsOf, requests, room, take, useFleet } from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';

describe('an engine with a batch of 100,000', function () {
  this.timeout(120_000);
  const fleet = useFleet();
  const budget = room(100_000, { availableBlocks: 10_000_000, maxNumBatchedTokens: 10_000_000 });

  for (const whose of ['its own', 'a peer’s'] as const) {
    it(`serves ${whose} 4,500 requests, at most 1,000 a claim`, async () => {
      const engine = await fleet.start('engine', { leaseMs: 60_000 });
      const owner = whose === 'its own' ? engine : await fleet.start('owner', { leaseMs: 60_000 });
      const all = requests('r', 4_500);
      for (const { error } of await owner.putRequests(all)) expect(error).to.equal(undefined);
      const batches: string[][] = [];
      const more = async (): Promise<boolean> => {
        const claims = await engine.getRequests(budget, { waitMs: 1_000 });
        batches.push(claims.map(({ id }) => id));
        await engine.putResults(claims.map(({ claim }) => ({ claim, finished: true })));
        return batches.flat().length >= all.length;
      };
      await waitUntil(more, 'all are claimed', 60_000);
      expect(batches.flat().sort()).to.deep.equal(idsOf(all).sort());
      expect(Math.max(...batches.map(({ length }) => length))).to.be.at.most(MAX_CLAIMS);
      await fleet.verify();
    });
  }
});

describe('noise on the channel of a node', () => {
  const fleet = useFleet();

  it('makes no key and no shard, and keeps nobody from being woken', async () => {
    const node = await fleet.start('n', { pollMs: 60_000, loadShards: 2 });
    const heard: unknown[] = [];
    node.events.on('ring', (ring) => void heard.push(ring));
    const before = (await fleet.redis.keys(`{${fleet.topic}*`)).sort();
    const say = (message: string): Promise<number> =>
      fleet.redis.publish(wakePrefix(fleet.topic) + 'n', message);
    const noise = [
      '',
      'x',
      'claim',
      'claim 0',
      'claim  ',
      'claim 1e300 NaN',
      'refresh -1 0',
      'results 1.5 0',
    ];
    for (const message of [...noise, 'claim 0 -5', 'claim 0 Infinity', 'claim 0 1e15', 'results 00000 x'])
      await say(message);
    for (let shard = 2; shard < 300; shard += 1)
      for (const what of ['claim', 'results', 'refresh']) await say(`${what} ${shard * 7_919} 0`);
    // in the same order as the noise: when this one was heard, all of it was
    await say('results 1 0');
    await waitUntil(() => heard.length > 0, 'it was rung');
    expect(heard).to.have.length(1);
    expect(heard[0]).to.include({ what: 'results', shard: 1, delayMs: 0 });
    const known = new Set([0, 1].flatMap((shard) => shardKeys(fleet.topic, shard)).concat(before));
    await node.putRequests(requests('r', 1));
    await take(node, 1);
    const after = await fleet.redis.keys(`{${fleet.topic}*`);
    expect(after.filter((key) => !known.has(key))).to.deep.equal([]);
  });

  it('may delay a ring as long as it likes: no timer spins', async () => {
    const node = await fleet.start('n', { pollMs: 60_000 });
    const heard: number[] = [];
    node.events.on('ring', ({ delayMs }) => void heard.push(delayMs));
    await fleet.redis.publish(wakePrefix(fleet.topic) + 'n', 'claim 0 99999999999999');
    await waitUntil(() => heard.length > 0, 'it was rung');
    expect(heard).to.deep.equal([2 ** 31 - 1]);
  });
});
