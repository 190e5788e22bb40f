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
  ...['void this.#waiting.delete(reject)', 'settled();'].map((before) => ({
    ...{ file: 'src/protocol/resend.ts', within: 'Resend.#unlessOver' },
    ...{ before, after: '', why: ONLY_MEMORY },
  })),
  {
    ...{ file: 'src/protocol/resend.ts', within: 'Resend.answered' },
    before: 'error instanceof BrokenConnection && error.written',
    after: 'error.written',
    why: 'no other error has such a property',
  },
  {
    ...{ file: 'src/owner/pending.ts', within: 'PendingTable.clearTicket' },
    ...{ before: 'pending.ticket === undefined', after: 'false' },
    why: 'no ticket is undefined: there is nothing to delete, and nobody asks for it',
  },
];
