/** Streams and requests of a front for an engine, both nodes in this process; of each ten requests some end badly. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Scheduler, type ClaimedRequest } from '../../src/index.ts';
import { quantile } from '../lib/measure/statistics.ts';
import { Random } from '../lib/traffic/random.ts';
import type { Sample } from './judge.ts';
import type { Options } from './options.ts';

interface SoakRequest {
  request_id: string;
  prompt_token_ids: number[];
  /** 0: an answer without chunks. */
  chunks: number;
  end: End;
}

type End = 'finished' | 'failed' | 'cancelled' | 'expired';

const ITERATION_MS = 30;
const PUT_EVERY_MS = 20;
const WAIT_MS = 500;
const BLOCKS = 1_000_000;
/** As a chat's answer has tokens: 211 on average. */
const CHUNKS = { least: 22, most: 400 };
/** Of ten requests. */
const ENDS: readonly End[] = [
  'finished',
  'failed',
  'cancelled',
  'expired',
  ...Array<End>(6).fill('finished'),
];
/** What a planted leak keeps per sample, 1 MB, however slow the machine is. */
const LEAK_WORDS = 2 ** 17;
/** The slowest that a planted drift makes a request: far more than a busy machine does. */
const DRIFT_MS = 4_000;

export class Load {
  /** How requests ended. */
  readonly ends: Record<End, number> = { finished: 0, failed: 0, cancelled: 0, expired: 0 };
  chunks = 0;
  readonly #options: Options;
  readonly #random: Random;
  readonly #front: Scheduler<SoakRequest, string>;
  readonly #engine: Scheduler<SoakRequest, string>;
  /** Never fires: what listens to it for ever would be a leak. */
  readonly #forever = new AbortController();
  readonly #stop = new AbortController();
  readonly #leak: unknown[] = [];
  readonly #began = performance.now();
  /** Requests without chunks, by their ids: when they were put. */
  readonly #put = new Map<string, number>();
  #chunkMs: number[] = [];
  #requestMs: number[] = [];
  #count = 0;
  #work: Promise<unknown> = Promise.resolve();
  #served: Promise<void> = Promise.resolve();

  static async start(redis: string, topic: string, options: Options): Promise<Load> {
    const open = (node: string): Promise<Scheduler<SoakRequest, string>> =>
      Scheduler.start<SoakRequest, string>({ redis, topic, node, onWarning: () => undefined });
    const engine = await open('engine');
    try {
      return new Load(await open('front'), engine, options);
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  private constructor(
    front: Scheduler<SoakRequest, string>,
    engine: Scheduler<SoakRequest, string>,
    options: Options,
  ) {
    [this.#front, this.#engine, this.#options] = [front, engine, options];
    this.#random = new Random(options.seed);
  }

  begin(): void {
    const { streams } = this.#options;
    const budget = {
      ...{ availableBlocks: BLOCKS, blockSize: 16, reservedOutputBlocks: 1 },
      ...{ maxNumBatchedTokens: BLOCKS, batch: streams + 1_000 },
    };
    this.#served = this.#engine.run((request) => this.#execute(request), { budget });
    this.#work = Promise.all([
      ...Array.from({ length: streams }, () => this.#readStreams()),
      this.#putRequests(),
      this.#takeResults(),
    ]);
    this.#work.catch(() => this.#stop.abort());
  }

  /** What passed since the last call. */
  sample(heapMb: number): Sample {
    const [chunks, requests] = [this.#chunkMs, this.#requestMs];
    [this.#chunkMs, this.#requestMs] = [[], []];
    if (this.#options.plant.includes('leak')) this.#leak.push(new Array(LEAK_WORDS).fill(heapMb));
    return { heapMb, chunkP99Ms: quantile(chunks, 0.99), requestP99Ms: quantile(requests, 0.99) };
  }

  /** All that is under way comes to its end. */
  async end(): Promise<void> {
    this.#stop.abort();
    try {
      await this.#work;
    } finally {
      await Promise.all([this.#front.close(), this.#engine.close()]);
      await this.#served;
    }
  }

  get #isOver(): boolean {
    return this.#stop.signal.aborted;
  }

  #next(chunks: number): SoakRequest {
    const number = (this.#count += 1);
    const end = ENDS[number % ENDS.length]!;
    return { request_id: `r${number}`, prompt_token_ids: [1, 2, 3], chunks, end };
  }

  async *#execute({
    request,
    signal,
  }: ClaimedRequest<SoakRequest>): AsyncGenerator<string, string, undefined> {
    if (this.#options.plant.includes('drift') && request.chunks === 0) {
      const share = (performance.now() - this.#began) / (this.#options.seconds * 1000);
      await sleep(DRIFT_MS * Math.min(1, share) ** 2);
    }
    for (let left = request.chunks; left > 0 && !this.#isOver && !signal.aborted; left -= 1) {
      await sleep(ITERATION_MS);
      yield String(performance.now());
    }
    if (request.end === 'failed') throw new Error('planned');
    return 'done';
  }

  async #readStreams(): Promise<void> {
    const { least, most } = CHUNKS;
    while (!this.#isOver) {
      const chunks = Math.round(least + (most - least) * this.#random.uniform());
      const request = this.#next(chunks);
      const own = new AbortController();
      const signal = AbortSignal.any([this.#forever.signal, own.signal]);
      const deadline = request.end === 'expired' ? { deadlineMs: (chunks * ITERATION_MS) / 2 } : {};
      const submission = this.#front.submit(request, { signal, ...deadline });
      let left = Math.floor(chunks / 2);
      for await (const result of submission) {
        if (result.kind === 'restart') continue;
        if (result.kind === 'chunk') {
          this.chunks += 1;
          this.#chunkMs.push(performance.now() - Number(result.output));
          left -= 1;
          if (left === 0 && request.end === 'cancelled') own.abort();
        } else this.ends[result.kind] += 1;
      }
    }
  }

  async #putRequests(): Promise<void> {
    const count = Math.max(1, Math.round((this.#options.rate * PUT_EVERY_MS) / 1000));
    while (!this.#isOver) {
      const requests = Array.from({ length: count }, () => this.#next(0));
      for (const { request_id: id } of requests) this.#put.set(id, performance.now());
      for (const { error } of await this.#front.putRequests(requests)) if (error) throw error;
      // which is often too late: they wait for nothing
      for (const { request_id: id, end } of requests)
        if (end === 'cancelled') void this.#front.cancel(id).catch(() => undefined);
      await sleep(PUT_EVERY_MS);
    }
  }

  async #takeResults(): Promise<void> {
    while (!this.#isOver || this.#put.size > 0) {
      for (const [id, results] of await this.#front.getResults({ waitMs: WAIT_MS })) {
        const { kind } = results.at(-1)!;
        if (kind === 'chunk' || kind === 'restart') continue;
        this.ends[kind] += 1;
        if (kind === 'finished') this.#requestMs.push(performance.now() - this.#put.get(id)!);
        this.#put.delete(id);
      }
    }
  }
}
