import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseOptions } from '../../../scripts/fleet/options.ts';
import { engineOf, makePlan, openSource } from '../../../scripts/fleet/plan.ts';
import { roundTripsIn, scaleFor } from '../../../scripts/fleet/scale.ts';
import { ShorterOfTwo } from '../../../scripts/fleet/shorter-of-two.ts';
import { capacity } from '../../../src/testing/engine/capacity.ts';
import { requiredBlocks } from '../../../src/base/budget.ts';
import { DEFAULT_ENGINE } from '../../../src/testing/engine/engine-model.ts';
import type { Arrival } from '../../../scripts/lib/traffic/trace.ts';
import { Random } from '../../../scripts/lib/traffic/random.ts';
import { UsageError } from '../../../src/cli/output.ts';

describe('the options of the fleet experiment', () => {
  it('take lists of policies, loads and seeds, each value once, and leave the ideal out', () => {
    const options = parseOptions([
      ...['--policy', 'oldest,ideal,none,oldest', '--load', '0.6,.8,0.95', '--seed', '1,2,2'],
      ...['--skew', '0.3', '--nodes', '4', '--requests', '100', '--scale', '0.25', '--load-unit', 'tokens'],
    ]);
    expect(options).to.deep.include({
      ...{ policy: ['oldest', 'none'], load: [0.6, 0.8, 0.95], seed: [1, 2] },
      ...{ skew: 0.3, nodes: 4, requests: 100, scale: 0.25, loadUnit: 'tokens', json: false, write: false },
    });
  });

  it('run every policy at load 0.9 on eight nodes unless told otherwise, with owners round robin', () => {
    expect(parseOptions([])).to.deep.equal({
      policy: ['none', 'lucky', 'oldest', 'reference', 'two-choices'],
      ...{ load: [0.9], nodes: 8, fronts: 0, requests: 6_000, seed: [1] },
      ...{ loadUnit: 'requests', ask: 'late', json: false, write: false },
    });
  });

  it('with fronts run the policies that serve a node without an engine, unless told otherwise', () => {
    expect(parseOptions(['--fronts', '2'])).to.deep.include({ policy: ['lucky', 'oldest'], fronts: 2 });
    expect(parseOptions(['--fronts', '2', '--policy', 'ideal,oldest'])).to.deep.include({
      policy: ['oldest'],
    });
    expect(parseOptions(['--fronts', '0', '--policy', 'none'])).to.deep.include({ policy: ['none'] });
  });

  for (const args of [
    ['--fronts', '33'],
    ['--fronts', '1', '--policy', 'oldest,none'],
    ['--fronts', '1', '--policy', 'two-choices'],
    ['--fronts', '1', '--policy', 'reference'],
    ['--policy', 'best'],
    ['--policy', ''],
    ['--load', '0.9,'],
    ['--load', '0'],
    ['--load', 'heavy'],
    ['--skew', '1.5'],
    ['--skew', '-0.1'],
    ['--nodes', '1'],
    ['--requests', '1e3'],
    ['--seed', '1,x'],
    ['--scale', '0'],
    ['--load-unit', 'bytes'],
    ['--ask', 'never'],
    ['--picture'],
    ['--frobnicate'],
    ['extra'],
  ])
    it(`refuse ${JSON.stringify(args)} in one line`, () => {
      try {
        parseOptions(args);
        expect.fail('it was accepted');
      } catch (error) {
        expect(error).to.be.instanceOf(UsageError);
        expect((error as UsageError).message).to.match(/^[^\n]+$/);
      }
    });
});

describe('the plan of the fleet experiment', () => {
  const wanted = { nodes: 4, fronts: 0, requests: 500, load: 0.8, seed: 3, skew: 0.3 };

  it('loads the nodes as wanted, gives one of them the wanted share, and is the same for the same seed', async () => {
    const source = await openSource(undefined);
    const plan = makePlan(source, wanted);
    const seconds = plan.at(-1)!.atMs / 1_000;
    expect((plan.length - 1) / seconds / (4 * capacity(plan))).to.be.closeTo(0.8, 1e-6);
    expect(plan.filter(({ owner }) => owner === 0)).to.have.lengthOf(150);
    expect(makePlan(source, wanted)).to.deep.equal(plan);
    expect(makePlan(source, { ...wanted, seed: 4 })).not.to.deep.equal(plan);
  });

  it('makes engines tight for the mean request, and a share of the requests large for them', async () => {
    const source = await openSource(undefined);
    const tight = { ...wanted, large: 0.05 };
    const engine = engineOf(source, tight);
    const blocks = (list: readonly Arrival[]): number[] =>
      list.map(({ promptTokens }) => requiredBlocks(promptTokens, engine));
    const recorded = blocks(source.take(500, 3));
    expect(engine.totalBlocks / (recorded.reduce((sum, one) => sum + one, 0) / 500)).to.be.closeTo(16, 0.01);
    const plan = makePlan(source, tight);
    const shares = blocks(plan).map((one) => one / engine.totalBlocks);
    const large = shares.filter((one) => one >= 0.3);
    expect(large).to.have.lengthOf(25);
    expect([Math.min(...large) < 0.4, Math.max(...large) > 0.8, Math.max(...large) <= 0.9]).to.deep.equal([
      ...[true, true, true],
    ]);
    const seconds = plan.at(-1)!.atMs / 1_000;
    expect((plan.length - 1) / seconds / (4 * capacity(plan, engine))).to.be.closeTo(0.8, 1e-6);
    expect(makePlan(source, tight)).to.deep.equal(plan);
    expect(engineOf(source, wanted)).to.deep.equal(DEFAULT_ENGINE);
  });

  it('gives every node the same number of requests without a skew', async () => {
    const plan = makePlan(await openSource(undefined), { ...wanted, skew: undefined });
    for (const node of [0, 1, 2, 3]) expect(plan.filter(({ owner }) => owner === node)).to.have.lengthOf(125);
  });

  it('has all requests enter at the fronts, and loads the engines as before', async () => {
    const source = await openSource(undefined);
    const plain = makePlan(source, { ...wanted, skew: undefined });
    const plan = makePlan(source, { ...wanted, fronts: 2, skew: undefined });
    expect(plan.map(({ atMs }) => atMs)).to.deep.equal(plain.map(({ atMs }) => atMs));
    for (const node of [4, 5]) expect(plan.filter(({ owner }) => owner === node)).to.have.lengthOf(250);
    const skewed = makePlan(source, { ...wanted, fronts: 2 });
    expect(skewed.filter(({ owner }) => owner === 4)).to.have.lengthOf(150);
    expect(skewed.filter(({ owner }) => owner === 5)).to.have.lengthOf(350);
    expect(new Set(makePlan(source, { ...wanted, fronts: 1 }).map(({ owner }) => owner))).to.have.keys(4);
  });

  it('takes consecutive requests of a trace, from a place that the seed chooses', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sched-lua-test-'));
    try {
      const file = join(folder, 'trace.csv');
      const lines = Array.from({ length: 1_000 }, (_, i) => `${i * 100},${i + 1},10,[]`);
      writeFileSync(file, `timestamp_ms,input_length,output_length,hash_ids\n${lines.join('\n')}\n`);
      const source = await openSource(file);
      const first = makePlan(source, wanted).map(({ promptTokens }) => promptTokens);
      expect(first).to.deep.equal(Array.from({ length: 500 }, (_, i) => first[0]! + i));
      const [other] = makePlan(source, { ...wanted, seed: 4 });
      expect(other!.promptTokens).not.to.equal(first[0]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('refuses a trace that cannot be read or replayed', async () => {
    const failure = async (act: () => Promise<unknown>): Promise<unknown> =>
      act().catch((reason: unknown) => reason);
    expect(await failure(() => openSource('/missing.csv'))).to.be.instanceOf(UsageError);
    const one = { name: 'one', take: () => [{ atMs: 0, promptTokens: 1, outputTokens: 1 }] };
    expect(() => makePlan(one, wanted)).to.throw(UsageError, 'one');
  });
});

describe('the time of the fleet experiment', () => {
  it('runs as fast as leaves 20 round trips to an iteration, and never more than three times as fast', () => {
    expect(scaleFor(0.01)).to.equal(1 / 3);
    expect(roundTripsIn(scaleFor(0.01), 0.01)).to.be.greaterThan(20);
    expect(roundTripsIn(scaleFor(0.9), 0.9)).to.be.closeTo(20, 1e-9);
  });
});

describe('the power of two choices', () => {
  it('sends a request to the shorter of two queues, and hears of ends', () => {
    const router = new ShorterOfTwo(2, new Random(1));
    const counts = [0, 0];
    for (let i = 0; i < 100; i += 1) counts[router.choose()]! += 1;
    expect(counts).to.deep.equal([50, 50]);
    for (let i = 0; i < 10; i += 1) router.ended(1);
    for (let i = 0; i < 10; i += 1) expect(router.choose()).to.equal(1);
  });

  it('does not always find the shortest of many', () => {
    const router = new ShorterOfTwo(8, new Random(1));
    const counts = Array.from({ length: 8 }, () => 0);
    for (let i = 0; i < 8_000; i += 1) counts[router.choose()]! += 1;
    expect(Math.max(...counts) - Math.min(...counts)).to.be.within(1, 20);
  });
});
