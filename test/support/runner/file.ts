// One test file, run by mocha in this process, step by step told to the runner.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';
import Mocha from 'mocha';
import { plainPath } from '../../../scripts/lib/harness/bundle.ts';
import type { Outcome, Settings } from './messages.ts';
import { root } from './paths.ts';
import { shuffleSuite } from './shuffle.ts';

const { EVENT_HOOK_BEGIN, EVENT_TEST_BEGIN, EVENT_TEST_FAIL, EVENT_TEST_PASS, EVENT_TEST_PENDING } =
  Mocha.Runner.constants;

const { EVENT_FILE_POST_REQUIRE, EVENT_FILE_PRE_REQUIRE, EVENT_FILE_REQUIRE } = Mocha.Suite.constants;

/** Told what happens, in its order. */
export interface Teller {
  begun(title: string): void;
  ended(outcome: Outcome): void;
}

/**
 * Runs the file's tests. A file that cannot be loaded is a failed step; nothing that a test does makes this reject.
 *
 * @param file relative to the project's folder
 */
export async function runFile(file: string, settings: Settings, teller: Teller): Promise<void> {
  const { timeout, slow } = JSON.parse(readFileSync(resolve(root, '.mocharc.json'), 'utf8')) as {
    timeout: number;
    slow: number;
  };
  Mocha.reporters.Base.useColors = settings.colors;
  const mocha = new Mocha({
    timeout,
    slow,
    reporter: reporterFor(teller),
    forbidOnly: settings.forbidOnly,
    ...(settings.grep === undefined ? {} : { grep: settings.grep }),
  });
  try {
    teller.begun('loading the file');
    await load(mocha, resolve(settings.plain, plainPath(file)));
    if (settings.seed !== undefined) shuffleSuite(mocha.suite, settings.seed, file);
    // mocha's errors are of the file too, like that of forbidOnly
    await new Promise<void>((resolve) => void mocha.run(() => resolve()));
  } catch (error) {
    const failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
    teller.ended({ state: 'failed', title: `${file} can be run`, ms: 0, failure: `${file}:\n${failure}` });
  } finally {
    // it listens to this process, and would take the errors of the next file for its own
    mocha.dispose();
  }
}

/** As mocha loads one, but always as the module that other imports of it mean: mocha prefers `require`, which loads twice. */
async function load(mocha: Mocha, path: string): Promise<void> {
  mocha.suite.emit(EVENT_FILE_PRE_REQUIRE, globalThis, path, mocha);
  const module: unknown = await import(pathToFileURL(path).href);
  mocha.suite.emit(EVENT_FILE_REQUIRE, module, path, mocha);
  mocha.suite.emit(EVENT_FILE_POST_REQUIRE, globalThis, path, mocha);
}

function reporterFor(teller: Teller): Mocha.ReporterConstructor {
  const begun = (step: Mocha.Runnable): void => teller.begun(step.fullTitle());
  const ended = (step: Mocha.Runnable, state: Outcome['state'], failure?: string): void =>
    teller.ended({
      ...{ state, title: step.fullTitle(), ms: step.duration ?? 0 },
      ...(failure === undefined ? {} : { failure }),
    });
  function Listener(runner: Mocha.Runner): void {
    runner.on(EVENT_HOOK_BEGIN, begun);
    runner.on(EVENT_TEST_BEGIN, begun);
    runner.on(EVENT_TEST_PASS, (test) => ended(test, 'passed'));
    runner.on(EVENT_TEST_PENDING, (test) => ended(test, 'skipped'));
    runner.on(EVENT_TEST_FAIL, (test, error: Error) => ended(test, 'failed', text(test, error)));
  }
  return Listener as unknown as Mocha.ReporterConstructor;
}

/** What mocha's own reporters print of a failure: titles, message, the difference, and the stack. */
function text(test: Mocha.Test, error: Error): string {
  const { Base } = Mocha.reporters;
  const print = Base.consoleLog;
  const lines: string[] = [];
  Base.consoleLog = (...line: unknown[]) => void lines.push(format(...line));
  try {
    // a test that fails twice, as by a second call of done, has one error at a time
    Base.list([{ titlePath: () => test.titlePath(), err: error } as unknown as Mocha.Test]);
  } finally {
    Base.consoleLog = print;
  }
  return lines
    .join('\n')
    .trim()
    .replace(/^((?:\x1b\[[\d;]*m)* *)1\) /, '$1');
}
