import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import { integer, parse } from '../../../scripts/lib/tool/arguments.ts';
import { LARGEST_SEED } from './shuffle.ts';

/** Files mostly wait for Redis, for leases and for processes: three for each core use it well. */
const PER_CORE = 3;

export interface RunOptions {
  /** Files and folders; empty: all tests but those of tools. */
  paths: string[];
  grep?: string;
  /** Of a random order. */
  seed?: number;
  /** `it.only` is a failure; always so when all tests are run. */
  forbidOnly: boolean;
  /** Worker processes. */
  jobs: number;
  /** A file that takes longer is given up. */
  fileTimeoutMs: number;
}

/**
 * The options of a run; undefined: help was asked for, and printed.
 * @throws UsageError
 */
export function parseOptions(args: readonly string[]): RunOptions | undefined {
  const program = new Command('npm test --')
    .description('Runs the tests: files in parallel, each worker with a Redis of its own.')
    .argument('[files...]', 'test files, or folders of them (default: all but test/scripts)')
    .option('-g, --grep <pattern>', 'only tests whose full title matches')
    .option('--shuffle [seed]', 'files and the tests within suites in random order', integer(0, LARGEST_SEED))
    .option('--forbid-only', 'it.only is a failure (always so when all tests are run)', false)
    .option('--jobs <n>', 'worker processes', integer(1, 64), defaultJobs())
    .option('--file-timeout <s>', 'a file that takes longer is given up', integer(1, 86_400), 300);
  const parsed = parse(program, withSeed(args));
  if (parsed === undefined) return undefined;
  const given = parsed.opts<{
    grep?: string;
    shuffle?: number;
    forbidOnly: boolean;
    jobs: number;
    fileTimeout: number;
  }>();
  return {
    paths: parsed.args,
    ...(given.grep === undefined ? {} : { grep: given.grep }),
    ...(given.shuffle === undefined ? {} : { seed: given.shuffle }),
    forbidOnly: given.forbidOnly,
    jobs: given.jobs,
    fileTimeoutMs: given.fileTimeout * 1_000,
  };
}

function defaultJobs(): number {
  return Math.round(PER_CORE * Math.max(availableParallelism(), 2));
}

/** `--shuffle` without a number gets one; what follows it may be a file. */
function withSeed(args: readonly string[]): string[] {
  return args.flatMap((arg, i) => {
    const isBare = arg === '--shuffle' && !/^\d+$/.test(args[i + 1] ?? '');
    return isBare ? [`--shuffle=${Math.floor(Math.random() * LARGEST_SEED)}`] : [arg];
  });
}
