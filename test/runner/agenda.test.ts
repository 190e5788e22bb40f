import { expect } from 'chai';
import type { ClaimBounds } from '../../src/base/budget.ts';
import { Agenda } from '../../src/runner/agenda.ts';

const BOUNDS: ClaimBounds = { limit: 8, aloneTokens: 1_000, sumTokens: 1_000 };
const POLL_MS = 2_000;

/** The shards asked at this time, in order, until there is no reason left. */
function asked(agenda: Agenda, now: number, bounds = BOUNDS): number[] {
  const shards: number[] = [];
  for (let shard = agenda.next(now, bounds); shard !== undefined; shard = agenda.next(now, bounds))
    shards.push(shard);
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

  it('asks the home shard first', () => {
    const agenda = agendaOf({ home: 5 });
    for (const shard of [1, 5, 7]) agenda.at(shard, 10);
    expect(asked(agenda, 10)[0]).to.equal(5);
  });

  it('sweeps the home shard and loadLookup others, and the rest of them the next time', () => {
    const agenda = agendaOf({ loadLookup: 4 });
    agenda.sweep(10);
    expect(asked(agenda, 10)).to.deep.equal([0, 1, 2, 3, 4]);
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
    expect(asked(agenda, 20)).to.deep.equal([0, 6]);
    agenda.sweep(1_000);
    expect(asked(agenda, 1_000)).to.have.length(3);
  });

  it('looks into every shard when rings may have been missed, whatever it believed', () => {
    const agenda = agendaOf();
    for (let shard = 0; shard < 8; shard += 1) agenda.idle(shard, 1_000);
    agenda.sweepAll(10);
    expect(asked(agenda, 10).sort()).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('knows no shard but the home shard with loadLookup 0', () => {
    const agenda = agendaOf({ home: 2, loadLookup: 0 });
    agenda.sweepAll(10);
    expect(asked(agenda, 10)).to.deep.equal([2]);
    agenda.sweep(20);
    expect(asked(agenda, 20)).to.deep.equal([2]);
    expect(asked(agenda, 10_000)).to.deep.equal([2]);
  });

  it('polls one shard in rotation, never more often than three quarters of pollMs', () => {
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
