// `npm test` and `npm run test:tools`: tests in parallel. Exit codes as for the tools of scripts/: 0 all passed, 1 not, 2 bad usage, 130 Ctrl-C.
import { runTool } from '../../../scripts/lib/tool/process.ts';
import { parseOptions, type RunOptions } from './options.ts';
import { findFiles, keepDurations, longestFirst, readDurations } from './plan.ts';
import { Pool } from './pool.ts';
import { Report } from './report.ts';
import { shuffleFiles } from './shuffle.ts';

const print = (line: string): void => console.log(line);

await runTool<RunOptions>(
  parseOptions,
  async ({ paths, grep, seed, forbidOnly, jobs, fileTimeoutMs }, open) => {
    const began = performance.now();
    const found = findFiles(paths);
    const files = seed === undefined ? longestFirst(found, readDurations()) : shuffleFiles(found, seed);
    const notes =
      seed === undefined ? [] : [`order of seed ${seed}; the same again: npm test -- --shuffle ${seed}`];
    for (const note of notes) print(note);
    const report = new Report(files.length, print);
    const isWhole = paths.length === 0 && grep === undefined;
    const pool = new Pool({
      ...{ jobs, fileTimeoutMs, grep, seed },
      forbidOnly: forbidOnly || isWhole,
      colors: process.stdout.isTTY,
      log: print,
      report: (one) => report.add(one),
      complain: (complaint) => report.complain(complaint),
    });
    open.add(() => pool.close());
    await pool.run(files);
    if (isWhole) keepDurations(report.durations());
    return report.end(performance.now() - began, notes);
  },
);
