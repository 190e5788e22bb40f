/**
 * The committed ratios that `--check` compares with: of costs and waits, each less is better. Absolute figures are none of
 * them, as machines differ; nor are rates, which say the same less clearly.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../src/base/errors.ts';
import { UsageError } from '../../src/cli/output.ts';
import type { CellFigures } from './figures.ts';

const COMMITTED = fileURLToPath(new URL('./baseline.json', import.meta.url));

/** Ratios by their names, such as `put 1, room 1: Redis CPU, ours / lists`. */
export type Baseline = Readonly<Record<string, number>>;

export function ratiosOf(cells: readonly CellFigures[]): Baseline {
  const ratios: Record<string, number> = {};
  for (const { name, rows, ratios: over } of cells) {
    for (const { of, to, redisCpu, clientCpu } of over) {
      ratios[`${name}: Redis CPU, ${of} / ${to}`] = rounded(redisCpu.median);
      ratios[`${name}: client CPU, ${of} / ${to}`] = rounded(clientCpu.median);
    }
    for (const { name: row, wait } of rows)
      if (wait) ratios[`${name}: p50 of ${row} in PINGs`] = rounded(wait.pings.median);
  }
  return ratios;
}

/** What is worse than it may be, in words. A ratio without a baseline is a complaint, too. */
export function complaintsOf(measured: Baseline, baseline: Baseline, slack: number): string[] {
  return Object.entries(measured).flatMap(([name, ratio]) => {
    const allowed = baseline[name];
    if (allowed === undefined) return [`${name}: no baseline; "npm run bench -- --write-baseline" makes one`];
    const most = rounded(allowed * slack);
    return ratio <= most ? [] : [`${name}: ${ratio}, at most ${most} (${slack} x ${allowed})`];
  });
}

/** @throws UsageError if there is none */
export function readBaseline(file = COMMITTED): Baseline {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Baseline;
  } catch (error) {
    throw new UsageError(`the baseline cannot be read: ${messageOf(error)}`, 'make it with --write-baseline');
  }
}

/** Ratios that were not measured stay, unless the whole table was. */
export function writeBaseline(measured: Baseline, isWhole: boolean, file = COMMITTED): void {
  const before = isWhole ? {} : orNone(file);
  writeFileSync(file, `${JSON.stringify({ ...before, ...measured }, null, 2)}\n`);
}

function orNone(file: string): Baseline {
  try {
    return readBaseline(file);
  } catch {
    return {};
  }
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
