/** What the usage texts of the tools have in common: their options, where their Redis is, and how they end. */
import { Command } from 'commander';
import type { UsageError } from '../../../src/cli/output.ts';
import { WRITE_OPTION } from '../measure/write.ts';
import { usageError } from './arguments.ts';

/** Where a tool that takes any server finds one. */
const ANY_REDIS =
  'the server at SCHED_LUA_REDIS_URL; else a private one, from PATH, in a container, or installed';

export interface ToolUsage {
  /** Of its npm script. */
  name: string;
  description: string;
  /** What exit code 0 says, in words. */
  fine: string;
  /** What exit code 1 says, beside that it could not run. */
  failed: string;
  /** Where its Redis is; missing: any server will do. */
  redis?: string;
  /** It has a block in docs/measurements.md. */
  measures?: boolean;
  /** More about its options, a line each. */
  notes?: readonly string[];
}

/** A program with the options that all tools have. */
export function newTool(usage: ToolUsage): Command {
  const { name, description, fine, failed, redis = ANY_REDIS, measures = false, notes = [] } = usage;
  const program = new Command(commandOf(name))
    .description(description)
    .option('--json', 'print one JSON object on stdout, and all else on stderr', false);
  if (measures) program.option(...WRITE_OPTION, false);
  const codes = `0 ${fine}; 1 ${failed}, or it could not run; 2 bad usage; 130 interrupted`;
  const lines = [...notes, `Redis: ${redis}.`, `Exit codes: ${codes}.`];
  return program.addHelpText('after', `\n${lines.join('\n')}`);
}

/** Something that was given cannot be used, like a file that is no trace; with the hint where help is. */
export function badUsage(name: string, message: string): UsageError {
  return usageError(commandOf(name), message);
}

function commandOf(name: string): string {
  return `npm run ${name} --`;
}
