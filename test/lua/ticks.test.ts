// The ticks that a call begins from (lua/README.md#ticks): later than all that the shard may have given.
import { expect } from 'chai';
import { NO_TICK } from '../../src/base/ticket.ts';
import { claim, put, refresh } from './calls.ts';
import { TestShard, connections, tickAt } from './support.ts';
import { parseClaims } from './wire.ts';

const SECOND = 1_000_000;

describe('the tick of a shard', () => {
  connections();

  /** The fence of the one ticket that the claim gets, us after START. */
  async function fenceOf(shard: TestShard, node: string, options: object): Promise<number> {
    const [claimed] = parseClaims((await shard.run(claim(shard, node, { limit: 1 }, options)))[2]!);
    return parseInt(claimed!.fence, 16) - parseInt(tickAt(0), 16);
  }

  /** Two requests; the last visit was at 20 s, by a clock that has given ticks up to there. */
  async function filled(): Promise<TestShard> {
    const shard = new TestShard({ policy: 'none' });
    await shard.run(put(shard, 'a', ['x', 'y']));
    await shard.run(refresh(shard, 'a', {}, { at: 20_000 }));
    return shard;
  }

  it('is the time of the server, whatever a caller has not seen', async () => {
    expect(await fenceOf(await filled(), 'a', { at: 21_000, seen: NO_TICK })).to.be.within(
      21 * SECOND,
      21 * SECOND + 10,
    );
  });

  it('follows what the caller has seen, if the clock is behind that', async () => {
    const seen = tickAt(25 * SECOND);
    const fence = await fenceOf(await filled(), 'a', { at: 21_000, seen });
    expect(fence).to.be.within(25 * SECOND + 1, 25 * SECOND + 10);
  });

  it('follows the last one, if the clock is behind that', async () => {
    const seen = tickAt(1 * SECOND);
    const fence = await fenceOf(await filled(), 'a', { at: 10_000, seen });
    expect(fence).to.be.within(20 * SECOND + 1, 20 * SECOND + 10);
  });

  describe('for a caller that has seen none, while the clock is behind the last one', () => {
    it('leads by a minute, if the last visit lies ahead of the clock', async () => {
      const fence = await fenceOf(await filled(), 'a', { at: 19_999, seen: NO_TICK });
      expect(fence).to.be.within(80 * SECOND, 80 * SECOND + 10);
    });

    it('leads by the time since the last visit, which was by this clock', async () => {
      const shard = await filled();
      // whoever knows more has lifted the ticks
      await shard.run(refresh(shard, 'a', {}, { at: 15_000, seen: tickAt(30 * SECOND) }));
      const fence = await fenceOf(shard, 'a', { at: 16_500, seen: NO_TICK });
      expect(fence).to.be.within(31.5 * SECOND, 31.6 * SECOND);
    });

    it('leads by a minute at most, and does so if there was no visit', async () => {
      const shard = await filled();
      await shard.run(refresh(shard, 'a', {}, { at: 15_000, seen: tickAt(900 * SECOND) }));
      expect(await fenceOf(shard, 'a', { at: 90_000, seen: NO_TICK })).to.be.within(
        960 * SECOND,
        960 * SECOND + 10,
      );
      const other = new TestShard({ policy: 'none' });
      await other.run(put(other, 'a', ['x']));
      expect(await fenceOf(other, 'a', { at: -1, seen: NO_TICK })).to.be.within(
        60 * SECOND,
        60 * SECOND + 10,
      );
    });

    it('leads once: who comes next follows it', async () => {
      const shard = await filled();
      const first = await fenceOf(shard, 'a', { at: 10_000, seen: NO_TICK });
      const next = await fenceOf(shard, 'a', { at: 10_000, seen: NO_TICK });
      expect(next - first).to.be.within(1, 0.01 * SECOND);
    });
  });
});
