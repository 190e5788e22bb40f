import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { Askers, type Asker, type LateWork } from '../../src/runner/askers.ts';
import { work } from './idle-claimer.ts';

const WORK: LateWork = { shard: 1, answer: work(['a']) };
const bounds = (aloneTokens: number): Asker['bounds'] => ({ limit: 1, aloneTokens, sumTokens: 0 });
const asker = (more: Partial<Asker> = {}): Asker => ({
  ...{ bounds: bounds(10), readyAt: 0, until: Infinity, stale: undefined },
  ...more,
});

describe('the calls that wait for work', () => {
  it('are woken all at once, or when their time is over, or when their budget is stale', async () => {
    const askers = new Askers();
    const stale = new AbortController();
    expect(askers.any).to.equal(false);
    const two = [askers.woken(asker(), 60_000), askers.woken(asker({ stale: stale.signal }), 60_000)];
    expect(askers.any).to.equal(true);
    askers.wake();
    expect(await Promise.all(two)).to.deep.equal([true, true]);
    expect(getEventListeners(stale.signal, 'abort')).to.deep.equal([]);
    expect(await askers.woken(asker(), 1)).to.equal(false);
    const waits = askers.woken(asker({ stale: stale.signal }), 60_000);
    stale.abort();
    expect([await waits, askers.any]).to.deep.equal([false, false]);
  });

  it('may be many that one signal ends: it has one listener, as Node.js warns of eleven', async () => {
    const askers = new Askers();
    const stale = new AbortController();
    const waits = Array.from({ length: 12 }, () => askers.woken(asker({ stale: stale.signal }), 60_000));
    expect(getEventListeners(stale.signal, 'abort')).to.have.length(1);
    stale.abort();
    expect(new Set(await Promise.all(waits))).to.deep.equal(new Set([false]));
    expect(getEventListeners(stale.signal, 'abort')).to.deep.equal([]);
  });

  it('have room for so much', async () => {
    const askers = new Askers();
    const two = [10, 20].map((tokens) => askers.woken(asker({ bounds: bounds(tokens) }), 60_000));
    expect([10, 20, 21].map((tokens) => askers.haveRoom(tokens))).to.deep.equal([true, true, false]);
    askers.wake();
    await Promise.all(two);
    expect(askers.haveRoom(0)).to.equal(false);
  });

  it('are given work, the first whose engine can begin and whose time is not over, one at a time', async () => {
    const askers = new Askers();
    const waits = [asker({ readyAt: 51 }), asker({ until: 50 }), asker({ readyAt: 50 }), asker()].map((one) =>
      askers.woken(one, 60_000),
    );
    expect([askers.give(WORK, 50), askers.give(WORK, 50), askers.give(WORK, 50)]).to.deep.equal([
      true,
      true,
      false,
    ]);
    askers.wake();
    expect(await Promise.all(waits)).to.deep.equal([true, true, WORK, WORK]);
  });

  it('can ask as soon as the first of them is ready that is not refused', async () => {
    const askers = new Askers();
    const waits = [
      asker({ readyAt: 70, bounds: bounds(1) }),
      asker({ readyAt: 80 }),
      asker({ readyAt: 90 }),
      asker({ readyAt: 60, until: 50 }),
    ].map((one) => askers.woken(one, 60_000));
    const never = (): boolean => false;
    expect([50, 75, 100].map((now) => askers.readyIn(now, never))).to.deep.equal([20, 0, 0]);
    expect(askers.readyIn(50, ({ aloneTokens }) => aloneTokens < 2)).to.equal(30);
    expect(askers.readyIn(50, () => true)).to.equal(Infinity);
    askers.wake();
    await Promise.all(waits);
  });
});
