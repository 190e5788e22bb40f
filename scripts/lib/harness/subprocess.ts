/** A forked Node.js process: messages both ways, and the signals by which a crash and a stall are made. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Of what it wrote to stderr, the last characters are kept. */
const KEPT = 4_000;

/** @typeParam Message what the parent sends @typeParam Report what the process answers */
export class Subprocess<Message, Report> {
  /** Resolves when the process is no more: with its exit code, and with how it ended for people. */
  readonly gone: Promise<{ code: number | null; how: string }>;
  readonly #child: ChildProcess;
  #said = '';

  /**
   * @param program a plain file, see harness/bundle.ts
   * @param hear told every message of the process
   */
  constructor(program: URL, hear: (report: Report) => void) {
    this.#child = fork(fileURLToPath(program), {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-KEPT);
    });
    this.#child.on('message', hear);
    this.gone = new Promise((resolve) => {
      this.#child.on('exit', (code, signal) => {
        resolve({ code, how: `${signal ?? `exit code ${String(code)}`}${this.#lastError()}` });
      });
      this.#child.on('error', ({ message }) => {
        if (this.#child.pid === undefined) resolve({ code: null, how: message });
      });
    });
  }

  get alive(): boolean {
    const { pid, exitCode, signalCode } = this.#child;
    return pid !== undefined && exitCode === null && signalCode === null;
  }

  /** A process that has just died reads no more messages, and its exit says so. */
  send(message: Message): void {
    if (this.#child.connected) this.#child.send(message as object, () => undefined);
  }

  /** Ends it at once, as a crash does. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** The process stands still until {@link continue}; its connections stay open. */
  stop(): void {
    this.#child.kill('SIGSTOP');
  }

  continue(): void {
    this.#child.kill('SIGCONT');
  }

  /** What an uncaught error said, with where it was. */
  #lastError(): string {
    const lines = this.#said.trim().split('\n');
    const at = lines.findLastIndex((line) => /^\w*Error\b/.test(line));
    return at < 0 ? '' : `: ${lines.slice(at, at + 2).join(' ')}`;
  }
}
