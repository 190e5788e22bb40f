// Workers that take files from one queue. Each has a Redis of its own for as long as the run lasts.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RedisServer } from '../../../scripts/lib/redis/find.ts';
import { writePlain } from '../../../scripts/lib/harness/bundle.ts';
import { startAnother, startServer } from '../start-server.ts';
import type { Settings } from './messages.ts';
import { CACHE, root } from './paths.ts';
import { WORKER, WorkerProcess, type FileReport } from './worker-process.ts';

export interface PoolOptions extends Omit<Settings, 'redis' | 'plain'> {
  jobs: number;
  fileTimeoutMs: number;
  /** For people, one line each. */
  log: (line: string) => void;
  /** As soon as a file is over. */
  report: (report: FileReport) => void;
  /** What is wrong with a worker apart from its files. */
  complain: (complaint: string) => void;
}

export class Pool {
  readonly #options: PoolOptions;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sched-lua-tests-'));
  /** Below node_modules, where the packages are found. */
  readonly #plain: string;
  readonly #servers = new Set<RedisServer>();
  readonly #workers = new Set<WorkerProcess>();
  #isClosed = false;
  #started = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
    mkdirSync(CACHE, { recursive: true });
    this.#plain = mkdtempSync(join(CACHE, 'tests-'));
  }

  /** Runs the files, begun in their order; rejects only if they cannot be read, or Redis or a worker cannot be started. */
  async run(files: readonly string[]): Promise<void> {
    const queue = [...files];
    const jobs = Math.min(this.#options.jobs, files.length);
    await writePlain(root, [WORKER, ...files], this.#plain, { sourcemap: 'linked' });
    // the first may have to be installed, which two cannot do at once
    const first = this.#keep(await startServer((line) => this.#options.log(line)));
    this.#options.log(
      `Redis of ${jobs === 1 ? 'the worker' : `each of ${jobs} workers`}: ${first.description}`,
    );
    await Promise.all(
      Array.from({ length: jobs }, async (_, i) => {
        const redis = i === 0 ? first : this.#keep(await startAnother(first));
        await this.#work(queue, redis);
      }),
    );
  }

  /** Ends what is still running, and every Redis. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#workers].map((worker) => worker.abort()));
    await Promise.all([...this.#servers].map((server) => server.stop()));
    for (const folder of [this.#folder, this.#plain]) rmSync(folder, { recursive: true, force: true });
  }

  async #work(queue: string[], redis: RedisServer): Promise<void> {
    const { fileTimeoutMs, report, complain } = this.#options;
    let worker: WorkerProcess | undefined;
    let previous: string | undefined;
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      if (this.#isOver()) return;
      if (worker?.isOver !== false) worker = await this.#startWorker(redis);
      let done = await worker.run(file, fileTimeoutMs);
      if (done === undefined && !this.#isOver()) {
        complain(`the process of a worker ended after ${previous ?? 'its start'}`);
        worker = await this.#startWorker(redis);
        done = await worker.run(file, fileTimeoutMs);
      }
      if (this.#isOver()) return;
      if (done !== undefined) report(done);
      previous = file;
    }
    const complaint = await worker?.end();
    if (complaint !== undefined && !this.#isOver()) complain(complaint);
  }

  /** What ends from now on, ends because we end it. */
  #isOver(): boolean {
    return this.#isClosed;
  }

  async #startWorker(redis: RedisServer): Promise<WorkerProcess> {
    const { grep, seed, forbidOnly, colors } = this.#options;
    const { url, kind, description } = redis;
    const log = join(this.#folder, `worker-${(this.#started += 1)}.log`);
    const worker = await WorkerProcess.start(
      { redis: { url, kind, description }, plain: this.#plain, grep, seed, forbidOnly, colors },
      log,
    );
    this.#workers.add(worker);
    return worker;
  }

  #keep(server: RedisServer): RedisServer {
    this.#servers.add(server);
    return server;
  }
}
