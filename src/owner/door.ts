/**
 * The way in for requests: each is read and encoded, and put in its turn, so that many at once do not hold up the event loop.
 * What is refused is told, alone.
 */
import { monotonic } from '../base/clock.ts';
import type { ErrorCode, SchedulerError } from '../base/errors.ts';
import { Pace } from '../base/pace.ts';
import type { Teller } from '../observe/events.ts';
import type { Owner } from './owner.ts';
import type { Pending } from './pending.ts';
import type { NewRequest, Preparation, PutOptions } from './prepare.ts';
import type { Sink } from './results.ts';

/** What became of one request of a `putRequests` call. */
export interface PutOutcome {
  id: string;
  /** Why it was refused; missing: it is in Redis, once. */
  error?: SchedulerError;
  /** With waitReplicas: whether that many replicas had it in time. */
  replicated?: boolean;
}

/** Why a put has no outcome: it may be in Redis, or not. */
const UNDECIDED: readonly ErrorCode[] = ['TIMEOUT', 'CLOSED', 'EVICTED'];
/** Puts that begin in one turn of the event loop: some 10 ms of work. A multiple of the items of a call, so that calls are full. */
export const PUTS_A_TURN = 256;

type Sinks<Output> = (id: string) => Sink<Output>;

export class Door<Request, Output> {
  readonly #preparation: Preparation<Request>;
  readonly #owner: Pick<Owner<Output>, 'put'>;
  readonly #teller: Teller;
  readonly #assertOpen: (operation: string) => void;
  readonly #pace = new Pace(PUTS_A_TURN);

  /** @param assertOpen throws when nothing is accepted any more; asked after each wait */
  constructor(
    preparation: Preparation<Request>,
    owner: Pick<Owner<Output>, 'put'>,
    teller: Teller,
    assertOpen: (operation: string) => void,
  ) {
    this.#preparation = preparation;
    this.#owner = owner;
    this.#teller = teller;
    this.#assertOpen = assertOpen;
  }

  /** @throws SchedulerError BAD_ID */
  idOf(request: Request): string {
    this.#teller.tally.put += 1;
    try {
      return this.#preparation.idOf(request);
    } catch (error) {
      this.#tellRefused('', error);
      throw error;
    }
  }

  /** Puts them in their order. @throws SchedulerError TIMEOUT, CLOSED, EVICTED, if nobody knows of any */
  async putAll(
    requests: readonly Request[],
    options: PutOptions,
    sinks: Sinks<Output>,
  ): Promise<PutOutcome[]> {
    const from = monotonic();
    const puts: Promise<PutOutcome>[] = [];
    for (const request of [...requests]) {
      const turn = this.#pace.enter();
      if (turn) await turn;
      puts.push(this.#outcomeOf(request, options, sinks, from));
    }
    const outcomes = await Promise.all(puts);
    const last = outcomes.at(-1)?.error;
    if (last && UNDECIDED.includes(last.code) && outcomes.every(({ error }) => error)) throw last;
    return outcomes;
  }

  async #outcomeOf(
    request: Request,
    options: PutOptions,
    sinks: Sinks<Output>,
    from: number,
  ): Promise<PutOutcome> {
    let id = '';
    try {
      this.#assertOpen('putRequests');
      id = this.idOf(request);
      const prepared = this.#prepare(request, id, options, from);
      const { replicated } = await this.#put({ ...prepared, sink: sinks(id) });
      return { id, ...(replicated === undefined ? {} : { replicated }) };
    } catch (error) {
      return { id, error: error as SchedulerError };
    }
  }

  /** Puts one. It is encoded at once: the caller may change it afterwards. */
  async submit(
    request: Request,
    id: string,
    sink: Sink<Output>,
    options: PutOptions,
  ): Promise<Pending<Output>> {
    const prepared = this.#prepare(request, id, options, monotonic());
    const turn = this.#pace.enter();
    if (turn) {
      await turn;
      this.#assertOpen('submit');
    }
    return this.#put({ ...prepared, sink });
  }

  #prepare(request: Request, id: string, options: PutOptions, from: number): Omit<NewRequest<never>, 'sink'> {
    try {
      return this.#preparation.prepare(request, id, options, from);
    } catch (error) {
      this.#tellRefused(id, error);
      throw error;
    }
  }

  async #put(request: NewRequest<Output>): Promise<Pending<Output>> {
    try {
      const pending = await this.#owner.put(request);
      this.#teller.tally.accepted += 1;
      return pending;
    } catch (error) {
      this.#tellRefused(request.id, error);
      throw error;
    }
  }

  /** A put that timed out was not refused, it may still be accepted; one of a scheduler that is over is no news. */
  #tellRefused(id: string, error: unknown): void {
    const { code } = error as SchedulerError;
    if (UNDECIDED.includes(code)) return;
    this.#teller.tally.refused += 1;
    this.#teller.heard('refused')?.({ id, code });
  }
}
