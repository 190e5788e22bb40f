/** sched-lua as a peer of the chaos run. */
import { Scheduler, SchedulerError } from '../../src/index.ts';
import type { HistoryWriter } from '../lib/harness/history.ts';
import type { Happening, Output } from '../lib/harness/happenings.ts';
import {
  EVICTED_EXIT,
  type ChaosRequest,
  type Execute,
  type Peer,
  type PeerSettings,
  type PutRequest,
  type Refusal,
} from '../lib/harness/peer.ts';
import { Iterations } from './iterations.ts';
import { tapNews, tapShards } from './taps.ts';

/** A name stands for so many leases without a renewal. */
const KEEP_ALIVE_LEASES = 2;
/** Longer than any run: a name that is silent for it is forgotten with its results. */
const TTL_MS = 3_600_000;
const COMMAND_TIMEOUT_MS = 4_000;
const TRIES = 6;

type ChaosScheduler = Scheduler<ChaosRequest, Output>;

/** Starts one; `over` in the history says that it was evicted. */
export async function startOurs(
  settings: PeerSettings,
  history: HistoryWriter<Happening>,
  execute: Execute,
): Promise<Peer> {
  const peer = new Ours(history, execute);
  await peer.start(settings);
  return peer;
}

class Ours implements Peer {
  readonly #history: HistoryWriter<Happening>;
  readonly #execute: Execute;
  #scheduler: ChaosScheduler | undefined;
  #served: Promise<void> | undefined;

  constructor(history: HistoryWriter<Happening>, execute: Execute) {
    this.#history = history;
    this.#execute = execute;
    tapShards(history);
    tapNews(() => this.#collect());
  }

  async start(settings: PeerSettings): Promise<void> {
    const { redis, topic, node, takeover, slots, iterationMs, leaseMs, loadShards, policy } = settings;
    const scheduler: ChaosScheduler = await Scheduler.start({
      ...{ redis, topic, node, takeover, leaseMs, loadShards, policy },
      keepAliveMs: KEEP_ALIVE_LEASES * leaseMs,
      pollMs: 500,
      ttlMs: TTL_MS,
      commandTimeout: COMMAND_TIMEOUT_MS,
      tries: TRIES,
      onWarning: (message) => this.#history.write({ what: 'warned', message }),
    });
    this.#history.write({ what: 'started', node: scheduler.node, takeover });
    this.#scheduler = scheduler;
    this.#collect();
    scheduler.over.addEventListener('abort', () => {
      this.#collect();
      const { code } = scheduler.over.reason as SchedulerError;
      this.#history.write({ what: 'over', code });
      // a moment for what is pending to say so
      if (code === 'EVICTED') setTimeout(() => process.exit(EVICTED_EXIT), 50);
    });
    if (slots > 0) this.#serve(scheduler, slots, iterationMs);
  }

  get node(): string {
    return this.#scheduler!.node;
  }

  #serve(scheduler: ChaosScheduler, slots: number, iterationMs: number): void {
    const whole = {
      availableBlocks: slots * 4,
      blockSize: 16,
      reservedOutputBlocks: 1,
      maxNumBatchedTokens: 512,
      batch: slots,
    };
    const engine = iterationMs > 0 ? new Iterations(whole, iterationMs) : undefined;
    const execute = this.#execute;
    this.#served = scheduler
      .run(
        async function* ({ request, owner, claim, attempt, promptTokens, signal }) {
          const end = engine?.begin(promptTokens);
          try {
            return yield* execute({ request, owner, fence: claim.split('.')[1]!, attempt, signal });
          } finally {
            end?.();
          }
        },
        { budget: engine ?? whole },
      )
      // evicted: `over` says so
      .catch(() => undefined);
  }

  put(requests: readonly PutRequest[]): Promise<(Refusal | undefined)[]> {
    return Promise.all(requests.map((one) => (one.signal ? this.#submit(one) : this.#put(one))));
  }

  /** A put that timed out is put again, and adopted, until it is answered. */
  async #put({ request, priority, deadlineMs }: PutRequest): Promise<Refusal | undefined> {
    const options = { priority, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
    for (;;) {
      try {
        const [outcome] = await this.#scheduler!.putRequests([request], options);
        if (!outcome!.error) return undefined;
        if (outcome!.error.code !== 'TIMEOUT') return refusal(outcome!.error);
      } catch (error) {
        if (!(error instanceof SchedulerError) || error.code !== 'TIMEOUT') return refusal(error);
      }
    }
  }

  /** It is written as accepted when it has ended: a submission tells its client of results only. */
  async #submit({ request, priority, deadlineMs, signal }: PutRequest): Promise<Refusal | undefined> {
    const options = { priority, ...(deadlineMs === undefined ? {} : { deadlineMs }), signal: signal! };
    const submission = this.#scheduler!.submit(request, options);
    try {
      for await (const result of submission)
        this.#history.write({ what: 'told', id: request.request_id, ...result });
      return undefined;
    } catch (error) {
      return refusal(error);
    }
  }

  async close(): Promise<void> {
    await this.#scheduler!.close({ drainMs: 2_000 });
    await this.#served;
    this.#collect();
  }

  #collect(): void {
    for (const [id, results] of this.#scheduler?.getResults() ?? []) {
      for (const result of results) this.#history.write({ what: 'told', id, ...result });
    }
  }
}

function refusal(error: unknown): Refusal {
  if (error instanceof SchedulerError) return { code: error.code, reason: error.message };
  return { code: 'UNKNOWN', reason: String(error) };
}
