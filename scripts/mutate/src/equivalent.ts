import type { Equivalent } from '../mutant.ts';

const ONLY_MEMORY = 'settled promises ignore it: the set would only hold more than it needs';

/** Each with its reason, why the client does the same with it. */
export const EQUIVALENT: readonly Equivalent[] = [
  {
    ...{ file: 'src/protocol/resend.ts', within: 'Resend.constructor' },
    ...{ before: 'setMaxListeners(0, this.#over.signal);', after: '' },
    why: 'only keeps Node.js from warning of many listeners',
  },
  {
    ...{ file: 'src/protocol/resend.ts', within: 'Resend.end' },
    ...{ before: 'this.#waiting.clear();', after: '', why: ONLY_MEMORY },
  },
  {
    ...{ file: 'src/protocol/resend.ts', within: 'Resend.answered' },
    before: 'error instanceof BrokenConnection && error.written',
    after: 'error.written',
    why: 'no other error has such a property',
  },
  {
    ...{ file: 'src/runner/claimer.ts', within: 'Claimer.#rang' },
    ...{ before: 'asksIn === 0', after: 'true' },
    why: 'a call that cannot ask yet sleeps on',
  },
  {
    ...{ file: 'src/runner/agenda.ts', within: 'Agenda.nextAt' },
    before: 'refusal && this.isRefused(shard, bounds, now)',
    after: 'this.isRefused(shard, bounds, now)',
    why: 'a shard without a refusal is refused only while room is kept elsewhere, and such a shard was left out before',
  },
  {
    ...{ file: 'src/runner/agenda.ts', within: 'Agenda.next' },
    ...{ before: 'chosen !== undefined', after: 'true' },
    why: 'undefined is no shard: nothing is known of it, and nobody asks',
  },
  {
    ...{ file: 'src/owner/owner.ts', within: 'Owner.constructor' },
    ...{ before: 'predecessor && settings.ttlMs', after: 'settings.ttlMs' },
    why: 'nobody asks for what was pending where there is no predecessor',
  },
  {
    ...{ file: 'src/owner/owner.ts', within: 'Owner.#inTime' },
    ...{ before: 'ms > this.#rules.commandTimeout', after: 'false' },
    why: 'only saves a timer: the caller gets TIMEOUT before',
  },
  {
    ...{ file: 'src/owner/owner.ts', within: 'Owner.#inTime' },
    ...{ before: '!over.signal.aborted', after: 'true' },
    why: 'only saves an error that nobody sees: the race is over',
  },
  {
    ...{ file: 'src/owner/endings.ts', within: 'Endings.#cancelPlaced' },
    before: 'pending.ticket === undefined || this.#pendings.withTicket(pending.ticket) !== pending',
    after: 'this.#pendings.withTicket(pending.ticket) !== pending',
    why: 'nothing is pending under no ticket',
  },
  {
    ...{ file: 'src/protocol/lane.ts', within: 'Lane.#hollow', before: 'hollow', after: 'true' },
    why: 'what it throws where there is none is caught, and there are no answers either way',
  },
  {
    ...{ file: 'src/owner/pending.ts', within: 'PendingTable.clearTicket' },
    ...{ before: 'pending.ticket === undefined', after: 'false' },
    why: 'no ticket is undefined: there is nothing to delete, and nobody asks for it',
  },
];
