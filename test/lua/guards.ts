import { expect } from 'chai';
import { claim, put, putResults } from './calls.ts';
import { LANES, TestShard, type Call, type Options } from './support.ts';
import type { ShardScript } from './wire.ts';

/**
 * What every script does before anything else: rows that each script's tests include.
 *
 * @param make a call of the script by this node, with arguments that change nothing in a shard without requests
 */
export function guards(
  script: ShardScript,
  make: (shard: TestShard, node: string, options: Options) => Call,
): void {
  const lane = LANES[script];

  describe('its guards', () => {
    it('evict a lower epoch, naming the one that stands, and change nothing', async () => {
      const shard = new TestShard();
      await shard.run(claim(shard, 'a', {}, { epoch: 0x1f }));
      await shard.row(make(shard, 'a', { epoch: 0x1e }), { reply: ['EVICTED', '0000000000001f'] });
    });

    it('let a higher epoch in, and forget the lanes of the lower one, of this node only', async () => {
      const shard = new TestShard();
      for (const node of ['a', 'b']) {
        await shard.run(put(shard, node, ['x'], { maxWaiting: 0, lane: 7 }));
        await shard.run(claim(shard, node, {}, { lane: 8 }));
        const lost = {
          ticket: `${node}|${'0'.repeat(14)}|${'0'.repeat(8)}|${'0'.repeat(12)}|x`,
          fence: '0'.repeat(14),
        };
        await shard.run(
          putResults(shard, node, [{ ...lost, number: 1, kind: 'chunk', payload: '' }], { lane: 9 }),
        );
      }
      shard.at = 1_000;
      const reply = await shard.run(make(shard, 'a', { epoch: 2, lane: 1 }));
      expect(String(reply[0])).to.be.oneOf(['OK', 'IDLE']);
      const { epochs, lanes, node } = await shard.view();
      expect(epochs).to.deep.equal({ a: 2, b: 1 });
      expect(lanes).to.deep.equal({
        ...(lane ? { [`a|${lane}`]: 1 } : {}),
        'b|put': 7,
        'b|claim': 8,
        'b|result': 9,
      });
      expect(node).to.deep.equal({ a: 31_000, b: 30_000 });
    });

    it('note a node that the shard does not know, with the shard’s expiry', async () => {
      const shard = new TestShard({ epoch: 3 });
      await shard.run(make(shard, 'a', {}));
      const { epochs, node, expires, state } = await shard.view();
      expect({ epochs, node }).to.deep.equal({ epochs: { a: 3 }, node: { a: 30_000 } });
      expect([...expires, state['expiry']]).to.deep.equal([930_000, 930_000]);
    });

    if (lane === undefined) return;

    it('answer STALE to a number below the lane’s last, naming it, and change nothing', async () => {
      const shard = new TestShard();
      await shard.run(make(shard, 'a', { lane: 0x1f }));
      await shard.row(make(shard, 'a', { lane: 0x1e }), { reply: ['STALE', '00000000001f'] });
    });

    it('keep the lanes of nodes apart', async () => {
      const shard = new TestShard();
      await shard.run(make(shard, 'a', { lane: 9 }));
      const reply = await shard.run(make(shard, 'b', { lane: 1 }));
      expect(String(reply[0])).to.be.oneOf(['OK', 'IDLE']);
    });
  });
}
