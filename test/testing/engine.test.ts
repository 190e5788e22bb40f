import { expect } from 'chai';
import fc from 'fast-check';
import { capacity } from '../../src/testing/engine/capacity.ts';
import { REAL_CLOCK, type Clock } from '../../src/testing/engine/clock.ts';
import { DEFAULT_ENGINE, EngineModel } from '../../src/testing/engine/engine-model.ts';
import {
  EmulatedEngine,
  type EmulatedEngineOptions,
  type RunOptions,
} from '../../src/testing/engine/engine.ts';
import type { Completion } from '../../src/testing/engine/job.ts';
import { ASK_AHEAD_MS } from '../../src/testing/engine/room.ts';
import { drawArrivals } from '../../scripts/lib/traffic/quantiles.ts';
import { admit, validateBudget } from '../../src/base/budget.ts';
import { openAfter } from '../support/alone.ts';

const sequence = (id: number, promptTokens: number, outputTokens: number) => ({
  id,
  promptTokens,
  outputTokens,
});

describe('the engine model', () => {
  it('takes 28 ms, 0.3 ms per decoding sequence and 0.08 ms per prefill token for an iteration', () => {
    const model = new EngineModel();
    model.admit(sequence(1, 1000, 3));
    expect(model.iterate().durationMs).to.be.closeTo(28 + 0.08 * 1000, 1e-9);
    model.admit(sequence(2, 100, 2));
    expect(model.iterate().durationMs).to.be.closeTo(28 + 0.3 + 0.08 * 100, 1e-9);
    expect(model.iterate().durationMs).to.be.closeTo(28 + 0.3 * 2, 1e-9);
    expect(model.iterate()).to.deep.equal({ durationMs: 0, firstTokens: [], finished: [] });
  });

  it('prefills at most a chunk in one iteration, first come first served, while others decode', () => {
    const model = new EngineModel();
    model.admit(sequence(1, 3000, 5));
    model.admit(sequence(2, 1000, 5));
    model.admit(sequence(3, 200, 5));
    expect(model.prefillBacklog).to.equal(4200);
    const first = model.iterate();
    expect(first).to.deep.equal({ durationMs: 28 + 0.08 * 2048, firstTokens: [], finished: [] });
    expect(model.prefillBacklog).to.equal(2152);
    const second = model.iterate();
    expect(second).to.deep.equal({ durationMs: 28 + 0.08 * 2048, firstTokens: [1, 2], finished: [] });
    const third = model.iterate();
    expect(third.firstTokens).to.deep.equal([3]);
    expect(third.durationMs).to.be.closeTo(28 + 0.3 * 2 + 0.08 * 104, 1e-9);
  });

  it('yields the first token with the end of the prompt, then one an iteration until the last', () => {
    const model = new EngineModel();
    model.admit(sequence(1, 100, 3));
    const seen = [model.iterate(), model.iterate(), model.iterate()];
    expect(seen.map((one) => one.firstTokens)).to.deep.equal([[1], [], []]);
    expect(seen.map((one) => one.finished)).to.deep.equal([[], [], [1]]);
    model.admit(sequence(2, 100, 1));
    expect(model.iterate()).to.include.deep.keys({ firstTokens: [2], finished: [2] });
  });

  it('holds the blocks of the prompt and of the reserve from admission until the last token', () => {
    const model = new EngineModel({ totalBlocks: 100, blockSize: 16, reservedOutputBlocks: 4 });
    expect(model.admit(sequence(1, 33, 2))).to.equal(true);
    expect(model.freeBlocks).to.equal(100 - 3 - 4);
    model.iterate();
    expect(model.freeBlocks).to.equal(93);
    model.iterate();
    expect([model.freeBlocks, model.size]).to.deep.equal([100, 0]);
  });

  it('takes no sequence for which blocks or slots are missing, and changes nothing then', () => {
    const model = new EngineModel({ totalBlocks: 20, reservedOutputBlocks: 4, maxSequences: 2 });
    expect(model.admit(sequence(1, 160, 1))).to.equal(true);
    expect(model.admit(sequence(2, 33, 1))).to.equal(false);
    expect(model.admit(sequence(3, 32, 1))).to.equal(true);
    expect([model.freeBlocks, model.freeSlots]).to.deep.equal([0, 0]);
    model.abort(1);
    model.admit(sequence(4, 0, 1));
    expect(model.admit(sequence(5, 0, 1))).to.equal(false);
    expect(model.size).to.equal(2);
  });

  it('refuses a prompt that would never fit, an id twice, and numbers that make no sense', () => {
    const model = new EngineModel({ totalBlocks: 20, reservedOutputBlocks: 4 });
    expect(() => model.admit(sequence(1, 16 * 16 + 1, 1))).to.throw(RangeError, 'never fits');
    expect(model.admit(sequence(1, 16, 1))).to.equal(true);
    expect(() => model.admit(sequence(1, 16, 1))).to.throw(RangeError, 'already');
    expect(() => model.admit(sequence(2, -1, 1))).to.throw(RangeError, 'promptTokens');
    expect(() => model.admit(sequence(2, 1, 0))).to.throw(RangeError, 'outputTokens');
    expect(() => new EngineModel({ maxSequences: 0 })).to.throw(RangeError, 'maxSequences');
    expect(() => new EngineModel({ iterationMs: 0 })).to.throw(RangeError, 'iterationMs');
    expect(() => new EngineModel({ decodeMs: Number.NaN })).to.throw(RangeError, 'decodeMs');
  });

  it('leaves what is admitted in the middle of an iteration to the next one', () => {
    const model = new EngineModel();
    model.admit(sequence(1, 100, 2));
    model.begin();
    model.admit(sequence(2, 100, 1));
    expect(model.prefillBacklog).to.equal(100);
    expect(model.end()).to.deep.equal({ firstTokens: [1], finished: [] });
    expect(model.end(), 'an iteration ends once').to.deep.equal({ firstTokens: [], finished: [] });
    expect(model.iterate()).to.deep.include({ firstTokens: [2], finished: [1, 2] });
  });

  it('frees the blocks of an aborted sequence at once, also in the middle of an iteration', () => {
    const model = new EngineModel();
    model.admit(sequence(1, 100, 2));
    model.begin();
    expect(model.abort(1)).to.equal(true);
    expect(model.freeBlocks).to.equal(DEFAULT_ENGINE.totalBlocks);
    expect(model.abort(1)).to.equal(false);
    expect(model.end()).to.deep.equal({ firstTokens: [], finished: [] });
    expect(model.begin()).to.equal(undefined);
  });

  it('keeps its accounts whatever is admitted, iterated and aborted', () => {
    const options = {
      totalBlocks: 40,
      blockSize: 4,
      reservedOutputBlocks: 2,
      maxSequences: 5,
      prefillChunk: 16,
    };
    const step = fc.oneof(
      fc.record({
        do: fc.constant('admit' as const),
        prompt: fc.nat(80),
        output: fc.integer({ min: 1, max: 6 }),
      }),
      fc.record({ do: fc.constant('abort' as const), id: fc.nat(20) }),
      fc.record({ do: fc.constantFrom('begin' as const, 'end' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const model = new EngineModel(options);
        const inside = new Map<number, { prompt: number; output: number; generated: number }>();
        let next = 0;
        let underWay = false;
        const begin = () => {
          if (underWay) return;
          const duration = model.begin();
          underWay = duration !== undefined;
          if (duration !== undefined) expect(duration).to.be.within(28, 28 + 0.3 * 5 + 0.08 * 16);
        };
        const end = () => {
          if (!underWay) return;
          underWay = false;
          const { firstTokens, finished } = model.end();
          for (const id of firstTokens) expect(inside.get(id)!.generated).to.equal(0);
          for (const id of finished) {
            const one = inside.get(id)!;
            expect(one.generated).to.equal(one.output - 1);
            inside.delete(id);
          }
          for (const [id, one] of inside) {
            const generated = model.generated(id)!;
            expect(generated - one.generated).to.be.within(0, 1);
            one.generated = generated;
          }
        };
        for (const one of steps) {
          if (one.do === 'admit') {
            if (model.admit(sequence(next, one.prompt, one.output))) {
              inside.set(next, { prompt: one.prompt, output: one.output, generated: 0 });
            }
            next += 1;
          } else if (one.do === 'abort') {
            expect(model.abort(one.id)).to.equal(inside.delete(one.id));
          } else if (one.do === 'begin') {
            begin();
          } else {
            end();
          }
          const held = [...inside.values()].reduce((sum, { prompt }) => sum + Math.ceil(prompt / 4) + 2, 0);
          expect(model.freeBlocks).to.equal(40 - held);
          expect(model.freeSlots).to.equal(5 - inside.size);
        }
        for (let round = 0; round < 200 && model.size > 0; round += 1) {
          begin();
          end();
        }
        expect(inside.size).to.equal(0);
        expect(model.freeBlocks).to.equal(40);
      }),
      { numRuns: 200 },
    );
  });
});

describe('capacity', () => {
  it('is what the formula gives for a batch of equal requests', () => {
    // Of 34 sequences one is always in prefill: 101 iterations a request, 34 requests in them.
    const options = { maxSequences: 34, prefillChunk: 1000 };
    const perRequestMs = (100 * 28) / 34 + 0.3 * 100 + 0.08 * 1000;
    expect(capacity([{ promptTokens: 1000, outputTokens: 101 }], options)).to.be.closeTo(
      1000 / perRequestMs,
      0.2,
    );
  });

  it('serves three requests a second of the built-in traffic, whatever the sample', () => {
    for (const seed of [1, 2]) {
      expect(capacity(drawArrivals({ seed, count: 2000, ratePerSecond: 1 }))).to.be.closeTo(3.05, 0.15);
    }
  });

  it('falls when blocks are short', () => {
    const sample = drawArrivals({ seed: 1, count: 500, ratePerSecond: 1 });
    expect(capacity(sample, { totalBlocks: 1200 })).to.be.below(capacity(sample) * 0.8);
  });

  it('refuses an empty sample, and one with a request that never fits', () => {
    expect(() => capacity([])).to.throw(RangeError, 'sample');
    expect(() => capacity([{ promptTokens: 1e9, outputTokens: 1 }])).to.throw(RangeError, 'never fits');
  });
});

/** A clock that stands still until it is told to go on; timers fire in order, `late` ms after they are due. */
class ManualClock implements Clock {
  late = 0;
  callbacks = 0;
  #now = 1000;
  readonly #timers = new Map<() => void, number>();

  get timers(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    this.#timers.set(callback, this.#now + ms + this.late);
    return () => this.#timers.delete(callback);
  }

  /** Goes on so many ms; consumers get their turn after each timer. */
  async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      const next = [...this.#timers].sort((one, other) => one[1] - other[1])[0];
      if (!next || next[1] > until) break;
      this.#now = Math.max(this.#now, next[1]);
      this.#timers.delete(next[0]);
      this.callbacks += 1;
      next[0]();
      await turn();
    }
    this.#now = until;
  }
}

/** Lets everything go on that waits for promises only. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

interface Watched {
  chunks: number[];
  completion?: Completion;
  error?: Error;
}

function watch(
  engine: EmulatedEngine,
  promptTokens: number,
  outputTokens: number,
  options?: RunOptions,
): Watched {
  const watched: Watched = { chunks: [] };
  const follow = async () => {
    const run = engine.run(promptTokens, outputTokens, options);
    for (;;) {
      const step = await run.next();
      if (step.done) {
        watched.completion = step.value;
        return;
      }
      watched.chunks.push(step.value.tokens);
    }
  };
  follow().catch((error: unknown) => {
    watched.error = error as Error;
  });
  return watched;
}

describe('the engine in real time', () => {
  let clock: ManualClock;
  const engines: EmulatedEngine[] = [];
  const start = (options: EmulatedEngineOptions = {}) => {
    const engine = new EmulatedEngine({ clock, ...options });
    engines.push(engine);
    return engine;
  };

  beforeEach(() => {
    clock = new ManualClock();
  });

  afterEach(() => {
    for (const engine of engines.splice(0)) engine.close();
    expect(clock.timers).to.equal(0);
  });

  it('yields at the first token and every K tokens, and returns at the last, at the times of the model', async () => {
    const engine = start();
    const watched = watch(engine, 1000, 50, { every: 16 });
    await clock.pass(107.9);
    expect(watched.chunks).to.deep.equal([]);
    await clock.pass(0.2);
    expect(watched.chunks).to.deep.equal([1]);
    await clock.pass(28.3 * 48);
    expect(watched.chunks).to.deep.equal([1, 16, 32, 48]);
    expect(watched.completion).to.equal(undefined);
    await clock.pass(28.3);
    expect(watched.chunks).to.deep.equal([1, 16, 32, 48]);
    expect(watched.completion!.tokens).to.equal(50);
    expect(watched.completion!.firstTokenMs).to.be.closeTo(108, 1e-6);
    expect(watched.completion!.totalMs).to.be.closeTo(108 + 28.3 * 49, 1e-6);
  });

  it('yields no chunk for the last token, and every token when asked', async () => {
    const engine = start();
    const one = watch(engine, 10, 1);
    const four = watch(engine, 10, 4, { every: 1 });
    await clock.pass(1000);
    expect(one.chunks).to.deep.equal([]);
    expect(one.completion!.tokens).to.equal(1);
    expect(four.chunks).to.deep.equal([1, 2, 3]);
    expect(four.completion!.tokens).to.equal(4);
  });

  it('runs faster by the time scale and tells times of the model', async () => {
    const engine = start({ timeScale: 0.05 });
    const watched = watch(engine, 1000, 2);
    await clock.pass(136.4 * 0.05);
    expect(watched.completion!.totalMs).to.be.closeTo(136.3, 1e-6);
  });

  it('has no timer before the first request and none when it is empty again', async () => {
    const engine = start();
    expect(clock.timers).to.equal(0);
    const watched = watch(engine, 100, 2);
    expect(clock.timers).to.equal(1);
    await clock.pass(1000);
    expect(watched.completion).not.to.equal(undefined);
    expect(clock.timers).to.equal(0);
  });

  it('does not drift when its timers are late: overdue iterations are done in one callback', async () => {
    const engine = start();
    clock.late = 100;
    const watched = watch(engine, 0, 101);
    await clock.pass(28.3 * 101 + 200);
    expect(watched.completion!.totalMs).to.be.closeTo(28.3 * 101, 1e-6);
    expect(clock.callbacks).to.be.below(30);
  });

  it('lets a request that comes while a timer is late into the present, not into the past', async () => {
    const engine = start();
    clock.late = 50;
    const first = watch(engine, 0, 10);
    await clock.pass(30);
    const second = watch(engine, 0, 1);
    await clock.pass(1000);
    expect(first.completion!.totalMs).to.be.closeTo(28.3 * 2 + 28.6 + 28.3 * 7, 1e-6);
    expect(second.completion!.totalMs).to.be.closeTo(2 * 28.3 + 28.6 - 30, 1e-6);
  });

  it('tells its room as a budget of free blocks, slots and prefill tokens, and admits by it what fits', async () => {
    const engine = start({ totalBlocks: 100, reservedOutputBlocks: 4 });
    const empty = engine.room();
    validateBudget(empty);
    expect(empty).to.deep.equal({
      availableBlocks: 100,
      blockSize: 16,
      reservedOutputBlocks: 4,
      totalBlocks: 100,
      maxNumBatchedTokens: 2048,
      batch: 34,
      readyInMs: 0,
    });
    const prompts = [400, 400, 400, 400];
    expect(admit(prompts, empty)).to.equal(3);
    const watched = [watch(engine, 400, 2), watch(engine, 400, 2), watch(engine, 400, 2)];
    expect(engine.room()).to.include({ availableBlocks: 13, batch: 31, maxNumBatchedTokens: 2048 - 800 });
    await clock.pass(1000);
    expect(watched.every(({ completion }) => completion !== undefined)).to.equal(true);
    expect(engine.room()).to.deep.equal(empty);
  });

  it('tells when it begins with new work: shortly before the iteration under way ends', async () => {
    const engine = start({ timeScale: 2 });
    watch(engine, 1000, 1);
    // 108 ms of the model
    expect(engine.room().readyInMs).to.be.closeTo(216 - ASK_AHEAD_MS, 1e-6);
    await clock.pass(216 - ASK_AHEAD_MS + 1);
    expect(engine.room().readyInMs).to.equal(0);
    await clock.pass(ASK_AHEAD_MS);
    expect(engine.room().readyInMs, 'it is empty').to.equal(0);
  });

  it('has no room while prompts wait for a later iteration, and tells who waits for room when it has', async () => {
    const engine = start();
    const watched = watch(engine, 5000, 100);
    let room = false;
    const waiting = engine.whenRoom().then(() => (room = true));
    await turn();
    expect(engine.room()).to.include({ maxNumBatchedTokens: 0, batch: 0 });
    expect(room).to.equal(false);
    // The prompt takes three chunks; in the third, 904 tokens are under way and nothing waits any more.
    await clock.pass(2 * (28 + 0.08 * 2048) + 1);
    expect(watched.chunks).to.deep.equal([]);
    expect(engine.room()).to.include({ maxNumBatchedTokens: 2048, batch: 33 });
    await waiting;
    expect(room).to.equal(true);
  });

  it('resolves whenRoom at once when there is room, and for all who wait', async () => {
    const engine = start();
    await engine.whenRoom();
    void watch(engine, 5000, 1);
    const waiting = Promise.all([engine.whenRoom(), engine.whenRoom(), engine.whenRoom()]);
    await clock.pass(1000);
    await waiting;
  });

  it('queues, first come first served, what does not fit now, and loses no time between', async () => {
    const engine = start({ maxSequences: 1 });
    clock.late = 40;
    const watched = [watch(engine, 100, 2), watch(engine, 100, 2), watch(engine, 100, 2)];
    expect(engine.room().batch).to.equal(0);
    await clock.pass(3 * (36 + 28.3) + 200);
    const totals = watched.map(({ completion }) => completion?.totalMs ?? 0);
    for (const [index, total] of totals.entries()) expect(total).to.be.closeTo((index + 1) * 64.3, 1e-6);
    expect(engine.room().batch).to.equal(1);
  });

  it('has no room while anything is in its queue, even if slots are free', async () => {
    const engine = start({ totalBlocks: 100, reservedOutputBlocks: 4 });
    const watched = [watch(engine, 800, 2), watch(engine, 800, 2)];
    expect(engine.room()).to.include({ availableBlocks: 46, batch: 0 });
    await clock.pass(64 + 28 + 28.3);
    expect(engine.room()).to.include({ availableBlocks: 46, batch: 33 });
    await clock.pass(1000);
    expect(watched.every(({ completion }) => completion !== undefined)).to.equal(true);
  });

  it('frees the blocks at once when the signal fires, and throws its reason', async () => {
    const engine = start();
    const controller = new AbortController();
    const reason = new Error('lost');
    const watched = watch(engine, 1000, 50, { signal: controller.signal });
    await clock.pass(500);
    controller.abort(reason);
    expect(engine.room().availableBlocks).to.equal(DEFAULT_ENGINE.totalBlocks);
    expect(clock.timers).to.equal(0);
    await turn();
    expect(watched.error).to.equal(reason);
    expect(watched.completion).to.equal(undefined);
  });

  it('aborts also what is still in its queue, and lets the next one in', async () => {
    const engine = start({ maxSequences: 1 });
    const running = new AbortController();
    const queued = new AbortController();
    const first = watch(engine, 100, 50, { signal: running.signal });
    const second = watch(engine, 100, 50, { signal: queued.signal });
    const third = watch(engine, 100, 1);
    queued.abort();
    running.abort();
    await clock.pass(1000);
    expect(first.error).to.have.property('name', 'AbortError');
    expect(second.error).to.have.property('name', 'AbortError');
    expect(third.completion).not.to.equal(undefined);
  });

  it('takes nothing in when the signal has fired already', async () => {
    const engine = start();
    const watched = watch(engine, 100, 5, { signal: AbortSignal.abort() });
    expect(clock.timers).to.equal(0);
    await turn();
    expect(watched.error).to.have.property('name', 'AbortError');
  });

  it('aborts a request whose consumer leaves the loop', async () => {
    const engine = start();
    const leave = async () => {
      for await (const { tokens } of engine.run(100, 1000)) if (tokens > 100) break;
    };
    const left = leave();
    await clock.pass(28.3 * 200);
    await left;
    expect(engine.room().availableBlocks).to.equal(DEFAULT_ENGINE.totalBlocks);
    expect(clock.timers).to.equal(0);
  });

  it('goes on while a consumer is slow, who then gets what was missed', async () => {
    const engine = start();
    const run = engine.run(100, 40);
    const first = run.next();
    await clock.pass(60_000);
    expect(engine.room().availableBlocks).to.equal(DEFAULT_ENGINE.totalBlocks);
    expect(await first).to.deep.equal({ done: false, value: { tokens: 1 } });
    expect((await run.next()).value).to.deep.equal({ tokens: 16 });
    expect((await run.next()).value).to.deep.equal({ tokens: 32 });
    const last = await run.next();
    expect(last.done).to.equal(true);
    expect(last.value).to.include({ tokens: 40 });
  });

  it('refuses what makes no sense before it takes anything in', async () => {
    const engine = start();
    const refused = [watch(engine, 1e9, 1), watch(engine, 1, 0), watch(engine, 1, 1, { every: 0 })];
    await turn();
    for (const { error } of refused) expect(error).to.be.instanceOf(RangeError);
    expect(clock.timers).to.equal(0);
    expect(() => new EmulatedEngine({ timeScale: 0 })).to.throw(RangeError, 'timeScale');
  });

  it('ends everything on close: requests, those who wait for room, and the timer', async () => {
    const engine = start({ maxSequences: 1 });
    const watched = [watch(engine, 100, 50), watch(engine, 100, 50)];
    const room = engine.whenRoom().catch((error: unknown) => error as Error);
    await clock.pass(100);
    engine.close();
    expect(clock.timers).to.equal(0);
    await turn();
    for (const { error } of watched) expect(error?.message).to.equal('the engine is closed');
    expect(await room).to.have.property('message', 'the engine is closed');
    expect(engine.room().batch).to.equal(0);
    const late = watch(engine, 100, 50);
    await turn();
    expect(late.error?.message).to.equal('the engine is closed');
  });

  it('stops waiting for room when the signal fires', async () => {
    const engine = start({ maxSequences: 1 });
    void watch(engine, 100, 50);
    const controller = new AbortController();
    const room = engine.whenRoom(controller.signal).catch((error: unknown) => error as Error);
    controller.abort();
    expect(await room).to.have.property('name', 'AbortError');
  });

  it('serves at its capacity when it is fed by its room', async () => {
    const sample = drawArrivals({ seed: 1, count: 200, ratePerSecond: 1 });
    const engine = start();
    const began = clock.now();
    let next = 0;
    // 200 requests take 65 s of the model; the bound is only there so that the test ends.
    for (let round = 0; round < 10_000 && next < sample.length; round += 1) {
      const prompts = sample.slice(next, next + 34).map(({ promptTokens }) => promptTokens);
      for (let admitted = admit(prompts, engine.room()); admitted > 0; admitted -= 1) {
        const { promptTokens, outputTokens } = sample[next++]!;
        void watch(engine, promptTokens, outputTokens);
      }
      await clock.pass(20);
    }
    const served = sample.length - (34 - engine.room().batch);
    const rate = (served * 1000) / (clock.now() - began);
    expect(rate / capacity(sample)).to.be.within(0.9, 1.1);
  });

  it('keeps its times with real timers', async () => {
    let began: number | undefined = performance.now();
    // it stands still while the three enter: a process that is held up just then would enter them one after the other
    const clock: Clock = { ...REAL_CLOCK, now: () => began ?? performance.now() };
    const engine = new EmulatedEngine({ timeScale: 0.05, clock });
    const runs = [1, 2, 3].map(async () => {
      const run = engine.run(1000, 40);
      for (;;) {
        const step = await run.next();
        if (step.done) return step.value;
      }
    });
    const entered = began;
    began = undefined;
    const completions = await Promise.all(runs);
    const realMs = performance.now() - entered;
    for (const { totalMs } of completions) {
      // 3,000 prompt tokens in two iterations, then 39 or 40 of decoding.
      expect(totalMs).to.be.within(28 * 41, 28.9 * 42 + 0.08 * 3000 + 5);
      expect(realMs).to.be.at.least(totalMs * 0.05);
    }
    engine.close();
  });

  it('leaves no timer behind when it has nothing left to do', async () => {
    const alone = new URL('./engine-alone.ts', import.meta.url);
    expect(await openAfter(alone, 'serveThree')).to.deep.equal([]);
    expect(await openAfter(alone, 'beginThree'), 'one that works').to.deep.equal(['Timeout']);
  });
});
