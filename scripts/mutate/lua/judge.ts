/**
 * Runs, on a mutant of a script, the tests that can notice it, on a Redis of their own: the cheapest first, until one fails.
 * Which test can is learnt in a run of all tests, of scripts that tell in the server's log what they meet: a condition that
 * always held is the same as none.
 */
import { readdirSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { compileAll, embed } from '../../lib/lua/compile.ts';
import { sources, type Sources } from '../../lib/lua/sources.ts';
import type { Judge, Keep } from '../judge.ts';
import { JudgeServer } from '../server.ts';
import type { TestNote } from '../src/hooks.ts';
import type { TestRun } from '../test-run.ts';
import { bundleTests, copyBundle, testFiles, writeSources } from './bundle.ts';
import { PREAMBLE, sightsOf, withMarks } from './marks.ts';
import type { Embedded } from './messages.ts';
import { mutantsOf, type LuaMutant, type Sight } from './mutants.ts';
import { Workshop, isCutShort, type Outcome } from './workshop.ts';

export interface LuaJudgeOptions {
  /** Of the model, ms and seed. */
  modelMs: number;
  seed: number;
  /** Tests of files whose names do not fit are left out. */
  tests: RegExp;
  /** Tests look at one mutant for about so long, by what they take with marks, and the model for as long as it does. */
  lookMs: number;
  keep: Keep;
  log?: (line: string) => void;
}

/** Of the run of all tests. */
const ALL_MS = 900_000;
/** What a test, and a run, may take: so much more than it did with marks, and so much at least. */
const SLOWER = 5;
const TEST_MS = 5_000;
const RUN_MS = 20_000;
/** So much more patient is a look at a test that was cut short: the machine may have been busy. */
const AGAIN = 4;
/** So much more is a test worth that has killed a mutant of the same source. */
const KILLER = 10;

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
 * Makes the bundle in a folder and has all tests run once; what this gives makes judges, each with a copy of it.
 * @throws Error if the tests fail on the sources as they are: then they prove nothing
 */
export async function prepareLua(folder: string, options: LuaJudgeOptions): Promise<() => Judge<LuaMutant>> {
  const original = join(folder, 'original');
  mkdirSync(original, { recursive: true });
  await bundleTests(original);
  writeSources(original, sources());
  const copy = (): string => {
    const own = join(folder, String(readdirSync(folder).length));
    copyBundle(original, own);
    return own;
  };
  const known = new Known(await options.keep('lua', () => learn(copy(), options)), options.lookMs);
  return () => new LuaJudge(copy(), options, known);
}

/** What each test came by. */
async function learn(folder: string, options: LuaJudgeOptions): Promise<TestNote[]> {
  const log = join(folder, 'redis.log');
  const server = new JudgeServer(['--logfile', log]);
  const workshop = new Workshop({ folder, files: filesOf(folder, options), env: envOf(options) });
  try {
    const scripts = marked();
    const url = await server.empty(...loading(scripts));
    const began = performance.now();
    const { notes, failures, broken } = await workshop.run({ url, scripts, tests: undefined, log }, ALL_MS);
    const wrong = broken ?? failures[0]?.title;
    if (wrong !== undefined || notes.length === 0)
      throw new Error(
        `the tests fail without a mutant: ${wrong ?? 'there are none'} ${failures[0]?.error ?? ''}`,
      );
    const seconds = Math.round((performance.now() - began) / 1000);
    options.log?.(`${notes.length} tests judge lua/; they took ${seconds} s`);
    return notes;
  } finally {
    workshop.close();
    await server.close();
  }
}

/** The scripts, so that they tell what they meet. */
function marked(): Embedded {
  const mutants = allMutants();
  const numbers = numberPlaces();
  const changed = sourcesOf((file, text) =>
    withMarks(
      text,
      mutants.filter((one) => one.file === file),
      (sight) => numbers.get(placeOf(file, sight))!,
    ),
  );
  const scripts = Object.entries(embed(compileAll(changed)));
  return Object.fromEntries(
    scripts.map(([name, { text, origins }]) => [name, { text: PREAMBLE + text, origins }]),
  );
}

/** A bound and an operand may stand at one place. */
function placeOf(file: string, { from, to, value }: Sight): string {
  return `${file}:${from}-${to}${typeof value === 'number' ? ' bound' : ''}`;
}

function numberPlaces(): Map<string, number> {
  const places = new Set(allMutants().map(({ file, shows }) => placeOf(file, shows)));
  return new Map([...places].map((place, i) => [place, i]));
}

/** Which tests are asked first: those that take least, and come by little else. */
class Known {
  readonly #notes: readonly TestNote[];
  readonly #lookMs: number;
  readonly #numbers = numberPlaces();
  /** Keys of tests, per source. */
  readonly #killers = new Map<string, Set<string>>();

  constructor(notes: readonly TestNote[], lookMs: number) {
    this.#notes = notes;
    this.#lookMs = lookMs;
  }

  of(mutant: LuaMutant): TestNote[] {
    const number = this.#numbers.get(placeOf(mutant.file, mutant.shows));
    const sights = number === undefined ? [] : sightsOf(mutant.shows, number);
    const killers = this.#killers.get(mutant.file);
    const cost = ({ key, ms, reached }: TestNote): number =>
      (ms * reached.length) / (killers?.has(key) ? KILLER : 1);
    let left = this.#lookMs;
    return this.#notes
      .filter(({ reached }) => number === undefined || sights.some((sight) => reached.includes(sight)))
      .sort((a, b) => cost(a) - cost(b))
      .filter(({ file, ms }, i) => i === 0 || file.startsWith('test/model/') || (left -= ms) > 0);
  }

  killed({ file }: LuaMutant, by: { file: string; title: string }): void {
    this.#killers.set(file, (this.#killers.get(file) ?? new Set()).add(`${by.file}: ${by.title}`));
  }
}

class LuaJudge implements Judge<LuaMutant> {
  readonly #known: Known;
  readonly #server = new JudgeServer();
  readonly #workshop: Workshop;

  constructor(folder: string, options: LuaJudgeOptions, known: Known) {
    this.#known = known;
    this.#workshop = new Workshop({ folder, files: filesOf(folder, options), env: envOf(options) });
  }

  async close(): Promise<void> {
    this.#workshop.close();
    await this.#server.close();
  }

  /** @throws Error if a text does not compile: then its tests would fail for want of a script, not of a guard */
  async run(mutant: LuaMutant, holds: boolean): Promise<TestRun> {
    const began = performance.now();
    const replaced = sourcesOf((file, text) => (holds && file === mutant.file ? mutant.source : text));
    const scripts = embed(compileAll(replaced));
    const tests = this.#known.of(mutant);
    let outcome = await this.#look(scripts, tests, 1);
    // its time may have run out as the machine was busy
    if (outcome.failures.some(isCutShort)) outcome = await this.#look(scripts, tests, AGAIN);
    const [failure] = outcome.failures;
    if (failure) this.#known.killed(mutant, failure);
    return {
      failed: outcome.failures.map(({ title }) => title),
      file: failure?.file,
      broken: outcome.broken,
      ms: Math.round(performance.now() - began),
    };
  }

  async #look(scripts: Embedded, tests: readonly TestNote[], patience: number): Promise<Outcome> {
    const url = await this.#server.empty(...loading(scripts));
    const limits = tests.map(({ key, ms }) => ({ key, ms: Math.round(patience * (TEST_MS + SLOWER * ms)) }));
    const sum = tests.reduce((ms, test) => ms + test.ms, 0);
    const job = { url, scripts, tests: limits, log: undefined };
    const outcome = await this.#workshop.run(job, patience * (RUN_MS + SLOWER * sum));
    return (await this.#server.isThere()) ? outcome : { ...outcome, broken: 'its Redis has gone' };
  }
}

function loading(scripts: Embedded): Parameters<JudgeServer['empty']> {
  return [
    async (redis) => {
      for (const { text } of Object.values(scripts)) await redis.script('LOAD', text);
    },
    (error) => error instanceof Error && /compiling/i.test(error.message),
  ];
}

function filesOf(folder: string, { tests }: LuaJudgeOptions): string[] {
  return testFiles(folder).filter((file) => tests.test(file));
}

function envOf({ seed, modelMs }: LuaJudgeOptions): Record<string, string> {
  return {
    SCHED_LUA_SEED: String(seed),
    SCHED_LUA_MODEL_MS: String(modelMs),
    SCHED_LUA_MODEL_SHRINK: 'no',
  };
}

/** The sources, each as `change` has it. */
function sourcesOf(change: (file: string, text: string) => string): Sources {
  const changed = (folder: string, texts: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(texts).map(([name, text]) => [name, change(`lua/${folder}${name}.lua`, text)]),
    );
  return { scripts: changed('', sources().scripts), helpers: changed('lib/', sources().helpers) };
}
