/** What the demo is asked for on its command line. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { UsageError } from '../../src/cli/output.ts';
import type { StealPolicy } from '../../src/index.ts';

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
const HINT = 'run "npm run demo -- --help"';

function createProgram(): Command {
  return new Command('npm run demo --')
    .description(
      'A fleet of LLM nodes that share work through Redis, each a process with an emulated engine. Owners are skewed, and ' +
        'halfway one node is killed. Shows what happens, and checks at the end that every promise was kept.',
    )
    .option('--nodes <n>', 'nodes of the fleet', integer(2, 32), 4)
    .option('--seconds <s>', 'how long requests arrive', seconds, 20)
    .option('--seed <n>', 'which requests arrive when and where', integer(0, 2 ** 32 - 1), 1)
    .option('--policy <policy>', `how work is stolen: ${POLICIES.join(', ')}`, policy, 'oldest')
    .option('--kill', 'kill one node halfway', true)
    .option('--no-kill', 'let every node live')
    .option('--trace <file>', "requests of a recorded trace: Azure's CSV, Mooncake's CSV or JSONL")
    .option('--json', 'print one JSON object, progress on stderr', false)
    .helpOption('-h, --help', 'show this help')
    .configureOutput({ writeErr: () => undefined })
    .exitOverride()
    .addHelpText(
      'after',
      '\nRedis: the server at SCHED_LUA_REDIS_URL; else a private one, from PATH, in a container, or installed.\n' +
        'Exit codes: 0 every promise was kept; 1 one was broken, or the demo could not run; 2 bad usage; 130 interrupted.',
    );
}

function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Allowed is an integer from ${least} to ${most}.`);
  };
}

function seconds(text: string): number {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && value >= 1 && value <= 600) return value;
  throw new InvalidArgumentError('Allowed is a number from 1 to 600.');
}

function policy(text: string): StealPolicy {
  const found = POLICIES.find((one) => one === text);
  if (found) return found;
  throw new InvalidArgumentError(`Allowed is one of ${POLICIES.join(', ')}.`);
}

/**
 * Reads the arguments; undefined: help was asked for, and printed.
 * @throws UsageError
 */
export function parseOptions(args: readonly string[]): DemoOptions | undefined {
  const program = createProgram();
  try {
    program.parse(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return undefined;
    const [, message, suggestion] = /^(?:error: )?([^]*?)(?:\n\(Did (you mean [^\n]*)\))?$/.exec(
      error.message,
    )!;
    throw new UsageError(message!, suggestion === undefined ? HINT : `did ${suggestion}`);
  }
  return program.opts<DemoOptions>();
}

/** Something that was given cannot be used, like a file that is no trace. */
export function badUsage(message: string): UsageError {
  return new UsageError(message, HINT);
}
