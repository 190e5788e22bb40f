/**
 * What the caller of `getRequests` gave back since this node sent its last result: its engine, if it has one, does nothing. A loop
 * around a broken engine gets what it gives back, and nothing else: from the second time on it waits.
 */
import type { Ticket } from '../base/ticket.ts';
import type { GiveBackOptions } from '../protocol/give-back.ts';

/** More requests than an engine fails at a time; what is forgotten is once more given back without a pause. */
const MAX_RETURNED = 10_000;

export class Returned {
  readonly #tickets = new Set<Ticket>();

  /** How it is given back: the first time without a pause, unless the caller asks for one. */
  pausing(ticket: Ticket, options: GiveBackOptions): GiveBackOptions {
    if (this.#tickets.has(ticket)) return options;
    if (this.#tickets.size >= MAX_RETURNED) this.#tickets.clear();
    this.#tickets.add(ticket);
    return { afterMs: 0, ...options };
  }

  /** A result was sent: the engine works. */
  forget(): void {
    if (this.#tickets.size > 0) this.#tickets.clear();
  }
}
