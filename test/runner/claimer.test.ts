import { expect } from 'chai';
import { monotonic } from '../../src/base/clock.ts';
import type { Agenda } from '../../src/runner/agenda.ts';
import type { Claimer } from '../../src/runner/claimer.ts';
import { openAfter } from '../support/alone.ts';
import { room } from '../support/fleet.ts';
import { idleClaimer, POLL_MS } from './idle-claimer.ts';

describe('the claimer', () => {
  let asked: number[];
  let agenda: Agenda;
  let claimer: Claimer<unknown>;

  beforeEach(() => ({ asked, agenda, claimer } = idleClaimer()));

  it('claims behind the puts of every shard that leave in the same turn', async () => {
    const stop = new AbortController();
    const claimed = claimer.getRequests(room(), POLL_MS, stop.signal);
    await turn();
    asked.length = 0;
    // it waits: both puts may count on it
    expect([1, 2].map((number) => claimer.claimsBehind(number))).to.deep.equal([0, 0]);
    await turn();
    expect(asked.sort()).to.deep.equal([1, 2]);
    stop.abort();
    expect(await claimed).to.deep.equal([]);
    expect(claimer.claimsBehind(1), 'nobody waits any more').to.equal(undefined);
  });

  it('says in how many ms it claims behind a put, and does', async () => {
    const claimed = claimer.getRequests(room(16, { readyInMs: 200 }), 300);
    await turn();
    expect(claimer.claimsBehind(1)).to.be.within(100, 200);
    expect(asked).to.deep.equal([]);
    expect(await claimed).to.deep.equal([]);
    expect(asked).to.include(1);
    claimer.stop();
  });

  it('promises no claim behind a put when its time is over, though it has not noticed yet', async () => {
    const claimed = claimer.getRequests(room(), 20);
    await turn();
    const from = monotonic();
    while (monotonic() < from + 25);
    expect(claimer.claimsBehind(1)).to.equal(undefined);
    expect(await claimed).to.deep.equal([]);
  });

  it('asks once however short the time, and leaves to the next call what comes at its very end', async () => {
    expect(await claimer.getRequests(room(), 0)).to.deep.equal([]);
    expect(asked, 'the first poll').to.deep.equal([0]);
    const claimed = claimer.getRequests(room(), 30);
    await turn();
    // nobody wakes it for this
    agenda.at(1, 0);
    expect(await claimed).to.deep.equal([]);
    expect(asked).to.deep.equal([0]);
    await claimer.getRequests(room(), 0);
    expect(asked).to.deep.equal([0, 1]);
  });

  it('passes on a ring that comes when it has stopped, at once and without a timer', async () => {
    // found by a test run that a node of an earlier test held open: peers that close ring each other
    const alone = new URL('./claimer-alone.ts', import.meta.url);
    expect(await openAfter(alone, 'ringAfterStop')).to.deep.equal([]);
    expect(await openAfter(alone, 'ring'), 'one that goes on').to.deep.equal(['Timeout']);
  });
});

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
