/** The Redis of a chaos run: a process of ours that writes an append-only file, and may be killed and started again. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findServer } from '../redis/binary.ts';
import { onProcessEnd } from '../redis/cleanup.ts';
import { installRedis } from '../redis/install.ts';
import { probe } from '../redis/probe.ts';
import type { Log } from '../redis/server.ts';

const START_MS = 10_000;

export class ChaosRedis {
  readonly port: number;
  readonly #program: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sched-lua-chaos-redis-'));
  #child: ChildProcess | undefined;
  readonly #forget: () => void;

  private constructor(program: string, port: number) {
    this.#program = program;
    this.port = port;
    this.#forget = onProcessEnd(() => {
      this.#child?.kill('SIGKILL');
      this.#remove();
    });
  }

  /**
   * The program is the one on PATH; where there is none it is installed.
   *
   * @throws if that fails, or the server does not start
   */
  static async open(log: Log): Promise<ChaosRedis> {
    if (findServer() === undefined) await installRedis(log);
    const program = findServer();
    if (program === undefined) throw new Error('chaos needs redis-server or valkey-server on PATH');
    const redis = new ChaosRedis(program, await freePort());
    await redis.#start();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /**
   * SIGKILL, and a start. What it had answered is in the page cache of the machine, which outlives the process, so the
   * append-only file gives everything back; `empty` removes it.
   *
   * @param downMs how long it is away beside the start
   */
  async restart(empty: boolean, downMs = 0): Promise<void> {
    await this.#kill();
    await sleep(downMs);
    if (empty) rmSync(join(this.#folder, 'appendonlydir'), { recursive: true, force: true });
    await this.#start();
  }

  async close(): Promise<void> {
    await this.#kill();
    this.#remove();
    this.#forget();
  }

  async #start(): Promise<void> {
    this.#child = spawn(
      this.#program,
      [
        ...['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.#folder, '--save', ''],
        ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction'],
      ],
      { stdio: 'ignore', detached: true },
    );
    this.#child.unref();
    await probe(this.url, START_MS);
  }

  async #kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const over = once(child, 'exit');
    child.ref();
    child.kill('SIGKILL');
    await over;
  }

  #remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
