/** What goes into a shard's scripts and what they answer; how answers are read. Pure. */
import type { Payload } from '../base/codec.ts';
import { hex, type Tick, type Ticket } from '../base/ticket.ts';

/** A call carries at most this, or one larger item (DESIGN.md section 3). */
export const MAX_ITEMS = 128;
export const MAX_BYTES = 256 * 1024;
const MAX_TOKENS = 2 ** 32 - 1;

export interface PutItem {
  id: string;
  promptTokens: number;
  /** ms from now. */
  deadlineMs: number;
  headStartMs: number;
  /** Runners that may still lose it, and that have. */
  triesLeft: number;
  triesSpent: number;
  payload: Payload;
}

export type PutAnswer =
  | { status: 'OK' | 'DUPLICATE'; ticket: Ticket; replicated?: boolean }
  | { status: 'EXPIRED' }
  | { status: 'FULL'; retryAfterMs: number };

export interface ClaimItem {
  limit: number;
  aloneTokens: number;
  sumTokens: number;
  totalTokens: number;
  idleForMs: number;
}

export interface ClaimedTicket {
  ticket: Ticket;
  fence: Tick;
  triesLeft: number;
  triesSpent: number;
  /** Missing: the caller's own request, whose payload it has, or the answer was a remembered one. */
  body?: Buffer;
}

export interface ClaimAnswer {
  status: 'OK' | 'IDLE' | 'BLOCKED';
  claims: ClaimedTicket[];
  /** The answer came from the lane's memory, which keeps no bodies. */
  remembered: boolean;
  /** ms until a peer's first request may be stolen. */
  againMs?: number;
  /** ms to the first `due`. */
  dueMs?: number;
}

export type ResultKind = 'chunk' | 'finished' | 'failed' | 'cancelled' | 'expired';

export interface ResultItem {
  ticket: Ticket;
  fence: Tick;
  number: number;
  kind: 'chunk' | 'finished' | 'failed';
  /** Copy the request to `dead`. */
  dead: boolean;
  payload: Payload;
}

export type ResultAnswer = 'OK' | 'ORPHAN' | 'LOST' | 'OVERFLOW';

/** A result on its way to its owner, as it stands in the mailbox. */
export interface Mail {
  tick: Tick;
  ticket: Ticket;
  fence: Tick;
  number: number;
  kind: ResultKind;
  payload: Buffer;
}

export interface Held {
  ticket: Ticket;
  fence: Tick;
}

export interface RefreshAnswer<H> {
  lost: H[];
  unknown: Ticket[];
  more: boolean;
  dueMs?: number;
}

export type CancelAnswer = 'WAITING' | 'CLAIMED' | 'ENDED';

export interface ResetAnswer {
  more: boolean;
  dropped: Ticket[];
}

export type PutCall = { put: PutItem } | { reset: readonly Ticket[] };

const KINDS: Record<string, ResultKind> = {
  c: 'chunk',
  f: 'finished',
  x: 'failed',
  k: 'cancelled',
  e: 'expired',
};

export function sizeOf(payload: Payload): number {
  return typeof payload === 'string' ? payload.length : payload.byteLength;
}

export function fitting(sizes: Iterable<number>): number {
  let count = 0;
  let bytes = 0;
  for (const size of sizes) {
    bytes += size;
    if (count > 0 && (count === MAX_ITEMS || bytes > MAX_BYTES)) break;
    count += 1;
  }
  return count;
}

export function cutPuts(queue: readonly { item: PutCall }[]): number {
  const first = queue[0]!.item;
  if ('reset' in first) return 1;
  const sizes: number[] = [];
  for (const { item } of queue) {
    if ('reset' in item) break;
    sizes.push(sizeOf(item.put.payload));
  }
  return fitting(sizes);
}

/** What `put_requests` is told of one request. */
export function putArguments(item: PutItem): (string | Buffer)[] {
  return [
    item.id,
    hex(Math.min(item.promptTokens, MAX_TOKENS), 8),
    String(Math.floor(item.deadlineMs)),
    String(item.headStartMs),
    hex(item.triesLeft, 2),
    hex(item.triesSpent, 2),
    item.payload,
  ];
}

export function wait<K extends string>(key: K, reply: Buffer | undefined): { [P in K]?: number } {
  const ms = Number(String(reply));
  return (ms >= 0 ? { [key]: ms } : {}) as { [P in K]?: number };
}

export function parseClaims(text: Buffer, bodies: readonly Buffer[]): ClaimedTicket[] {
  const claims: ClaimedTicket[] = [];
  let nextBody = 0;
  for (let at = 0; at < text.length;) {
    const head = text.toString('latin1', at, at + 23);
    const end = at + 23 + parseInt(head.slice(19, 23), 16);
    const body = head[18] === 'b' ? bodies[nextBody++] : undefined;
    claims.push({
      fence: head.slice(0, 14),
      triesLeft: parseInt(head.slice(14, 16), 16),
      triesSpent: parseInt(head.slice(16, 18), 16),
      ticket: text.toString('utf8', at + 23, end),
      ...(body ? { body } : {}),
    });
    at = end;
  }
  return claims;
}

export function parseMail(mail: Buffer): Mail {
  const owner = mail.indexOf('|');
  const tick = mail.toString('latin1', owner + 1, owner + 15);
  const length = parseInt(mail.toString('latin1', owner + 16, owner + 20), 16);
  const after = owner + 20 + length;
  return {
    tick,
    ticket: mail.toString('utf8', owner + 20, after),
    fence: mail.toString('latin1', after, after + 14),
    number: parseInt(mail.toString('latin1', after + 14, after + 22), 16),
    kind: KINDS[mail.toString('latin1', after + 22, after + 23)]!,
    payload: mail.subarray(after + 23),
  };
}

/** Tickets, each with its length in front. */
export function parseTickets(text: Buffer, from: number): Ticket[] {
  const tickets: Ticket[] = [];
  for (let at = from; at < text.length;) {
    const end = at + 4 + parseInt(text.toString('latin1', at, at + 4), 16);
    tickets.push(text.toString('utf8', at + 4, end));
    at = end;
  }
  return tickets;
}
