/** One process of the fleet, as the parent sees it. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { HistoryReader, now } from '../lib/harness/history.ts';
import type { Entry, Happening } from './history.ts';
import type { Process } from './ledger.ts';
import type { Arrival, NodeSettings, Order, Report } from './node.ts';

const program = fileURLToPath(new URL('./node.ts', import.meta.url));
const START_MS = 60_000;
const CLOSE_MS = 15_000;

/** A process did not start. */
export class NodeDied extends Error {}

export class Member implements Process {
  readonly node: string;
  readonly predecessor: Process | undefined;
  killedAt: number | undefined;
  /** `died`: against the plan. */
  state: 'starting' | 'up' | 'killed' | 'closing' | 'closed' | 'died' = 'starting';
  readonly #child: ChildProcess;
  readonly #history: HistoryReader<Happening>;
  readonly #onDeath: (reason: string) => void;
  readonly #started: Promise<void>;
  #startEnded!: (failure?: NodeDied) => void;
  #said = '';

  /** @param onDeath told why the process ended against the plan, once it had started */
  constructor(settings: NodeSettings, predecessor: Process | undefined, onDeath: (reason: string) => void) {
    this.node = settings.scheduler.node;
    this.predecessor = predecessor;
    this.#onDeath = onDeath;
    this.#history = new HistoryReader(settings.history);
    this.#started = new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#end(`it was not up within ${START_MS} ms`), START_MS);
      this.#startEnded = (failure) => {
        clearTimeout(timer);
        if (failure) reject(failure);
        else resolve();
      };
    });
    // whoever waits for it hears it all the same
    this.#started.catch(() => undefined);
    this.#child = this.#fork();
    this.#order({ order: 'start', settings });
  }

  #fork(): ChildProcess {
    const child = fork(program, {
      execArgv: ['--import', import.meta.resolve('tsx')],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-4_000);
    });
    child.on('message', (report: Report) => {
      if (report.report === 'failed') this.#end(report.reason);
      else if (this.state === 'starting') {
        this.state = 'up';
        this.#startEnded();
      }
    });
    child.on('error', (error) => this.#end(error.message));
    child.on('exit', (code, signal) => {
      if (this.state === 'closing' && code === 0) this.state = 'closed';
      else this.#end(`${signal ?? `exit code ${String(code)}`}${this.#lastError()}`);
    });
    return child;
  }

  /** It is over, or as good as over. */
  #end(reason: string): void {
    const { state } = this;
    if (state === 'killed' || state === 'closed' || state === 'died') return;
    this.state = 'died';
    this.#child.kill('SIGKILL');
    if (state === 'starting') this.#startEnded(new NodeDied(`${this.node} did not start: ${reason}`));
    else this.#onDeath(reason);
  }

  /**
   * Resolves when it takes part in the fleet.
   * @throws NodeDied
   */
  started(): Promise<void> {
    return this.#started;
  }

  put(arrivals: readonly Arrival[]): void {
    this.#order({ order: 'put', arrivals: [...arrivals] });
  }

  /** What it wrote since the last call. */
  news(): Entry[] {
    return this.#history.read();
  }

  /** As a crash does. */
  kill(): void {
    this.killedAt = now();
    this.state = 'killed';
    this.#child.kill('SIGKILL');
  }

  /** Closes its scheduler and lets it end by itself; false if it does not. */
  async close(): Promise<boolean> {
    if (this.state !== 'up') return true;
    this.state = 'closing';
    const over = once(this.#child, 'exit').then(() => true);
    this.#order({ order: 'close' });
    return Promise.race([over, sleep(CLOSE_MS, false, { ref: false })]);
  }

  /** Ends it at once, in whatever state. */
  destroy(): void {
    if (this.state === 'starting') this.#startEnded(new NodeDied(`${this.node} was not needed any more`));
    if (this.state !== 'died' && this.state !== 'killed') this.state = 'closed';
    this.#child.kill('SIGKILL');
  }

  /** Resolves when the process is no more. */
  async gone(): Promise<void> {
    const { exitCode, signalCode, pid } = this.#child;
    if (pid !== undefined && exitCode === null && signalCode === null) await once(this.#child, 'exit');
    this.#history.close();
  }

  #order(order: Order): void {
    // one that has just died reads no more orders, and its exit says so
    if (this.#child.connected) this.#child.send(order, () => undefined);
  }

  /** What an uncaught error said, among its stack. */
  #lastError(): string {
    const line = this.#said.split('\n').findLast((text) => /^\w*Error\b/.test(text));
    return line === undefined ? '' : `: ${line}`;
  }
}
