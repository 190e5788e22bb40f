/**
 * A machine in scaled real time. Its iterations keep an absolute schedule: a timer that fires late makes nothing late
 * but the word of it, and what is overdue is done at once.
 */
import type { Budget } from '../../src/base/budget.ts';
import { DEFAULT_ENGINE } from '../../src/testing/engine/engine-model.ts';
import type { EngineOptions } from '../../src/testing/engine/engine-model.ts';
import type { History } from './history.ts';
import { Machine } from './machine.ts';

/** Model time of a run: real ms divided by the scale, 0 at the first arrival. */
export class ScaledClock {
  /** Real ms per model ms. */
  readonly scale: number;
  #startsAt = performance.now();

  constructor(scale: number) {
    this.scale = scale;
  }

  /** The first arrival is `ms` from now, real time. */
  startIn(ms: number): void {
    this.#startsAt = performance.now() + ms;
  }

  /** Model ms. */
  now(): number {
    return (performance.now() - this.#startsAt) / this.scale;
  }

  /** Real ms until a model time; below 0 if it is over. */
  realMsUntil(at: number): number {
    return (at - this.now()) * this.scale;
  }
}

/** What an engine needs of its run. */
export interface LiveContext {
  history: History;
  engine: EngineOptions;
  clock: ScaledClock;
  /** Real ms by which timers were late; it adds to it. */
  lateness: number[];
}

export class LiveEngine {
  readonly #machine: Machine;
  readonly #clock: ScaledClock;
  readonly #onFinished: (id: number) => void;
  /** Real ms by which each timer was late. */
  readonly #lateness: number[];
  #timer: NodeJS.Timeout | undefined;
  #opened: (() => void) | undefined;
  #closed = false;

  constructor(
    node: number,
    { history, engine, clock, lateness }: LiveContext,
    onFinished: (id: number) => void,
  ) {
    this.#machine = new Machine(node, history, engine);
    this.#clock = clock;
    this.#lateness = lateness;
    this.#onFinished = onFinished;
  }

  /** Sequences in the engine. */
  get size(): number {
    return this.#machine.size;
  }

  /** Real ms until the iteration under way ends, when there may be more room; undefined: there is none under way. */
  get iterationMs(): number | undefined {
    const { endsAt } = this.#machine;
    return endsAt === undefined ? undefined : Math.max(0, this.#clock.realMsUntil(endsAt));
  }

  /** Real ms that an iteration takes at the least. */
  get shortestMs(): number {
    return DEFAULT_ENGINE.iterationMs * this.#clock.scale;
  }

  room(): Budget {
    this.#advance();
    return this.#machine.room;
  }

  /** Resolves when the engine would take a request; at once if so. Also when it is closed. One may wait at a time. */
  async whenOpen(): Promise<void> {
    this.#advance();
    while (!this.#closed && !this.#machine.isOpen)
      await new Promise<void>((resolve) => (this.#opened = resolve));
  }

  /** Takes requests that fit the room it had. */
  enter(ids: readonly number[]): void {
    this.#advance();
    const now = this.#clock.now();
    for (const id of ids) {
      if (!this.#machine.admit(id, now)) throw new Error(`request ${id} was claimed without room for it`);
    }
    this.#machine.begin(now);
    this.#setTimer();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#opened?.();
  }

  #advance(): void {
    const now = this.#clock.now();
    for (let { endsAt } = this.#machine; endsAt !== undefined && endsAt <= now; { endsAt } = this.#machine) {
      const finished = this.#machine.end();
      this.#machine.begin(endsAt);
      for (const id of finished) this.#onFinished(id);
    }
    this.#setTimer();
    if (this.#machine.isOpen) {
      this.#opened?.();
      this.#opened = undefined;
    }
  }

  #setTimer(): void {
    const { endsAt } = this.#machine;
    if (this.#timer || this.#closed || endsAt === undefined) return;
    // a timer may fire up to 1 ms early
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#lateness.push(Math.max(0, -this.#clock.realMsUntil(endsAt)));
        this.#advance();
      },
      Math.max(0, Math.ceil(this.#clock.realMsUntil(endsAt))),
    );
  }
}
