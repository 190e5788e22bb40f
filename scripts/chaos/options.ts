/** The options of `npm run chaos`. */
import { randomInt } from 'node:crypto';
import { InvalidArgumentError, Option } from 'commander';
import { integer, parse, positive } from '../lib/tool/arguments.ts';
import { newTool } from '../lib/tool/usage.ts';
import { drawSetup, FAULT_NAMES, type FaultName, type Kinds, type Setup } from './plan.ts';
import type { ChaosOptions } from './run.ts';

export type CommandLine = Omit<ChaosOptions, 'tell'> & { json: boolean; write: boolean };

/** As the options are called. */
type Given = Omit<CommandLine, 'seed' | 'perSecond' | 'setup'> & { rate: number; seed?: number } & {
  shards?: number;
  policy?: Setup['policy'];
};

/**
 * Undefined: help was asked for, and printed.
 * @throws UsageError
 */
export function parseOptions(args: readonly string[]): CommandLine | undefined {
  const program = newTool({
    name: 'chaos',
    description: 'A fleet of processes on a real Redis, faults from a seed, and a checker that can fail.',
    fine: 'every promise was kept',
    failed: 'one was broken',
    redis: 'private ones, which are killed and restarted; from PATH, or installed',
    measures: true,
  })
    .option('--seconds <n>', 'how long faults strike', positive(), 60)
    .option(
      '--seed <n>',
      'draws the faults and the requests; printed, so that a run can be replayed',
      integer(0, 999_999_999),
    )
    .addOption(
      new Option(
        '--faults <list>',
        `of ${FAULT_NAMES.join(', ')}; or none; or third: a third of them at a time`,
      )
        .argParser(faultList)
        .default(FAULT_NAMES, 'all'),
    )
    .addOption(
      new Option('--algorithm <name>', 'sched-lua, or the algorithm of the reference in plain commands')
        .choices(['ours', 'reference'])
        .default('ours'),
    )
    .option('--rate <n>', 'requests per second that the clients of the fleet bring', positive(), 220)
    .option('--shards <n>', 'load shards of the fleet; default: drawn from the seed, 1 to 4', integer(1, 64))
    .addOption(
      new Option(
        '--policy <name>',
        'from whom nodes steal; default: drawn from the seed; none strands requests, which must be seen',
      ).choices(['oldest', 'lucky', 'none']),
    );
  const options = parse(program, args)?.opts<Given>();
  if (!options) return undefined;
  const { seed = randomInt(1_000_000), rate: perSecond, shards, policy, ...rest } = options;
  const drawn = drawSetup(seed);
  const setup = { loadShards: shards ?? drawn.loadShards, policy: policy ?? drawn.policy };
  return { ...rest, seed, perSecond, setup };
}

function faultList(text: string): Kinds {
  if (text === 'none') return [];
  if (text === 'third') return text;
  const names = text.split(',');
  const strange = names.find((name) => !(FAULT_NAMES as string[]).includes(name));
  if (strange !== undefined) throw new InvalidArgumentError(`There is no fault ${strange}.`);
  return names as FaultName[];
}
