import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { complaintsOf, ratiosOf, readBaseline, writeBaseline } from '../../../scripts/bench/baseline.ts';
import { CELLS, cellsOf } from '../../../scripts/bench/cells.ts';
import { Feed } from '../../../scripts/bench/feed.ts';
import { figuresOf, type CellFigures, type Sample } from '../../../scripts/bench/figures.ts';
import { bytesOf, requestsOf } from '../../../scripts/bench/loads.ts';
import { parseOptions } from '../../../scripts/bench/options.ts';
import { draw } from '../../../scripts/bench/picture.ts';
import { textOf, type Report } from '../../../scripts/bench/report.ts';
import { UsageError } from '../../../src/cli/output.ts';

function sample(redisMicros: number, more: Partial<Sample> = {}): Sample {
  return {
    ...{ count: 100, perSecond: 1_000, redisMicros, clientMicros: 30, ownerMicros: 10, runnerMicros: 20 },
    ...{ sent: 0.5, run: 7, waits: [], pings: [], ...more },
  };
}

const COST = { name: 'put 1', unit: 'request', shows: ['cost'] } as const;
const BOTH = { name: 'streams', unit: 'chunk', shows: ['cost', 'wait'] } as const;

const costs = figuresOf(
  COST,
  new Map([
    ['ours', [sample(20), sample(30, { longestMicros: 1_500 }), sample(90)]],
    ['lists', [sample(10), sample(10, { perSecond: 4_000 }), sample(10)]],
    ['bullmq', [sample(80), sample(60), sample(90)]],
  ]),
);
const waits = figuresOf(
  BOTH,
  new Map([
    [
      'ours',
      [sample(2, { waits: [0.2, 0.3, 0.4], pings: [0.1] }), sample(2, { waits: [0.5], pings: [0.1] })],
    ],
  ]),
);

describe('the figures of the bench', () => {
  it('are medians of the rounds, and of each cell the first entry over the others, round by round', () => {
    const [ours] = costs.rows;
    expect(ours!.costs.redisMicros).to.deep.equal({ median: 30, min: 20, max: 90 });
    expect(ours!.costs.longestMicros!.median).to.equal(1_500);
    expect(costs.rows[1]!.costs).to.not.have.property('longestMicros');
    expect(costs.ratios.map(({ of, to }) => `${of} / ${to}`)).to.deep.equal([
      'ours / lists',
      'ours / bullmq',
    ]);
    expect(costs.ratios[0]!.redisCpu).to.deep.equal({ median: 3, min: 2, max: 9 });
    expect(costs.ratios[0]!.rate).to.deep.equal({ median: 1, min: 0.25, max: 1 });
    expect(costs.ratios[1]!.redisCpu.median).to.equal(0.5);
  });

  it('tell waits of all rounds together, as multiples of the PINGs', () => {
    const { wait } = waits.rows[0]!;
    expect(wait!.p50).to.be.closeTo(350, 0.001);
    expect(wait!.pings.median).to.be.closeTo(3.5, 0.001);
    expect([wait!.pings.min, wait!.pings.max].map((one) => Math.round(one))).to.deep.equal([3, 5]);
    expect(wait!.samples).to.equal(4);
    expect(costs.rows[0]).to.not.have.property('wait');
  });

  it('are printed with a line for each entry and each ratio', () => {
    const report: Report = {
      redis: { program: 'redis', version: '7.0', kind: 'binary', mainThreadCpu: true },
      ...{ rounds: 3, seconds: 1, cells: [costs, waits] },
    };
    const text = textOf(report);
    expect(text).to.match(/^ours +1000 +30\.00 +10\.0 +20\.0 +0\.500 +7\.00 +1\.50$/m);
    expect(text).to.match(/^lists +1000 +10\.00 .* -$/m);
    expect(text).to.match(/^ours \/ lists +3\.00 +\(2\.00 - 9\.00\)/m);
    expect(text).to.match(/^ours +350 +100 +3\.5 +\(3\.0 - 5\.0\)/m);
    for (const line of text.split('\n')) expect(line.length, line).to.be.at.most(130);
  });

  it('are drawn as multiples of the lists, the dearer further right', () => {
    const svg = draw([costs, waits]);
    expect(svg).to.match(/^<svg [^]*>put 1<\/text>[^]*<\/svg>\n$/);
    expect(svg).not.to.contain('>streams<');
    const row = svg.slice(svg.indexOf('>put 1</text>'));
    const [bullmq] = /<rect x="([\d.]+)"/.exec(row)!.slice(1).map(Number);
    const [ours] = /<circle cx="([\d.]+)"/.exec(row)!.slice(1).map(Number);
    expect(bullmq).to.be.greaterThan(ours!);
  });
});

describe('the baseline of the bench', () => {
  it('is of ratios: a cost over each of the others, a wait in PINGs', () => {
    expect(ratiosOf([costs, waits])).to.deep.equal({
      'put 1: Redis CPU, ours / lists': 3,
      'put 1: client CPU, ours / lists': 1,
      'put 1: Redis CPU, ours / bullmq': 0.5,
      'put 1: client CPU, ours / bullmq': 1,
      'streams: p50 of ours in PINGs': 3.5,
    });
  });

  it('complains of a ratio that exceeds it, by name, and of one that is not in it', () => {
    const measured = { a: 3, b: 1.5, c: 1 };
    expect(complaintsOf(measured, { a: 2, b: 1, c: 9, d: 1 }, 1.5)).to.deep.equal([]);
    expect(complaintsOf(measured, { a: 1.9, b: 1 }, 1.5)).to.deep.equal([
      'a: 3, at most 2.85 (1.5 x 1.9)',
      'c: no baseline; "npm run bench -- --write-baseline" makes one',
    ]);
  });

  it('keeps what was not measured, unless all was', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sched-lua-test-'));
    try {
      const file = join(folder, 'baseline.json');
      writeBaseline({ a: 1, b: 2 }, false, file);
      writeBaseline({ b: 3 }, false, file);
      expect(readBaseline(file)).to.deep.equal({ a: 1, b: 3 });
      writeBaseline({ b: 4 }, true, file);
      expect(readFileSync(file, 'utf8')).to.equal('{\n  "b": 4\n}\n');
      writeFileSync(file, 'no JSON');
      expect(() => readBaseline(file)).to.throw(UsageError, /^the baseline cannot be read: /);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('is committed with the ratios of the quick table, and with none of a cell that is gone', () => {
    const committed = Object.keys(readBaseline());
    const names = (cell: CellFigures['name']): string[] =>
      committed.filter((name) => name.startsWith(`${cell}: `));
    for (const cell of cellsOf({ quick: true })) {
      const [, ...others] = cell.entries;
      const waiting = cell.shows.includes('wait') ? cell.entries.length : 0;
      const ratios = cell.shows.includes('cost') ? 2 * others.length : 0;
      expect(names(cell.name), cell.name).to.have.length.at.least(ratios + waiting);
    }
    expect(committed).to.have.length(CELLS.reduce((sum, { name }) => sum + names(name).length, 0));
  });
});

describe('the cells of the bench', () => {
  it('have names of their own, and the first entry of each is ours', () => {
    expect(new Set(CELLS.map(({ name }) => name)).size).to.equal(CELLS.length);
    for (const { entries, name } of CELLS) {
      expect(entries[0].contender, name).to.equal('ours');
      expect(new Set(entries.map((one) => one.name)).size, name).to.equal(entries.length);
    }
  });

  it('are fewer, with fewer entries, in the quick form, and those that a pattern names', () => {
    const quick = cellsOf({ quick: true });
    expect(quick.length).to.be.within(8, CELLS.length - 1);
    for (const { name, quick: wanted, entries } of CELLS)
      expect(
        entries.map((one) => one.name),
        name,
      ).to.include.members([...wanted]);
    expect(cellsOf({ quick: false, only: /^put 8/ }).map(({ name }) => name)).to.deep.equal([
      'put 8, room 64',
    ]);
  });
});

describe('the options of the bench', () => {
  it('are five rounds of a second, and shorter ones in the quick form unless told otherwise', () => {
    expect(parseOptions([])).to.include({ rounds: 5, seconds: 1, slack: 1.5, idleNodes: 50, check: false });
    expect(parseOptions(['--quick'])).to.include({ rounds: 5, seconds: 0.15, idleNodes: 0 });
    expect(parseOptions(['--quick', '--seconds', '2'])).to.include({ seconds: 2, idleNodes: 0 });
  });

  it('refuse a pattern that is none, or names no cell', () => {
    expect(() => parseOptions(['--only', '('])).to.throw(UsageError, /Allowed is a regular expression/);
    expect(() => parseOptions(['--only', 'nothing'])).to.throw(
      UsageError,
      '--only: no cell is named /nothing/',
    );
  });
});

describe('the loads of the bench', () => {
  it('are requests of some size, the same ones in every run, under ids of their own', () => {
    expect(requestsOf(128)(5, 'owner')).to.deep.equal(requestsOf(128)(5, 'owner'));
    expect(requestsOf(128)(5, 'owner').id).not.to.equal(requestsOf(128)(6, 'owner').id);
    expect(bytesOf(4_000)).to.be.within(23_000, 25_500);
    expect(bytesOf(97_000)).to.be.within(570_000, 630_000);
  });

  it('are fed for a time, a window at once, and are over when all are back', async () => {
    const feed = new Feed({ kind: 'lifecycles', batch: 4, room: 1, window: 10, tokens: 1 }, 0);
    expect(feed.next()).to.equal(4);
    expect(feed.next(), 'the time is over').to.equal(0);
    feed.finished(3);
    expect(feed.isOver).to.equal(false);
    feed.finished(1);
    expect(feed.isOver).to.equal(true);
    expect(await feed.over).to.equal(4);

    const long = new Feed({ kind: 'lifecycles', batch: 4, room: 1, window: 10, tokens: 1 }, 60_000);
    expect([long.next(), long.next(), long.next()], 'the window is full').to.deep.equal([4, 4, 0]);
    long.finished(2);
    expect(long.next()).to.equal(4);
    long.fail(new Error('broken'));
    expect(long.next()).to.equal(0);
    expect(await long.over.catch((error: unknown) => error))
      .to.be.an('error')
      .with.property('message', 'broken');
  });
});
