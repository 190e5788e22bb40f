import type { Equivalent } from '../mutant.ts';

const SAME_BYTES = 'only saves writes: the same bytes are written, piece by piece';
const NOTHING_TO_DO = 'only saves what does nothing where there is nothing';
const IN_VAIN = 'only saves a timer that fires in vain: a closed mailbox asks for nothing';
const EMPTY = 'only memory: an empty table of a shard says what none does';
const SAME_LIST = 'only saves a list: the same comes of one unit and of several';
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
  {
    ...{ file: 'src/protocol/frames.ts', within: 'writeFrame', after: 'isText' },
    before: 'isText && (payload.charCodeAt(payload.length - 1) & 0xfc00) === 0xd800',
    why: SAME_BYTES,
  },
  {
    ...{ file: 'src/protocol/frames.ts', within: 'writeFrame', before: 'isText && !isCut', after: 'false' },
    why: SAME_BYTES,
  },
  {
    ...{ file: 'src/protocol/lane.ts', within: 'Lane.#settleParts' },
    ...{ before: 'parts && outcomes.length > 0', after: 'outcomes.length > 0' },
    why: 'where there are no parts there is no outcome of one',
  },
  {
    ...{ file: 'src/protocol/result-call.ts', within: 'ResultForm.read' },
    ...{ before: 'group.owner === this.#node', after: 'false' },
    why: 'own results do not travel: nobody looks at what is noted of their intro',
  },
  {
    ...{ file: 'src/protocol/result-call.ts', within: 'ResultForm.read' },
    ...{ before: 'answer.told.length > 0', after: 'true', why: NOTHING_TO_DO },
  },
  {
    ...{ file: 'src/protocol/result-call.ts', within: 'ResultForm.read' },
    before: "item.kind === 'chunk' && (status === 'OK' || status === 'ORPHAN')",
    after: "(status === 'OK' || status === 'ORPHAN')",
    why: 'nothing is sent of a claim behind its end',
  },
  ...['ResultLane.put', 'ResultLane.#send', 'ResultLane.#answer'].map((within) => ({
    ...{ file: 'src/protocol/result-lane.ts', within },
    ...{ before: 'units.length === 1', after: 'false', why: SAME_LIST },
  })),
  {
    ...{ file: 'src/owner/delivery.ts', within: 'Delivery.deliver' },
    ...{ before: 'this.#own.size === 0', after: 'false', why: NOTHING_TO_DO },
  },
  {
    ...{
      file: 'src/owner/delivery.ts',
      within: 'Delivery.#read',
      before: "kind === 'chunk'",
      after: 'false',
    },
    why: 'a chunk has no story and is never bare: what follows gives the same',
  },
  {
    ...{ file: 'src/owner/introductions.ts', within: 'Introductions.#mail' },
    ...{ before: 'named === NO_TICK', after: 'false' },
    why: 'no claim has that fence, and what is made of it goes with the final that made it',
  },
  {
    ...{ file: 'src/owner/introductions.ts', within: 'Introductions.#sweep' },
    ...{ before: 'now - this.#sweptAt < leaseMs', after: 'false' },
    why: 'only saves looks: each is looked at for how long it has waited',
  },
  {
    ...{ file: 'src/owner/introductions.ts', within: 'Introductions.#introduce' },
    ...{ before: 'other !== undefined', after: 'true', why: NOTHING_TO_DO },
  },
  {
    ...{ file: 'src/owner/introductions.ts', within: 'Introductions.#giveUp' },
    ...{ before: 'waiting.chunks.length > 0', after: 'true' },
    why: 'where no chunk is left they were given up before, and the hole is known',
  },
  {
    ...{ file: 'src/owner/introductions.ts', within: 'Introductions.#forget' },
    ...{ before: 'fence === undefined', after: 'false', why: NOTHING_TO_DO },
  },
  {
    ...{ file: 'src/owner/mailbox.ts', within: 'Mailbox.close' },
    ...{ before: 'this.#acknowledge.clear();', after: '' },
    why: IN_VAIN,
  },
  {
    ...{ file: 'src/owner/mailbox.ts', within: 'Mailbox.#take' },
    ...{ before: 'this.#tick !== this.#taken && !this.#closed', after: 'this.#tick !== this.#taken' },
    why: IN_VAIN,
  },
  {
    ...{ file: 'src/owner/mailbox.ts', within: 'Mailbox.#takeOnce', before: '!isSeen(look)', after: 'true' },
    why: 'one that was resolved is only resolved once more',
  },
  {
    ...{ file: 'src/owner/readers.ts', within: 'Readers.halts', before: 'behind.size === 0', after: 'false' },
    why: EMPTY,
  },
  {
    ...{ file: 'src/owner/readers.ts', within: 'Readers.halts' },
    ...{ before: 'this.#behind.delete(shard);', after: '', why: EMPTY },
  },
  {
    ...{ file: 'src/runner/halt.ts', within: 'Halt.set', before: 'ms > 0', after: 'true' },
    why: 'a halt of 0 ms is over when it begins',
  },
  {
    ...{ file: 'src/runner/returned.ts', within: 'Returned.forget' },
    ...{ before: 'this.#tickets.size > 0', after: 'true', why: NOTHING_TO_DO },
  },
  {
    ...{ file: 'src/node/wakeup.ts', within: 'Wakeup.hear', before: 'what === undefined', after: 'false' },
    why: 'what is no ring names no shard, and no topic has a shard of no number',
  },
];
