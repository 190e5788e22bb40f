/**
 * One claimed request at the engine. What the engine answers is sent to the owner as it is: the claim, the head, then the
 * bytes. One result is in flight; what the engine says meanwhile is joined. The socket to the engine is closed when the
 * claim is lost.
 */
import { sleep } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import {
  Retry,
  SchedulerError,
  type ClaimedRequest,
  type ResultStatus,
  type RunnerResult,
} from '../index.ts';
import { isRoute } from '../openai/routes.ts';
import {
  SLICE,
  headResult,
  type InterruptReason,
  type WireRequest,
  type WireResult,
} from '../openai/wire.ts';
import { EngineError, type EngineClient } from './engine-client.ts';
import type { EngineResponse } from './engine-response.ts';
import type { Tally } from './metrics.ts';
import { bodyFor, type ServedModel } from './request-body.ts';
import { endOfSpent } from './spent.ts';

/** How often it is looked whether a reader that was behind has caught up. */
const HALT_LOOK_MS = 20;
/** An engine that has too much, and does not say for how long, gets nothing for so long. */
const HOLD_MS = 1_000;
const MAX_HOLD_MS = 30_000;

export interface TaskContext {
  /** The worker's node. */
  worker: string;
  model: ServedModel;
  engine: EngineClient;
  /** So many tokens more were emitted. */
  emitted: (tokens: number) => void;
  /** The engine is to get nothing for so long, ms. */
  hold: (ms: number) => void;
  put: (results: RunnerResult<WireResult>[]) => Promise<ResultStatus[]>;
  tally: Tally;
  /** Least ms from one result with bytes to the next; 0: as soon as the one before was accepted. */
  streamIntervalMs: number;
  /** Remembers the requests that the engine answered with an error of its own; true: it has before. */
  hasFailed: (id: string) => boolean;
  /** It is over; may be called twice. */
  left: () => void;
}

export class Task {
  readonly #request: ClaimedRequest<WireRequest>;
  readonly #context: TaskContext;
  readonly #stop = new AbortController();
  #why: InterruptReason | undefined;
  #response: EngineResponse | undefined;

  constructor(request: ClaimedRequest<WireRequest>, context: TaskContext) {
    this.#request = request;
    this.#context = context;
    // of a claim that is lost at once, `results` may never begin
    const lost = (): void => {
      this.#abort();
      context.left();
    };
    request.signal.addEventListener('abort', lost);
    if (request.signal.aborted) lost();
  }

  /** The worker stops: what has begun to answer is cut off, everything else goes back. */
  interrupt(reason: InterruptReason): void {
    this.#why ??= reason;
    this.#abort();
  }

  /**
   * For `run`: yields when the engine has begun to answer, which proves that it works; the final is sent from here, or is
   * the return value. A throw of Retry says that the engine failed.
   */
  async *results(): AsyncGenerator<WireResult, WireResult | undefined, undefined> {
    try {
      return yield* this.#execute();
    } finally {
      this.#abort();
      this.#context.left();
    }
  }

  async *#execute(): AsyncGenerator<WireResult, WireResult | undefined, undefined> {
    const { attempt, queuedMs, request } = this.#request;
    const { model, engine, worker } = this.#context;
    const claimed: WireResult = { kind: 'claimed', claimed: { worker, attempt, queuedMs } };
    if (request.head.stream && attempt > 1) {
      // the attempt before may have emitted: only the owner knows, and goes on from there
      await this.#send(claimed);
      return this.#cutOff('attempt', `attempt ${attempt} of a stream`);
    }
    void this.#send(claimed);
    if (!isRoute(request.head.route)) throw new Error(`no route ${String(request.head.route).slice(0, 64)}`);
    const body = await bodyFor(request, model, engine);
    const head = {
      ...(model.kind.isResumable && request.head.stream ? { resumable: true } : {}),
      ...(body.resumedTokens === undefined ? {} : { resumedTokens: body.resumedTokens }),
    };
    if (body.bytes === undefined) {
      const rest = await endOfSpent(request, model, engine, body.resumedTokens ?? 0);
      return headResult({ status: 200, contentType: 'text/event-stream; charset=utf-8', ...head }, rest);
    }
    const response = await this.#ask(body.bytes);
    if (response === undefined) return undefined;
    const { status, contentType } = response;
    const whole = { status, ...(contentType === undefined ? {} : { contentType }), ...head };
    // what came in the same packet goes along
    await new Promise((next) => setImmediate(next));
    const first = { kind: 'head', head: whole, body: response.take(SLICE) } as const;
    if (this.#isWhole(response)) return this.#count(first);
    yield this.#count(first);
    return this.#pass(response);
  }

  /** The head of the engine's answer; undefined: the request went back, or is nobody's any more. */
  async #ask(body: Buffer): Promise<EngineResponse | undefined> {
    const { id, route, traceparent, stream } = this.#request.request.head;
    const { engine, hold, tally, hasFailed } = this.#context;
    const { attempt } = this.#request;
    let response: EngineResponse;
    try {
      response = await engine.begin({
        path: route,
        body,
        headers: { 'x-request-id': id, ...(traceparent === undefined ? {} : { traceparent }) },
        signal: this.#stop.signal,
      });
    } catch (error) {
      return this.#unanswered(error);
    }
    this.#response = response;
    if (response.status === 429 || response.status === 503) {
      response.destroy();
      tally.busy += 1;
      hold(Math.min(MAX_HOLD_MS, response.retryAfterMs ?? HOLD_MS));
      await this.#giveBack();
      return undefined;
    }
    const isLastTry = (!stream && attempt > 1) || response.status < 500 || hasFailed(id);
    if (isLastTry) return response;
    response.destroy();
    tally.failed += 1;
    // a stream's next attempt would be cut off, as if this one had emitted
    throw new Retry(`the engine answered ${response.status}`, { elsewhere: true, countTry: !stream });
  }

  async #unanswered(error: unknown): Promise<undefined> {
    const { tally } = this.#context;
    if (this.#request.signal.aborted) return undefined;
    if (this.#why !== undefined) {
      await this.#giveBack();
      return undefined;
    }
    tally.failed += 1;
    const isLost = error instanceof EngineError && error.how === 'lost';
    throw new Retry(messageOf(error), { elsewhere: true, countTry: isLost, cause: error });
  }

  async #pass(response: EngineResponse): Promise<WireResult | undefined> {
    const { streamIntervalMs } = this.#context;
    for (;;) {
      await response.changed();
      if (streamIntervalMs > 0 && !response.isOver) await sleep(streamIntervalMs, this.#stop.signal);
      await this.#whileHalted();
      if (this.#request.signal.aborted) return undefined;
      const body = response.take(SLICE);
      const next = { kind: 'body', body } as const;
      if (this.#isWhole(response)) return body.length === 0 ? undefined : this.#count(next);
      if (body.length > 0) {
        const status = await this.#send(this.#count(next));
        if (status === 'orphan') return this.#cutOff('engine', 'its owner is silent');
        if (status === 'lost' || status === 'overflow') return undefined;
        if (status !== 'ok') throw new Error(`a result could not be sent: ${status}`);
      } else if (response.isOver) {
        const why = response.error?.message ?? 'the response was cut off';
        return this.#cutOff(this.#why ?? 'engine', why);
      }
    }
  }

  /** It ended well, and all of it was taken. */
  #isWhole(response: EngineResponse): boolean {
    return response.isOver && response.size === 0 && response.error === undefined;
  }

  /** The reader is behind: the engine is asked for no more, as nothing is taken. */
  async #whileHalted(): Promise<void> {
    const { signal } = this.#request;
    while (this.#request.isHalted && !signal.aborted) await sleep(HALT_LOOK_MS, signal);
  }

  /** Ends the request here: what `run` sends then is refused. An engine is not believed to work because of it. */
  async #cutOff(reason: InterruptReason, message: string): Promise<undefined> {
    this.#context.tally.interrupted += 1;
    await this.#send({ kind: 'interrupted', interrupted: { reason, message } }, true);
  }

  async #send(output: WireResult, finished = false): Promise<ResultStatus> {
    const { claim } = this.#request;
    try {
      const [status] = await this.#context.put([finished ? { claim, output, finished } : { claim, output }]);
      return status!;
    } catch (error) {
      // Redis is silent: it is on its way, and what follows goes behind it
      if (error instanceof SchedulerError && error.code === 'TIMEOUT') return 'ok';
      // Redis refused it, or the node is over
      this.#abort();
      await this.#giveBack();
      return 'lost';
    }
  }

  async #giveBack(): Promise<void> {
    this.#context.tally.givenBack += 1;
    await this.#request.giveBack({ elsewhere: true });
  }

  #count(result: Extract<WireResult, { body: Buffer }>): WireResult {
    const { emitted, tally } = this.#context;
    tally.results += 1;
    tally.bytes += result.body.length;
    if (this.#request.request.head.stream) emitted(eventsIn(result.body));
    return result;
  }

  #abort(): void {
    this.#stop.abort();
    this.#response?.destroy();
  }
}

const DATA = Buffer.from('data:');

/** Events in a piece of a stream: about its tokens, one event each. */
function eventsIn(bytes: Buffer): number {
  let events = 0;
  for (let at = bytes.indexOf(DATA); at >= 0; at = bytes.indexOf(DATA, at + DATA.length)) events += 1;
  return events;
}
