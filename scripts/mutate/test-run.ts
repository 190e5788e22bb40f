/** One run of the tests in a process of its own, until the first one fails. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { relative } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onProcessEnd } from '../../src/testing/redis/cleanup.ts';
import { descendants, kill, members } from '../../test/support/runner/processes.ts';

const mocha = fileURLToPath(new URL('../../node_modules/mocha/bin/mocha.js', import.meta.url));
/** What clears up after itself has so long for it. */
const TERM_MS = 500;
/** Of what a run that broke said last. */
const SAID_LENGTH = 2_000;

export interface TestRunOptions {
  folder: string;
  /** Files with root hooks, and files with tests, in their order. */
  hooks: readonly string[];
  files: readonly string[];
  env: Readonly<Record<string, string>>;
  /** A run that takes longer is ended. */
  timeoutMs: number;
  /** Goes on after a failure: for a run without a mutant. */
  all?: boolean;
}

export interface TestRun {
  /** Titles of the tests that failed; the first one alone, unless all were wanted. */
  failed: string[];
  /** The file of the first of them, from the folder. */
  file?: string | undefined;
  /** What the tests of each file took that passed, ms. */
  times?: ReadonlyMap<string, number>;
  /** How it went otherwise, if it did not come to its end: then nothing is known. */
  broken: string | undefined;
  ms: number;
}

export async function runTests(options: TestRunOptions): Promise<TestRun> {
  const { folder, hooks, files, env, timeoutMs, all = false } = options;
  const began = performance.now();
  const child = spawn(
    process.execPath,
    [
      ...[mocha, '--no-config', '--no-sort', '--reporter', 'json-stream', '--timeout', '20000'],
      ...(all ? [] : ['--bail']),
      ...hooks.flatMap((file) => ['--require', file]),
      ...files,
    ],
    {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // a group of its own: it is ended with all that it started
      detached: true,
    },
  );
  const forget = onProcessEnd(() => kill(everyProcess(child)));
  try {
    const run = await outcome(child, timeoutMs, all, (file) => relative(folder, file));
    return { ...run, ms: Math.round(performance.now() - began) };
  } finally {
    forget();
  }
}

/** Of a run of mocha. The process is over when this resolves. */
async function outcome(
  child: ChildProcess,
  timeoutMs: number,
  all: boolean,
  nameOf: (file: string) => string,
): Promise<Omit<TestRun, 'ms'>> {
  const failed: string[] = [];
  const times = new Map<string, number>();
  let file: string | undefined;
  let broken: string | undefined;
  let hasEnded = false;
  let ending: Promise<void> | undefined;
  const over = once(child, 'close') as Promise<[number | null, string | null]>;
  const end = (): void => void (ending ??= endAll(child, over));
  let said = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-SAID_LENGTH)));
  const timer = setTimeout(() => {
    broken = `no end within ${timeoutMs / 1000} s`;
    end();
  }, timeoutMs);
  for await (const line of createInterface({ input: child.stdout! })) {
    const [what, about] = line.startsWith('["') ? (JSON.parse(line) as [string, About]) : [];
    if (what === 'fail' && isRootHook(about!.fullTitle)) {
      broken ??= 'the tests could not begin';
      end();
    } else if (what === 'fail' && !ending) {
      failed.push(about!.fullTitle);
      file ??= about!.file && nameOf(about!.file);
      // what follows is clean-up that nobody needs
      if (!all) end();
    } else if (what === 'pass') {
      const name = nameOf(about!.file!);
      times.set(name, (times.get(name) ?? 0) + about!.duration!);
    } else if (what === 'end') {
      hasEnded = true;
      end();
    }
  }
  const [code, signal] = await over;
  clearTimeout(timer);
  await ending;
  if (failed.length === 0 && !hasEnded)
    broken ??= `the run ended with ${signal ?? `code ${code}`}${said && `, saying:\n${said}`}`;
  return { failed, file, broken, times };
}

interface About {
  fullTitle: string;
  file?: string;
  duration?: number;
}

/** Before all tests: no suite stands before its name. */
function isRootHook(title: string): boolean {
  return title.startsWith('"before all" hook');
}

/** Ends a process and what it started. */
async function endAll(child: ChildProcess, over: Promise<unknown>): Promise<void> {
  const all = everyProcess(child);
  kill([child.pid!], 'SIGTERM');
  const timer = setTimeout(() => kill(all), TERM_MS);
  await over;
  clearTimeout(timer);
  kill([...all.filter((pid) => pid !== child.pid), ...members(child.pid!)]);
}

function everyProcess(child: ChildProcess): number[] {
  return child.pid === undefined ? [] : [child.pid, ...descendants(child.pid)];
}
