/** What the demo is asked for on its command line. */
import { Option, type Command } from 'commander';
import type { UsageError } from '../../src/cli/output.ts';
import type { StealPolicy } from '../../src/index.ts';
import { decimal, integer, parse } from '../lib/tool/arguments.ts';
import { badUsage as usageOf, newTool } from '../lib/tool/usage.ts';

export interface DemoOptions {
  nodes: number;
  /** How long requests arrive, in s. */
  seconds: number;
  seed: number;
  policy: StealPolicy;
  /** SIGKILL one node halfway. */
  kill: boolean;
  /** File. */
  trace?: string;
  json: boolean;
}

const POLICIES: readonly StealPolicy[] = ['oldest', 'lucky', 'none'];
const NAME = 'demo';

function createProgram(): Command {
  return newTool({
    name: NAME,
    description:
      'A fleet of LLM nodes that share work through Redis, each a process with an emulated engine. Owners are skewed, and ' +
      'halfway one node is killed. Shows what happens, and checks at the end that every promise was kept.',
    fine: 'every promise was kept',
    failed: 'one was broken',
  })
    .option('--nodes <n>', 'nodes of the fleet', integer(2, 32), 4)
    .option('--seconds <s>', 'how long requests arrive', decimal(1, 600), 20)
    .option('--seed <n>', 'which requests arrive when and where', integer(0, 2 ** 32 - 1), 1)
    .addOption(new Option('--policy <policy>', 'how work is stolen').choices(POLICIES).default('oldest'))
    .option('--kill', 'kill one node halfway', true)
    .option('--no-kill', 'let every node live')
    .option('--trace <file>', "requests of a recorded trace: Azure's CSV, Mooncake's CSV or JSONL");
}

/**
 * Undefined: help was asked for, and printed.
 * @throws UsageError
 */
export function parseOptions(args: readonly string[]): DemoOptions | undefined {
  return parse(createProgram(), args)?.opts<DemoOptions>();
}

/** Something that was given cannot be used, like a file that is no trace. */
export function badUsage(message: string): UsageError {
  return usageOf(NAME, message);
}
