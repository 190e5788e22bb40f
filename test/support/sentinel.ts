// One Sentinel of one master on loopback, which is enough of them, and quick to act.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { findServer, freePort } from '../../src/testing/redis/binary.ts';
import { onProcessEnd } from '../../src/testing/redis/cleanup.ts';
import { waitUntil } from './server.ts';

const MASTER_NAME = 'fleet';

/** It rewrites its configuration, so it has a folder. */
export class Sentinel {
  readonly name = MASTER_NAME;
  readonly port: number;
  readonly client: Redis;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sched-lua-sentinel-'));
  readonly #forget: () => void;
  readonly #child: ChildProcess;

  /** @throws Error if there is no server program on PATH */
  static async start(masterPort: number): Promise<Sentinel> {
    const program = findServer();
    if (program === undefined) throw new Error('neither redis-server nor valkey-server is on PATH');
    const sentinel = new Sentinel(program, await freePort(), masterPort);
    await waitUntil(async () => (await sentinel.masterPort()) === masterPort, 'the sentinel is up', 30_000);
    return sentinel;
  }

  private constructor(program: string, port: number, masterPort: number) {
    const file = join(this.#folder, 'sentinel.conf');
    const rules = [
      `monitor ${MASTER_NAME} 127.0.0.1 ${masterPort} 1`,
      `down-after-milliseconds ${MASTER_NAME} 300`,
      `failover-timeout ${MASTER_NAME} 3000`,
    ];
    writeFileSync(
      file,
      [`port ${port}`, 'bind 127.0.0.1', ...rules.map((rule) => `sentinel ${rule}`), ''].join('\n'),
    );
    this.port = port;
    this.#child = spawn(program, [file, '--sentinel', '--dir', this.#folder], { stdio: 'ignore' });
    this.#forget = onProcessEnd(() => this.#child.kill('SIGKILL'));
    this.client = new Redis({ port, maxRetriesPerRequest: null, retryStrategy: () => 50 });
    this.client.on('error', () => undefined);
  }

  async masterPort(): Promise<number> {
    const [, port] = (await this.client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME)) as string[];
    return Number(port);
  }

  async knowsReplica(): Promise<boolean> {
    return ((await this.client.call('SENTINEL', 'REPLICAS', MASTER_NAME)) as unknown[]).length === 1;
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }

  async stop(): Promise<void> {
    this.client.disconnect();
    const over = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await over;
    this.#forget();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
