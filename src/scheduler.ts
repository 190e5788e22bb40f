import type { Budget } from './base/budget.ts';
import { checkList, checkNames, checkObjects, checkSignal } from './base/call-options.ts';
import { SchedulerError } from './base/errors.ts';
import { OPTIONS } from './base/option-table.ts';
import type { SchedulerOptions, Settings } from './base/options.ts';
import { settle } from './base/settle.ts';
import { Node } from './node/node.ts';
import type { SchedulerHealth } from './node/health.ts';
import type { SchedulerStats } from './node/stats.ts';
import type { SchedulerEvents } from './observe/events.ts';
import { Door, type PutOutcome } from './owner/door.ts';
import { News } from './owner/news.ts';
import type { Owner } from './owner/owner.ts';
import { PUT_OPTIONS, Preparation, checkPutOptions, type PutOptions } from './owner/prepare.ts';
import type { Result } from './owner/results.ts';
import { Submission } from './owner/submission.ts';
import type { Membership } from './protocol/membership.ts';
import type { ClaimedRequest } from './runner/claims.ts';
import { Drain } from './runner/drain.ts';
import type { ResultStatus, RunnerResult } from './runner/outbox.ts';
import { RunLoop, type Handler, type RunOptions } from './runner/run-loop.ts';
import {
  DRAIN_MS,
  RESULT_FIELDS,
  RUN_OPTIONS,
  SUBMIT_OPTIONS,
  UPDATE_OPTIONS,
  checkCloseOptions,
  checkWaitOptions,
  type CloseOptions,
  type WaitOptions,
} from './scheduler-options.ts';

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
  #loop: RunLoop<Request, Output> | undefined;
  readonly #stopLoop = new AbortController();
  #closing: Promise<void> | undefined;
  readonly #drain = new Drain();
  #pending: 'keep' | 'cancel' = 'keep';

  private constructor(settings: Settings<Request, Output>) {
    this.#settings = settings;
    this.#node = new Node(
      settings,
      (id) => this.#news.sink(id),
      () => ({ loop: this.#loop, isDraining: this.#closing !== undefined }),
    );
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

  /**
   * What this process knows of its scheduler, without asking Redis: what is pending, held and on its way, what passed since the
   * start, its connections. A plain object; docs/stats.md explains each field. It looks at each pending request.
   */
  stats(): SchedulerStats {
    return this.#node.stats(this.#loop, this.#news.size);
  }

  /** Whether it can do its work just now, as far as this process knows: for a readiness probe. Asks nobody. */
  health(): SchedulerHealth {
    return this.#node.health(this.#loop, this.#closing !== undefined);
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
  async getRequests(budget: Budget, options: WaitOptions = {}): Promise<ClaimedRequest<Request>[]> {
    checkWaitOptions('getRequests', options);
    const { waitMs = this.#settings.pollMs } = options;
    return this.#node.claimer.getRequests(budget, waitMs, options.signal);
  }

  /**
   * Sends results of claims, in order; per item what became of it, see {@link ResultStatus}.
   * @throws ConfigError if it is no array of results; SchedulerError TIMEOUT (they are still on their way), REDIS, CLOSED, EVICTED
   */
  async putResults(results: readonly RunnerResult<Output>[]): Promise<ResultStatus[]> {
    if (this.over.aborted) throw this.over.reason;
    checkObjects('results', results, 'a result', RESULT_FIELDS);
    return this.#membership.within('putResults', this.#node.claims.putAll(results));
  }

  /** Sends at once what waits for others because of `flushMs`. */
  flush(): void {
    this.#node.flush();
  }

  /** Results of requests put by `putRequests` since the last call: only ids that have news, each result once. */
  getResults(): Map<string, Result<Output>[]>;
  /**
   * Waits for them, at most `waitMs` or until `signal` fires; empty: none came.
   * @throws ConfigError for a bad `waitMs`; SchedulerError CLOSED, EVICTED, once what came before has been read
   */
  getResults(options: WaitOptions): Promise<Map<string, Result<Output>[]>>;
  getResults(options?: WaitOptions): Map<string, Result<Output>[]> | Promise<Map<string, Result<Output>[]>> {
    return options === undefined ? this.#news.take() : this.#nextResults(options);
  }

  async #nextResults(options: WaitOptions): Promise<Map<string, Result<Output>[]>> {
    checkWaitOptions('getResults', options);
    return this.#news.within(options.waitMs ?? this.#settings.pollMs, this.over, options.signal);
  }

  /**
   * Ends a request of this node at once, waiting or running; its final comes as a result, `cancelled` or what crossed it.
   * @returns false if no request of this id is pending here
   * @throws SchedulerError TIMEOUT, REDIS, CLOSED, EVICTED
   */
  async cancel(id: string): Promise<boolean> {
    this.#assertOpen('cancel');
    return this.#owner.cancelId(id);
  }

  /**
   * Serves until the scheduler closes, which is when it resolves. What the engine's code throws, asked for its room, is
   * warned of and asked for again. An engine that fails several requests in a row is left alone, and tried again, see
   * {@link RunOptions}.
   * @throws ConfigError if the handler is no function, or the budget is bad from the beginning; SchedulerError CONFIG if it
   *   serves already; EVICTED if another instance took the name
   */
  async run(handler: Handler<Request, Output>, options: RunOptions): Promise<void> {
    this.#assertOpen('run');
    checkNames('run', options, RUN_OPTIONS);
    if (this.#loop) throw new SchedulerError('CONFIG', 'run', `scheduler ${this.node} serves already`);
    const loop = new RunLoop(this.#node.claimer, this.#node.claims, handler, options, {
      pollMs: this.#settings.pollMs,
      stop: AbortSignal.any([this.#stopLoop.signal, this.over]),
      onWarning: this.#node.warn,
      teller: this.#node.teller,
      engineDown: (down) => this.#node.engineDown(down),
    });
    this.#loop = loop;
    try {
      await loop.serve();
    } finally {
      this.#loop = undefined;
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
   * Stops claiming, gives back what was not handed out, waits `drainMs` for handlers (event `draining`), aborts the rest and
   * gives their requests back, and leaves the topic. Own pending requests stay for a successor and reject with CLOSED, unless
   * they are cancelled. Leaves no timer and no socket behind. A later call may shorten the wait.
   * @throws ConfigError for bad options; nothing was closed then
   */
  async close(options: CloseOptions = {}): Promise<void> {
    checkCloseOptions(options);
    const { drainMs = DRAIN_MS, pending } = options;
    if (pending !== undefined) this.#pending = pending;
    if (!this.over.aborted) this.#drain.within(drainMs);
    return (this.#closing ??= this.#close(drainMs));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(drainMs: number): Promise<void> {
    if (!this.over.aborted) {
      this.#stopLoop.abort();
      this.#node.claimer.stop();
      await this.#drained(drainMs);
      await this.#node.leave(this.#pending);
    }
    this.#drain.clear();
    await this.#node.ended();
  }

  /** The handlers have ended, or had their time for it, or the node is over. */
  async #drained(drainMs: number): Promise<void> {
    const loop = this.#loop;
    if (loop === undefined || loop.running.length === 0) return;
    this.#node.teller.heard('draining')?.({ ids: loop.running, drainMs });
    this.#node.tellCard();
    await this.#drain.until(loop.drained(), this.over);
  }

  #assertOpen(operation: string): void {
    if (this.over.aborted) throw this.over.reason;
    if (this.#closing) throw new SchedulerError('CLOSED', operation, `scheduler ${this.node} is closing`);
  }
}
