// A shell command on a terminal that nobody sees: by `script` of util-linux, where it is at hand.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { waitUntil } from './server.ts';

export class PseudoTerminal {
  /** All that was written to it. */
  seen = '';
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown[]>;

  static get isPossible(): boolean {
    const { status, stdout } = spawnSync('script', ['--version'], { encoding: 'utf8' });
    return status === 0 && stdout.includes('util-linux') && spawnSync('stty', ['--version']).status === 0;
  }

  /** @param shell is run at 24 lines of 80 columns; the exit code is its own */
  constructor(shell: string, env: Readonly<Record<string, string>> = {}) {
    const whole = `stty rows 24 cols 80; tty; ${shell}`;
    this.#child = spawn('script', ['-qefc', whole, '/dev/null'], {
      env: { ...process.env, TERM: 'xterm', SHELL: '/bin/sh', NO_COLOR: '', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.seen += text));
    this.#ended = once(this.#child, 'close');
  }

  press(keys: string): void {
    this.#child.stdin!.write(keys);
  }

  /** What was written since this position, once it is there. */
  async sees(what: RegExp, from = 0): Promise<void> {
    await waitUntil(() => what.test(this.seen.slice(from)), `it shows ${String(what)}`, 60_000);
  }

  /** The programs in it are told. */
  resize(rows: number, columns: number): void {
    const [, tty] = /(\/dev\/\S+)/.exec(this.seen)!;
    const size = ['rows', String(rows), 'cols', String(columns)];
    const { status, stderr } = spawnSync('stty', ['-F', tty!, ...size], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
  }

  /** Its exit code. */
  async end(): Promise<number> {
    const [code] = await this.#ended;
    return code as number;
  }

  kill(): void {
    this.#child.kill('SIGHUP');
  }
}
