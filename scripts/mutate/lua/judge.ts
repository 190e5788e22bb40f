/** Runs the fast tests on a mutant of a script, on a Redis of its own. */
import { readdirSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { assembleText } from '../../../src/redis/assemble.ts';
import { SCRIPT_NAMES } from '../../../src/redis/declarations.ts';
import { helperSources, scriptSources } from '../../../src/redis/lua.generated.ts';
import type { Judge } from '../judge.ts';
import { JudgeServer } from '../server.ts';
import { runTests, type TestRun } from '../test-run.ts';
import { SUPPORT_FILE, bundleTests, copyBundle, testFiles, writeSources, type Sources } from './bundle.ts';
import { mutantsOf, type LuaMutant } from './mutants.ts';

/** A healthy run takes a third of it on a busy machine. */
const TIMEOUT_MS = 120_000;

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
    ...Object.entries(scriptSources).flatMap(([name, source]) => mutantsOf(`lua/${name}.lua`, source)),
    ...Object.entries(helperSources).flatMap(([name, source]) => mutantsOf(`lua/lib/${name}.lua`, source)),
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
  const killers: Killers = new Map();
  const make = (): LuaJudge => {
    const own = join(folder, String(readdirSync(folder).length));
    copyBundle(original, own);
    return new LuaJudge(own, options, killers);
  };
  const first = make();
  try {
    const { failed, broken } = await first.runOn(sourcesOf(), '');
    const wrong = broken ?? failed[0];
    if (wrong !== undefined) throw new Error(`the tests fail without a mutant: ${wrong}`);
  } finally {
    await first.close();
  }
  return make;
}

/** Per script or helper: the test files that killed a mutant of it, the latest first. They are asked first. */
type Killers = Map<string, readonly string[]>;

class LuaJudge implements Judge<LuaMutant> {
  readonly #folder: string;
  readonly #options: LuaJudgeOptions;
  readonly #killers: Killers;
  readonly #server = new JudgeServer();

  constructor(folder: string, options: LuaJudgeOptions, killers: Killers) {
    this.#folder = folder;
    this.#options = options;
    this.#killers = killers;
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  async run(mutant: LuaMutant, holds: boolean): Promise<TestRun> {
    const about = /(\w+)\.lua$/.exec(mutant.file)![1]!;
    const first = this.#killers.get(mutant.file) ?? [];
    const run = await this.runOn(sourcesOf(holds ? mutant : undefined), about, first);
    const { file } = run;
    if (file !== undefined) this.#killers.set(mutant.file, [file, ...first.filter((one) => one !== file)]);
    return run;
  }

  /**
   * @param about tests of this name go first, but for the files `first`
   * @throws Error if a text does not compile: then its tests would fail for want of a script, not of a guard
   */
  async runOn(sources: Sources, about: string, first: readonly string[] = []): Promise<TestRun> {
    const { seed, modelMs, tests } = this.#options;
    const url = await this.#server.empty(
      async (redis) => {
        for (const name of SCRIPT_NAMES)
          await redis.script('LOAD', assembleText(name, sources.scripts[name]!, sources.helpers));
      },
      (error) => error instanceof Error && /compiling/i.test(error.message),
    );
    writeSources(this.#folder, sources);
    const run = await runTests({
      folder: this.#folder,
      hooks: [join(this.#folder, SUPPORT_FILE)],
      files: testFiles(this.#folder, about, first).filter((file) => tests.test(file)),
      env: {
        SCHED_LUA_TEST_REDIS: url,
        SCHED_LUA_SEED: String(seed),
        SCHED_LUA_MODEL_MS: String(modelMs),
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
  return { scripts: replaced('', scriptSources), helpers: replaced('lib/', helperSources) };
}
