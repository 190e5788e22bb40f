import { expect } from 'chai';
import { monotonic, sleep } from '../../src/base/clock.ts';
import { claimBounds } from '../../src/base/budget.ts';
import type { ClaimAnswer } from '../../src/protocol/wire.ts';
import type { ClaimedRequest } from '../../src/runner/claims.ts';
import { room } from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';
import { NO_WORK, POLL_MS, idleClaimer, work, type Behaviour, type IdleClaimer } from './idle-claimer.ts';

/** So long a ring is kept for a call that may come, at most; see SOON_MS. */
const KEPT_MS = 100;

describe('a ring', () => {
  let world: IdleClaimer;
  afterEach(() => world.claimer.stop());

  const begin = (behaviour?: Behaviour): IdleClaimer => (world = idleClaimer(behaviour));

  /** A call that waits. What it has asked so far, the first poll, is forgotten. */
  async function waiting(
    budget = room(),
    waitMs = POLL_MS,
    stale?: AbortSignal,
  ): Promise<{ claimed: Promise<ClaimedRequest<unknown>[]> }> {
    const claimed = world.claimer.getRequests(budget, waitMs, stale);
    claimed.catch(() => undefined);
    await turn();
    world.asked.length = 0;
    return { claimed };
  }

  it('makes a call that waits ask', async () => {
    const { asked, passedOn, claimer } = begin();
    await waiting();
    claimer.ring(1, 0);
    await turn();
    expect(asked).to.deep.equal([1]);
    await sleep(KEPT_MS + 20);
    expect(passedOn).to.deep.equal([]);
  });

  it('makes it ask at once, also soon after another asked in vain', async () => {
    const { asked, claimer } = begin();
    await claimer.getRequests(room(), 0);
    await waiting();
    claimer.ring(1, 0);
    await turn();
    expect(asked).to.deep.equal([1]);
  });

  it('is worth waiting for beyond the end of its time', async () => {
    const { claimer } = begin({ answer: lateWork(1, 230) });
    const until = monotonic() + 600;
    const { claimed } = await waiting(room(), 600);
    await sleep(400);
    claimer.ring(1, 0);
    // on a busy machine its time may be over by now
    const isInTime = monotonic() < until;
    const ids = (await claimed).map(({ id }) => id);
    if (isInTime) expect(ids).to.deep.equal(['late']);
  });

  it('of later counts then, and once', async () => {
    const { asked, claimer } = begin();
    await waiting();
    const from = monotonic();
    for (const delayMs of [500, 300, 400]) claimer.ring(1, delayMs);
    await turn();
    expect(asked).to.deep.equal([]);
    await waitUntil(() => asked.length > 0, 'it is asked');
    expect(monotonic() - from).to.be.at.least(299);
    await sleep(250);
    expect(asked).to.deep.equal([1]);
  });

  it('asks again where something was refused', async () => {
    const { asked, agenda, claimer } = begin();
    const { claimed } = await waiting();
    agenda.refused(1, claimBounds(room()), monotonic());
    claimer.claimIfWaiting(1);
    await turn();
    expect(asked, 'as much as was refused').to.deep.equal([]);
    claimer.ring(1, 0);
    await turn();
    expect(asked).to.deep.equal([1]);
    claimer.stop();
    await claimed;
  });

  describe('is passed on', () => {
    it('at once if no call waits, and keeps the room that is kept', async () => {
      const { passedOn, items, claimer } = begin();
      claimer.ring(1, 0);
      expect(passedOn).to.deep.equal([1]);
      expect(items[0]).to.include({ limit: 0, keepForMs: 2 * POLL_MS });
      await claimer.passOn(2, true);
      expect(items[1]).to.include({ limit: 0, keepForMs: 0 });
    });

    it('at once if the call that waits can ask much later', async () => {
      const { passedOn, claimer } = begin({ stealAfterMs: 600_000 });
      await waiting(room(16, { readyInMs: 30_000 }));
      claimer.ring(1, 0);
      expect(passedOn).to.deep.equal([1]);
    });

    it('at once if others would steal before the call can ask', async () => {
      const { passedOn, claimer } = begin({ stealAfterMs: 4 });
      const from = monotonic();
      await waiting(room(16, { readyInMs: 45 }));
      claimer.ring(1, 0);
      // on a busy machine the call may be ready by now
      if (monotonic() - from < 35) expect(passedOn).to.deep.equal([1]);
    });

    it('not if the call can ask soon', async () => {
      const { asked, passedOn, claimer } = begin();
      await waiting(room(16, { readyInMs: 45 }));
      claimer.ring(1, 0);
      await waitUntil(() => asked.includes(1), 'it has asked');
      await sleep(KEPT_MS + 20);
      expect(passedOn).to.deep.equal([]);
    });

    it('not at once if a call has just asked in vain: it is taken to ask again, or it is passed on then', async () => {
      const { asked, passedOn, claimer } = begin();
      for (const asksAgain of [true, false]) {
        await claimer.getRequests(room(), 0);
        claimer.ring(1, 0);
        expect(passedOn).to.deep.equal([]);
        // a call that looks round: the shard that was asked longest ago first
        if (asksAgain) await claimer.getRequests(room(), 0);
        else await waitUntil(() => passedOn.length > 0, 'it is passed on');
        if (asksAgain) await sleep(KEPT_MS + 20);
      }
      expect(asked.filter((shard) => shard === 1)).to.deep.equal([1, 1]);
      expect(passedOn).to.deep.equal([1]);
    });

    it('not at once any more when that was long ago', async () => {
      const { passedOn, claimer } = begin();
      await claimer.getRequests(room(), 0);
      await sleep(60);
      claimer.ring(1, 0);
      expect(passedOn).to.deep.equal([1]);
    });

    it('and the shard is no longer taken to believe this node idle', async () => {
      const { agenda, claimer } = begin();
      for (const shard of [0, 1, 2]) agenda.idle(shard, Infinity);
      await claimer.passOn(1);
      agenda.sweep(0);
      expect([0, 1, 2].filter((shard) => agenda.isDue(shard, 0))).to.deep.equal([1]);
    });

    it('not by a node that has stopped meanwhile, which leaves every shard by itself', async () => {
      const { asked, claimer } = begin();
      await claimer.getRequests(room(), 0);
      asked.length = 0;
      claimer.ring(1, 0);
      claimer.ring(2, 10);
      claimer.stop();
      await sleep(KEPT_MS + 20);
      expect(asked).to.deep.equal([]);
    });
  });

  it('of a shard whose claim then failed finds it in the next sweep', async () => {
    const { agenda, claimer } = begin({
      answer: (shard) => (shard === 1 ? Promise.reject(new Error('no answer')) : Promise.resolve(NO_WORK)),
    });
    const { claimed } = await waiting();
    for (const shard of [1, 2]) agenda.idle(shard, Infinity);
    claimer.ring(1, 0);
    expect(await claimed.catch(String)).to.equal('Error: no answer');
    agenda.sweep(0);
    expect([1, 2].filter((shard) => agenda.isDue(shard, 0))).to.deep.equal([1]);
  });

  it('may have been missed anywhere: every shard is asked', async () => {
    const { asked, claimer } = begin();
    await waiting();
    claimer.lookAround();
    await waitUntil(() => asked.length > 2, 'all are asked');
    expect(asked).to.have.members([0, 1, 2]);
  });

  it('may have been lost: where work waits, a call that waits asks', async () => {
    const { asked, looks, claimer } = begin();
    const { claimed } = await waiting();
    expect(looks[0]!.shards).to.deep.equal([1, 2]);
    looks[0]!.found(2);
    await turn();
    expect(asked).to.deep.equal([2]);
    claimer.stop();
    await claimed;
  });

  describe('is saved by a put of one’s own', () => {
    it('behind which a claim follows, before any other', async () => {
      const { asked, agenda, claimer } = begin();
      for (const shard of [1, 2, 0]) agenda.at(shard, 0);
      for (let i = 0; i < 3; i += 1) await claimer.getRequests(room(), 0);
      const [first, second, third] = asked.splice(0);
      const { claimed } = await waiting();
      for (const shard of [first!, second!]) agenda.at(shard, 0);
      expect(claimer.claimsBehind(third!, 1)).to.equal(0);
      await waitUntil(() => asked.length > 2, 'all are asked');
      expect(asked).to.deep.equal([third, first, second]);
      claimer.stop();
      await claimed;
    });

    it('which goes before no other if the engine is not ready yet', async () => {
      const { asked, passedOn, agenda, claimer } = begin();
      for (const shard of [1, 2, 0]) agenda.at(shard, 0);
      for (let i = 0; i < 3; i += 1) await claimer.getRequests(room(), 0);
      const [first, second, third] = asked.splice(0);
      const { claimed } = await waiting(room(16, { readyInMs: 300 }));
      for (const shard of [first!, second!]) agenda.at(shard, 0);
      expect(claimer.claimsBehind(third!, 1)).to.be.within(1, 300);
      await waitUntil(() => asked.length > 2, 'all are asked');
      expect([asked, passedOn]).to.deep.equal([[first, second, third], []]);
      claimer.stop();
      await claimed;
    });

    it('unless what was refused there has not room enough', async () => {
      const { agenda, claimer } = begin();
      const budget = room(16, { availableBlocks: 11 });
      await waiting(budget);
      agenda.refused(1, claimBounds(budget), monotonic());
      expect(claimer.claimsBehind(1, 161), 'more than it has room for').to.equal(undefined);
      expect(claimer.claimsBehind(1, 160)).to.equal(0);
    });

    it('and is made up for if the call asks no more', async () => {
      const { passedOn, claimer } = begin();
      const stop = new AbortController();
      const { claimed } = await waiting(room(16, { readyInMs: 300 }), POLL_MS, stop.signal);
      expect(claimer.claimsBehind(1, 1)).to.be.within(1, 300);
      stop.abort();
      expect(await claimed).to.deep.equal([]);
      await waitUntil(() => passedOn.length > 0, 'it is passed on');
      expect(passedOn).to.deep.equal([1]);
    });
  });

  describe('that this process gives itself', () => {
    it('makes a call ask, and is forgotten if none waits', async () => {
      const { asked, claimer } = begin();
      claimer.claimIfWaiting(1);
      await claimer.getRequests(room(), 0);
      await claimer.getRequests(room(), 0);
      expect(asked).to.deep.equal([0]);
      await waiting();
      claimer.claimIfWaiting(2);
      await turn();
      expect(asked).to.deep.equal([2]);
    });

    it('makes it ask also at the very end of its time', async () => {
      const { asked, claimer } = begin();
      const until = monotonic() + 300;
      const { claimed } = await waiting(room(), 300);
      // on a busy machine its time may be over by now
      const isInTime = monotonic() < until;
      while (monotonic() < until + 5);
      claimer.claimIfWaiting(1);
      expect(await claimed).to.deep.equal([]);
      if (isInTime) expect(asked).to.deep.equal([1]);
    });
  });
});

/** This shard has work, so much later. */
function lateWork(number: number, afterMs: number): (shard: number) => Promise<ClaimAnswer> {
  return async (shard) => {
    if (shard !== number) return NO_WORK;
    await sleep(afterMs);
    return work(['late']);
  };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
