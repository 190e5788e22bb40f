/** What a chaos run found, for people and for programs. */
import { textOf } from '../lib/checker/checker.ts';
import type { Outcome } from './run.ts';

const MOST = 12;

/** The object that `--json` prints. */
export function toJson(outcome: Outcome): Record<string, unknown> {
  const { figures, proofs, violations, faults, seed, algorithm, seconds, drainMs, processes, setup } =
    outcome;
  const { longestWaitMs, watchedShare } = outcome;
  return {
    ...figures,
    endedWithOwnerBy: proofs,
    ...{ longestWaitMs, watchedShare },
    broken: violations.length,
    ...{ faults, struck: struck(outcome), processes, seed, algorithm, ...setup, seconds, drainMs },
    violations: violations.slice(0, MOST),
    ...(outcome.shortest ? { shortest: outcome.shortest } : {}),
    ...(outcome.histories === undefined ? {} : { histories: outcome.histories }),
  };
}

/** Lines for people. */
export function conclude(outcome: Outcome): string {
  const { figures, violations, faults, seed, setup, shortest } = outcome;
  const watched = Math.round(100 * outcome.watchedShare);
  const lines = [
    `seed ${seed}: ${setup.loadShards} load shards, policy ${setup.policy}, ${struck(outcome)} faults (${Object.entries(
      faults,
    )
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')}) in ${outcome.processes} processes`,
    Object.entries(figures)
      .map(([name, count]) => `${name} ${count}`)
      .join(', '),
    `nothing waited longer than ${outcome.longestWaitMs} ms while an engine was idle that could run it; ${watched} % of the time no fault struck all`,
  ];
  if (violations.length === 0) return [...lines, 'Every promise was kept.'].join('\n');
  lines.push(`${violations.length} promises were broken:`);
  for (const broken of violations.slice(0, MOST)) lines.push(`- ${textOf(broken)}`);
  if (shortest) lines.push(`The shortest history that shows one (${shortest.message}):`, ...shortest.lines);
  lines.push(`What every process saw is in ${outcome.histories ?? '(nowhere)'}`);
  return lines.join('\n');
}

function struck({ faults }: Outcome): number {
  return Object.values(faults).reduce((sum, count) => sum + count, 0);
}
