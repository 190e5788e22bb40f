/** When faults strike, whom, and until when what they broke is being made anew: no bound on waiting runs meanwhile. */
import { lengthOf, without, type Span } from '../lib/checker/spans.ts';
import type { Window } from '../lib/checker/stranded.ts';
import { now } from '../lib/harness/history.ts';

/** A poll of every node, and the claim that follows it, on a busy machine. */
const FOUND_AGAIN_MS = 1_000;
/** Clients that were refused try to connect again after at most a second; then as above. */
const CONNECTED_AGAIN_MS = 2_000;

/** A timer that is later than this shows that the machine had no time for anybody. */
const LATE_MS = 150;
const LOOK_MS = 20;

/** Whom a fault strikes; see {@link Window}. */
export type Struck = Pick<Window, 'labels' | 'shards'>;

export class Windows {
  readonly list: Window[] = [];
  readonly #looking: NodeJS.Timeout;
  #lookedAt = now();

  /** Looks out for times in which the machine, busy with other things, stands still. */
  constructor() {
    this.#looking = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  close(): void {
    clearInterval(this.#looking);
  }

  /** A fault that lasts as long as `act`; then nodes find their work again. */
  during<T>(what: string, struck: Struck, act: () => Promise<T>): Promise<T> {
    return this.#during(what, struck, act, FOUND_AGAIN_MS);
  }

  /** As {@link during}, and nodes have no connection meanwhile. */
  awayDuring<T>(what: string, struck: Struck, act: () => Promise<T>): Promise<T> {
    return this.#during(what, struck, act, CONNECTED_AGAIN_MS);
  }

  /** A fault that is over at once, or after `ms`, while others go on. */
  add(what: string, struck: Struck, ms = 0): void {
    const from = now();
    this.list.push({ what, ...struck, from, to: from + ms + FOUND_AGAIN_MS });
  }

  /** The share of the time in which no fault struck all. */
  shareWithout(time: Span): number {
    const ofAll = this.list.filter(({ labels, shards }) => !labels && !shards);
    return lengthOf(without([time], ofAll)) / (time.to - time.from);
  }

  #look(): void {
    const from = this.#lookedAt;
    this.#lookedAt = now();
    if (this.#lookedAt - from <= LOOK_MS + LATE_MS) return;
    this.list.push({ what: 'the machine stood still', from, to: this.#lookedAt + FOUND_AGAIN_MS });
  }

  async #during<T>(what: string, struck: Struck, act: () => Promise<T>, tailMs: number): Promise<T> {
    const open = { what, ...struck, from: now(), to: Infinity };
    this.list.push(open);
    try {
      return await act();
    } finally {
      open.to = now() + tailMs;
    }
  }
}
