/**
 * When an engine that fails is asked again. After so many failures in a row the breaker opens: nothing is begun but one request
 * at a time, the trial, after a pause that doubles with each trial that fails. A trial that works closes it. Pure: the caller
 * brings the time (monotonic ms). Requests go by the key of their claim.
 */
import { checkNames } from '../base/call-options.ts';
import { ConfigError } from '../base/errors.ts';

export interface BreakerOptions {
  /** Failures of the engine in a row after which it opens. Default 3. */
  failures?: number;
  /** ms from there to the first trial; twice as long after each that fails. Default 1,000. */
  pauseMs?: number;
  /** Longest pause, ms. Default 30,000. */
  maxPauseMs?: number;
}

const DEFAULTS = { failures: 3, pauseMs: 1_000, maxPauseMs: 30_000 } as const;

/** @throws ConfigError */
function settled(options: BreakerOptions): Required<BreakerOptions> {
  checkNames('run', options, Object.keys(DEFAULTS), 'breaker');
  for (const [name, value] of Object.entries(options) as [string, unknown][]) {
    const isGood = name === 'failures' ? Number.isSafeInteger(value) : Number.isFinite(value);
    if (value !== undefined && !(isGood && (value as number) >= 1))
      throw new ConfigError(
        `breaker.${name}`,
        value,
        name === 'failures' ? 'an integer of at least 1' : 'ms of at least 1',
      );
  }
  const { failures = 3, pauseMs = 1_000, maxPauseMs = Math.max(pauseMs, 30_000) } = options;
  if (maxPauseMs < pauseMs)
    throw new ConfigError('breaker.maxPauseMs', maxPauseMs, 'no less than breaker.pauseMs');
  return { failures, pauseMs, maxPauseMs };
}

export class Breaker {
  readonly #options: Required<BreakerOptions>;
  /** In a row. */
  #failures = 0;
  /** Begun since the last failure: nobody knows yet whether the engine works. */
  readonly #unproven = new Set<string>();
  /** It is open, with this pause, until then. */
  #open: { pauseMs: number; until: number; trial: string | undefined } | undefined;

  /** @throws ConfigError */
  constructor(options: BreakerOptions = {}) {
    this.#options = settled(options);
  }

  get failures(): number {
    return this.#failures;
  }

  /** ms from the last failure to the next trial; undefined: it is closed. */
  get pauseMs(): number | undefined {
    return this.#open?.pauseMs;
  }

  /**
   * How many requests may be begun now. After a failure no more than are left to open it, until one works: an engine that has
   * died is not asked by a whole batch.
   */
  most(now: number): number {
    if (this.#open) return now >= this.#open.until && this.#open.trial === undefined ? 1 : 0;
    if (this.#failures === 0) return Infinity;
    return Math.max(0, this.#options.failures - this.#failures - this.#unproven.size);
  }

  /** ms until `most` grows by time alone. */
  restMs(now: number): number {
    return this.#open && this.#open.trial === undefined ? Math.max(0, this.#open.until - now) : Infinity;
  }

  isTrial(claim: string): boolean {
    return this.#open?.trial === claim;
  }

  began(claim: string): void {
    if (this.#open) this.#open.trial ??= claim;
    else if (this.#failures > 0) this.#unproven.add(claim);
  }

  /** The engine gave something for it. While it is open only the trial counts: what came before it died may come late. */
  worked(claim: string): 'closed' | undefined {
    if (this.#open && this.#open.trial !== claim) return undefined;
    const closes = this.#open !== undefined;
    this.#open = undefined;
    this.#failures = 0;
    this.#unproven.clear();
    return closes ? 'closed' : undefined;
  }

  /** The engine failed it. `opened` also if it stays open, and for longer. */
  failed(claim: string, now: number): 'opened' | undefined {
    this.#failures += 1;
    this.#unproven.delete(claim);
    const { failures, pauseMs: first, maxPauseMs } = this.#options;
    if (this.#open ? this.#open.trial !== claim : this.#failures < failures) return undefined;
    const pauseMs = this.#open ? Math.min(maxPauseMs, 2 * this.#open.pauseMs) : first;
    this.#open = { pauseMs, until: now + pauseMs, trial: undefined };
    return 'opened';
  }

  /** It is over, and says nothing of the engine, if neither of the two was told before. */
  ended(claim: string): void {
    this.#unproven.delete(claim);
    if (this.#open?.trial === claim) this.#open.trial = undefined;
  }
}
