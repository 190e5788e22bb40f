import { Option } from 'commander';
import { integer, parse, positive } from '../lib/tool/arguments.ts';
import { newTool } from '../lib/tool/usage.ts';

/** Faults that must be found: a tool that cannot fail proves nothing. */
const PLANTS = ['leak', 'key', 'drift'] as const;
export type Plant = (typeof PLANTS)[number];

/** What the user asked for. */
export interface Options {
  json: boolean;
  seconds: number;
  streams: number;
  /** Requests without chunks, per second. */
  rate: number;
  seed: number;
  plant: readonly Plant[];
}

/**
 * Undefined: help was asked for, and printed.
 * @throws UsageError
 */
export function parseOptions(args: readonly string[]): Options | undefined {
  const program = newTool({
    name: 'soak',
    description:
      'Runs streams and requests together for a while, some of which fail, are cancelled or expire. The heap of the clients ' +
      'must not grow, how long they wait must not drift, and no key may be left in Redis.',
    fine: 'nothing grew, drifted or was left',
    failed: 'something did',
  })
    .option('--seconds <s>', 'how long', positive(604_800), 600)
    .option('--streams <n>', 'streams at a time, a chunk each every 30 ms', integer(1, 10_000), 34)
    .option('--rate <n>', 'requests without chunks, per second', integer(1, 100_000), 200)
    .option('--seed <n>', 'how long each stream is', integer(0, 2 ** 32 - 1), 1)
    .addOption(
      new Option('--plant <faults...>', 'faults that must be found').choices([...PLANTS]).default([], 'none'),
    );
  return parse(program, args)?.opts<Options>();
}
