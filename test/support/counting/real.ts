// The real engine of test/engine/ as a process, with what tests ask of the emulated one; for who has installed it.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

// tests run bundled, from the root of the repository
const FOLDER = join(process.cwd(), 'test/engine');

/** Whether a run is to use it: it must be installed then. */
export function wantsRealEngines(): boolean {
  if (process.env.SCHED_LUA_TEST_ENGINE !== 'real') return false;
  if (existsSync(join(FOLDER, 'node_modules/node-llama-cpp'))) return true;
  throw new Error(
    'SCHED_LUA_TEST_ENGINE=real needs "npm ci --omit=optional --ignore-scripts" in test/engine',
  );
}

export class RealEngine {
  #process: ChildProcess | undefined;
  #port = 0;
  readonly #tokenMs: number;

  constructor(tokenMs: number) {
    this.#tokenMs = tokenMs;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Also after a kill: at the same address. */
  async start(): Promise<this> {
    const args = [join(FOLDER, 'engine.mjs'), String(this.#port), '8', String(this.#tokenMs)];
    const env = { ...process.env, UV_THREADPOOL_SIZE: '1' };
    this.#process = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(this.#process.stdout!, 'data')) as [Buffer];
    this.#port = (JSON.parse(String(line)) as { port: number }).port;
    return this;
  }

  async kill(): Promise<void> {
    const killed = this.#process;
    this.#process = undefined;
    if (killed?.kill('SIGKILL')) await once(killed, 'exit');
  }

  async runningNow(): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return Number(/^vllm:num_requests_running\S* (\S+)$/m.exec(text)?.[1]);
  }
}
