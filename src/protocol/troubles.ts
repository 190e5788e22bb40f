/**
 * Calls that Redis has not answered, by place: a shard, or the registry. A place that has not answered for 5 s is warned of,
 * with what Redis said, and a TIMEOUT names every place that is in trouble then.
 */
import { monotonic } from '../base/clock.ts';

/** A call that is not answered for so long is warned of. */
const WARN_MS = 5_000;
/** A shorter silence is no trouble. */
const TROUBLE_MS = 250;

interface Call {
  operation: string;
  from: number;
  /** The last thing that Redis said instead of an answer. */
  said: string | undefined;
}

/** Told of a call that has waited for so long, and of what Redis said, if it said anything. */
export type OnSlow = (operation: string, ms: number, said: string | undefined) => void;

/** Calls to one place. */
export class Place {
  readonly #name: string;
  readonly #warn: (message: string) => void;
  readonly #onSlow: OnSlow | undefined;
  /** In the order in which they began. */
  readonly #calls = new Set<Call>();
  #timer: NodeJS.Timeout | undefined;
  /** It was warned of, and has not answered since. */
  #warned = false;

  constructor(name: string, warn: (message: string) => void, onSlow?: OnSlow) {
    this.#name = name;
    this.#warn = warn;
    this.#onSlow = onSlow;
  }

  /** @param send is given a function to tell what Redis said instead of an answer */
  watch<T>(operation: string, send: (tell: (said: string) => void) => Promise<T>): Promise<T> {
    const call: Call = { operation, from: monotonic(), said: undefined };
    this.#calls.add(call);
    // one timer for all calls, and none for each: it looks at the oldest
    if (!this.#timer) this.#lookIn(WARN_MS);
    const answered = send((said) => (call.said = said));
    const done = (): void => {
      this.#calls.delete(call);
      this.#warned = false;
    };
    answered.then(done, done);
    return answered;
  }

  /** What is wrong here; undefined: nothing is. */
  get trouble(): string | undefined {
    const [oldest] = this.#calls;
    if (!oldest) return undefined;
    const ms = monotonic() - oldest.from;
    if (oldest.said === undefined && ms < TROUBLE_MS) return undefined;
    const silence = `no answer to ${oldest.operation} for ${(ms / 1000).toFixed(1)} s`;
    return `${this.#name}: ${oldest.said ?? silence}`;
  }

  #look(): void {
    const [oldest] = this.#calls;
    this.#timer = undefined;
    if (!oldest) return;
    const ms = monotonic() - oldest.from;
    if (ms >= WARN_MS && !this.#warned) {
      this.#warned = true;
      const why = oldest.said === undefined ? 'it says nothing' : `it says: ${oldest.said}`;
      const waited = `${oldest.operation} has waited for ${(ms / 1000).toFixed(1)} s`;
      this.#warn(`${this.#name}: Redis does not answer, ${waited}; ${why}`);
      this.#onSlow?.(oldest.operation, ms, oldest.said);
    }
    this.#lookIn(ms < WARN_MS ? WARN_MS - ms : WARN_MS / 5);
  }

  #lookIn(ms: number): void {
    this.#timer = setTimeout(() => this.#look(), ms).unref();
  }
}

/** The places that one node speaks to. */
export class Troubles {
  readonly #warn: (message: string) => void;
  readonly #places: Place[] = [];

  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  place(name: string, onSlow?: OnSlow): Place {
    const place = new Place(name, this.#warn, onSlow);
    this.#places.push(place);
    return place;
  }

  /** Of every place that is in trouble, what is wrong there. */
  get known(): string[] {
    return this.#places.flatMap(({ trouble }) => trouble ?? []);
  }
}
