// The programs of examples/, each as a process of its own.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from './bundle.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A running example and what it has said so far. */
export class Example {
  stdout = '';
  stderr = '';
  readonly child: ChildProcess;
  readonly #closed: Promise<unknown[]>;

  /** @param env added to our own; an undefined value removes a variable */
  static async start(name: string, env: NodeJS.ProcessEnv): Promise<Example> {
    return new Example(fileURLToPath(await bundle(pathToFileURL(`${root}examples/${name}.ts`))), env);
  }

  private constructor(file: string, env: NodeJS.ProcessEnv) {
    this.child = spawn(process.execPath, [file], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.#closed = once(this.child, 'close');
  }

  get lines(): string[] {
    return this.stdout.split('\n').filter((line) => line !== '');
  }

  /** Resolves when it has ended, with its exit code, or the signal that ended it. */
  async ended(): Promise<number | NodeJS.Signals> {
    const [code, signal] = (await this.#closed) as [number | null, NodeJS.Signals | null];
    return code ?? signal!;
  }

  /** Ends it if it still runs. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#closed;
  }
}

/** The code of examples/quick-start.ts without its head comment, as the README shows it. */
export function quickStart(): string {
  const file = readFileSync(`${root}examples/quick-start.ts`, 'utf8');
  return file.slice(file.indexOf('import '));
}
