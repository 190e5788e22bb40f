/** The processes of the demo: commands of this package, each killed with the demo at the latest. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { SchedulerError } from '../../base/errors.ts';
import { onProcessEnd } from '../../testing/redis/cleanup.ts';

/** Of what a process said last, for the error of one that ended. */
const KEPT = 2_000;

export class Child {
  readonly name: string;
  readonly #process: ChildProcess;
  readonly #gone: Promise<unknown>;
  #said = '';
  #heard: () => void = () => undefined;

  constructor(name: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.name = name;
    const program = [...process.execArgv, process.argv[1]!, ...args];
    this.#process = spawn(process.execPath, program, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#process.stdout!, this.#process.stderr!])
      stream.on('data', (data) => {
        this.#said += String(data);
        this.#heard();
      });
    this.#gone = Promise.race([once(this.#process, 'exit'), once(this.#process, 'error')]).finally(() =>
      this.#heard(),
    );
    this.#gone.catch(() => undefined);
  }

  get isOver(): boolean {
    const { pid, exitCode, signalCode } = this.#process;
    return pid === undefined || exitCode !== null || signalCode !== null;
  }

  /**
   * Waits until it has said that, and gives what the first group matched.
   * @throws SchedulerError if it ends without; the signal's reason
   */
  async says(pattern: RegExp, over: AbortSignal): Promise<string> {
    const stopped = (): void => this.#heard();
    over.addEventListener('abort', stopped);
    try {
      for (;;) {
        over.throwIfAborted();
        const found = pattern.exec(this.#said);
        if (found) return found[1] ?? found[0];
        if (this.isOver) throw ended(this.name, this.#said);
        await new Promise<void>((resolve) => (this.#heard = resolve));
      }
    } finally {
      over.removeEventListener('abort', stopped);
    }
  }

  /** By SIGKILL. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.killNow();
    await this.#gone.catch(() => undefined);
  }

  killNow(): void {
    if (!this.isOver) this.#process.kill('SIGKILL');
  }
}

function ended(name: string, said: string): SchedulerError {
  return new SchedulerError('FAILED', 'demo', `${name} ended at its start: ${said.slice(-KEPT).trim()}`);
}

export class Children {
  readonly #children: Child[] = [];
  readonly #env: NodeJS.ProcessEnv;
  readonly #forget: () => void;

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
    this.#forget = onProcessEnd(() => {
      for (const child of this.#children) child.killNow();
    });
  }

  start(name: string, args: readonly string[]): Child {
    const child = new Child(name, args, this.#env);
    this.#children.push(child);
    return child;
  }

  /** Kills all that are left. */
  async close(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.kill()));
    this.#forget();
  }
}
