// `npm run bench -- codec`, as a process.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { parseCodecOptions } from '../../scripts/bench/codec.ts';
import { UsageError } from '../../src/cli/output.ts';

const run = promisify(execFile);
const bench = (...args: string[]) =>
  run(process.execPath, ['--import', 'tsx', 'scripts/bench/main.ts', 'codec', ...args]);
const QUICK = ['--tokens', '0,50', '--rounds', '2', '--ms', '1'];

describe('the bench of codecs', function () {
  this.timeout(60_000);

  it('prints for each length what each way to give a prompt costs, beside JSON', async () => {
    const { stdout } = await bench(...QUICK, '--json');
    const { rounds, runs } = JSON.parse(stdout) as {
      rounds: number;
      runs: { tokens: number; bytes: object; ratios: { side: string; step: string; ratio: number }[] }[];
    };
    expect([rounds, runs.map(({ tokens }) => tokens)]).to.deep.equal([2, [0, 50]]);
    for (const { bytes, ratios } of runs) {
      expect(bytes).to.have.all.keys('json', 'typed', 'plain');
      expect(ratios.map(({ side, step }) => `${side} ${step}`)).to.deep.equal(
        ['typed', 'plain'].flatMap((side) => ['encode', 'decode', 'both'].map((step) => `${side} ${step}`)),
      );
      for (const { ratio } of ratios) expect(ratio).to.be.above(0).and.below(Infinity);
    }
  });

  it('prints a table for people, and takes no other words', async () => {
    const { stdout } = await bench(...QUICK);
    expect(stdout).to.match(/medians of 2 rounds by turns/);
    expect(stdout.match(/^ *50 +(typed|plain) /gm)).to.have.length(6);
    expect(() => parseCodecOptions(['codec', 'more'])).to.throw(UsageError, /^too many arguments/);
    expect(parseCodecOptions(['codec'])!.tokens).to.deep.equal([400, 4000, 32_000]);
  });
});
