/** What becomes of a mutant: only a test that fails kills it. */
import type { Mutant } from './mutant.ts';
import type { TestRun } from './test-run.ts';

export interface Judge<M extends Mutant> {
  /**
   * Runs the tests that know of this mutant, with it in its place or without it.
   * @throws Error if they cannot be run
   */
  run(mutant: M, holds: boolean): Promise<TestRun>;
  close(): Promise<void>;
}

/** What earlier runs learnt under that name, or what `make` learns now. */
export type Keep = <T>(name: string, make: () => Promise<T>) => Promise<T>;

export interface Verdict {
  killed: boolean;
  /** Nothing is known: the tests could not be run, with the mutant and without it. */
  undecided: boolean;
  /** The test that failed, or how else the run ended. */
  by: string;
  /** The test file that killed it, from the project's folder; not known of every one. */
  file?: string;
  ms: number;
}

/**
 * A run that ended without a word of a failed test may be the mutant's fault or the machine's. So it is repeated without
 * the mutant; if that goes wrong too, there is no verdict.
 */
export async function verdictOf<M extends Mutant>(judge: Judge<M>, mutant: M): Promise<Verdict> {
  const { failed, file, broken, ms } = await judge.run(mutant, true);
  if (broken === undefined) {
    const by = { by: failed[0] ?? '', ...(file ? { file: file.replace(/\.js$/, '.ts') } : {}) };
    return { killed: failed.length > 0, undecided: false, ...by, ms };
  }
  const control = await judge.run(mutant, false);
  const wrong = control.broken ?? control.failed[0];
  const both = ms + control.ms;
  if (wrong !== undefined)
    return { killed: false, undecided: true, by: `${broken}; and without the mutant: ${wrong}`, ms: both };
  const by = `${broken}; without the mutant all tests pass`;
  return { killed: true, undecided: false, by, ms: both };
}
