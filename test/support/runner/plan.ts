// Which files a run has, and in which order they are begun: the longest first, so that none is left to run alone at the end.
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { UsageError } from '../../../src/cli/output.ts';
import { CACHE, nameOf, root } from './paths.ts';

/** Tests of the tools in `scripts/`: most of them start whole fleets, so they are a run of their own (`npm run test:tools`). */
const TOOLS = join('test', 'scripts');
/** Not in the tree: it is of one machine. */
const RECORD = join(CACHE, 'test-ms.json');

/** Those that took more than 5 s each when nothing was recorded yet, the longest first. */
export const KNOWN_TO_BE_LONG: readonly string[] = [
  'test/scripts/bench/bench.test.ts',
  'test/scripts/soak/soak.test.ts',
  'test/scripts/fleet/fleet.test.ts',
  'test/scripts/chaos/chaos.test.ts',
  'test/scripts/mutate/src.test.ts',
  'test/scripts/runner.test.ts',
  'test/scripts/demo/demo.test.ts',
  'test/scripts/mutate/lua.test.ts',
  'test/scripts/chaos/mortal-redis.test.ts',
  'test/recovery/outage.test.ts',
  'test/redis/rights.test.ts',
  'test/recovery/partial-outage.test.ts',
  'test/scheduler/bad-days.test.ts',
  'test/cli/status-faults.test.ts',
  'test/lua/limits.test.ts',
  'test/worker/fleet.test.ts',
  'test/recovery/lying-connections.test.ts',
  'test/cluster/forms.test.ts',
  'test/recovery/deadlines.test.ts',
  'test/lua/mend.test.ts',
  'test/cli/trouble.test.ts',
  'test/scheduler/processes.test.ts',
  'test/reference/loss-of-results.test.ts',
  'test/scheduler/every-shard.test.ts',
  'test/reference/api.test.ts',
  'test/recovery/lost-tables.test.ts',
  'test/scheduler/calls.test.ts',
  'test/testing/redis.test.ts',
  'test/redis/shared.test.ts',
  'test/testing/in-process.test.ts',
  'test/reference/loss-of-requests.test.ts',
  'test/scheduler/lost-rings.test.ts',
  'test/cluster/cli.test.ts',
  'test/cluster/subscriber.test.ts',
  'test/recovery/stalled-node.test.ts',
  'test/worker/faults.test.ts',
  'test/scheduler/give-back.test.ts',
  'test/recovery/lost-fences.test.ts',
  'test/cli/metrics.test.ts',
  'test/base/tokens-codec.test.ts',
  'test/gateway/life.test.ts',
  'test/examples.test.ts',
  'test/reference/load-table.test.ts',
  'test/recovery/error-replies.test.ts',
  'test/lua/healing.test.ts',
];

/** ms per file. */
export type Durations = Readonly<Record<string, number>>;

/**
 * The test files that are named, and those below a folder that is named; without any, all but those of tools. Each once,
 * relative to the project's folder.
 *
 * @throws UsageError for a path that does not exist
 */
export function findFiles(paths: readonly string[]): string[] {
  const found = (paths.length === 0 ? [join(root, 'test')] : paths).flatMap((path) => {
    const stat = statSync(resolve(path), { throwIfNoEntry: false });
    if (stat === undefined) throw new UsageError(`no file or folder ${path}`, 'run "npm test -- --help"');
    if (!stat.isDirectory()) return [path];
    return readdirSync(path, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => join(path, name));
  });
  const names = [...new Set(found.map(nameOf))].sort();
  return paths.length === 0 ? names.filter((name) => !name.startsWith(`${TOOLS}/`)) : names;
}

/** The longest first: by the last run, else by what is known; a file that nobody has timed comes before short ones. */
export function longestFirst(files: readonly string[], recorded: Durations): string[] {
  const assumed = (file: string): number => {
    const rank = KNOWN_TO_BE_LONG.indexOf(file);
    return rank < 0 ? 1_000 : 60_000 - rank * 1_000;
  };
  const ms = (file: string): number => recorded[file] ?? assumed(file);
  return [...files].sort((a, b) => ms(b) - ms(a));
}

/** Of earlier runs; empty if there were none. */
export function readDurations(): Durations {
  try {
    return JSON.parse(readFileSync(RECORD, 'utf8')) as Durations;
  } catch {
    return {};
  }
}

/** Where it cannot be kept, the next run begins with what is known. */
export function keepDurations(measured: Durations): void {
  try {
    mkdirSync(join(RECORD, '..'), { recursive: true });
    const draft = `${RECORD}.${process.pid}`;
    writeFileSync(draft, JSON.stringify({ ...readDurations(), ...measured }, null, 2));
    renameSync(draft, RECORD);
  } catch {
    // it only orders files
  }
}
