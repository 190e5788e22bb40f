// A tool of scripts/ as a process: what it says, and how it ends.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from './bundle.ts';
import { redisUrl } from './server.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** On a busy machine. */
const BUILD_MS = 60_000;

export interface Program {
  /** All that it has said so far. */
  said: { stdout: string; stderr: string };
  /** Resolves with its exit code. */
  over: Promise<number | null>;
  /** Resolves when it has said so on stdout; rejects if it ends without. */
  says(words: string): Promise<void>;
  interrupt(): void;
  /** None of its process group is left. */
  isGone(): boolean;
}

/** @param env beside this process's, whose Redis it is given */
export type StartProgram = (args: readonly string[], env?: Readonly<Record<string, string>>) => Program;

/** Starts `script`, a file of the project; what still runs after the test is killed. */
export function useProgram(script: string): StartProgram {
  const children: ChildProcess[] = [];
  let file = '';
  before(async function () {
    this.timeout(BUILD_MS);
    file = fileURLToPath(await bundle(pathToFileURL(root + script)));
  });
  // a group of its own, all of which is ended
  afterEach(() => {
    for (const child of children.splice(0)) signal(-child.pid!, 'SIGKILL');
  });
  return (args, more = {}) => {
    const child = spawn(process.execPath, [file, ...args], {
      cwd: root,
      env: { ...process.env, SCHED_LUA_REDIS_URL: redisUrl(), ...more },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    children.push(child);
    const said = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text));
    const over = once(child, 'close').then(([code]) => code as number | null);
    const says = async (words: string): Promise<void> => {
      const ended = new AbortController();
      void over.then(() => ended.abort());
      try {
        while (!said.stdout.includes(words)) await once(child.stdout, 'data', { signal: ended.signal });
      } catch {
        throw new Error(`it did not say "${words}", but: ${said.stdout}${said.stderr}`);
      }
    };
    return {
      ...{ said, over, says },
      interrupt: () => void child.kill('SIGINT'),
      isGone: () => !signal(-child.pid!, 0),
    };
  };
}

/** Whether there was a process to send it to. */
function signal(pid: number, name: 'SIGKILL' | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
