import { namesOf } from '../base/call-options.ts';
import { toPayload, type Payload } from '../base/codec.ts';
import { ConfigError, SchedulerError, messageOf, show } from '../base/errors.ts';
import { OPTIONS } from '../base/option-table.ts';
import type { OnOwnerLoss, Settings } from '../base/options.ts';
import { MAX_TOKENS, idProblem } from '../base/ticket.ts';
import type { Sink } from './results.ts';

export interface PutOptions {
  /** A head start in ms: placed as if it had come so much earlier (negative: later). An integer within a day. Default 0. */
  priority?: number;
  /** From now to the final. Default ttlMs. */
  deadlineMs?: number;
  /** What becomes of it when this node is lost. Default: the scheduler's `onOwnerLoss`. */
  onOwnerLoss?: OnOwnerLoss;
}

/** A request to put, encoded. */
export interface NewRequest<Output> {
  id: string;
  promptTokens: number;
  payload: Payload;
  /** Of the payload. */
  bytes: number;
  sink: Sink<Output>;
  headStartMs: number;
  /** On the monotonic clock. */
  deadlineAt: number;
  onOwnerLoss: OnOwnerLoss;
}

export const PUT_OPTIONS = namesOf<PutOptions>({ priority: true, deadlineMs: true, onOwnerLoss: true });

const DAY_MS = 86_400_000;

/** @throws ConfigError */
export function checkPutOptions({ priority, deadlineMs, onOwnerLoss }: PutOptions): void {
  if (priority !== undefined && (!Number.isInteger(priority) || Math.abs(priority) > DAY_MS)) {
    throw new ConfigError('priority', priority, `an integer of ms from ${-DAY_MS} to ${DAY_MS}`);
  }
  if (deadlineMs !== undefined && (!Number.isFinite(deadlineMs) || deadlineMs > 365 * DAY_MS)) {
    throw new ConfigError('deadlineMs', deadlineMs, 'ms from now, at most a year');
  }
  if (onOwnerLoss !== undefined) OPTIONS.onOwnerLoss.kind.check('onOwnerLoss', onOwnerLoss);
}

type DoorRules<Request> = Pick<
  Settings<Request, unknown>,
  'idOf' | 'promptTokensOf' | 'codec' | 'ttlMs' | 'maxBodyBytes' | 'onOwnerLoss'
>;

/** Reads and encodes one request at the door: what cannot be accepted is refused with a reason, alone. */
export class Preparation<Request> {
  readonly #settings: DoorRules<Request>;

  constructor(settings: DoorRules<Request>) {
    this.#settings = settings;
  }

  /** @throws SchedulerError BAD_ID */
  idOf(request: Request): string {
    let id: unknown;
    try {
      id = this.#settings.idOf(request);
    } catch (error) {
      const message = `the request has no id (option idOf): ${messageOf(error)}`;
      throw new SchedulerError('BAD_ID', 'putRequests', message, { cause: error });
    }
    const problem = idProblem(id);
    if (problem) throw problem;
    return id as string;
  }

  /**
   * @param from when it was asked to be put, on the monotonic clock
   * @throws SchedulerError ENCODE, TOO_LARGE
   */
  prepare(request: Request, id: string, options: PutOptions, from: number): Omit<NewRequest<never>, 'sink'> {
    return {
      id,
      promptTokens: this.#promptTokensOf(request, id),
      ...this.#encode(request, id),
      headStartMs: options.priority ?? 0,
      deadlineAt: from + (options.deadlineMs ?? this.#settings.ttlMs),
      onOwnerLoss: options.onOwnerLoss ?? this.#settings.onOwnerLoss,
    };
  }

  #promptTokensOf(request: Request, id: string): number {
    let tokens: unknown;
    let cause: unknown;
    try {
      tokens = this.#settings.promptTokensOf(request);
    } catch (error) {
      cause = error;
    }
    if (typeof tokens !== 'number' || !Number.isInteger(tokens) || tokens < 0 || tokens > MAX_TOKENS) {
      // a text may be the prompt itself
      const shown = typeof tokens === 'string' ? 'a text' : show(tokens);
      const message = `${JSON.stringify(id)}: prompt tokens are ${shown}, not an integer from 0 to ${MAX_TOKENS} (option promptTokensOf)`;
      throw new SchedulerError('ENCODE', 'putRequests', message, { cause });
    }
    return tokens;
  }

  #encode(request: Request, id: string): Pick<NewRequest<never>, 'payload' | 'bytes'> {
    let payload: Payload;
    try {
      payload = toPayload(this.#settings.codec.encode(request));
    } catch (error) {
      const message = `${JSON.stringify(id)} could not be encoded: ${messageOf(error)}`;
      throw new SchedulerError('ENCODE', 'putRequests', message, { cause: error });
    }
    const bytes = Buffer.byteLength(payload);
    if (bytes <= this.#settings.maxBodyBytes) return { payload, bytes };
    const message = `${JSON.stringify(id)} has ${bytes} bytes, over maxBodyBytes ${this.#settings.maxBodyBytes}`;
    throw new SchedulerError('TOO_LARGE', 'putRequests', message);
  }
}
