/** Judges mutants one after the other, several at a time where there are cores for it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { helperSources, scriptSources } from '../../src/redis/lua.generated.ts';
import { onProcessEnd } from '../../src/testing/redis/cleanup.ts';
import { bundleTests, copyBundle, testFiles, type Sources } from './bundle.ts';
import { EQUIVALENT, type Equivalent } from './equivalent.ts';
import { Judge, type Verdict } from './judge.ts';
import { mutantsOf, type Mutant } from './mutants.ts';

/** Cores that one run of the tests and its Redis keep busy. */
const CORES_EACH = 2;
const TIMEOUT_MS = 120_000;

export interface Judged extends Verdict {
  mutant: Mutant;
}

export interface RunOptions {
  mutants: readonly Mutant[];
  modelMs: number;
  seed: number;
  /** Tests whose names do not fit are left out. Default: all. */
  tests?: RegExp;
  workers?: number;
  /** Told after each. */
  judged?: (one: Judged) => void;
}

/** Every mutant of every script and helper. */
export function allMutants(): Mutant[] {
  return [
    ...Object.entries(scriptSources).flatMap(([name, source]) => mutantsOf(`${name}.lua`, source)),
    ...Object.entries(helperSources).flatMap(([name, source]) => mutantsOf(`lib/${name}.lua`, source)),
  ];
}

/** Takes out those that are known to change nothing. @throws Error for an entry of the list that fits none */
export function withoutEquivalent(
  mutants: readonly Mutant[],
  list: readonly Equivalent[] = EQUIVALENT,
): Mutant[] {
  const fits = (mutant: Mutant, one: Equivalent): boolean =>
    mutant.file === one.file && mutant.before === one.before && mutant.after === one.after;
  for (const one of list) {
    if (mutants.some((mutant) => fits(mutant, one))) continue;
    throw new Error(`equivalent.ts: ${one.file} has no "${one.before}" to replace by "${one.after}"`);
  }
  return mutants.filter((mutant) => !list.some((one) => fits(mutant, one)));
}

/** How a mutant is shown and found. */
export function nameOf({ file, line, before, after }: Mutant): string {
  return `lua/${file}:${line}  ${before}  =>  ${after}`;
}

/**
 * Judges each mutant; answers in the order given.
 * @throws Error if the tests fail on the sources as they are: then they prove nothing
 */
export async function judgeAll(options: RunOptions): Promise<Judged[]> {
  const { mutants, tests = /./, judged = () => undefined } = options;
  const folder = mkdtempSync(join(tmpdir(), 'sched-lua-mutate-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  const forget = onProcessEnd(remove);
  const workers = options.workers ?? Math.max(1, Math.floor(availableParallelism() / CORES_EACH));
  const judges: Judge[] = [];
  try {
    const original = join(folder, 'original');
    await bundleTests(original);
    for (let i = 0; i < Math.min(workers, Math.max(1, mutants.length)); i += 1) {
      copyBundle(original, join(folder, String(i)));
      judges.push(new Judge({ ...options, folder: join(folder, String(i)), timeoutMs: TIMEOUT_MS }));
    }
    const files = (about: string): string[] => testFiles(original, about).filter((file) => tests.test(file));
    const unchanged = await judges[0]!.judge(sourcesOf(), files(''));
    if (unchanged.killed) throw new Error(`the tests fail without a mutant: ${unchanged.by}`);
    const results: Judged[] = [];
    const queue = mutants.entries();
    const work = async (judge: Judge): Promise<void> => {
      for (const [i, mutant] of queue) {
        const about = /(\w+)\.lua$/.exec(mutant.file)![1]!;
        results[i] = { mutant, ...(await judge.judge(sourcesOf(mutant), files(about))) };
        judged(results[i]);
      }
    };
    await Promise.all(judges.map(work));
    return results;
  } finally {
    await Promise.all(judges.map((judge) => judge.close()));
    forget();
    remove();
  }
}

/** The sources with a mutant in the place of its file. */
function sourcesOf(mutant?: Mutant): Sources {
  const replaced = (folder: string, texts: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(texts).map(([name, text]) => [
        name,
        mutant?.file === `${folder}${name}.lua` ? mutant.source : text,
      ]),
    );
  return { scripts: replaced('', scriptSources), helpers: replaced('lib/', helperSources) };
}
