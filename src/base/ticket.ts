import { SchedulerError, show } from './errors.ts';

/** A reading of a shard's clock in µs, as 14 hex digits: sorted as text, ticks are in the order of time. */
export type Tick = string;
export const NO_TICK: Tick = '00000000000000';

/** `owner|order|tokens|deadline|id`: one accepted request and its place in the queue (lua/README.md#words). */
export type Ticket = string;

export interface TicketParts {
  owner: string;
  /** Tick of the put, less the head start that its priority gives. */
  order: Tick;
  /** Prompt tokens. */
  tokens: number;
  /** ms of the server's clock. */
  deadline: number;
  id: string;
}

/** Most prompt tokens that a ticket can say. */
export const MAX_TOKENS = 2 ** 32 - 1;

/** Characters of a stamp, `order|tokens|deadline`: 14, 8 and 12 hex digits and two bars. */
const STAMP = 36;

/** A whole number in hex, at least `width` digits. */
export function hex(value: number, width: number): string {
  return value.toString(16).padStart(width, '0');
}

/** The later of two ticks. */
export function laterTick(a: Tick, b: Tick): Tick {
  return a > b ? a : b;
}

/** @param stamp `order|tokens|deadline`, as a put answers it */
export function joinTicket(owner: string, stamp: string, id: string): Ticket {
  return `${owner}|${stamp}|${id}`;
}

export function parseTicket(ticket: Ticket): TicketParts {
  const owner = ticket.slice(0, ticket.indexOf('|'));
  const stamp = ticket.slice(owner.length + 1, owner.length + 1 + STAMP);
  return {
    owner,
    order: stamp.slice(0, 14),
    tokens: parseInt(stamp.slice(15, 23), 16),
    deadline: parseInt(stamp.slice(24, 36), 16),
    id: ticket.slice(owner.length + STAMP + 2),
  };
}

const MAX_ID_BYTES = 512;

/** Why an id cannot be used, or undefined. Ids are any well-formed, non-empty string of at most 512 bytes. */
export function idProblem(id: unknown): SchedulerError | undefined {
  if (typeof id === 'string' && id !== '' && isWellFormed(id) && Buffer.byteLength(id) <= MAX_ID_BYTES)
    return undefined;
  const shown = typeof id === 'string' ? JSON.stringify(id.slice(0, 40)) : show(id);
  return new SchedulerError(
    'BAD_ID',
    'putRequests',
    `id ${shown} is not a well-formed string of 1 to 512 bytes`,
  );
}

// ES2024's String.prototype.isWellFormed, which Node 20 has and its types do not
function isWellFormed(text: string): boolean {
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed();
}
