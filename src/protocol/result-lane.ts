/**
 * The lane of results. A list of them is one wish: it waits, leaves and is answered as one, if one call can take it. What is cut into
 * frames is decided when the call leaves. A call that Redis will not take in frames (DOUBT: it may know the runner's claims otherwise;
 * FULL: an owner has no room for all of it) has done nothing, and goes out again under the same number in another form.
 */
import { monotonic } from '../base/clock.ts';
import type { SchedulerError } from '../base/errors.ts';
import type { Tick } from '../base/ticket.ts';
import type { Argument } from '../redis/run-script.ts';
import { cutUnits, isLarge, lingerOf, unitsOf, type ResultUnit } from './cuts.ts';
import type { Grants } from './grants.ts';
import { Lane, type LaneCall, type LaneOptions } from './lane.ts';
import { parseResults } from './replies.ts';
import { ResultForm, type CallContext } from './result-call.ts';
import type { ResultAnswer, ResultItem } from './wire.ts';

/** What became of one result; an error: Redis refused it, and it was not taken. */
export type ResultOutcome = ResultAnswer | SchedulerError;

export interface ResultLaneOptions extends Pick<
  LaneOptions<ResultUnit, ResultOutcome[]>,
  'epoch' | 'answered'
> {
  readonly grants: Grants;
  /** Its name. */
  readonly node: () => string;
  /** Chunks, and bytes of them, that may wait for an owner. */
  readonly limits: readonly [string, string];
  readonly introduceMs: number;
  /** Entries of at most so many bytes go with the wake-ups of their owners. */
  readonly carriedBytes: number;
  /** How long chunks wait for others, ms; 0: not. */
  readonly flushMs: number;
  /** Owners whose intros are remembered. Default: far more than a topic has. */
  readonly maxIntros?: number;
  readonly send: (call: LaneCall, args: readonly Argument[]) => Promise<Buffer[]>;
  /** Redis has taken this claim from the node. */
  readonly taken: (fence: Tick) => void;
}

/** The call in flight: every form in which its number was sent. */
interface Flight {
  readonly epoch: Tick;
  readonly number: string;
  readonly forms: { form: ResultForm; args: Argument[] }[];
  isHollow: boolean;
}

const NO_CALL = '000000000000';
const MAX_INTROS = 100_000;

export class ResultLane {
  readonly #options: ResultLaneOptions;
  readonly #lane: Lane<ResultUnit, ResultOutcome[]>;
  readonly #intros = new Map<string, Tick>();
  #flight: Flight | undefined;
  /** The last call that was answered, and its epoch. */
  #last = { epoch: '', number: NO_CALL };

  constructor(options: ResultLaneOptions) {
    this.#options = options;
    this.#lane = new Lane<ResultUnit, ResultOutcome[]>({
      ...{ operation: 'put_results', epoch: options.epoch, answered: options.answered, cut: cutUnits },
      linger: lingerOf(options.flushMs),
      hollow: {
        of: (unit) => ({ ...unit, isHollow: true }),
        // LOST leaves open whose answer it is, and means the same of either
        wasRun: (answers) => answers.some((answer) => answer !== 'LOST'),
      },
      parts: {
        of: ({ items }) => (items.length === 1 ? [] : items.flatMap((item) => unitsOf([item]))),
        join: (outcomes) => outcomes.flat(),
      },
      send: (call, units) => this.#send(call, units),
    });
  }

  /** What became of each; rejects never. */
  async put(items: readonly ResultItem[]): Promise<ResultOutcome[]> {
    const units = unitsOf(items);
    const [only] = units;
    if (units.length === 1) return this.#push(only!);
    return (await Promise.all(units.map((unit) => this.#push(unit)))).flat();
  }

  #push(unit: ResultUnit): Promise<ResultOutcome[]> {
    return this.#lane.push(unit).catch((error: unknown) => unit.items.map(() => error as SchedulerError));
  }

  /** Chunks that wait for others leave at once. */
  flush(): void {
    this.#lane.flush();
  }

  flushed(): Promise<void> {
    return this.#lane.flushed();
  }

  /** The same number is the same call: what was sent of it stands, as it may have been run. */
  #flightOf(number: string): Flight {
    const epoch = this.#options.epoch();
    if (this.#flight?.number !== number || this.#flight.epoch !== epoch)
      this.#flight = { epoch, number, forms: [], isHollow: false };
    return this.#flight;
  }

  async #send(call: LaneCall, units: ResultUnit[]): Promise<ResultOutcome[][]> {
    const items = units.length === 1 ? units[0]!.items : units.flatMap((unit) => unit.items);
    const flight = this.#flightOf(call.number);
    const isHollow = units[0]!.isHollow === true;
    if (flight.forms.length === 0 || isHollow !== flight.isHollow)
      this.#addForm(flight, items, isHollow ? 'hollow' : 'frames');
    flight.isHollow = isHollow;
    const alone = call.alone || isLarge(items);
    for (;;) {
      const { form, args } = flight.forms.at(-1)!;
      const reply = await this.#options.send({ ...call, alone }, args);
      const status = String(reply[0]);
      if (status === 'OK') return this.#answer(flight, units, reply);
      this.#addForm(flight, items, this.#wayAfter(status, form, flight));
    }
  }

  /** With a mark that has moved meanwhile, frames may be taken: once. */
  #wayAfter(status: string, { mark }: ResultForm, flight: Flight): 'frames' | 'exact' {
    if (status === 'FULL') return 'exact';
    if (flight.forms.length === 1 && mark !== this.#options.grants.mark) return 'frames';
    this.#options.grants.doubtAll();
    return 'exact';
  }

  #addForm(flight: Flight, items: readonly ResultItem[], way: 'frames' | 'exact' | 'hollow'): void {
    const form = new ResultForm(items, way, this.#context());
    const last = this.#last.epoch === flight.epoch ? this.#last.number : NO_CALL;
    const args = [...this.#options.limits, ...form.arguments(flight.forms.length, last)];
    flight.forms.push({ form, args });
  }

  #context(): CallContext {
    const { grants, introduceMs, carriedBytes, maxIntros = MAX_INTROS } = this.#options;
    if (this.#intros.size > maxIntros) this.#intros.clear();
    const node = this.#options.node();
    return { grants, introduceMs, carriedBytes, node, intros: this.#intros, now: monotonic() };
  }

  #answer(flight: Flight, units: readonly ResultUnit[], reply: readonly Buffer[]): ResultAnswer[][] {
    const answer = parseResults(reply, (form) => flight.forms[form]!.form.groups);
    const { form } = flight.forms[answer.form]!;
    this.#last = { epoch: flight.epoch, number: flight.number };
    this.#flight = undefined;
    const answers = form.read(answer, { grants: this.#options.grants, intros: this.#intros });
    for (const fence of answer.told) this.#options.taken(fence);
    if (units.length === 1) return [answers];
    let from = 0;
    return units.map(({ items }) => answers.slice(from, (from += items.length)));
  }
}
