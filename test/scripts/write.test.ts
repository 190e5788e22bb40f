import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { blockOf, replaceBlock, writeMeasurements } from '../../scripts/lib/measure/write.ts';

const DOCUMENT = [
  '# Figures\n\ntext\n\n<!-- bench:begin -->\n\nold\n\n<!-- bench:end -->\n\nmore\n',
  '<!-- fleet:begin -->\n\nother\n\n<!-- fleet:end -->\n\nlast\n',
];

describe('--write', () => {
  it("replaces the tool's block, and leaves the others and the text alone", () => {
    const [bench, fleet] = DOCUMENT as [string, string];
    const written = replaceBlock(bench + fleet, 'bench', 'new');
    expect(written).to.equal(bench.replace('old', 'new') + fleet);
    expect(replaceBlock(written, 'fleet', 'newer')).to.equal(
      bench.replace('old', 'new') + fleet.replace('other', 'newer'),
    );
    expect(replaceBlock(written, 'bench', 'new')).to.equal(written);
  });

  it('refuses a document without the markers, with one of them, and with two blocks', () => {
    const [bench] = DOCUMENT as [string, string];
    for (const document of [
      '',
      bench.replace('<!-- bench:end -->', ''),
      bench + bench,
      bench.replace('begin', 'x'),
    ])
      expect(() => replaceBlock(document, 'bench', 'new'), document).to.throw('<!-- bench:begin -->');
    expect(() => replaceBlock('<!-- bench:end -->\n<!-- bench:begin -->', 'bench', 'new')).to.throw();
  });

  it("says by which command line, when and on which commit, and shows nothing of the machine's folders", () => {
    const block = blockOf(
      {
        tool: 'fleet',
        args: ['--trace', '/data/our traces/conv.csv', '--picture=../x/y.svg', '--load', '0.6,0.9', 'a b'],
        date: new Date('2026-03-04T05:06:07Z'),
        commit: 'abc',
        machine: 'Node 20, 2 cores',
      },
      'policy  p99\noldest  1\n',
    );
    expect(block).to.equal(
      "`npm run fleet -- --trace conv.csv --picture=y.svg --load 0.6,0.9 'a b'`, 2026-03-04, commit abc, Node 20, 2 cores.\n\n" +
        '```text\npolicy  p99\noldest  1\n```',
    );
  });

  it('writes into the file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sched-lua-write-'));
    try {
      const document = join(folder, 'figures.md');
      await writeFile(document, DOCUMENT.join(''));
      writeMeasurements('fleet', 'figures', { args: ['--write'], document });
      const written = readFileSync(document, 'utf8');
      expect(written.startsWith(DOCUMENT[0]!)).to.equal(true);
      expect(written).to.match(
        /<!-- fleet:begin -->\n\n`npm run fleet -- --write`, \d{4}-\d\d-\d\d, commit [^,]+, Node [\d.]+, \d+ cores\.\n\n```text\nfigures\n```\n\n<!-- fleet:end -->\n\nlast\n$/,
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('writes into another block of the tool, under its own command line', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sched-lua-write-'));
    try {
      const document = join(folder, 'figures.md');
      await writeFile(document, DOCUMENT.join(''));
      writeMeasurements('fleet', 'figures', { args: ['--fronts', '2'], block: 'bench', document });
      const written = readFileSync(document, 'utf8');
      expect(written).to.match(/<!-- bench:begin -->\n\n`npm run fleet -- --fronts 2`, [^]*figures/);
      expect(written.endsWith(DOCUMENT[1]!)).to.equal(true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('finds a block of every tool in docs/measurements.md', () => {
    const document = readFileSync('docs/measurements.md', 'utf8');
    for (const tool of ['bench', 'fleet', 'fleet-fronts', 'fleet-large', 'chaos'])
      expect(replaceBlock(document, tool, 'x'), tool).to.contain(
        `<!-- ${tool}:begin -->\n\nx\n\n<!-- ${tool}:end -->`,
      );
  });
});
