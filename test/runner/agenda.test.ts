import { expect } from 'chai';
import fc from 'fast-check';
import type { ClaimBounds } from '../../src/base/budget.ts';
import { Agenda } from '../../src/runner/agenda.ts';

const BOUNDS: ClaimBounds = { limit: 8, aloneTokens: 1_000, sumTokens: 1_000 };
const POLL_MS = 2_000;

/** The shards asked at this time, in order, until there is no reason left. The poll finds no work. */
function asked(agenda: Agenda, now: number, bounds = BOUNDS): number[] {
  agenda.poll(now);
  const shards: number[] = [];
  for (let shard = agenda.next(now, bounds); shard !== undefined; shard = agenda.next(now, bounds)) {
    shards.push(shard);
    if (shards.length > 100) throw new Error('what was asked stays on the agenda');
  }
  return shards;
}

/** One whose first fallback poll is over, so that only other reasons count until `POLL_MS * 0.75`. */
function agendaOf(options: { home?: number; shards?: number; loadLookup?: number } = {}): Agenda {
  const { home = 0, shards = 8, loadLookup = 5 } = options;
  const agenda = new Agenda({ home, shardsInUse: shards }, { loadLookup, pollMs: POLL_MS });
  asked(agenda, 0);
  return agenda;
}

describe('the agenda', () => {
  it('has no reason to ask until there is one', () => {
    const agenda = agendaOf();
    expect(asked(agenda, 1)).to.deep.equal([]);
    agenda.at(3, 100);
    expect(asked(agenda, 99)).to.deep.equal([]);
    expect(agenda.nextAt(BOUNDS, 99)).to.equal(100);
    expect(asked(agenda, 100)).to.deep.equal([3]);
    expect(asked(agenda, 100)).to.deep.equal([]);
  });

  it('keeps the earliest of several times for a shard', () => {
    const agenda = agendaOf();
    for (const time of [300, 100, 200]) agenda.at(1, time);
    expect(agenda.nextAt(BOUNDS, 0)).to.equal(100);
    expect(asked(agenda, 100)).to.deep.equal([1]);
    expect(asked(agenda, 300)).to.deep.equal([]);
  });

  it('asks the shard first that was asked longest ago; of those never asked, the home shard', () => {
    const agenda = new Agenda({ home: 5, shardsInUse: 8 }, { loadLookup: 5, pollMs: POLL_MS });
    for (const shard of [1, 5, 7]) agenda.at(shard, 10);
    expect(asked(agenda, 10)).to.deep.equal([5, 1, 7]);
    for (const shard of [7, 5, 1, 2]) agenda.at(shard, 20);
    expect(asked(agenda, 20)).to.deep.equal([2, 5, 1, 7]);
  });

  it('asks a shard before any other where a put has said so', () => {
    const agenda = agendaOf();
    for (const shard of [1, 2, 3]) agenda.at(shard, 10);
    asked(agenda, 10);
    for (const shard of [1, 2, 4]) agenda.at(shard, 20);
    agenda.promise(3, 20);
    expect(asked(agenda, 20).indexOf(3)).to.be.lessThan(2);
  });

  it('starves no shard that is due, however busy the others are, whatever comes meanwhile', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 16 }), fc.infiniteStream(fc.nat(15)), (shards, chosen) => {
        const agenda = agendaOf({ shards, home: chosen.next().value % shards });
        const passedOver = Array.from({ length: shards }, () => 0);
        for (let now = 1; now < 200; now += 1) {
          // the one asked last gave work, and so it is due again; others ring
          for (let i = 0; i < 2; i += 1) agenda.at(chosen.next().value % shards, now);
          agenda.sweep(now);
          const shard = agenda.next(now, BOUNDS);
          for (let other = 0; other < shards; other += 1) {
            passedOver[other] = other === shard || !agenda.isDue(other, now) ? 0 : passedOver[other]! + 1;
          }
          if (Math.max(...passedOver) >= shards) return false;
        }
        return true;
      }),
    );
  });

  it('leaves a slow shard off until it has answered, and says when all are slow', () => {
    const agenda = agendaOf({ shards: 2 });
    agenda.at(1, 10);
    agenda.slow(1);
    expect(asked(agenda, 10)).to.deep.equal([]);
    expect(agenda.nextAt(BOUNDS, 10), 'it is no reason to wake up').to.be.greaterThan(10);
    expect(agenda.allSlow).to.equal(false);
    agenda.slow(0);
    expect(agenda.allSlow).to.equal(true);
    agenda.answered(1);
    expect(agenda.allSlow).to.equal(false);
    expect(asked(agenda, 20)).to.deep.equal([1]);
  });

  it('learns of shards that come, and of a home shard that moves', () => {
    const topic = { home: 0, shardsInUse: 1 };
    const agenda = new Agenda(topic, { loadLookup: 1, pollMs: POLL_MS });
    expect(asked(agenda, 0)).to.deep.equal([0]);
    topic.shardsInUse = 4;
    expect(asked(agenda, 10)).to.have.members([0, 1, 2, 3]);
    expect(asked(agenda, 20)).to.deep.equal([]);
    topic.home = 2;
    expect(asked(agenda, 30)).to.deep.equal([2]);
    topic.shardsInUse = 5;
    expect(asked(agenda, 40)).to.include(4);
  });

  it('sweeps the home shard and loadLookup others, and the rest of them the next time', () => {
    const agenda = agendaOf({ loadLookup: 4 });
    agenda.sweep(10);
    expect(asked(agenda, 10)).to.have.members([0, 1, 2, 3, 4]);
    agenda.sweep(20);
    expect(asked(agenda, 20)).to.have.members([0, 5, 6, 7, 1]);
  });

  it('leaves out of a sweep the shards that would ring, until they no longer do', () => {
    const agenda = agendaOf({ loadLookup: 2 });
    for (let shard = 0; shard < 8; shard += 1) agenda.idle(shard, 1_000);
    agenda.sweep(10);
    expect(asked(agenda, 10)).to.deep.equal([]);
    agenda.notIdle(0);
    agenda.notIdle(6);
    agenda.sweep(20);
    expect(asked(agenda, 20)).to.have.members([0, 6]);
    agenda.sweep(1_000);
    expect(asked(agenda, 1_000)).to.have.length(3);
  });

  it('looks into every shard when rings may have been missed, whatever it believed', () => {
    const agenda = agendaOf();
    for (let shard = 0; shard < 8; shard += 1) agenda.idle(shard, 1_000);
    agenda.sweepAll(10);
    expect(asked(agenda, 10).sort()).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7]);
    // none of them would ring
    agenda.sweep(20);
    expect(asked(agenda, 20)).to.have.length(6);
  });

  it('knows no shard but the home shard with loadLookup 0', () => {
    const agenda = agendaOf({ home: 2, loadLookup: 0 });
    agenda.sweepAll(10);
    expect(asked(agenda, 10)).to.deep.equal([2]);
    agenda.sweep(20);
    expect(asked(agenda, 20)).to.deep.equal([2]);
    expect(asked(agenda, 10_000)).to.deep.equal([2]);
  });

  it('polls by a clock of its own: every shard is looked at within pollMs and a quarter, whatever else is asked', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 16 }), fc.infiniteStream(fc.nat(31)), (shards, chosen) => {
        const agenda = new Agenda(
          { home: shards - 1, shardsInUse: shards },
          { loadLookup: 5, pollMs: POLL_MS },
        );
        const lookedAt = Array.from({ length: shards }, () => 0);
        const claimed = Array.from({ length: shards }, () => 0);
        for (let now = 0; now < 40 * POLL_MS; now += 50) {
          // claims that find nothing, at any time
          if (chosen.next().value < shards) agenda.at(chosen.next().value % shards, now);
          for (const shard of agenda.poll(now)) lookedAt[shard] = now;
          for (let shard = agenda.next(now, BOUNDS); shard !== undefined; shard = agenda.next(now, BOUNDS))
            lookedAt[shard] = claimed[shard] = now;
          if (now - Math.min(...lookedAt) > POLL_MS * 1.25 + 50) return false;
          // as long as a shard believes this node idle after a claim
          if (now - Math.min(...claimed) > POLL_MS * 1.5 * shards) return false;
        }
        return true;
      }),
    );
  });

  it('polls no more often than three quarters of pollMs', () => {
    const agenda = agendaOf({ shards: 3 });
    const polls: number[] = [];
    let last = 0;
    for (let now = 0; now < 20 * POLL_MS; now += 10) {
      for (const shard of asked(agenda, now)) {
        expect(now - last).to.be.at.least(POLL_MS * 0.75 - 10);
        polls.push(shard);
        last = now;
      }
    }
    expect(polls.length).to.be.greaterThan(14);
    expect([...new Set(polls.slice(0, 3))].sort()).to.deep.equal([0, 1, 2]);
  });

  it('asks again for what may have come since it asked, though the answer to that is a refusal', () => {
    const agenda = agendaOf();
    agenda.refused(0, BOUNDS, 10);
    agenda.lift(0);
    expect(asked(agenda, 20)).to.deep.equal([0]);
    agenda.refused(0, BOUNDS, 30);
    expect(asked(agenda, 40), 'it answers what it was asked last').to.deep.equal([]);
    // a ring overtakes the answer
    agenda.at(1, 50);
    expect(asked(agenda, 50)).to.deep.equal([1]);
    agenda.lift(1);
    agenda.refused(1, BOUNDS, 51);
    expect(asked(agenda, 52)).to.deep.equal([1]);
  });

  it('asks no other shard while room is kept in one, and that one when the bounds grow', () => {
    const agenda = agendaOf();
    agenda.keeps(1, 5_000);
    agenda.refused(1, BOUNDS, 10);
    agenda.at(0, 10);
    agenda.lift(1);
    expect(asked(agenda, 20)).to.deep.equal([]);
    expect(agenda.isRefused(0, BOUNDS, 20), 'a ring there is handed on').to.equal(true);
    expect(asked(agenda, 20, { ...BOUNDS, aloneTokens: 2_000 })).to.deep.equal([1]);
    agenda.keeps(1, undefined);
    expect(asked(agenda, 30)).to.deep.equal([0]);
    agenda.keeps(1, 5_000);
    agenda.at(0, 40);
    expect(asked(agenda, 5_000), 'its shard may have gone silent').to.include(0);
  });

  it('keeps room in a shard until that one, and no other, says that it need not', () => {
    const agenda = agendaOf();
    agenda.keeps(1, 5_000);
    agenda.keeps(2, undefined);
    agenda.at(0, 10);
    expect(asked(agenda, 10)).to.deep.equal([]);
    expect(agenda.nextAt(BOUNDS, 10), 'it is no reason to wake up').to.be.greaterThan(10);
  });

  it('has where work waits looked up in the shards that are not to be asked anyway, nor slow', () => {
    const agenda = agendaOf({ shards: 4 });
    agenda.at(2, 10);
    agenda.slow(3);
    // 0 was the first in the rotation
    expect(agenda.poll(10_000)).to.deep.equal([0]);
    expect([0, 1, 2].filter((shard) => agenda.isDue(shard, 10_000))).to.deep.equal([1, 2]);
    expect(agenda.isDue(2, 9)).to.equal(false);
  });

  it('says when there will be a reason: the first of them, or the poll', () => {
    const agenda = agendaOf();
    const pollAt = agenda.nextAt(BOUNDS, 1);
    expect(pollAt).to.be.within(POLL_MS * 0.75, POLL_MS * 1.25);
    for (const [shard, time] of [
      [1, 300],
      [2, 100],
      [3, 200],
    ] as const)
      agenda.at(shard, time);
    expect(agenda.nextAt(BOUNDS, 1)).to.equal(100);
    expect(asked(agenda, 300)).to.have.members([1, 2, 3]);
    agenda.refused(1, BOUNDS, 310);
    agenda.at(2, 9_000);
    expect(agenda.nextAt(BOUNDS, 320), 'as much as was refused').to.equal(Math.min(pollAt, 310 + POLL_MS));
    expect(agenda.nextAt({ ...BOUNDS, limit: 9 }, 320), 'more').to.equal(310);
  });

  it('forgets a refusal when it asks again', () => {
    const agenda = agendaOf();
    agenda.refused(0, BOUNDS, 10);
    expect(asked(agenda, 20, { ...BOUNDS, limit: 9 })).to.deep.equal([0]);
    agenda.at(0, 30);
    expect(asked(agenda, 30)).to.deep.equal([0]);
  });

  it('does not ask again for what was refused until the bounds grew or pollMs passed', () => {
    const agenda = agendaOf();
    agenda.refused(0, BOUNDS, 10);
    expect(asked(agenda, 20)).to.deep.equal([]);
    expect(asked(agenda, 20, { ...BOUNDS, limit: 7 })).to.deep.equal([]);
    expect(asked(agenda, 20, { ...BOUNDS, sumTokens: 1_001 })).to.deep.equal([0]);
    agenda.refused(0, BOUNDS, 30);
    expect(asked(agenda, 30 + POLL_MS)).to.include(0);
  });
});
