/**
 * Runs, on a mutant of src/, the tests that come by it, on a Redis of their own: the cheapest first, until one fails. Which
 * test comes by which mutant is learnt in a run of all tests without any.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { plainPath } from '../../lib/harness/bundle.ts';
import type { Judge, Keep } from '../judge.ts';
import { JudgeServer } from '../server.ts';
import { runTests, type TestRun } from '../test-run.ts';
import { NOTES, ORDER, type Order, type TestNote } from './hooks.ts';
import type { SrcMutant } from './mutants.ts';
import { HOOKS, PLAIN, allMutants, copyProject, testFiles } from './project.ts';
import { HOLDS, REACHED } from './switch.ts';

export interface SrcJudgeOptions {
  modelMs: number;
  seed: number;
  tests: RegExp;
  /** Tests look at one mutant for about so long, by what they take without it. */
  lookMs: number;
  keep: Keep;
  log?: (line: string) => void;
}

/** Of the run of all tests. */
const ALL_MS = 900_000;
/** What a test, and a run, may take: so much more than it did without a mutant, and so much at least. */
const SLOWER = 5;
const TEST_MS = 3_000;
const RUN_MS = 20_000;

/**
 * Makes the copy of the project in a folder and has all tests run in it once; what this gives makes judges.
 * @throws Error if they fail without a mutant: then they prove nothing
 */
export async function prepareSrc(folder: string, options: SrcJudgeOptions): Promise<() => Judge<SrcMutant>> {
  await copyProject(folder, allMutants().texts);
  const server = new JudgeServer();
  try {
    const notes = await options.keep('src', async () => learn(folder, options, await server.empty()));
    return () => new SrcJudge(folder, options, notes);
  } finally {
    await server.close();
  }
}

/** What each test came by. */
async function learn(folder: string, options: SrcJudgeOptions, url: string): Promise<TestNote[]> {
  const file = join(folder, 'notes');
  writeFileSync(file, '');
  const run = await runTests({
    ...placeOf(folder),
    files: testFiles()
      .filter((name) => options.tests.test(name))
      .map(plainPath),
    env: { ...envOf(options, url), [NOTES]: file, [REACHED]: join(folder, 'reached') },
    timeoutMs: ALL_MS,
    all: true,
  });
  if (run.broken !== undefined) throw new Error(`the tests could not be run: ${run.broken}`);
  // one that a busy machine fails is no judge
  for (const title of run.failed) options.log?.(`failed without a mutant, and judges none: ${title}`);
  const notes = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  if (run.failed.length > 3 || notes.length === 0)
    throw new Error(`the tests fail without a mutant: ${run.failed.join('; ')}`);
  options.log?.(`${notes.length} tests judge src/; they took ${Math.round(run.ms / 1000)} s`);
  return notes.map((line) => JSON.parse(line) as TestNote);
}

class SrcJudge implements Judge<SrcMutant> {
  readonly #folder: string;
  readonly #options: SrcJudgeOptions;
  readonly #notes: readonly TestNote[];
  readonly #server = new JudgeServer();

  constructor(folder: string, options: SrcJudgeOptions, notes: readonly TestNote[]) {
    this.#folder = folder;
    this.#options = options;
    this.#notes = notes;
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  async run(mutant: SrcMutant, holds: boolean): Promise<TestRun> {
    const tests = judgesOf(mutant, this.#notes, this.#options.lookMs);
    if (tests.length === 0) return { failed: [], broken: undefined, ms: 0 };
    const url = await this.#server.empty();
    const order: Order = Object.fromEntries(tests.map(({ key, ms }) => [key, TEST_MS + SLOWER * ms]));
    const file = join(this.#folder, `order-${mutant.number}`);
    writeFileSync(file, JSON.stringify(order));
    const run = await runTests({
      ...placeOf(this.#folder),
      files: [...new Set(tests.map((test) => test.file))],
      env: {
        ...envOf(this.#options, url),
        [ORDER]: file,
        ...(holds ? { [HOLDS]: String(mutant.number) } : {}),
      },
      timeoutMs: RUN_MS + SLOWER * tests.reduce((sum, { ms }) => sum + ms, 0),
    });
    return (await this.#server.isThere()) ? run : { ...run, broken: 'its Redis has gone' };
  }
}

/** The tests that come by a mutant, as many as `lookMs` has time for: those first that are short and come by little else. */
export function judgesOf(
  { number }: Pick<SrcMutant, 'number'>,
  notes: readonly TestNote[],
  lookMs: number,
): TestNote[] {
  const cost = ({ ms, reached }: TestNote): number => ms * reached.length;
  let left = lookMs;
  return notes
    .filter(({ reached }) => reached.includes(number))
    .sort((a, b) => cost(a) - cost(b))
    .filter(({ ms }, i) => i === 0 || (left -= ms) > 0);
}

function placeOf(folder: string): { folder: string; hooks: string[] } {
  const home = join(folder, PLAIN);
  return { folder: home, hooks: HOOKS.map((file) => join(home, plainPath(file))) };
}

function envOf({ seed, modelMs }: SrcJudgeOptions, url: string): Record<string, string> {
  return {
    SCHED_LUA_TEST_REDIS: url,
    SCHED_LUA_SEED: String(seed),
    SCHED_LUA_MODEL_MS: String(modelMs),
    SCHED_LUA_MODEL_SHRINK: 'no',
  };
}
