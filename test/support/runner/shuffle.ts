// The random order of `npm test -- --shuffle`: of the files, and of the tests and suites within each suite.
import { createHash } from 'node:crypto';
import { Random } from '../../../scripts/lib/traffic/random.ts';

/** What of mocha's suites is put into another order. */
export interface ShuffledSuite {
  tests: unknown[];
  suites: ShuffledSuite[];
}

export const LARGEST_SEED = 2 ** 31 - 1;

/** The files in an order that depends on nothing but the seed and their names. */
export function shuffleFiles(files: readonly string[], seed: number): string[] {
  return new Random(seed).shuffle([...files].sort());
}

/**
 * Changes the order within `suite`, and within every suite below it. The order of a file depends on nothing but the seed
 * and the file's name: it is the same whichever worker runs the file, and also when the file runs alone.
 */
export function shuffleSuite(suite: ShuffledSuite, seed: number, file: string): void {
  const random = new Random(createHash('sha256').update(`${seed} ${file}`).digest().readInt32LE());
  const shuffle = (one: ShuffledSuite): void => {
    one.tests = random.shuffle(one.tests);
    one.suites = random.shuffle(one.suites);
    for (const below of one.suites) shuffle(below);
  };
  shuffle(suite);
}
