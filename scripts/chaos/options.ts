/** The options of `npm run chaos`. */
import { randomInt } from 'node:crypto';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { drawSetup, FAULT_NAMES, type FaultName, type Setup } from './plan.ts';
import type { ChaosOptions } from './run.ts';

export type CommandLine = Omit<ChaosOptions, 'tell'> & { json: boolean };

/** @returns undefined if help was all that was asked for; a number: the exit code of bad usage */
export function parseOptions(args: readonly string[]): CommandLine | number {
  const program = new Command('chaos')
    .description('A fleet of processes on a real Redis, faults from a seed, and a checker that can fail.')
    .option('--seconds <n>', 'how long faults strike', positive, 60)
    .option('--seed <n>', 'draws the faults and the requests; printed, so that a run can be replayed', whole)
    .addOption(
      new Option('--faults <list>', `of ${FAULT_NAMES.join(', ')}; or none`)
        .argParser(faultList)
        .default(FAULT_NAMES, 'all'),
    )
    .addOption(
      new Option('--algorithm <name>', 'sched-lua, or the algorithm of the reference in plain commands')
        .choices(['ours', 'reference'])
        .default('ours'),
    )
    .option('--rate <n>', 'requests per second that the clients of the fleet bring', positive, 220)
    .option('--shards <n>', 'load shards of the fleet; default: drawn from the seed, 1 to 4', shards)
    .addOption(
      new Option('--policy <name>', 'from whom nodes steal; default: drawn from the seed').choices([
        'oldest',
        'lucky',
      ]),
    )
    .option('--json', 'one JSON object on stdout', false)
    .exitOverride();
  try {
    program.parse(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
  const options = program.opts<{
    seconds: number;
    seed?: number;
    faults: FaultName[];
    algorithm: 'ours' | 'reference';
    rate: number;
    shards?: number;
    policy?: Setup['policy'];
    json: boolean;
  }>();
  const { seconds, seed = randomInt(1_000_000), faults, algorithm, rate, json } = options;
  const drawn = drawSetup(seed);
  const setup = { loadShards: options.shards ?? drawn.loadShards, policy: options.policy ?? drawn.policy };
  return { seconds, seed, faults, algorithm, perSecond: rate, setup, json };
}

function shards(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 64) return value;
  throw new InvalidArgumentError('It must be an integer from 1 to 64.');
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('It must be a number above 0.');
}

function whole(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value < 1_000_000_000) return value;
  throw new InvalidArgumentError('It must be an integer from 0 to 999999999.');
}

function faultList(text: string): FaultName[] {
  if (text === 'none') return [];
  const names = text.split(',');
  const strange = names.find((name) => !(FAULT_NAMES as string[]).includes(name));
  if (strange !== undefined) throw new InvalidArgumentError(`There is no fault ${strange}.`);
  return names as FaultName[];
}
