/** Reads a tool's command line; whatever stands after an option, its reader says what is allowed. */
import { InvalidArgumentError, CommanderError, type Command } from 'commander';
import { UsageError } from '../../../src/cli/output.ts';

export function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Allowed is an integer from ${least} to ${most}.`);
  };
}

export function decimal(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d*\.?\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Allowed is a number from ${least} to ${most}.`);
  };
}

/** A number above 0. */
export function positive(most = Infinity): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d*\.?\d+$/.test(text) && value > 0 && value <= most) return value;
    const limit = most === Infinity ? '' : ` and at most ${most}`;
    throw new InvalidArgumentError(`Allowed is a number above 0${limit}.`);
  };
}

/** Separated by commas, each once. */
export function list<Value>(one: (text: string) => Value): (text: string) => Value[] {
  return (text) => [...new Set(text.split(',').map((part) => one(part)))];
}

/**
 * The program with the options that were given; undefined: help was asked for, and printed.
 * @throws UsageError
 */
export function parse(program: Command, args: readonly string[]): Command | undefined {
  program
    .helpOption('-h, --help', 'show this help')
    .configureOutput({ writeErr: () => undefined })
    .exitOverride();
  try {
    return program.parse(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return undefined;
    const [, message, suggestion] = /^(?:error: )?([^]*?)(?:\n\(Did (you mean [^\n]*)\))?$/.exec(
      error.message,
    )!;
    if (suggestion !== undefined) throw new UsageError(message!, `did ${suggestion}`);
    throw usageError(program.name(), message!);
  }
}

/** With the hint where help is. */
export function usageError(program: string, message: string): UsageError {
  return new UsageError(message, `run "${program} --help"`);
}
