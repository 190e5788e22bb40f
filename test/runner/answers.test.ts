import { expect } from 'chai';
import { claimBounds } from '../../src/base/budget.ts';
import { monotonic, sleep } from '../../src/base/clock.ts';
import { SchedulerError } from '../../src/base/errors.ts';
import type { ClaimAnswer } from '../../src/protocol/wire.ts';
import { rejection, room } from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';
import {
  NO_WORK,
  POLL_MS,
  UNDECODABLE,
  idleClaimer,
  work,
  type Behaviour,
  type IdleClaimer,
} from './idle-claimer.ts';

const BLOCKED: ClaimAnswer = { ...NO_WORK, status: 'BLOCKED' };
const KEEPING: ClaimAnswer = { ...NO_WORK, status: 'KEEPING' };

describe('a call for work', () => {
  let world: IdleClaimer;
  afterEach(() => world.claimer.stop());

  /** Shard 0 answers these in turn, then that there is no work; the others never have any. */
  function begin(answers: readonly (ClaimAnswer | Promise<ClaimAnswer>)[] = [], rest: Behaviour = {}): void {
    const left = [...answers];
    const answer = (shard: number, { limit }: { limit: number }): Promise<ClaimAnswer> =>
      Promise.resolve(shard === 0 && limit > 0 ? (left.shift() ?? NO_WORK) : NO_WORK);
    world = idleClaimer({ answer, ...rest });
  }

  const call = async (waitMs = 0, budget = room()): Promise<string[]> =>
    (await world.claimer.getRequests(budget, waitMs)).map(({ id }) => id);
  const due = (): number[] => [0, 1, 2].filter((shard) => world.agenda.isDue(shard, monotonic()));
  const isRefused = (shard: number, budget = room()): boolean =>
    world.agenda.isRefused(shard, claimBounds(budget), monotonic());

  it('is refused with a budget that is none', async () => {
    begin();
    expect(await rejection(world.claimer.getRequests(room(-1), 0))).to.include({ code: 'CONFIG' });
  });

  it('asks nobody without room, nor after the stop', async () => {
    begin();
    expect(await call(POLL_MS, room(0))).to.deep.equal([]);
    world.claimer.stop();
    expect(await call(POLL_MS)).to.deep.equal([]);
    expect(world.asked).to.deep.equal([]);
  });

  it('rejects with the reason when the node is over, waiting or not', async () => {
    begin();
    const reason = new SchedulerError('EVICTED', 'renew', 'another has the name');
    const failed = rejection(world.claimer.getRequests(room(), POLL_MS));
    await turn();
    world.over.abort(reason);
    world.claimer.stop();
    expect(await failed).to.equal(reason);
    expect(await rejection(world.claimer.getRequests(room(), 0))).to.equal(reason);
  });

  it('sleeps until there is a reason, or its engine is ready', async () => {
    for (const budget of [room(), room(16, { readyInMs: 60_000 })]) {
      begin([], { commandTimeout: 20 });
      const claimed = world.claimer.getRequests(budget, 100);
      await turn();
      world.agenda.questions = 0;
      await claimed;
      expect(world.agenda.questions).to.be.below(10);
    }
  });

  it('looks for nothing until its engine is ready', async () => {
    begin();
    await call(20, room(16, { readyInMs: 60_000 }));
    expect(world.looks).to.deep.equal([]);
  });

  it('asks everywhere anew when the engine turns out to be larger than was known', async () => {
    let holds = false;
    begin([], { holdsAny: () => holds });
    const all = async (blocks: number): Promise<number[]> => {
      world.asked.length = 0;
      await call(100, room(16, { availableBlocks: blocks }));
      return world.asked.sort();
    };
    expect(await all(10)).to.deep.equal([0]);
    expect(await all(10)).to.deep.equal([]);
    expect(await all(20)).to.deep.equal([0, 1, 2]);
    holds = true;
    expect(await all(20)).to.deep.equal([]);
  });

  it('refreshes what is held before it asks', async () => {
    begin();
    await call();
    expect([world.prepared, world.asked]).to.deep.equal([[0], [0]]);
  });

  it('waits a moment for an answer, however short its time', async () => {
    begin([sleep(60).then(() => work(['a']))]);
    expect(await call(0)).to.deep.equal(['a']);
  });

  it('asks again when it was told to, but waits for no answer then beyond its time', async () => {
    let asks = 0;
    world = idleClaimer({
      answer: async (shard) => {
        if (shard !== 0) return NO_WORK;
        asks += 1;
        if (asks === 1) return { ...NO_WORK, againMs: 300 };
        // sooner than a call waits that has the time
        await sleep(230);
        return work(['a']);
      },
    });
    expect(await call(500)).to.deep.equal([]);
    // on a busy machine its time may be over before it asks
    if (asks > 1) await waitUntil(() => world.givenBack.length > 0, 'it is given back');
  });

  it('waits no longer than a moment for an answer, however long its time', async () => {
    begin([{ ...NO_WORK, againMs: 20 }, new Promise<never>(() => undefined)]);
    const claimed = call(POLL_MS);
    await waitUntil(() => world.agenda.isSlow(0), 'it is slow');
    world.claimer.stop();
    expect(await claimed).to.deep.equal([]);
  });

  it('lets another that waits ask where it was told that more comes', async () => {
    begin([NO_WORK, work(['a'], { againMs: 30 }), work(['b'])]);
    const claimed = [call(POLL_MS), call(POLL_MS)];
    await turn();
    world.claimer.claimIfWaiting(0);
    expect((await Promise.all(claimed)).flat().sort()).to.deep.equal(['a', 'b']);
  });

  it('goes on where nothing that it was given can be run', async () => {
    begin([NO_WORK, work([UNDECODABLE]), work(['a'])]);
    const claimed = call(POLL_MS);
    await turn();
    world.claimer.ring(0, 0);
    await turn();
    world.claimer.ring(0, 0);
    expect(await claimed).to.deep.equal(['a']);
  });

  describe('that is answered', () => {
    it('takes the shard to believe this node idle, unless it gave work', async () => {
      for (const [answer, rings] of [
        [NO_WORK, true],
        [BLOCKED, true],
        [KEEPING, false],
      ] as const) {
        begin([answer]);
        await call();
        expect(world.agenda.idleIn.has(0), answer.status).to.equal(rings);
      }
      begin([NO_WORK, work(['a'])]);
      await call();
      world.agenda.at(0, 0);
      expect(await call()).to.deep.equal(['a']);
      // more may wait, here and elsewhere
      expect(due()).to.deep.equal([0, 1, 2]);
    });

    it('tells when the first ticket there is due, if one is', async () => {
      begin([{ ...NO_WORK, dueMs: 7 }]);
      await call(20);
      world.agenda.at(0, 0);
      await call();
      expect(world.dues).to.deep.equal([[0, 7]]);
    });

    it('with a refusal asks no more until its budget grows, and no other shard while it keeps room', async () => {
      for (const [answer, here, elsewhere] of [
        [NO_WORK, false, false],
        [BLOCKED, true, false],
        [KEEPING, true, true],
      ] as const) {
        begin([answer]);
        await call();
        expect([isRefused(0), isRefused(1)], answer.status).to.deep.equal([here, elsewhere]);
      }
      world.agenda.at(0, 0);
      await call(0, room(17));
      expect(isRefused(1), 'it keeps none any more').to.equal(false);
    });

    it('asks again after a refusal when what is refused comes of age', async () => {
      begin([{ ...BLOCKED, againMs: 20 }, work(['a'])]);
      expect(await call(POLL_MS)).to.deep.equal(['a']);
      begin([BLOCKED]);
      await call(60);
      expect(world.asked, 'nothing does').to.deep.equal([0]);
    });

    it('asks once where nothing comes of age', async () => {
      begin();
      await call(60);
      expect(world.asked).to.deep.equal([0]);
    });

    it('passes on what comes of age after a refusal, nothing else', async () => {
      begin([{ ...NO_WORK, againMs: 20 }]);
      await call();
      await sleep(150);
      expect(world.passedOn).to.deep.equal([]);
      begin([{ ...BLOCKED, againMs: 20 }]);
      await call();
      await waitUntil(() => world.passedOn.length > 0, 'it is passed on');
    });

    it('gives back what its budget has no room for, and asks for that again', async () => {
      begin([work(['a', 'b', 'c'])]);
      expect(await call(0, room(2))).to.deep.equal(['a', 'b']);
      expect([world.givenBack, isRefused(0), due()]).to.deep.equal([['c'], false, [0, 1, 2]]);
    });

    it('asks again where its budget ended the answer, not where the shard did', async () => {
      for (const [batch, again] of [
        [2, true],
        [3, false],
      ] as const) {
        world = idleClaimer({
          answer: (shard, { limit }) =>
            Promise.resolve(shard === 1 && limit > 0 ? work(['a', 'b', 'c']) : NO_WORK),
          loadLookup: 1,
        });
        // the one other shard that the next sweep looks at is not this one
        world.agenda.sweep(0);
        while (world.agenda.next(0, claimBounds(room())) !== undefined);
        world.agenda.at(1, 0);
        expect((await call(1_000, room(batch))).length).to.equal(batch);
        expect([isRefused(1, room(batch)), due().includes(1)]).to.deep.equal([false, again]);
      }
    });

    it('gives back what does not fit at all, and takes it for refused', async () => {
      const budget = room(16, { availableBlocks: 11 });
      begin([work(['a', 'b'], {}, 161)]);
      expect(await call(0, budget)).to.deep.equal([]);
      expect(world.givenBack).to.deep.equal(['a', 'b']);
      expect(world.agenda.isRefused(0, claimBounds(budget), monotonic())).to.equal(true);
    });

    it('gives back what it has no bodies of, and asks again', async () => {
      begin([work(['a', 'b'], { remembered: true })]);
      expect(await call()).to.deep.equal([]);
      expect([world.givenBack, isRefused(0), due()]).to.deep.equal([['a', 'b'], false, [0, 1, 2]]);
    });

    it('after the stop gives everything back', async () => {
      let answer: ((answer: ClaimAnswer) => void) | undefined;
      begin([new Promise((resolve) => (answer = resolve))]);
      const claimed = call(POLL_MS);
      await turn();
      world.claimer.stop();
      answer!(work(['a']));
      expect(await claimed).to.deep.equal([]);
      expect(world.givenBack).to.deep.equal(['a']);
    });
  });

  describe('that is answered late', () => {
    let answer: (answer: ClaimAnswer) => void;
    let fail: (error: Error) => void;

    /** A call has ended without the answer of shard 0, whose next ones are these. */
    async function late(...next: ClaimAnswer[]): Promise<void> {
      begin([new Promise((resolve, reject) => ([answer, fail] = [resolve, reject])), ...next]);
      expect(await call(0)).to.deep.equal([]);
      expect(world.agenda.isSlow(0)).to.equal(true);
    }

    it('notes a refusal, and what is due', async () => {
      await late();
      const claimed = call(60);
      answer({ ...BLOCKED, dueMs: 7 });
      await turn();
      expect([world.agenda.isSlow(0), isRefused(0), world.dues]).to.deep.equal([false, true, [[0, 7]]]);
      await claimed;
      await sleep(100);
      expect(world.asked).to.deep.equal([0]);
    });

    it('has a call that waits ask when more comes there', async () => {
      await late(work(['b']));
      const claimed = call(POLL_MS);
      await turn();
      answer({ ...NO_WORK, againMs: 20 });
      expect(await claimed).to.deep.equal(['b']);
    });

    it('asks again there after work, or without an answer', async () => {
      for (const end of [() => answer(work(['a'])), () => fail(new Error('no answer'))]) {
        await late();
        const claimed = call(POLL_MS);
        await turn();
        end();
        await waitUntil(() => world.asked.length > 1 || world.givenBack.length > 0, 'it is asked again');
        world.claimer.stop();
        await claimed;
      }
      await late();
      fail(new Error('no answer'));
      await waitUntil(() => world.passedOn.length > 0, 'no call waits: it is passed on');
      expect([world.agenda.isSlow(0), world.passedOn]).to.deep.equal([false, [0]]);
    });

    it('gives its work to another that waits, which goes on where it cannot be run', async () => {
      await late(work(['b']));
      const claimed = call(POLL_MS);
      await turn();
      answer(work([UNDECODABLE]));
      expect(await claimed).to.deep.equal(['b']);
    });

    it('looks after a ring that came meanwhile, and no other', async () => {
      await late();
      world.claimer.ring(0, 0);
      expect(world.passedOn).to.deep.equal([]);
      // its call asked in vain long ago
      await sleep(60);
      answer(NO_WORK);
      await turn();
      expect(world.passedOn).to.deep.equal([0]);
      await late();
      await sleep(60);
      answer(NO_WORK);
      await turn();
      expect(world.passedOn).to.deep.equal([]);
    });
  });
});

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
