// lua/README.md#carried-frames: a frame that a wake-up carries, on real nodes.
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { wakePrefix } from '../../src/base/keys.ts';
import { Scheduler } from '../../src/index.ts';
import { TestCluster } from '../support/cluster.ts';
import { useDeafProxy } from '../support/deaf-proxy.ts';
import { request, take, useFleet, type Claimed, type Node, type Prompt } from '../support/fleet.ts';
import { freshTopic, redisUrl, waitUntil } from '../support/server.ts';

/** Nothing but what a test does speaks to Redis. */
const QUIET = { leaseMs: 600_000, keepAliveMs: 600_000, ttlMs: 1_200_000, pollMs: 60_000 } as const;
/** In an entry behind `owner|`: tick, `|F`, totals and count; then the frame, where a fence of 7 bytes has the number behind it. */
const [TICK, TO_FRAME, TO_NUMBER] = [14, 14 + 2 + 42 + 4, 7];

/** Its chunks, as they come. */
function read(owner: Node, id: string): { came: unknown[]; over: Promise<void> } {
  const came: unknown[] = [];
  const over = (async () => {
    for await (const { kind, output } of owner.submit(request(id)))
      came.push(kind === 'chunk' ? output : kind);
  })();
  return { came, over };
}

async function hear(client: Redis, channel: string): Promise<Buffer[]> {
  const heard: Buffer[] = [];
  client.on('messageBuffer', (_channel: Buffer, message: Buffer) => heard.push(message));
  await client.subscribe(channel);
  return heard;
}

describe('a frame that its wake-up carries', () => {
  const fleet = useFleet();
  const proxy = useDeafProxy(redisUrl);
  let runner: Node;

  beforeEach(async () => {
    runner = await fleet.start('runner', { ...QUIET, minLoadScore: 1 });
  });

  const chunk = async ({ claim }: Claimed, output: number): Promise<void> => {
    expect(await runner.putResults([{ claim, output }])).to.deep.equal(['ok']);
  };

  it('is delivered from the message, each chunk once, and only what is next; no garbage is', async () => {
    const owner = await fleet.start('owner', QUIET);
    const again: unknown[] = [];
    owner.events.on('putAgain', (event) => again.push(event));
    const channel = `${wakePrefix(fleet.topic)}owner`;
    const ears = new Redis(redisUrl());
    try {
      const heard = await hear(ears, channel);
      const { came, over } = read(owner, 'r');
      const [claim] = await take(runner, 1);
      await chunk(claim!, 0);
      await chunk(claim!, 1);
      await waitUntil(() => came.length === 2 && heard.length >= 2, 'both came');
      const carried = heard.at(-1)!;
      const at = 'results 0 0 owner|'.length;
      expect(carried.toString('latin1', 0, at)).to.equal('results 0 0 owner|');

      /** The same with another number and a later tick: Redis has no such entry. */
      const forged = (number: number): Buffer => {
        const message = Buffer.from(carried);
        const tick = parseInt(message.toString('latin1', at, at + TICK), 16) + number;
        message.write(tick.toString(16).padStart(TICK, '0'), at, 'latin1');
        message.writeUInt32BE(number, at + TO_FRAME + TO_NUMBER);
        message.write(String(number), message.length - 1, 'latin1');
        return message;
      };
      const ofAnother = forged(4);
      ofAnother.write('omner', 'results 0 0 '.length, 'latin1');
      const longBody = forged(4);
      longBody.writeUInt32BE(1_000, at + TO_FRAME + 12);
      const manyChunks = forged(4);
      manyChunks.write('ffff', at + TO_FRAME - 4, 'latin1');
      const messages = [
        ...[forged(3), forged(3), carried, forged(9), ofAnother, longBody, manyChunks],
        ...[
          forged(4).subarray(0, -1),
          forged(4).subarray(0, at + 5),
          Buffer.from('results 0 0 '),
          Buffer.from('results 9 0 x'),
        ],
        forged(4),
      ];
      for (const message of messages) await fleet.redis.publish(channel, message);
      await waitUntil(() => came.includes(4), 'the last one came');
      expect(came).to.deep.equal([0, 1, 3, 4]);
      await owner.cancel('r');
      await over;
      expect(came).to.deep.equal([0, 1, 3, 4, 'cancelled']);
      expect(again, 'nothing is taken for lost').to.deep.equal([]);
    } finally {
      ears.disconnect();
    }
  });

  it('brings those before it along, whose messages were lost, in order and each once', async () => {
    const owner = await fleet.start('owner', { ...QUIET, redis: proxy().url });
    const { came, over } = read(owner, 'r');
    const [claim] = await take(runner, 1);
    for (let i = 0; i < 12; i += 1) {
      const { swallowed } = proxy();
      const isLost = i % 3 !== 2;
      if (isLost) proxy().deafTo.add('results');
      await chunk(claim!, i);
      if (isLost) await waitUntil(() => proxy().swallowed > swallowed, 'its message is lost');
      else await waitUntil(() => came.length === i + 1, `all up to ${i} are here`);
      proxy().deafTo.delete('results');
    }
    await runner.putResults([{ claim: claim!.claim, output: 12, finished: true }]);
    await over;
    expect(came).to.deep.equal([...Array.from({ length: 12 }, (_, i) => i), 'finished']);
  });

  it('is none in a Cluster, where every node would hear it', async function () {
    if (!TestCluster.isPossible) this.skip();
    this.timeout(60_000);
    const cluster = new TestCluster();
    const nodes: Node[] = [];
    try {
      await cluster.open(2);
      const client = cluster.client();
      const topic = freshTopic();
      for (const node of ['owner', 'runner'])
        nodes.push(
          await Scheduler.start<Prompt>({
            ...QUIET,
            topic,
            node,
            redis: client,
            minLoadScore: 1,
            onWarning: () => undefined,
          }),
        );
      const [owner, other] = nodes as [Node, Node];
      const { came, over } = read(owner, 'r');
      const [claim] = await take(other, 1);
      for (let i = 0; i < 3; i += 1) {
        await other.putResults([{ claim: claim!.claim, output: i }]);
        await waitUntil(() => came.length === i + 1, `chunk ${i} is here`);
      }
      // each was asked for
      expect(owner.stats().scripts['take_results']!.calls).to.be.at.least(3);
      await owner.cancel('r');
      await over;
    } finally {
      await Promise.all(nodes.map((node) => node.close({ drainMs: 0 })));
      await cluster.close();
    }
  });
});
