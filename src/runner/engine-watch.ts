import { monotonic } from '../base/clock.ts';
import { ConfigError, isA, messageOf } from '../base/errors.ts';
import type { Teller } from '../observe/events.ts';
import type { GivenBack } from '../protocol/give-back.ts';
import type { EngineDown } from '../protocol/registration.ts';
import { Breaker, type BreakerOptions } from './breaker.ts';
import { Retry } from './retry.ts';

export interface EngineWatchOptions {
  /** When the engine is left alone that fails, and for how long; false: never. */
  breaker?: BreakerOptions | false;
  /** Whether the engine failed, and not the request: what a handler threw is then treated as a {@link Retry}. */
  isEngineFailure?: (error: unknown) => boolean;
}

/** Says what of that which handlers throw is the engine's fault, and how many requests it may be asked to begin. */
export class EngineWatch {
  readonly #breaker: Breaker | undefined;
  readonly #isEngineFailure: (error: unknown) => boolean;
  readonly #warn: (message: string) => void;
  readonly #teller: Teller;
  readonly #noteDown: (down: EngineDown | undefined) => void;

  /** @throws ConfigError */
  constructor(
    { breaker, isEngineFailure = () => false }: EngineWatchOptions,
    warn: (message: string) => void,
    teller: Teller,
    noteDown: (down: EngineDown | undefined) => void,
  ) {
    const given: unknown = breaker;
    if (given !== undefined && given !== false && (typeof given !== 'object' || given === null))
      throw new ConfigError('breaker', breaker, 'an object with failures, pauseMs and maxPauseMs, or false');
    if (typeof isEngineFailure !== 'function')
      throw new ConfigError('isEngineFailure', isEngineFailure, 'a function');
    this.#breaker = breaker === false ? undefined : new Breaker(breaker);
    this.#isEngineFailure = isEngineFailure;
    this.#warn = warn;
    this.#teller = teller;
    this.#noteDown = noteDown;
  }

  get breaker(): { state: 'closed' | 'open'; failures: number; pauseMs: number | null } | null {
    if (!this.#breaker) return null;
    const { failures, pauseMs = null } = this.#breaker;
    return { state: pauseMs === null ? 'closed' : 'open', failures, pauseMs };
  }

  /** How many requests may be begun now. */
  most(): number {
    return this.#breaker?.most(monotonic()) ?? Infinity;
  }

  /** ms until that grows by time alone. */
  restMs(): number {
    return this.#breaker?.restMs(monotonic()) ?? Infinity;
  }

  began(claim: string): void {
    this.#breaker?.began(claim);
  }

  worked(claim: string): void {
    const failures = this.#breaker?.failures ?? 0;
    if (!this.#breaker?.worked(claim)) return;
    this.#noteDown(undefined);
    this.#teller.heard('engineUp')?.({ failures });
  }

  ended(claim: string): void {
    this.#breaker?.ended(claim);
  }

  /** How the request goes back that the engine failed; undefined: the request is to blame, and ends as failed. */
  failed(claim: string, error: unknown): GivenBack['how'] {
    const retry = isA(error, Retry) ? error : undefined;
    if (!retry && !this.#isItsFault(error)) return undefined;
    const reason = messageOf(error);
    // an engine that is known to fail is tried at nobody's cost
    const countTry = !this.#breaker?.isTrial(claim);
    const wasOpen = this.#breaker?.pauseMs !== undefined;
    if (this.#breaker?.failed(claim, monotonic())) this.#tellDown(this.#breaker, reason, wasOpen);
    return { countTry, ...retry?.options, reason };
  }

  /** What cannot say whose fault it is says that it is the request's. */
  #isItsFault(error: unknown): boolean {
    try {
      return this.#isEngineFailure(error);
    } catch (thrown) {
      this.#warn(`run: isEngineFailure threw: ${messageOf(thrown)}`);
      return false;
    }
  }

  #tellDown({ failures, pauseMs = 0 }: Breaker, reason: string, wasOpen: boolean): void {
    this.#noteDown({ failures, pauseMs, reason });
    this.#teller.heard('engineDown')?.({ failures, pauseMs, reason });
    if (wasOpen) return;
    this.#warn(
      `run: the engine failed ${failures} times in a row, one request at a time tries whether it works again: ${reason}`,
    );
  }
}
