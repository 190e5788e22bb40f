/** Runs the fast tests on a mutant, on a Redis of its own, until the first one fails. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { SCRIPT_NAMES } from '../../src/redis/declarations.ts';
import { assembleText } from '../../src/redis/assemble.ts';
import { startBinary } from '../../src/testing/redis/binary.ts';
import { findRedis, type RedisServer } from '../lib/redis/find.ts';
import { SUPPORT_FILE, writeSources, type Sources } from './bundle.ts';

const mocha = fileURLToPath(new URL('../../node_modules/mocha/bin/mocha.js', import.meta.url));
/** A script that runs longer is killed with its server, and the mutant with it. */
const SERVER = ['--lua-time-limit', '3000'];

export interface Verdict {
  killed: boolean;
  /** The test that failed, or how else the run ended. */
  by: string;
  ms: number;
}

export interface JudgeOptions {
  /** Bundled tests; see bundle.ts. */
  folder: string;
  /** Of the model, ms and seed. */
  modelMs: number;
  seed: number;
  /** A run that takes longer is given up, and the mutant counts as killed: a healthy one does not. */
  timeoutMs: number;
}

export class Judge {
  readonly #options: JudgeOptions;
  #server: RedisServer | undefined;

  constructor(options: JudgeOptions) {
    this.#options = options;
  }

  async close(): Promise<void> {
    await this.#server?.stop();
    this.#server = undefined;
  }

  /**
   * @param files tests in their order
   * @throws Error if a text does not compile: then its tests would fail for want of a script, not of a guard
   */
  async judge(sources: Sources, files: readonly string[]): Promise<Verdict> {
    const server = await this.#emptyServer(sources);
    writeSources(this.#options.folder, sources);
    const began = performance.now();
    const { seed, modelMs, folder, timeoutMs } = this.#options;
    const child = spawn(
      process.execPath,
      [
        mocha,
        '--no-config',
        '--bail',
        '--reporter',
        'json-stream',
        '--timeout',
        '20000',
        '--require',
        join(folder, SUPPORT_FILE),
        '--no-sort',
        ...files,
      ],
      {
        cwd: folder,
        env: {
          ...process.env,
          SCHED_LUA_TEST_REDIS: server.url,
          SCHED_LUA_SEED: String(seed),
          SCHED_LUA_MODEL_MS: String(modelMs),
        },
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    const by = await firstFailure(child, timeoutMs);
    return { killed: by !== undefined, by: by ?? '', ms: Math.round(performance.now() - began) };
  }

  /** A server without keys, scripts, or what a test that was cut short had set. */
  async #emptyServer({ scripts, helpers }: Sources): Promise<RedisServer> {
    for (;;) {
      const server = (this.#server ??= await privateServer());
      const redis = new Redis(server.url, {
        commandTimeout: 2_000,
        maxRetriesPerRequest: 0,
        retryStrategy: () => null,
      });
      redis.on('error', () => undefined);
      try {
        await redis.config('SET', 'maxmemory', '0');
        await redis.flushall();
        await redis.script('FLUSH');
        for (const name of SCRIPT_NAMES)
          await redis.script('LOAD', assembleText(name, scripts[name]!, helpers));
        return server;
      } catch (error) {
        if (error instanceof Error && /compiling/i.test(error.message)) throw error;
        await this.close();
      } finally {
        redis.disconnect();
      }
    }
  }
}

function privateServer(): Promise<RedisServer> {
  return startBinary(SERVER).catch(() => findRedis({ prefer: 'container', args: SERVER }));
}

/** The title of the first test that fails, at once; undefined if all pass. The run is over when this resolves. */
async function firstFailure(child: ChildProcess, timeoutMs: number): Promise<string | undefined> {
  let failure: string | undefined;
  let ended = false;
  const over = once(child, 'close');
  const timer = setTimeout(() => {
    failure ??= `no end within ${timeoutMs / 1000} s`;
    child.kill('SIGKILL');
  }, timeoutMs);
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line.startsWith('["fail"') && failure === undefined) {
      failure = (JSON.parse(line) as [string, { fullTitle: string }])[1].fullTitle;
      // what follows is clean-up that nobody needs
      child.kill('SIGKILL');
    }
    ended ||= line.startsWith('["end"');
  }
  const [code] = (await over) as [number | null];
  clearTimeout(timer);
  return failure ?? (code === 0 && ended ? undefined : `the run ended with ${code ?? 'a signal'}`);
}
