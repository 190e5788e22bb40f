import { Option } from 'commander';
import { integer, list, parse, positive } from '../lib/tool/arguments.ts';
import { newTool } from '../lib/tool/usage.ts';
import type { CodecName } from './payloads.ts';

/** What the user asked for. */
export interface Options {
  json: boolean;
  write: boolean;
  batch: number[];
  tokens: number[];
  rounds: number;
  inFlight: number;
  codec: CodecName;
  seconds: number;
  /** Instead of seconds. */
  requests?: number;
  latencySamples: number;
  idleNodes: number;
  idleSeconds: number;
}

/**
 * Undefined: help was asked for, and printed.
 * @throws UsageError
 */
export function parseOptions(args: readonly string[]): Options | undefined {
  const program = newTool({
    name: 'bench',
    description: 'Measures sched-lua against the bare bound of two Redis lists, by turns, in one run.',
    fine: 'measured',
    failed: 'a run failed',
    measures: true,
    notes: ['A server that others use counts their work too.'],
  })
    .option('--batch <n,n..>', 'requests per call', list(integer(1, 1024)), [1, 8, 64])
    .option('--tokens <n,n..>', 'prompt lengths', list(integer(0, 1_000_000)), [128, 4096])
    .option('--rounds <n>', 'rounds of each, ours and the bound by turns', integer(1, 1000), 5)
    .addOption(
      new Option('--seconds <s>', 'length of one round of one side').argParser(positive(3600)).default(1),
    )
    .addOption(
      new Option('--requests <n>', 'requests of one round of one side, instead of --seconds')
        .argParser(integer(1, 10_000_000))
        .conflicts('seconds'),
    )
    .option('--in-flight <n>', 'calls in flight', integer(1, 1024), 16)
    .addOption(
      new Option('--codec <name>', 'text: JSON made beforehand; json: made and read by both sides')
        .choices(['text', 'json'])
        .default('text'),
    )
    .option(
      '--latency-samples <n>',
      'samples of the latency at an idle node, 0: none',
      integer(0, 100_000),
      200,
    )
    .option('--idle-nodes <n>', 'nodes of a fleet that has nothing to do, 0: none', integer(0, 1_000), 50)
    .option('--idle-seconds <s>', 'how long that fleet is watched', integer(1, 3_600), 20);
  return parse(program, args)?.opts<Options>();
}
