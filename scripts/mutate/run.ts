/** Judges mutants one after the other, several at a time where there are cores for it. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { onProcessEnd } from '../../src/testing/redis/cleanup.ts';
import { verdictOf, type Judge, type Keep, type Verdict } from './judge.ts';
import { EQUIVALENT as LUA_EQUIVALENT } from './lua/equivalent.ts';
import { allMutants as luaMutants, prepareLua } from './lua/judge.ts';
import { Known } from './known.ts';
import type { LuaMutant } from './lua/mutants.ts';
import type { Equivalent, Mutant } from './mutant.ts';
import { EQUIVALENT as SRC_EQUIVALENT } from './src/equivalent.ts';
import { prepareSrc } from './src/judge.ts';
import type { SrcMutant } from './src/mutants.ts';
import { allMutants as srcMutants } from './src/project.ts';

/** So many runs in a row that break with and without a mutant say that the tests cannot be run here. */
const BROKEN_IN_A_ROW = 3;
/** Cores that one run of the tests and its Redis keep busy. */
const CORES_EACH = 2;

export const EQUIVALENT: readonly Equivalent[] = [...LUA_EQUIVALENT, ...SRC_EQUIVALENT];

export interface Judged extends Verdict {
  mutant: Mutant;
}

export interface RunOptions {
  mutants: readonly (LuaMutant | SrcMutant)[];
  modelMs: number;
  seed: number;
  /** See `SrcJudgeOptions` and `LuaJudgeOptions`. */
  lookMs: number;
  /** Test files whose names do not fit judge nothing. Default: all judge. */
  tests?: RegExp;
  workers?: number;
  /** A file of what is known, see known.ts: that is not looked at again, and grows. Default: nothing is known. */
  known?: string;
  /** Told after each. */
  judged?: (one: Judged) => void;
  log?: (line: string) => void;
}

/** Every mutant of lua/ and src/. */
export function allMutants(): (LuaMutant | SrcMutant)[] {
  return [...luaMutants(), ...srcMutants().mutants];
}

/**
 * Judges each mutant; answers in the order given.
 * @throws Error if the tests fail on the sources as they are: then they prove nothing
 */
export async function judgeAll(options: RunOptions): Promise<Judged[]> {
  const { tests = /./, modelMs, seed, lookMs } = options;
  const known =
    options.known === undefined
      ? undefined
      : new Known(options.known, JSON.stringify([tests.source, modelMs, seed, lookMs]));
  const found = new Map<Mutant, Judged>();
  for (const mutant of options.mutants) {
    const verdict = known?.verdictOf(mutant);
    if (verdict) found.set(mutant, { mutant, ...verdict });
  }
  for (const one of found.values()) options.judged?.(one);
  const mutants = options.mutants.filter((mutant) => !found.has(mutant));
  const judged = (one: Judged): void => {
    found.set(one.mutant, one);
    known?.keep(one.mutant, one);
    options.judged?.(one);
  };
  const these = { ...options, judged };
  const keep: Keep = (name, make) => known?.kept(name, make) ?? make();
  const folder = mkdtempSync(join(tmpdir(), 'sched-lua-mutate-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  const forget = onProcessEnd(remove);
  try {
    const ofLua = mutants.filter((mutant) => 'source' in mutant);
    const ofSrc = mutants.filter((mutant) => 'number' in mutant);
    await judgeThese(ofLua, these, () => prepareLua(within(folder, 'lua'), { ...options, tests, keep }));
    await judgeThese(ofSrc, these, () => prepareSrc(within(folder, 'src'), { ...options, tests, keep }));
    return options.mutants.map((mutant) => found.get(mutant)!);
  } finally {
    forget();
    remove();
  }
}

async function judgeThese<M extends Mutant>(
  mutants: readonly M[],
  options: RunOptions & { judged: (one: Judged) => void },
  prepare: () => Promise<() => Judge<M>>,
): Promise<void> {
  if (mutants.length === 0) return;
  const workers = options.workers ?? Math.max(1, Math.floor(availableParallelism() / CORES_EACH));
  const make = await prepare();
  const judges = Array.from({ length: Math.min(workers, mutants.length) }, () => make());
  const queue = mutants.values();
  let broken = 0;
  const work = async (judge: Judge<M>): Promise<void> => {
    for (const mutant of queue) {
      const one = { mutant, ...(await verdictOf(judge, mutant)) };
      options.judged(one);
      broken = one.undecided ? broken + 1 : 0;
      if (broken === BROKEN_IN_A_ROW) throw new Error(`the tests cannot be run: ${one.by}`);
    }
  };
  try {
    await Promise.all(judges.map(work));
  } finally {
    await Promise.all(judges.map((judge) => judge.close()));
  }
}

function within(folder: string, name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}
