// The runner's side of a worker: a process that is given one file at a time, and is ended if it hangs.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { plainPath } from '../../../scripts/lib/harness/bundle.ts';
import { SHARED_BUNDLES } from '../bundle.ts';
import type { News, Order, Outcome, Settings } from './messages.ts';
import { descendants, kill, members } from './processes.ts';

/** Its program, from the project's folder. */
export const WORKER = 'test/support/runner/worker.ts';
/** A worker that cannot end by itself says so after 3 s. */
const END_MS = 15_000;
/** In which what it started ends after it. */
const ORPHANS_MS = 2_000;
const TERM_MS = 1_000;
const HANGS = 'it hung';

/** How a file went. */
export interface FileReport {
  file: string;
  ms: number;
  outcomes: Outcome[];
  /** What its tests wrote to stdout and stderr. */
  output: string;
}

export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #log: string;
  /** Once it has ended, also after it was killed, and all it said was heard: how it ended. */
  readonly #over: Promise<string>;
  #hear: (news: News) => void = () => undefined;
  #isOver = false;
  #read = 0;

  private constructor(plain: string, log: string) {
    this.#log = log;
    // a file takes the output: it is in order, and whole when the process crashes
    const file = openSync(log, 'a');
    this.#child = fork(join(plain, plainPath(WORKER)), {
      // errors name the lines of the sources; with room for what is young, a whole run takes 2 % less CPU
      execArgv: ['--enable-source-maps', '--max-semi-space-size=64'],
      stdio: ['ignore', file, file, 'ipc'],
      env: { ...process.env, [SHARED_BUNDLES]: plain },
      // a group of its own: Ctrl-C reaches the runner alone, which ends the worker
      detached: true,
    });
    closeSync(file);
    this.#child.on('message', (news) => this.#hear(news as News));
    this.#over = this.#watchEnd();
  }

  /**
   * @param log a file for its output
   * @throws with what it said if it ends while it starts
   */
  static async start(settings: Settings, log: string): Promise<WorkerProcess> {
    const worker = new WorkerProcess(settings.plain, log);
    const ready = new Promise<undefined>((resolve) => {
      worker.#hear = ({ what }) => {
        if (what === 'ready') resolve(undefined);
      };
    });
    const how = await Promise.race([ready, worker.#over]);
    if (how !== undefined)
      throw new Error(`a worker ended while it started (${how}), saying:\n${worker.#output()}`);
    worker.#send({ do: 'prepare', settings });
    return worker;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * Never rejects: a crash, and a file that takes longer than `timeoutMs`, are failures of the file.
   * @returns undefined if the worker ended before it began with the file: that is no fault of this file
   */
  async run(file: string, timeoutMs: number): Promise<FileReport | undefined> {
    const began = performance.now();
    const outcomes: Outcome[] = [];
    const steps: string[] = [];
    const ended = new Promise<undefined>((resolve) => {
      this.#hear = (news) => {
        if (news.what === 'step begun') steps.push(news.title);
        else if (news.what === 'step ended') outcomes.push(news.outcome);
        else if (news.what === 'file ended') resolve(undefined);
      };
    });
    this.#send({ do: 'run', file });
    const how = await this.#watched(timeoutMs, ended);
    this.#hear = () => undefined;
    if (how !== undefined) {
      if (steps.length === 0 && how !== HANGS) return undefined;
      const failure =
        how === HANGS ? `no end after ${timeoutMs / 1_000} s` : `the process of its worker ended (${how})`;
      outcomes.push({
        ...{ state: 'failed', title: `${file} runs to its end`, ms: 0 },
        failure: `${file}:\n  ${failure}, during: ${steps.at(-1) ?? 'its start'}`,
      });
    }
    return { file, ms: Math.round(performance.now() - began), outcomes, output: this.#output() };
  }

  /** Lets it end by itself; answers what is wrong with how it did. */
  async end(): Promise<string | undefined> {
    if (this.#isOver) return undefined;
    this.#send({ do: 'end' });
    const how = await this.#watched(END_MS);
    if (how !== 'code 0') return `a worker ended badly (${how})\n${this.#output()}`;
    const left = await this.#orphans();
    return left.length === 0 ? undefined : `processes that tests started still run: ${left.join(' ')}`;
  }

  /** Ends it and all that it started, at once: what clears up after itself gets a second for it. */
  async abort(): Promise<void> {
    if (this.#isOver) return;
    const all = [this.#child.pid!, ...descendants(this.#child.pid!)];
    kill([this.#child.pid!], 'SIGTERM');
    const timer = setTimeout(() => kill(all), TERM_MS);
    await this.#over;
    clearTimeout(timer);
    kill([...all, ...members(this.#child.pid!)]);
  }

  #send(order: Order): void {
    // one that has crashed meanwhile is heard of by its end
    if (this.#child.connected) this.#child.send(order, () => undefined);
  }

  #kill(): void {
    kill([...descendants(this.#child.pid!), ...members(this.#child.pid!), this.#child.pid!]);
  }

  /**
   * Waits for the process to end, and ends it after `ms`.
   * @returns how it ended; {@link HANGS} if it had to be ended; undefined: `enough` came first
   */
  async #watched(ms: number, enough?: Promise<undefined>): Promise<string | undefined> {
    const late = new AbortController();
    const watchdog = setTimeout(() => {
      late.abort();
      this.#kill();
    }, ms);
    const how = await Promise.race(enough ? [enough, this.#over] : [this.#over]);
    clearTimeout(watchdog);
    return how !== undefined && late.signal.aborted ? HANGS : how;
  }

  async #watchEnd(): Promise<string> {
    const disconnected = once(this.#child, 'disconnect');
    const [code, signal] = (await once(this.#child, 'exit')) as [number | null, string | null];
    await disconnected;
    this.#isOver = true;
    return signal ?? `code ${code}`;
  }

  /** Of its group, after up to 2 s in which they may end. */
  async #orphans(): Promise<number[]> {
    const end = performance.now() + ORPHANS_MS;
    for (;;) {
      const left = members(this.#child.pid!);
      if (left.length === 0) return left;
      if (performance.now() > end) {
        kill(left);
        return left;
      }
      await new Promise((next) => setTimeout(next, 20));
    }
  }

  /** What it wrote since the last call. */
  #output(): string {
    const all = readFileSync(this.#log);
    const news = all.subarray(this.#read).toString('utf8');
    this.#read = all.length;
    return news;
  }
}
