import { InvalidArgumentError } from 'commander';
import { integer, parse, positive } from '../lib/tool/arguments.ts';
import { badUsage, newTool } from '../lib/tool/usage.ts';
import { cellsOf } from './cells.ts';

/** What the user asked for. */
export interface Options {
  json: boolean;
  write: boolean;
  quick: boolean;
  only?: RegExp;
  rounds: number;
  /** Of one round of one entry. */
  seconds: number;
  check: boolean;
  writeBaseline: boolean;
  /** File; missing: the committed one. */
  baseline?: string;
  slack: number;
  /** File. */
  picture?: string;
  idleNodes: number;
  idleSeconds: number;
}

const NAME = 'bench';
const QUICK = { seconds: 0.15, idleNodes: 0 };

/**
 * Undefined: help was asked for, and printed.
 * @throws UsageError
 */
export function parseOptions(args: readonly string[]): Options | undefined {
  const program = newTool({
    name: NAME,
    description:
      'Measures what requests and streamed chunks cost, and how long they take, by turns with bare lists, lists with ' +
      "acknowledgement, Redis streams, BullMQ and the reference's algorithm; each with two processes, in one run.",
    fine: 'measured, and with --check within the baseline',
    failed: 'a run failed, or a ratio exceeds its baseline',
    measures: true,
    notes: ['A server that others use counts their work too, and does not tell the longest command.'],
  })
    .option('--quick', 'the smaller table, in short rounds: under a minute', false)
    .option('--only <pattern>', 'cells whose names match this regular expression', pattern)
    .option('--rounds <n>', 'rounds of each entry, by turns', integer(1, 1000), 5)
    .option('--seconds <s>', 'length of a round; quick: 0.15', positive(3600), 1)
    .option('--check', 'compare the ratios with the baseline', false)
    .option('--slack <factor>', 'a ratio may be so many times its baseline', positive(100), 1.5)
    .option('--write-baseline', "put this run's ratios into the baseline", false)
    .option('--baseline <file>', 'another baseline than the committed one')
    .option('--picture <file>', 'write an SVG of the costs')
    .option(
      '--idle-nodes <n>',
      'nodes of a fleet that has nothing to do, 0: none; quick: 0',
      integer(0, 1_000),
      50,
    )
    .option('--idle-seconds <s>', 'how long that fleet is watched', integer(1, 3_600), 10);
  const parsed = parse(program, args);
  if (!parsed) return undefined;
  const options = parsed.opts<Options>();
  if (options.quick)
    for (const name of Object.keys(QUICK) as (keyof typeof QUICK)[])
      if (parsed.getOptionValueSource(name) === 'default') options[name] = QUICK[name];
  if (cellsOf(options).length === 0) throw badUsage(NAME, `--only: no cell is named ${String(options.only)}`);
  return options;
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new InvalidArgumentError('Allowed is a regular expression.');
  }
}
