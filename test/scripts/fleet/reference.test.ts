import { expect } from 'chai';
import { Redis } from 'ioredis';
import { Reference, type Element } from '../../../scripts/lib/reference/reference.ts';
import { exemptFromTtlCheck, freshTopic, redisUrl } from '../../support/server.ts';

interface Numbered extends Element {
  number: number;
}

describe("the reference's algorithm", () => {
  let topic: string;
  let redis: Redis;
  const nodes: Reference<Numbered, string>[] = [];

  beforeEach(() => {
    topic = freshTopic();
    // as the reference does: its load table has none
    exemptFromTtlCheck(topic);
    redis = new Redis(redisUrl());
  });

  afterEach(async () => {
    for (const node of nodes.splice(0)) node.close();
    const keys = await redis.keys(`${topic}.*`);
    if (keys.length > 0) await redis.del(keys);
    redis.disconnect();
  });

  async function start(node: string): Promise<Reference<Numbered, string>> {
    const reference = new Reference<Numbered, string>({
      ...{ redis: redisUrl(), topic, node },
      times: { block: 0.05, resultsBlock: 0.05 },
    });
    nodes.push(reference);
    await reference.start();
    return reference;
  }

  const put = (node: Reference<Numbered, string>, numbers: readonly number[]): Promise<void> =>
    node.put(numbers.map((number) => ({ owner: node.node, number })));
  const all = (popped: readonly unknown[]): number => popped.length;
  const numbers = (got: readonly Numbered[]): number[] => got.map(({ number }) => number);
  const load = (owner: string): Promise<string | null> => redis.zscore(`${topic}.load.0`, owner);

  it('gives back what the budget refuses in reverse, and raises the load again', async () => {
    const node = await start('a');
    await put(node, [1, 2, 3, 4]);
    expect(numbers(await node.get(4, () => 1))).to.deep.equal([1]);
    expect(await load('a')).to.equal('3');
    expect(numbers(await node.get(4, all))).to.deep.equal([4, 3, 2]);
    expect(await load('a')).to.equal(null);
  });

  it('steals half of the batch, rounded up, from a peer of whom three wait, and waits in vain for less', async () => {
    const [owner, thief] = [await start('a'), await start('b')];
    await put(owner, [1, 2]);
    expect(await thief.get(5, all)).to.deep.equal([]);
    await put(owner, [3, 4]);
    expect(numbers(await thief.get(5, all))).to.deep.equal([1, 2, 3]);
    expect(await load('a')).to.equal('1');
  });

  it('takes the first free name, and sends results to their owner', async () => {
    const [owner, thief] = [await start('a'), await start('a')];
    expect([owner.node, thief.node]).to.deep.equal(['a', 'a:1']);
    await thief.reply('a', 'done');
    expect(await owner.takeReplies()).to.deep.equal(['done']);
    expect(await owner.takeReplies()).to.deep.equal([]);
  });
});
