/** sched-lua as a peer of a run: what its schedulers, their clients and Redis tell each other goes into the history. */
import { Scheduler, SchedulerError, type BudgetSource, type SchedulerOptions } from '../../../src/index.ts';
import { messageOf } from '../../../src/base/errors.ts';
import type { EngineSize, Happening, Output } from './happenings.ts';
import { now, type HistoryWriter } from './history.ts';
import { EVICTED_EXIT } from './orders.ts';
import type { Execute, Peer, PutRequest, Refusal, RunRequest } from './peer.ts';
import { witness } from './witness.ts';

/** Time for what is pending to say that it was evicted, before the process ends. */
const EVICTED_MS = 50;
/** After a call that was not answered in time. */
const RESHARD_MS = 100;

export interface OursOptions<Request> {
  /** `takeover` says whether it asks for its predecessor's results. */
  scheduler: SchedulerOptions<Request, Output> & { takeover: boolean };
  history: HistoryWriter<Happening>;
  execute: Execute<Request>;
  /** Of its engine; undefined: it serves nothing. */
  budget: BudgetSource | undefined;
  /** Of the whole engine, for the history. */
  engine?: EngineSize | undefined;
  /** How long `close` lets running requests end, in ms. */
  drainMs?: number;
}

/** Starts one. A process whose scheduler is evicted ends with {@link EVICTED_EXIT}; `over` in the history says why. */
export async function startOurs<Request extends RunRequest>(
  options: OursOptions<Request>,
): Promise<Peer<Request>> {
  const peer = new Ours(options);
  await peer.start();
  return peer;
}

class Ours<Request extends RunRequest> implements Peer<Request> {
  readonly #options: OursOptions<Request>;
  readonly #history: HistoryWriter<Happening>;
  #scheduler: Scheduler<Request, Output> | undefined;
  #served: Promise<void> | undefined;

  constructor(options: OursOptions<Request>) {
    this.#options = options;
    this.#history = options.history;
  }

  async start(): Promise<void> {
    const { scheduler: options, budget, engine } = this.#options;
    const scheduler = await Scheduler.start<Request, Output>({
      ...options,
      events: witness(this.#history, () => this.#collect()),
      // the event `warning` is written down
      onWarning: () => undefined,
    });
    const { takeover } = options;
    this.#history.write({ what: 'started', node: scheduler.node, takeover, ...(engine && { engine }) });
    this.#scheduler = scheduler;
    this.#collect();
    scheduler.over.addEventListener('abort', () => {
      this.#collect();
      const { code } = scheduler.over.reason as SchedulerError;
      this.#history.write({ what: 'over', code });
      if (code === 'EVICTED') setTimeout(() => process.exit(EVICTED_EXIT), EVICTED_MS);
    });
    if (budget) this.#serve(scheduler, budget);
  }

  get node(): string {
    return this.#scheduler!.node;
  }

  #serve(scheduler: Scheduler<Request, Output>, budget: BudgetSource): void {
    const execute = this.#options.execute;
    this.#served = scheduler
      .run(({ claim, ...claimed }) => execute({ ...claimed, fence: claim.split('.')[1]! }), { budget })
      .catch((error: unknown) => {
        // `over` says so; anything else is a failure of the run
        if (!(error instanceof SchedulerError && error.code === 'EVICTED')) throw error;
      });
  }

  put(requests: readonly PutRequest<Request>[]): Promise<(Refusal | undefined)[]> {
    return Promise.all(requests.map((one) => (one.options?.signal ? this.#submit(one) : this.#put(one))));
  }

  /** A put that timed out is put again, and adopted, until it is answered; its deadline counts from the first time. */
  async #put({
    request,
    options: { deadlineMs, ...options } = {},
  }: PutRequest<Request>): Promise<Refusal | undefined> {
    const from = now();
    for (;;) {
      try {
        const rest = deadlineMs === undefined ? {} : { deadlineMs: from + deadlineMs - now() };
        const [outcome] = await this.#scheduler!.putRequests([request], { ...options, ...rest });
        if (!outcome!.error) return undefined;
        if (outcome!.error.code !== 'TIMEOUT') return refusal(outcome!.error);
      } catch (error) {
        if (!(error instanceof SchedulerError) || error.code !== 'TIMEOUT') return refusal(error);
      }
    }
  }

  /** It is written as accepted when it has ended: a submission tells its client of results only. */
  async #submit({ request, options }: PutRequest<Request>): Promise<Refusal | undefined> {
    const submission = this.#scheduler!.submit(request, options);
    try {
      for await (const result of submission)
        this.#history.write({ what: 'told', id: request.request_id, ...result });
      return undefined;
    } catch (error) {
      return refusal(error);
    }
  }

  /** Its home shard follows. Again until it is answered. */
  reshard(count: number): void {
    const scheduler = this.#scheduler!;
    scheduler.updateConfig({ loadShards: count, reallocate: true }).catch((error: unknown) => {
      this.#history.write({ what: 'warned', message: `${count} load shards: ${messageOf(error)}` });
      if (!scheduler.over.aborted) setTimeout(() => this.reshard(count), RESHARD_MS).unref();
    });
  }

  async close(): Promise<void> {
    this.#history.write({ what: 'closing' });
    const { drainMs = 0 } = this.#options;
    await this.#scheduler!.close({ drainMs });
    await this.#served;
    this.#collect();
  }

  /** `getResults` has to be asked. */
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
