import type { Budget } from './base/budget.ts';
import { checkList, checkNames, checkObjects, checkSignal, namesOf } from './base/call-options.ts';
import { sleep } from './base/clock.ts';
import { ConfigError, SchedulerError } from './base/errors.ts';
import { OPTIONS } from './base/option-table.ts';
import type { SchedulerOptions, Settings } from './base/options.ts';
import { settle } from './base/settle.ts';
import { Node } from './node/node.ts';
import type { SchedulerEvents } from './observe/events.ts';
import { Door, type PutOutcome } from './owner/door.ts';
import { News } from './owner/news.ts';
import type { Owner } from './owner/owner.ts';
import { PUT_OPTIONS, Preparation, checkPutOptions, type PutOptions } from './owner/prepare.ts';
import type { Result } from './owner/results.ts';
import { Submission } from './owner/submission.ts';
import type { Membership } from './protocol/membership.ts';
import type { ClaimedRequest } from './runner/claims.ts';
import type { ResultStatus, RunnerResult } from './runner/outbox.ts';
import { RunLoop, type BudgetSource, type Handler } from './runner/run-loop.ts';

export interface CloseOptions {
  /**
   * How long handlers may go on, Infinity for as long as they do; then they are aborted and their requests given back.
   * Default 0.
   */
  drainMs?: number;
  /** Own pending requests stay in Redis for a successor (`keep`), or are cancelled. Default `keep`. */
  pending?: 'keep' | 'cancel';
}

const SUBMIT_OPTIONS = [...PUT_OPTIONS, 'signal'];
const GET_OPTIONS = ['waitMs', 'signal'];
const RUN_OPTIONS = ['budget'];
const UPDATE_OPTIONS = ['loadShards', 'reallocate'];
const CLOSE_OPTIONS = namesOf<CloseOptions>({ drainMs: true, pending: true });

/** @throws ConfigError */
function checkCloseOptions(options: CloseOptions): void {
  checkNames('close', options, CLOSE_OPTIONS);
  const { drainMs = 0, pending = 'keep' } = options;
  if (typeof drainMs !== 'number' || !(drainMs >= 0))
    throw new ConfigError('drainMs', drainMs, 'ms of at least 0');
  if (!['keep', 'cancel'].includes(pending)) throw new ConfigError('pending', pending, 'one of keep, cancel');
}

/**
 * One node of a topic: accepts requests, claims what its engine has room for, steals what peers cannot serve in time,
 * and gets results back to the node that accepted the request. Many may live in one process.
 *
 * Promised (lua/README.md#promises): a request is accepted when its put resolves without an error; executed at least once,
 * by one holder at a time; ended exactly once; its results come in order, each once.
 */
export class Scheduler<Request = unknown, Output = unknown> implements AsyncDisposable {
  readonly #settings: Settings<Request, Output>;
  readonly #node: Node<Request, Output>;
  readonly #membership: Membership;
  readonly #owner: Owner<Output>;
  readonly #door: Door<Request, Output>;
  readonly #news: News<Output>;
  readonly #loops = new Map<RunLoop<Request, Output>, Promise<void>>();
  readonly #stopLoops = new AbortController();
  #closing: Promise<void> | undefined;

  private constructor(settings: Settings<Request, Output>) {
    this.#settings = settings;
    this.#node = new Node(settings, (id) => this.#news.sink(id));
    this.#news = new News(this.#node.teller);
    this.#membership = this.#node.membership;
    this.#owner = this.#node.owner;
    this.#door = new Door(new Preparation(settings), this.#owner, this.#node.teller, (operation) =>
      this.#assertOpen(operation),
    );
  }

  /**
   * Joins the topic. With `takeover` it returns when every shard has heard of it, so that a predecessor is fenced.
   * @throws ConfigError before anything is sent
   * @throws SchedulerError REDIS if Redis does not answer within commandTimeout
   */
  static async start<Request = unknown, Output = unknown>(
    options: SchedulerOptions<Request, Output> = {},
  ): Promise<Scheduler<Request, Output>> {
    const scheduler = new Scheduler(settle(options));
    await scheduler.#node.join();
    return scheduler;
  }

  /** The node's name, with the suffix that made it unique. */
  get node(): string {
    return this.#membership.name;
  }

  get topic(): string {
    return this.#settings.topic;
  }

  /** Home shard. */
  get shard(): number {
    return this.#membership.home;
  }

  /** Tells what happens in this scheduler; `docs/events.md` has a row for each event. */
  get events(): SchedulerEvents {
    return this.#settings.events;
  }

  /** Fires when the scheduler is over; its reason is a SchedulerError CLOSED or EVICTED. */
  get over(): AbortSignal {
    return this.#membership.over;
  }

  /**
   * Accepts requests, in order. Per request: no error means it is in Redis, once. A bad request is refused alone.
   * Results come by `getResults`.
   * @throws ConfigError for bad options; SchedulerError TIMEOUT if Redis answered for none of them within commandTimeout (some may still be accepted:
   *   put them again, same id and content, and they are adopted), CLOSED, EVICTED
   */
  async putRequests(requests: readonly Request[], options: PutOptions = {}): Promise<PutOutcome[]> {
    this.#assertOpen('putRequests');
    checkNames('putRequests', options, PUT_OPTIONS);
    checkPutOptions(options);
    checkList('requests', requests);
    return this.#door.putAll(requests, options, (id) => this.#news.sink(id));
  }

  /**
   * Accepts one request and answers its results as an async iterable, at once. `signal` cancels it.
   * @throws ConfigError for bad options; everything else rejects the iterable's first `next()`
   */
  submit(request: Request, options: PutOptions & { signal?: AbortSignal } = {}): Submission<Output> {
    checkNames('submit', options, SUBMIT_OPTIONS);
    checkPutOptions(options);
    checkSignal(options.signal);
    return new Submission<Output>(
      () => {
        this.#assertOpen('submit');
        return this.#door.idOf(request);
      },
      {
        put: (id, sink) => this.#door.submit(request, id, sink, options),
        cancel: (pending) => this.#owner.cancel(pending),
      },
      options.signal,
    );
  }

  /**
   * Claims what the budget has room for, not before its `readyInMs`; waits for work at most `waitMs` (default pollMs), then
   * `[]`. With `waitMs` 0 it asks Redis only if there is a reason to, so an engine loop may call it every iteration, best
   * just before one begins. `signal` ends the wait, when the budget has changed, say.
   * @throws ConfigError for a bad budget or option; SchedulerError TIMEOUT (no shard answers, for commandTimeout), REDIS, CLOSED, EVICTED
   */
  async getRequests(
    budget: Budget,
    options: { waitMs?: number; signal?: AbortSignal } = {},
  ): Promise<ClaimedRequest<Request>[]> {
    checkNames('getRequests', options, GET_OPTIONS);
    checkSignal(options.signal);
    const { waitMs = this.#settings.pollMs } = options;
    if (!Number.isFinite(waitMs) || waitMs < 0) throw new ConfigError('waitMs', waitMs, 'ms of at least 0');
    return this.#node.claimer.getRequests(budget, waitMs, options.signal);
  }

  /**
   * Sends results of claims, in order; per item what became of it, see {@link ResultStatus}.
   * @throws ConfigError if it is no array; SchedulerError TIMEOUT (they are still on their way), REDIS, CLOSED, EVICTED
   */
  async putResults(results: readonly RunnerResult<Output>[]): Promise<ResultStatus[]> {
    if (this.over.aborted) throw this.over.reason;
    checkObjects('results', results);
    const answers = Promise.all(results.map((result) => this.#node.claims.put(result)));
    return this.#membership.within('putResults', answers);
  }

  /** Results of requests put by `putRequests` since the last call: only ids that have news, each result once. */
  getResults(): Map<string, Result<Output>[]> {
    return this.#news.take();
  }

  /**
   * Serves until the scheduler closes, which is when it resolves.
   * @throws ConfigError if the options or the budget are bad; EVICTED if another instance took the name
   */
  async run(handler: Handler<Request, Output>, options: { budget: BudgetSource }): Promise<void> {
    this.#assertOpen('run');
    checkNames('run', options, RUN_OPTIONS);
    const stop = AbortSignal.any([this.#stopLoops.signal, this.over]);
    const loop = new RunLoop(this.#node.claimer, this.#node.claims, handler, options.budget, {
      pollMs: this.#settings.pollMs,
      stop,
    });
    const served = loop.serve();
    this.#loops.set(loop, served);
    try {
      await served;
    } finally {
      this.#loops.delete(loop);
    }
    const reason = this.over.reason as SchedulerError | undefined;
    if (reason?.code === 'EVICTED') throw reason;
  }

  /** Drops every pending request of this node, waiting or running, and its unread results. Answers the dropped ids. */
  async reset(): Promise<string[]> {
    this.#assertOpen('reset');
    const dropped = await this.#owner.reset();
    this.#news.take();
    return dropped;
  }

  /**
   * Changes the number of load shards; with `reallocate` the home shard follows. Nothing is moved: a node puts into its
   * home shard and listens wherever it still has requests.
   * @throws ConfigError for bad options; SchedulerError TIMEOUT if registry and new home shard did not answer; then nothing has
   *   changed
   */
  async updateConfig(config: { loadShards: number; reallocate?: boolean }): Promise<void> {
    this.#assertOpen('updateConfig');
    checkNames('updateConfig', config, UPDATE_OPTIONS);
    const { reallocate = false } = config;
    const loadShards = OPTIONS.loadShards.kind.check('loadShards', config.loadShards);
    OPTIONS.takeover.kind.check('reallocate', reallocate);
    await this.#node.reshard(loadShards, reallocate);
  }

  /**
   * Stops claiming, gives back what was not handed out, waits `drainMs` for handlers, aborts the rest and gives their
   * requests back, and leaves the topic. Own pending requests stay for a successor and reject with CLOSED, unless they
   * are cancelled. Leaves no timer and no socket behind.
   * @throws ConfigError for bad options; nothing was closed then
   */
  async close(options: CloseOptions = {}): Promise<void> {
    checkCloseOptions(options);
    this.#closing ??= this.#close(options);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close({ drainMs = 0, pending = 'keep' }: CloseOptions): Promise<void> {
    if (!this.over.aborted) {
      this.#stopLoops.abort();
      this.#node.claimer.stop();
      const drained = Promise.all([...this.#loops.keys()].map((loop) => loop.drained()));
      const early = new AbortController();
      await Promise.race([drained.finally(() => early.abort()), sleep(drainMs, early.signal)]);
      await this.#node.leave(pending);
    }
    await this.#node.ended();
  }

  #assertOpen(operation: string): void {
    if (this.over.aborted) throw this.over.reason;
    if (this.#closing) throw new SchedulerError('CLOSED', operation, `scheduler ${this.node} is closing`);
  }
}
