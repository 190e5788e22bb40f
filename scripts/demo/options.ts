/** What the demo is asked for on its command line. */
import { Command, Option } from 'commander';
import type { UsageError } from '../../src/cli/output.ts';
import type { StealPolicy } from '../../src/index.ts';
import { decimal, integer, parse, usageError } from '../lib/tool/arguments.ts';

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
const NAME = 'npm run demo --';

function createProgram(): Command {
  return new Command(NAME)
    .description(
      'A fleet of LLM nodes that share work through Redis, each a process with an emulated engine. Owners are skewed, and ' +
        'halfway one node is killed. Shows what happens, and checks at the end that every promise was kept.',
    )
    .option('--nodes <n>', 'nodes of the fleet', integer(2, 32), 4)
    .option('--seconds <s>', 'how long requests arrive', decimal(1, 600), 20)
    .option('--seed <n>', 'which requests arrive when and where', integer(0, 2 ** 32 - 1), 1)
    .addOption(new Option('--policy <policy>', 'how work is stolen').choices(POLICIES).default('oldest'))
    .option('--kill', 'kill one node halfway', true)
    .option('--no-kill', 'let every node live')
    .option('--trace <file>', "requests of a recorded trace: Azure's CSV, Mooncake's CSV or JSONL")
    .option('--json', 'print one JSON object, progress on stderr', false)
    .addHelpText(
      'after',
      '\nRedis: the server at SCHED_LUA_REDIS_URL; else a private one, from PATH, in a container, or installed.\n' +
        'Exit codes: 0 every promise was kept; 1 one was broken, or the demo could not run; 2 bad usage; 130 interrupted.',
    );
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
  return usageError(NAME, message);
}
