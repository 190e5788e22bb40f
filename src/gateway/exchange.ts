/**
 * One request on its way through the fleet: put, waited for, answered; and put again when its worker broke off, behind
 * what its client has got. Each put has an id of its own: a run that was given up can never be taken for the one that
 * took its place.
 */
import { after, monotonic } from '../base/clock.ts';
import type { FinalResult, Result, Submission } from '../index.ts';
import type { Model } from '../openai/registry.ts';
import type { Claimed, ResponseHead, Resume, WireResult } from '../openai/wire.ts';
import { ApiError } from './api-error.ts';
import type { Order } from './door.ts';
import type { WireScheduler } from './fleet.ts';
import { errorOf, errorOfFinal } from './outcomes.ts';
import type { Reply } from './reply.ts';
import { Relay, type Told } from './relay.ts';

/** A request that is to be served. */
export interface Put {
  order: Order;
  id: string;
  model: Model;
  promptTokens: number;
  /** When it arrived, on the monotonic clock. */
  from: number;
}

export interface ExchangeRules {
  migrations: number;
  /** Is asked before each put. */
  scheduler: () => Promise<WireScheduler>;
  /** Whether a worker of the model is there. */
  isServed: () => Promise<boolean>;
  onClaimed: (claimed: Claimed) => void;
  onMigrated: () => void;
}

const DAY_MS = 86_400_000;

/** How one run ended. `moved`: another is to go on. */
type End = 'over' | 'moved';

export class Exchange {
  readonly #order: Order;
  readonly #id: string;
  readonly #model: Model;
  readonly #reply: Reply;
  readonly #rules: ExchangeRules;
  readonly #relay: Relay;
  readonly #arrivedAt: number;
  #migrations = 0;
  readonly #promptTokens: number;
  #claimed: Claimed | undefined;
  #stopTtl: () => void = () => undefined;

  constructor({ order, id, model, promptTokens, from }: Put, reply: Reply, rules: ExchangeRules) {
    this.#order = order;
    this.#id = id;
    this.#model = model;
    this.#promptTokens = promptTokens;
    this.#arrivedAt = from;
    this.#reply = reply;
    this.#rules = rules;
    this.#relay = new Relay(order, reply, () => this.#headers());
  }

  /** What the engine told of the request; known when it is over. */
  get told(): Told {
    return this.#relay.told;
  }

  /** Resolves when the client has its answer, or is gone, and no worker is busy with it any more as far as Redis knows. */
  async run(): Promise<void> {
    try {
      while ((await this.#once()) === 'moved') {
        if (this.#migrations >= this.#rules.migrations) {
          this.#fail(new ApiError('poison', `given up: ${this.#migrations + 1} workers broke off`));
          return;
        }
        this.#migrations += 1;
        this.#rules.onMigrated();
      }
    } catch (error) {
      this.#fail(errorOf(error));
    } finally {
      this.#stopTtl();
    }
  }

  async #once(): Promise<End> {
    const scheduler = await this.#rules.scheduler();
    const deadlineMs = this.#order.deadline - (monotonic() - this.#arrivedAt);
    if (this.#reply.isOver) return 'over';
    if (deadlineMs <= 0) throw new ApiError('deadline', 'the deadline has passed');
    const submission = scheduler.submit(this.#request(), {
      deadlineMs,
      // one that is moved keeps the place that its arrival gave it
      priority: this.#priority(),
      onOwnerLoss: 'abort',
      signal: this.#reply.gone,
    });
    this.#claimed = undefined;
    this.#relay.newRun();
    this.#watchTtl(submission);
    try {
      return await this.#read(submission);
    } finally {
      this.#stopTtl();
      // what has not ended has no reader any more
      if (submission.final === undefined) void submission.cancel().catch(() => undefined);
    }
  }

  #priority(): number {
    const waited = this.#migrations > 0 ? monotonic() - this.#arrivedAt : 0;
    return Math.round(Math.min(DAY_MS, this.#order.priority + waited));
  }

  #request() {
    const { route, stream, maxTokens, traceparent, body } = this.#order;
    const resume: Resume | undefined = this.#relay.resume;
    return {
      head: {
        id: this.#migrations === 0 ? this.#id : `${this.#id}.${this.#migrations}`,
        ...{
          route,
          stream,
          model: this.#model.name,
          promptTokens: this.#promptTokens + (resume?.chunks ?? 0),
        },
        ...(maxTokens === undefined ? {} : { maxTokens }),
        ...(traceparent === undefined ? {} : { traceparent }),
        ...(resume === undefined ? {} : { resume }),
      },
      body,
    };
  }

  async #read(submission: Submission<WireResult>): Promise<End> {
    for await (const batch of submission.batches()) {
      for (const result of batch) {
        const end = this.#take(result);
        if (end) return end;
      }
      this.#relay.flush();
      if (this.#reply.isOver) return 'over';
    }
    return 'over';
  }

  /** @returns how the run ended; undefined: it goes on */
  #take(result: Result<WireResult>): End | undefined {
    if (result.kind === 'restart') {
      // another worker began this run from the beginning: a client that has got something of it must never see that. What only
      // was claimed, and given back because the engine is down, continues what the client has as the one before would have
      if (this.#relay.mustMove && this.#relay.hasHead) return this.#broken();
      this.#relay.newRun();
      return undefined;
    }
    if (result.kind !== 'chunk') return this.#ended(result);
    return this.#output(result.output);
  }

  #output(output: WireResult): End | undefined {
    switch (output.kind) {
      case 'claimed':
        this.#claimed = output.claimed;
        this.#stopTtl();
        this.#rules.onClaimed(output.claimed);
        return undefined;
      case 'head':
        return this.#head(output.head, output.body);
      case 'body':
        this.#relay.body(output.body);
        return undefined;
      case 'interrupted':
        return this.#broken();
    }
  }

  #head(head: ResponseHead, body: Buffer): End | undefined {
    if (!this.#relay.head(head)) {
      // the run that was to continue was refused by its engine
      this.#relay.flush();
      if (head.status >= 500) return this.#broken();
      this.#fail(
        new ApiError('worker_lost', `the stream could not be continued: its engine answered ${head.status}`),
      );
      return 'over';
    }
    this.#relay.body(body);
    return undefined;
  }

  #ended(final: FinalResult<WireResult>): End {
    if (final.kind !== 'finished') {
      this.#relay.flush();
      if (final.kind === 'failed' && this.#relay.mustMove) return this.#broken();
      this.#fail(errorOfFinal(final));
      return 'over';
    }
    const end = final.output && this.#output(final.output);
    if (end) return end;
    if (!this.#relay.hasHead) this.#fail(new ApiError('worker_lost', 'a worker ended without an answer'));
    else this.#relay.end();
    return 'over';
  }

  /** The run broke off. */
  #broken(): End {
    this.#relay.flush();
    if (this.#reply.isOver) return 'over';
    const verdict = this.#relay.broken();
    if (verdict === 'move') return 'moved';
    if (verdict === 'lost')
      this.#fail(new ApiError('worker_lost', 'the worker broke off, and the rest cannot be continued'));
    return 'over';
  }

  #watchTtl(submission: Submission<WireResult>): void {
    const { queueTtl } = this.#order;
    const left = queueTtl - (this.#migrations > 0 ? 0 : monotonic() - this.#arrivedAt);
    this.#stopTtl();
    this.#stopTtl = after(Math.max(1, left), () => void this.#waitedTooLong(submission));
  }

  async #waitedTooLong(submission: Submission<WireResult>): Promise<void> {
    const isServed = await this.#rules.isServed();
    if (this.#claimed || this.#reply.isOver || submission.final) return;
    const seconds = Math.round(this.#order.queueTtl / 100) / 10;
    if (isServed) this.#fail(new ApiError('queue_ttl', `no worker had room within ${seconds} s`));
    else
      this.#fail(new ApiError('no_workers', 'the workers of this model are gone', { retryAfterMs: 5_000 }));
  }

  #fail(error: ApiError): void {
    if (this.#reply.isOver) return;
    this.#relay.failed(error);
    this.#reply.fail(error, this.#headers());
  }

  #headers(): Record<string, string> {
    if (!this.#claimed) return {};
    const { worker, queuedMs, attempt } = this.#claimed;
    return {
      'x-sched-lua-worker': worker,
      'x-sched-lua-queue-ms': String(Math.round(queuedMs)),
      'x-sched-lua-attempts': String(attempt + this.#migrations),
    };
  }
}
