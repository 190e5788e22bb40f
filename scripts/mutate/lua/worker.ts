/**
 * Runs tests on one set of scripts after the other, in one process that has loaded all test files: to load them takes
 * longer than most tests do. It is started from the folder of the bundle.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import Mocha from 'mocha';
import { allScripts, type Script } from '../../../src/redis/run-script.ts';
import type { ScriptName } from '../../../src/redis/declarations.ts';
import { embedded } from '../../../src/redis/lua.generated.ts';
import { checkLeft, openRun } from '../../../test/support/server.ts';
import { createHash } from 'node:crypto';
import { keyOf } from '../src/hooks.ts';
import type { Embedded, Failure, Job, Told } from './messages.ts';
import { sightsIn } from './marks.ts';

const { EVENT_FILE_POST_REQUIRE, EVENT_FILE_PRE_REQUIRE, EVENT_FILE_REQUIRE } = Mocha.Suite.constants;
const { EVENT_TEST_FAIL, EVENT_TEST_PASS } = Mocha.Runner.constants;
/** Of one that may take as long as it likes. */
const PATIENT_MS = 300_000;
/** So many tests are asked together: the first few decide most mutants. */
const TOGETHER = [4, 16, 64];

// who listens does so by himself
const silent = function (): void {} as unknown as Mocha.ReporterConstructor;
const mocha = new Mocha({ timeout: 20_000, reporter: silent });
let limits: ReadonlyMap<string, number> | undefined;
let log: number | undefined;
let at = 0;
let began = 0;

function tell(told: Told): void {
  process.send!(told);
}

const fileOf = (test: Mocha.Runnable): string => (test.file ? relative(process.cwd(), test.file) : '');

function atTest(this: Mocha.Context): void {
  began = performance.now();
  const test = this.currentTest!;
  if (limits === undefined) return void test.timeout(PATIENT_MS);
  const ms = limits.get(keyOf(fileOf(test), test.fullTitle()));
  // another of that title
  if (ms === undefined) this.skip();
  test.timeout(ms);
}

/** The server's log since the last call. */
function logged(): string {
  const end = fstatSync(log!).size;
  const text = Buffer.alloc(end - at);
  readSync(log!, text, 0, text.length, at);
  at = end;
  return text.toString('latin1');
}

async function load(files: readonly string[]): Promise<void> {
  mocha.cleanReferencesAfterRun(false);
  mocha.rootHooks({ beforeEach: atTest });
  for (const file of files.map((name) => resolve(name))) {
    mocha.suite.emit(EVENT_FILE_PRE_REQUIRE, globalThis, file, mocha);
    const module: unknown = await import(pathToFileURL(file).href);
    mocha.suite.emit(EVENT_FILE_REQUIRE, module, file, mocha);
    mocha.suite.emit(EVENT_FILE_POST_REQUIRE, globalThis, file, mocha);
  }
}

function putInPlace(scripts: Embedded): void {
  for (const [name, { text, origins }] of Object.entries(scripts)) {
    Object.assign(embedded[name]!, { text, origins });
    const sha1 = createHash('sha1').update(text).digest('hex');
    const changed: Partial<Script> = { text, origins, sha1, bytes: Buffer.byteLength(text) };
    const script = allScripts()[name as ScriptName];
    Object.assign(script, changed, { command: `sched_lua:${name}:${sha1.slice(0, 12)}` });
  }
}

function setBail(suite: Mocha.Suite, bail: boolean): void {
  suite.bail(bail);
  for (const inner of suite.suites) setBail(inner, bail);
}

/** Runs the tests of such titles, file by file in the order of the first of each. */
async function runTitles(tests: Job['tests'], failures: Failure[]): Promise<void> {
  limits = tests && new Map(tests.map(({ key, ms }) => [key, ms]));
  const keys = tests?.map(({ key }) => key) ?? [];
  const titles = keys.map((key) => key.slice(key.indexOf(': ') + 2).replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  mocha.grep(tests ? new RegExp(`^(?:${titles.join('|')})$`) : /./);
  const rank = (suite: Mocha.Suite): number => {
    const found = keys.findIndex((key) => key.startsWith(`${relative(process.cwd(), suite.file!)}: `));
    return found < 0 ? Infinity : found;
  };
  if (tests) mocha.suite.suites.sort((a, b) => Math.min(rank(a), 1e9) - Math.min(rank(b), 1e9));
  setBail(mocha.suite, tests !== undefined);
  await new Promise<void>((over) => {
    const runner = mocha.run(() => over());
    runner.on(EVENT_TEST_FAIL, (test: Mocha.Runnable, error: Error) =>
      failures.push({ title: test.fullTitle(), file: fileOf(test), error: error.message }),
    );
    runner.on(EVENT_TEST_PASS, (test) => {
      if (log === undefined) return;
      const file = fileOf(test);
      const ms = performance.now() - began;
      tell({ note: { file, key: keyOf(file, test.fullTitle()), ms, reached: sightsIn(logged()) } });
    });
  });
}

async function run({ url, scripts, tests, log: path }: Job): Promise<Failure[]> {
  putInPlace(scripts);
  if (path !== undefined) log = openSync(path, 'r');
  await openRun({ url, kind: 'url' });
  const failures: Failure[] = [];
  if (tests === undefined) await runTitles(undefined, failures);
  for (let from = 0, i = 0; from < (tests?.length ?? 0) && failures.length === 0; i += 1) {
    const count = TOGETHER[i] ?? Infinity;
    await runTitles(tests!.slice(from, from + count), failures);
    from += count;
  }
  if (failures.length === 0) {
    const keys = (await checkLeft()).filter((complaint) => complaint.startsWith('key '));
    if (keys.length > 0) failures.push({ title: 'the tests left behind', file: '', error: keys[0]! });
  }
  if (log !== undefined) closeSync(log);
  log = undefined;
  return failures;
}

process.on('disconnect', () => process.exit());
process.on('message', (job: Job) => {
  run(job).then(
    (done) => tell({ done }),
    (error: unknown) => tell({ broken: String(error) }),
  );
});
await load(process.argv.slice(2));
tell({ ready: true });
