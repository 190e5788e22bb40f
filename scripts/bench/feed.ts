import { idOf, type BenchRequest, type CodecName } from './payloads.ts';

/** One measured round, the same for the scheduler and for the bound. */
export interface Load {
  /** Requests of a put, most of a claim, results of a put of results. */
  batch: number;
  /** Puts, and puts of results, that may be unanswered at a time. */
  inFlight: number;
  /** Prompt tokens of a request. */
  tokens: number;
  /** Used round and round. */
  bodies: readonly unknown[];
  codec: CodecName;
  /** Feed for so many ms, or so many requests; what was fed is then finished. */
  until: { ms: number } | { requests: number };
  signal: AbortSignal;
}

/** Requests that were put and not yet taken back, at most: enough that no side of the loop starves. */
export function windowOf({ batch, inFlight }: Pick<Load, 'batch' | 'inFlight'>): number {
  return Math.max(256, 4 * batch * inFlight);
}

/** Hands out calls of requests until there were enough, never more than a window at a time. */
export class Feed {
  /** Resolves when everything that was handed out is finished; rejects when the round failed or was aborted. */
  readonly over: Promise<void>;
  readonly #load: Load;
  readonly #window: number;
  readonly #endAt: number;
  readonly #most: number;
  #fed = 0;
  #finished = 0;
  #calls = 0;
  #settle!: { resolve: () => void; reject: (reason: Error) => void };
  #isOver = false;

  constructor(load: Load) {
    this.#load = load;
    this.#window = windowOf(load);
    this.#endAt = 'ms' in load.until ? performance.now() + load.until.ms : Infinity;
    this.#most = 'requests' in load.until ? load.until.requests : Infinity;
    this.over = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    if (load.signal.aborted) this.#aborted();
    load.signal.addEventListener('abort', this.#aborted);
  }

  readonly #aborted = (): void => this.fail(this.#load.signal.reason);

  get finishedCount(): number {
    return this.#finished;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The next call's requests; undefined: not now. */
  next(): BenchRequest[] | undefined {
    const { batch, inFlight, bodies, tokens } = this.#load;
    if (this.#isFed()) {
      this.#endIfDone();
      return undefined;
    }
    if (this.#calls >= inFlight || this.#fed - this.#finished + batch > this.#window) return undefined;
    this.#calls += 1;
    const count = Math.min(batch, this.#most - this.#fed);
    return Array.from({ length: count }, () => {
      const body = bodies[this.#fed % bodies.length];
      return { id: idOf(this.#fed++), tokens, body };
    });
  }

  /** A call that `next` handed out was answered. */
  answered(): void {
    this.#calls -= 1;
  }

  /** The owner took so many results. */
  finished(count: number): void {
    this.#finished += count;
    this.#endIfDone();
  }

  fail(reason: unknown): void {
    this.#end();
    this.#settle.reject(reason as Error);
  }

  #isFed(): boolean {
    return this.#isOver || this.#fed >= this.#most || performance.now() >= this.#endAt;
  }

  #endIfDone(): void {
    if (!this.#isFed() || this.#finished < this.#fed) return;
    this.#end();
    this.#settle.resolve();
  }

  #end(): void {
    this.#isOver = true;
    this.#load.signal.removeEventListener('abort', this.#aborted);
  }
}
