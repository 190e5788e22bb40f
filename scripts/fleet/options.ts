/** What the fleet experiment is asked for on its command line. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { UsageError } from '../../src/cli/output.ts';
import type { LoadUnit } from '../../src/base/options.ts';
import { decimal, integer, list, parse } from '../lib/tool/arguments.ts';
import { badUsage as usageOf, newTool } from '../lib/tool/usage.ts';

export const LIVE_POLICIES = ['none', 'lucky', 'oldest', 'reference', 'two-choices'] as const;
export type LivePolicy = (typeof LIVE_POLICIES)[number];
/** Those that serve every request of a node without an engine. The reference leaves the last two where they are. */
export const FRONT_POLICIES: readonly LivePolicy[] = ['lucky', 'oldest'];
export type Policy = LivePolicy | 'ideal';

/** When nodes of ours ask for work: shortly before their engines' next iterations, or as soon as there is room. */
export type Ask = 'late' | 'early';

export interface FleetOptions {
  /** Beside `ideal`, which costs nothing and always is among them. */
  policy: LivePolicy[];
  /** File; missing: the built-in quantiles. */
  trace?: string;
  load: number[];
  /** Missing: engines with room for the longest requests of a trace. */
  large?: number[];
  /** Missing: round robin. */
  skew?: number;
  /** Nodes with an engine. */
  nodes: number;
  /** Nodes without one, beside them, at which all requests enter; 0: they enter at the others. */
  fronts: number;
  requests: number;
  seed: number[];
  /** Real ms per model ms; missing: chosen by the round trip. */
  scale?: number;
  /** Model ms; missing: the scheduler's default. */
  stealAfter?: number;
  /** In loadUnit; missing: the scheduler's default. */
  minLoad?: number;
  loadUnit: LoadUnit;
  ask: Ask;
  json: boolean;
  write: boolean;
  /** File. */
  picture?: string;
}

const NAME = 'fleet';

function createProgram(): Command {
  return newTool({
    name: NAME,
    description:
      'Replays requests on a fleet of in-process nodes with emulated engines over a real Redis, once per policy, and compares ' +
      'how long they queue with one ideal central queue that serves the same arrivals with the same engines.',
    fine: 'every request ended once',
    failed: 'a request did not end once',
    measures: true,
    notes: [
      'Lists are separated by commas; every combination of share, load and seed is run for every policy.',
    ],
  })
    .option('--policy <list>', `of ${LIVE_POLICIES.join(', ')}; ideal is always computed`, policies, [
      ...LIVE_POLICIES,
    ])
    .option('--trace <file>', "requests of a recorded trace: Azure's CSV, Mooncake's CSV or JSONL")
    .option('--load <list>', 'arrivals as a share of what the nodes can serve', list(decimal(0.01, 2)), [0.9])
    .option(
      '--large <list>',
      'tight engines, of 16 times the mean request, and shares of requests that take 30 to 90 % of one',
      list(decimal(0, 1)),
    )
    .option('--skew <share>', 'share of the arrivals at the first node; else round robin', decimal(0, 1))
    .option('--nodes <n>', 'nodes of the fleet', integer(2, 32), 8)
    .option(
      '--fronts <n>',
      'nodes without an engine beside them, at which all requests enter; also measures what an idle front costs',
      integer(0, 32),
      0,
    )
    .option('--requests <n>', 'requests of a run; of few, the p99 says little', integer(10, 1_000_000), 6_000)
    .option('--seed <list>', 'which requests, at which nodes', list(integer(0, 2 ** 32 - 1)), [1])
    .option(
      '--scale <factor>',
      'real ms per ms of the engines; by default from the round trip',
      decimal(0.01, 10),
    )
    .option('--steal-after <ms>', "the option stealAfterMs, in the engines' time", integer(0, 3_600_000))
    .option('--min-load <n>', 'the option minLoadScore', integer(1, 1_000_000))
    .addOption(
      new Option('--load-unit <unit>', 'the option loadUnit, of our policies')
        .choices(['requests', 'tokens'])
        .default('requests'),
    )
    .addOption(
      new Option(
        '--ask <when>',
        'when our nodes ask: shortly before an iteration (late), or at any room (early)',
      )
        .choices(['late', 'early'])
        .default('late'),
    )
    .option('--picture <file>', 'write an SVG of the queueing delay against the load');
}

function policies(text: string): LivePolicy[] {
  const names = [...new Set(text.split(','))].filter((name) => name !== 'ideal');
  const strange = names.find((name) => !(LIVE_POLICIES as readonly string[]).includes(name));
  if (strange === undefined) return names as LivePolicy[];
  throw new InvalidArgumentError(`Allowed are ${LIVE_POLICIES.join(', ')} and ideal.`);
}

/**
 * Undefined: help was asked for, and printed.
 * @throws UsageError
 */
export function parseOptions(args: readonly string[]): FleetOptions | undefined {
  const program = parse(createProgram(), args);
  const options = program?.opts<FleetOptions>();
  if (!options || options.fronts === 0) return options;
  const served = options.policy.filter((policy) => FRONT_POLICIES.includes(policy));
  if (program!.getOptionValueSource('policy') === 'cli' && served.length < options.policy.length)
    throw badUsage(`--fronts: only ${FRONT_POLICIES.join(' and ')} serve nodes without an engine`);
  return { ...options, policy: served };
}

/** Something that was given cannot be used, like a file that is no trace. */
export function badUsage(message: string): UsageError {
  return usageOf(NAME, message);
}
