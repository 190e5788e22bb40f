import { expect } from 'chai';
import { monotonic } from '../../src/base/clock.ts';
import type { Agenda } from '../../src/runner/agenda.ts';
import type { Claimer } from '../../src/runner/claimer.ts';
import { NO_TICK, hex, joinTicket } from '../../src/base/ticket.ts';
import type { ClaimAnswer } from '../../src/protocol/wire.ts';
import { openAfter } from '../support/alone.ts';
import { room } from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';
import { idleClaimer, NO_WORK, POLL_MS } from './idle-claimer.ts';

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
    expect([1, 2].map((number) => claimer.claimsBehind(number, 1))).to.deep.equal([0, 0]);
    await turn();
    expect(asked.sort()).to.deep.equal([1, 2]);
    stop.abort();
    expect(await claimed).to.deep.equal([]);
    expect(claimer.claimsBehind(1, 1), 'nobody waits any more').to.equal(undefined);
  });

  it('says in how many ms it claims behind a put, and does', async () => {
    const claimed = claimer.getRequests(room(16, { readyInMs: 200 }), 300);
    await turn();
    expect(claimer.claimsBehind(1, 1)).to.be.within(100, 200);
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
    expect(claimer.claimsBehind(1, 1)).to.equal(undefined);
    expect(await claimed).to.deep.equal([]);
  });

  it('asks once however short the time, and leaves to the next call what comes at its very end', async () => {
    expect(await claimer.getRequests(room(), 0)).to.deep.equal([]);
    expect(asked, 'the first poll').to.deep.equal([0]);
    const claimed = claimer.getRequests(room(), 30);
    await turn();
    // nobody wakes it for this, and it does not wake up early
    agenda.at(1, 0);
    const from = monotonic();
    while (monotonic() < from + 35);
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

/** A shard whose answers are held until they are released. */
class SlowShard {
  readonly #held: (() => void)[] = [];
  ids: string[] = [];

  readonly answer = (shard: number): Promise<ClaimAnswer> => {
    if (shard !== 0) return Promise.resolve(NO_WORK);
    return new Promise((resolve) => this.#held.push(() => resolve(this.#work())));
  };

  release(): void {
    for (const answer of this.#held.splice(0)) answer();
  }

  #work(): ClaimAnswer {
    const claims = this.ids.splice(0).map((id, i) => ({
      ticket: joinTicket('peer', `${hex(i, 14)}|${hex(1, 8)}|${hex(1, 12)}`, id),
      ...{ fence: hex(i, 14), triesLeft: 3, triesSpent: 0, arrival: hex(i, 14) },
    }));
    return { status: claims.length > 0 ? 'OK' : 'IDLE', claims, on: NO_TICK, remembered: false };
  }
}

describe('a shard that does not answer a claim', () => {
  it('is left alone after a moment, and asked again when it has answered; the others are asked all the time', async () => {
    const slow = new SlowShard();
    const { asked, agenda, claimer } = idleClaimer({ answer: slow.answer });
    const claimed = claimer.getRequests(room(), POLL_MS);
    await waitUntil(() => agenda.isSlow(0), 'it is slow');
    for (const shard of [0, 1, 2]) {
      claimer.ring(shard, 0);
      await turn();
    }
    expect(asked).to.deep.equal([0, 1, 2]);
    slow.release();
    await waitUntil(() => asked.length === 4, 'it was rung meanwhile');
    expect(asked).to.deep.equal([0, 1, 2, 0]);
    claimer.stop();
    slow.release();
    expect(await claimed).to.deep.equal([]);
  });

  it('holds up no call for longer than a moment', async () => {
    const slow = new SlowShard();
    const { claimer } = idleClaimer({ answer: slow.answer });
    expect(await claimer.getRequests(room(), 0)).to.deep.equal([]);
  });

  it('promises no claim behind a put', async () => {
    const slow = new SlowShard();
    const { agenda, claimer } = idleClaimer({ answer: slow.answer });
    const claimed = claimer.getRequests(room(), POLL_MS);
    await waitUntil(() => agenda.isSlow(0), 'it is slow');
    expect([0, 1].map((shard) => claimer.claimsBehind(shard, 1))).to.deep.equal([undefined, 0]);
    claimer.stop();
    await claimed;
  });

  it('gives its work to a call that waits, as much as its budget has room for', async () => {
    const slow = new SlowShard();
    slow.ids = ['a', 'b', 'c'];
    const { agenda, claimer, givenBack } = idleClaimer({ answer: slow.answer });
    expect(await claimer.getRequests(room(3), 0)).to.deep.equal([]);
    expect(agenda.isSlow(0)).to.equal(true);
    const claimed = claimer.getRequests(room(2), POLL_MS);
    await turn();
    slow.release();
    expect((await claimed).map(({ id }) => id)).to.deep.equal(['a', 'b']);
    expect(givenBack).to.deep.equal(['c']);
    claimer.stop();
  });

  it('gives its work back if no call waits, or if it was granted so long ago that others may have it', async () => {
    for (const leaseMs of [POLL_MS, 100]) {
      const slow = new SlowShard();
      slow.ids = ['a'];
      const { claimer, givenBack } = idleClaimer({ answer: slow.answer, leaseMs });
      await claimer.getRequests(room(), 0);
      const claimed = leaseMs === 100 ? claimer.getRequests(room(), POLL_MS) : undefined;
      await turn();
      slow.release();
      await waitUntil(() => givenBack.length === 1, 'it is given back');
      claimer.stop();
      expect((await claimed) ?? []).to.deep.equal([]);
    }
  });

  it('is told of by TIMEOUT when no other is left, and only then', async () => {
    const never = (): Promise<ClaimAnswer> => new Promise(() => undefined);
    const all = idleClaimer({ answer: never, commandTimeout: 1_000 });
    all.claimer.lookAround();
    const from = monotonic();
    const failed = all.claimer.getRequests(room(), POLL_MS).catch(String);
    expect(await failed).to.equal('Error: getRequests');
    expect(monotonic() - from).to.be.at.least(1_000);
    const slow = new SlowShard();
    const one = idleClaimer({ answer: slow.answer, commandTimeout: 1 });
    expect(await one.claimer.getRequests(room(), 500)).to.deep.equal([]);
  });
});

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
