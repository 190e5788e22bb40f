import type { Tick, Ticket } from '../base/ticket.ts';
import type { Shard } from '../protocol/shard.ts';
import type { Held } from '../protocol/wire.ts';

/** What this node holds of one request. */
export class Claim implements Held {
  readonly key: string;
  readonly shard: Shard;
  readonly ticket: Ticket;
  readonly fence: Tick;
  readonly owner: string;
  readonly id: string;
  /** Of its last result. */
  number = 0;
  /** Its final result, or its give-back, is on its way. */
  ending = false;
  #lost: unknown;
  #controller: AbortController | undefined;

  constructor(key: string, shard: Shard, ticket: Ticket, fence: Tick, owner: string, id: string) {
    this.key = key;
    this.shard = shard;
    this.ticket = ticket;
    this.fence = fence;
    this.owner = owner;
    this.id = id;
  }

  /** Made when it is first asked for: an AbortController costs more than everything else here. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#lost !== undefined) this.#controller.abort(this.#lost);
    }
    return this.#controller.signal;
  }

  /** Fires the signal. */
  abort(reason: unknown): void {
    this.#lost ??= reason;
    this.#controller?.abort(reason);
  }
}
