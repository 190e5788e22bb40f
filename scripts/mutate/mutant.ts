/** A change of the sources that some test must notice, and those that none can. */

export interface Mutant {
  /** Path from the project's folder. */
  file: string;
  /** The function that has it, as `Class.method`; empty: none, or a script. */
  within: string;
  line: number;
  /** Characters of the file before that which is replaced. */
  at: number;
  /** What is replaced, and by what; empty: by nothing. */
  before: string;
  after: string;
}

/** A mutant that no test can kill, because the code does the same with it. Its line may move, its text may not. */
export interface Equivalent extends Pick<Mutant, 'file' | 'before' | 'after'> {
  /** Needed where the same text stands in several functions of the file. */
  within?: string;
  why: string;
}

/** How a mutant is shown and found. */
export function nameOf({ file, within, line, before, after }: Mutant): string {
  const place = within === '' ? '' : `  in ${within}`;
  return `${file}:${line}${place}  ${before}  =>  ${after === '' ? '(nothing)' : after}`;
}

export function nameOfEquivalent({ file, within = '', before, after }: Equivalent): string {
  const place = within === '' ? '' : ` in ${within}`;
  return `${file}${place} has no "${before}" to replace by "${after}"`;
}

/** Parts the mutants from those that are known to change nothing; `stale` are the entries that fit no mutant any more. */
export function withoutEquivalent<M extends Mutant>(
  mutants: readonly M[],
  list: readonly Equivalent[],
): { mutants: M[]; stale: Equivalent[] } {
  const fits = (mutant: Mutant, one: Equivalent): boolean =>
    mutant.file === one.file &&
    mutant.before === one.before &&
    mutant.after === one.after &&
    (one.within === undefined || mutant.within === one.within);
  return {
    mutants: mutants.filter((mutant) => !list.some((one) => fits(mutant, one))),
    stale: list.filter((one) => !mutants.some((mutant) => fits(mutant, one))),
  };
}

/** On one line. */
export function squeeze(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
