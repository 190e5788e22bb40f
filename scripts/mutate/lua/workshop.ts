/** A process that runs tests, see worker.ts, as seen by its judge. It is begun anew when it hangs or ends. */
import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { onProcessEnd } from '../../../src/testing/redis/cleanup.ts';
import { descendants, kill } from '../../../test/support/runner/processes.ts';
import type { TestNote } from '../src/hooks.ts';
import { WORKER_FILE } from './bundle.ts';
import type { Failure, Job, Told } from './messages.ts';

/** It loads all test files in a second or two. */
const START_MS = 120_000;
/** So many runs leave behind what a test that failed did not clear up. */
const RUNS = 100;

export interface Outcome {
  failures: Failure[];
  notes: TestNote[];
  /** How it went otherwise, if it did not come to its end: then nothing is known. */
  broken: string | undefined;
}

export interface WorkshopOptions {
  /** Of the bundle. */
  folder: string;
  /** Test files, from there. */
  files: readonly string[];
  env: Readonly<Record<string, string>>;
}

export class Workshop {
  readonly #options: WorkshopOptions;
  #child: ChildProcess | undefined;
  #forget: () => void = () => undefined;
  #runs = 0;

  constructor(options: WorkshopOptions) {
    this.#options = options;
  }

  async run(job: Job, timeoutMs: number): Promise<Outcome> {
    const notes: TestNote[] = [];
    if (this.#runs >= RUNS) this.close();
    const started = await this.#start();
    if (started !== undefined) return { failures: [], notes, broken: started };
    this.#runs += 1;
    this.#child!.send(job);
    const told = await this.#told(timeoutMs, notes);
    const broken = 'broken' in told ? told.broken : undefined;
    const failures = 'done' in told ? told.done : [];
    // what still waits in a test that was cut short must not meet the next run
    if (broken !== undefined || failures.some(isCutShort)) this.close();
    return { failures, notes, broken };
  }

  close(): void {
    if (this.#child?.pid !== undefined) kill([this.#child.pid, ...descendants(this.#child.pid)]);
    this.#child = undefined;
    this.#runs = 0;
    this.#forget();
  }

  /** Why it could not. */
  async #start(): Promise<string | undefined> {
    if (this.#child !== undefined) return undefined;
    const { folder, files, env } = this.#options;
    this.#child = fork(join(folder, WORKER_FILE), files, {
      cwd: folder,
      env: { ...process.env, ...env },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#forget = onProcessEnd(() => this.close());
    const told = await this.#told(START_MS, []);
    if ('ready' in told) return undefined;
    this.close();
    return 'broken' in told ? told.broken : 'it cannot be started';
  }

  /** What is told in the end. */
  async #told(timeoutMs: number, notes: TestNote[]): Promise<Told> {
    const child = this.#child!;
    let said = '';
    const hear = (text: Buffer): void => void (said = (said + text.toString()).slice(-2_000));
    child.stderr!.on('data', hear);
    let timer: NodeJS.Timeout | undefined;
    const told = await new Promise<Told>((resolve) => {
      timer = setTimeout(() => resolve({ broken: `no end within ${timeoutMs / 1000} s` }), timeoutMs);
      child.once('exit', (code, signal) => {
        resolve({ broken: `the run ended with ${signal ?? `code ${code}`}${said && `, saying:\n${said}`}` });
      });
      child.on('message', (message: Told) => {
        if ('note' in message) notes.push(message.note);
        else resolve(message);
      });
    });
    clearTimeout(timer);
    child.stderr!.off('data', hear).resume();
    child.removeAllListeners('message').removeAllListeners('exit');
    return told;
  }
}

/** It failed as its time ran out: its fault, or the machine's. */
export function isCutShort({ error }: Failure): boolean {
  return /Timeout of \d+|waited \d+ ms/i.test(error);
}
