import type { Mutant } from './mutants.ts';

/** A mutant that no test can kill, because the script does the same without its guard. */
export interface Equivalent extends Pick<Mutant, 'file' | 'before' | 'after'> {
  why: string;
}

/** Each with its reason. An entry that fits no mutant any more is an error: the reason may be gone too. */
export const EQUIVALENT: readonly Equivalent[] = [];
