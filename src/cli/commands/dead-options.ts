/** Which entries `sched-lua dead` is about: one by its name, or all that a filter means. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { DeadFilter } from '../../inspect/dead-filter.ts';
import { DEAD_KINDS, type DeadKind } from '../../inspect/dead-letters.ts';
import { UsageError } from '../output.ts';

interface FilterOptions {
  owner?: string;
  reason?: RegExp;
  kind?: DeadKind;
  older?: number;
  newer?: number;
}

export interface BulkOptions extends FilterOptions {
  all?: true;
  dryRun?: true;
}

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

function age(text: string): number {
  const [, count, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
  if (unit === undefined)
    throw new InvalidArgumentError('Allowed is a number with ms, s, m, h or d, like 90s.');
  return Number(count) * UNITS[unit]!;
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text, 'i');
  } catch {
    throw new InvalidArgumentError('Allowed is a regular expression.');
  }
}

export function addFilter(command: Command): void {
  command
    .option('--owner <node>', 'of this owner')
    .option(
      '--reason <pattern>',
      'whose reason or last error this regular expression finds, in any case',
      pattern,
    )
    .addOption(new Option('--kind <kind>', 'that ended so').choices(DEAD_KINDS))
    .option('--older <age>', 'given up at least so long ago, like 90s, 15m, 2h', age)
    .option('--newer <age>', 'given up at most so long ago', age);
}

/** The filter, and what goes with it; without any of both, one entry is named. */
export function addBulk(command: Command): void {
  addFilter(command);
  command
    .option('--all', 'all of them')
    .option('--dry-run', 'list those that it is about, and leave them alone');
}

export function filterOf({ owner, reason, kind, older, newer }: FilterOptions): DeadFilter {
  return { owner, reason, kind, olderMs: older, newerMs: newer };
}

/** Whether it is about all that its options mean, not about one that is named. */
export function isBulk(command: Command): boolean {
  const { all, ...options } = command.opts<BulkOptions>();
  return all === true || Object.values(filterOf(options)).some((value) => value !== undefined);
}

/**
 * `[shard:entry] [topic]`: with a filter, or `--all`, the topic alone.
 * @throws UsageError
 */
export function arrange(command: Command, [entry, topic]: (string | undefined)[]): string[] {
  const { length } = command.args;
  if (!isBulk(command)) {
    if (entry !== undefined) return [entry, topic!];
    throw new UsageError(
      'no shard:entry given',
      'name one as "sched-lua dead ls" prints it, or give a filter or --all',
    );
  }
  if (length < 2) return ['', entry ?? topic!];
  throw new UsageError(
    'both an entry and a filter are given',
    'with a filter, or --all, only the topic is named',
  );
}
