/** Runs the fast tests on a mutant of a script, on a Redis of its own. */
import { readdirSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { compileAll, embed } from '../../lib/lua/compile.ts';
import { sources, type Sources } from '../../lib/lua/sources.ts';
import type { Judge } from '../judge.ts';
import { JudgeServer } from '../server.ts';
import { runTests, type TestRun } from '../test-run.ts';
import { SUPPORT_FILE, bundleTests, copyBundle, testFiles, writeSources } from './bundle.ts';
import { mutantsOf, type LuaMutant } from './mutants.ts';

/** A healthy run takes a third of it on a busy machine. */
const TIMEOUT_MS = 240_000;

export interface LuaJudgeOptions {
  /** Of the model, ms and seed. */
  modelMs: number;
  seed: number;
  /** Tests whose names do not fit are left out. */
  tests: RegExp;
}

/** Every mutant of every script and helper. */
export function allMutants(): LuaMutant[] {
  return [
    ...Object.entries(sources().scripts).flatMap(([name, source]) => mutantsOf(`lua/${name}.lua`, source)),
    ...Object.entries(sources().helpers).flatMap(([name, source]) =>
      mutantsOf(`lua/lib/${name}.lua`, source),
    ),
  ];
}

/**
 * Makes the bundle in a folder; what this gives makes judges, each with a copy of it.
 * @throws Error if the tests fail on the sources as they are: then they prove nothing
 */
export async function prepareLua(folder: string, options: LuaJudgeOptions): Promise<() => Judge<LuaMutant>> {
  const original = join(folder, 'original');
  mkdirSync(original, { recursive: true });
  await bundleTests(original);
  const folders = (): string => {
    const own = join(folder, String(readdirSync(folder).length));
    copyBundle(original, own);
    return own;
  };
  const first = new LuaJudge(folders(), options, new Order(new Map()));
  try {
    const { failed, broken, times = new Map<string, number>() } = await first.runOn(sourcesOf());
    const wrong = broken ?? failed[0];
    if (wrong !== undefined) throw new Error(`the tests fail without a mutant: ${wrong}`);
    const order = new Order(times);
    return () => new LuaJudge(folders(), options, order);
  } finally {
    await first.close();
  }
}

/** So much more is a file worth that has killed a mutant of the same source. */
const KILLER = 10;

/** Which test files are asked first: those that take least. */
class Order {
  readonly #times: ReadonlyMap<string, number>;
  /** Per source. */
  readonly #killers = new Map<string, Set<string>>();

  constructor(times: ReadonlyMap<string, number>) {
    this.#times = times;
  }

  of({ file }: LuaMutant): string[] {
    const killers = this.#killers.get(file);
    const cost = (test: string): number => this.#times.get(test)! / (killers?.has(test) ? KILLER : 1);
    return [...this.#times.keys()].sort((a, b) => cost(a) - cost(b));
  }

  killed({ file }: LuaMutant, by: string): void {
    this.#killers.set(file, (this.#killers.get(file) ?? new Set()).add(by));
  }
}

class LuaJudge implements Judge<LuaMutant> {
  readonly #folder: string;
  readonly #options: LuaJudgeOptions;
  readonly #order: Order;
  readonly #server = new JudgeServer();

  constructor(folder: string, options: LuaJudgeOptions, order: Order) {
    this.#folder = folder;
    this.#options = options;
    this.#order = order;
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  async run(mutant: LuaMutant, holds: boolean): Promise<TestRun> {
    const run = await this.runOn(sourcesOf(holds ? mutant : undefined), this.#order.of(mutant));
    if (run.file !== undefined) this.#order.killed(mutant, run.file);
    return run;
  }

  /** @throws Error if a text does not compile: then its tests would fail for want of a script, not of a guard */
  async runOn(changed: Sources, files = testFiles(this.#folder)): Promise<TestRun> {
    const { seed, modelMs, tests } = this.#options;
    const url = await this.#server.empty(
      async (redis) => {
        for (const { text } of Object.values(embed(compileAll(changed)))) await redis.script('LOAD', text);
      },
      (error) => error instanceof Error && /compiling/i.test(error.message),
    );
    writeSources(this.#folder, changed);
    const run = await runTests({
      folder: this.#folder,
      hooks: [join(this.#folder, SUPPORT_FILE)],
      files: files.filter((file) => tests.test(file)),
      env: {
        SCHED_LUA_TEST_REDIS: url,
        SCHED_LUA_SEED: String(seed),
        SCHED_LUA_MODEL_MS: String(modelMs),
        SCHED_LUA_MODEL_SHRINK: 'no',
      },
      timeoutMs: TIMEOUT_MS,
    });
    return (await this.#server.isThere()) ? run : { ...run, broken: 'its Redis has gone' };
  }
}

/** The sources with a mutant in the place of its file. */
function sourcesOf(mutant?: LuaMutant): Sources {
  const replaced = (folder: string, texts: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(texts).map(([name, text]) => [
        name,
        mutant?.file === `lua/${folder}${name}.lua` ? mutant.source : text,
      ]),
    );
  return { scripts: replaced('', sources().scripts), helpers: replaced('lib/', sources().helpers) };
}
