import { expect } from 'chai';
import { SeenTicks } from '../../src/protocol/seen-ticks.ts';
import { NO_TICK, hex, type Tick } from '../../src/base/ticket.ts';

const SECOND = 1_000_000;

function tick(us: number): Tick {
  return hex(us, 14);
}

describe('the ticks that a process has seen', () => {
  let seen: SeenTicks;
  const floorAt = (ms: number): number => parseInt(seen.floor(ms), 16);

  beforeEach(() => {
    seen = new SeenTicks();
  });

  it('are none at first, however long that lasts', () => {
    expect([seen.last, seen.floor(0), seen.floor(1e9)]).to.deep.equal([NO_TICK, NO_TICK, NO_TICK]);
  });

  it('say that the next one is higher by the time that has passed, or a little less', () => {
    seen.see(tick(50 * SECOND), 1_000);
    expect(floorAt(1_000)).to.equal(50 * SECOND);
    expect(floorAt(3_000)).to.be.within(51.9 * SECOND, 52 * SECOND - 1);
    expect(floorAt(3_000.0015) % 1, 'a whole number').to.equal(0);
    expect(seen.last, 'and not that it was given').to.equal(tick(50 * SECOND));
  });

  it('never lift a shard that keeps the time, however often it answers', () => {
    const begin = 1.7e15;
    for (let ms = 0; ms < 10_000; ms += 7) {
      expect(parseInt(seen.floor(ms), 16)).to.be.below(begin + ms * 1_000);
      seen.see(tick(begin + ms * 1_000), ms + 3);
    }
  });

  it('take nothing back for a later answer that is lower: the shard forgot, and this process did not', () => {
    seen.see(tick(50 * SECOND), 0);
    const before = floorAt(2_000);
    seen.see(tick(40 * SECOND), 2_000);
    expect(floorAt(2_000)).to.equal(before);
    expect(seen.last).to.equal(tick(50 * SECOND));
  });

  it('are 14 digits to the end of time as scripts know it', () => {
    seen.see(tick(2 ** 52), 0);
    expect(seen.floor(1_000)).to.have.length(14);
  });
});
