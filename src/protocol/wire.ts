/** What goes into a shard's scripts and what they answer; how answers are read. Pure. */
import type { Payload } from '../base/codec.ts';
import type { OnOwnerLoss } from '../base/options.ts';
import { NO_TICK, hex, joinTicket, type Tick, type Ticket } from '../base/ticket.ts';

/** A call carries at most this, or one larger item (lua/README.md#scripts). */
export const MAX_ITEMS = 128;
export const MAX_BYTES = 256 * 1024;
/** A claim takes no more, whatever the engine has room for (lua/lib/bounds.lua): the next claim takes the rest. */
export const MAX_CLAIMS = 1_000;
const MAX_TOKENS = 2 ** 32 - 1;

export interface PutItem {
  id: string;
  promptTokens: number;
  /** ms from now. */
  deadlineMs: number;
  headStartMs: number;
  /** Tries left and tries used; losing its runner uses one. */
  triesLeft: number;
  triesSpent: number;
  onOwnerLoss: OnOwnerLoss;
  payload: Payload;
}

export type PutAnswer =
  | { status: 'OK'; ticket: Ticket; replicated?: boolean }
  /** `same`: what stands has the same body. */
  | { status: 'DUPLICATE'; ticket: Ticket; same: boolean; replicated?: boolean }
  | { status: 'EXPIRED' }
  | { status: 'FULL'; retryAfterMs: number };

export interface ClaimItem {
  limit: number;
  aloneTokens: number;
  sumTokens: number;
  totalTokens: number;
  idleForMs: number;
  /** ms after which room is kept for a request that does not fit, and for how long without another claim; 0: for none. */
  patienceMs: number;
  keepForMs: number;
  /** What the last answer named; 0: a new search. */
  askOn: number;
  /** Most tokens that another living engine of the topic can ever hold; -1: none lives, as far as is known. */
  elsewhereTokens: number;
}

export interface ClaimedTicket {
  ticket: Ticket;
  fence: Tick;
  triesLeft: number;
  triesSpent: number;
  /** When it was put. */
  arrival: Tick;
  /** Missing: the caller's own request, whose payload it has, or the answer was a remembered one. */
  body?: Buffer;
}

export interface ClaimAnswer {
  /** BLOCKED: something does not fit now. KEEPING: this node keeps room for it. */
  status: 'OK' | 'IDLE' | 'BLOCKED' | 'KEEPING';
  claims: ClaimedTicket[];
  /** The answer came from the lane's memory, which keeps no bodies. */
  remembered: boolean;
  /** ms until a peer's first request may be stolen, or this node may take one again that it gave back. */
  againMs?: number;
  /** ms to the first `due`. */
  dueMs?: number;
  /** The search is not over: where the next claim goes on, at once. */
  askOn?: number;
}

export type ResultKind = 'chunk' | 'finished' | 'failed' | 'cancelled' | 'expired';
/** `lost`: Redis lost the body of a waiting request, which is no longer there; its owner puts it again. */
export type MailKind = ResultKind | 'lost';

export interface ResultItem {
  ticket: Ticket;
  fence: Tick;
  number: number;
  kind: 'chunk' | 'finished' | 'failed';
  /** Copy the request to `dead`. */
  dead: boolean;
  payload: Payload;
  /** Finished without an output, which is not one of zero bytes. */
  bare?: boolean;
}

export type ResultAnswer = 'OK' | 'ORPHAN' | 'LOST' | 'OVERFLOW';

/** A result on its way to its owner, as it stands in the mailbox. */
export interface Mail {
  tick: Tick;
  ticket: Ticket;
  fence: Tick;
  number: number;
  kind: MailKind;
  /** Of a final: how it went with the request. */
  story?: Story;
  payload: Buffer;
  /** Finished without an output. */
  bare?: boolean;
}

/** How it went with a request up to its end. */
export interface Story {
  triesSpent: number;
  /** When it was put. */
  arrival: Tick;
  /** When it was claimed by the runner that held it; zeros: it waited. */
  claimedAt: Tick;
  /** The node that held it. Empty: it waited. */
  runner: string;
}

/** A result from the mailbox, or of a request that this node accepted and ran itself. */
export type Delivered = Omit<Mail, 'payload'> & { payload: Payload };

export interface Held {
  ticket: Ticket;
  fence: Tick;
}

/** A runner is to wait with the next chunk of its claim. */
export interface Halt extends Held {
  /** For so many ms; 0: it goes on. */
  ms: number;
}

export interface RefreshAnswer<H> {
  lost: H[];
  unknown: Ticket[];
  more: boolean;
  /** ms to the first `due`, or until the first owner of what is held would be silent. */
  dueMs?: number;
  /** Claims whose owners are silent; among them are such that this ended, which are lost, too. */
  orphans: H[];
}

export type CancelAnswer = 'WAITING' | 'CLAIMED' | 'ENDED';

export interface ResetAnswer {
  more: boolean;
  dropped: Ticket[];
}

export type PutCall = PutItem | { reset: readonly Ticket[] };

const KINDS: Record<string, MailKind> = {
  c: 'chunk',
  f: 'finished',
  d: 'finished',
  x: 'failed',
  k: 'cancelled',
  e: 'expired',
  l: 'lost',
};

/** What `put_requests` is told of one request. */
export function putArguments(item: PutItem): (string | Buffer)[] {
  return [
    item.id,
    hex(Math.min(item.promptTokens, MAX_TOKENS), 8),
    String(Math.floor(item.deadlineMs)),
    String(item.headStartMs),
    hex(item.triesLeft, 2),
    hex(item.triesSpent, 2),
    item.onOwnerLoss,
    item.payload,
  ];
}

/** What `claim` is told. @param since bodies of own tickets that arrived from this tick on stay in Redis: the caller has them */
export function claimArguments(item: ClaimItem, since: Tick): string[] {
  return [
    String(Math.min(item.limit, MAX_CLAIMS)),
    String(item.aloneTokens),
    String(item.sumTokens),
    String(item.totalTokens),
    String(MAX_BYTES),
    since,
    String(Math.ceil(item.idleForMs)),
    String(Math.floor(Math.random() * 2 ** 31)),
    String(item.patienceMs),
    String(Math.ceil(item.keepForMs)),
    String(item.askOn),
    String(item.elsewhereTokens),
  ];
}

/** What `put_results` is told of one result. */
export function resultArguments(item: ResultItem): (string | Buffer)[] {
  const { ticket, fence, number, kind, dead, payload, bare = false } = item;
  return [ticket, fence, hex(number, 8), bare ? 'done' : kind, dead ? '1' : '0', payload];
}

/** Claims, by ticket and fence. */
export function heldArguments(held: readonly Held[]): string[] {
  return held.flatMap(({ ticket, fence }) => [ticket, fence]);
}

/** Claims whose runners are to wait, or to go on. */
export function haltArguments(halts: readonly Halt[]): string[] {
  return halts.flatMap(({ ticket, fence, ms }) => [ticket, fence, String(Math.ceil(ms))]);
}

/** In how many ms a claim of the node that puts follows; undefined: none does. A front has never claimed. */
export function claimsInArgument(claimsInMs: number | undefined, isFront: boolean): string {
  if (isFront) return 'never';
  return claimsInMs === undefined ? '' : String(Math.ceil(claimsInMs));
}

/** A mailbox' cursor. */
export function cursorArgument(cursor: Tick): string {
  return cursor === NO_TICK ? '' : cursor;
}

function parseClaimed(text: Buffer, bodies: readonly Buffer[]): ClaimedTicket[] {
  const claims: ClaimedTicket[] = [];
  let nextBody = 0;
  for (let at = 0; at < text.length;) {
    const head = text.toString('latin1', at, at + 48);
    const end = at + 48 + parseInt(head.slice(44, 48), 16);
    const body = head[43] === 'b' ? bodies[nextBody++] : undefined;
    claims.push({
      fence: head.slice(0, 14),
      triesLeft: parseInt(head.slice(14, 16), 16),
      triesSpent: parseInt(head.slice(17, 19), 16),
      arrival: head.slice(29, 43),
      ticket: text.toString('utf8', at + 48, end),
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
  const letter = mail.toString('latin1', after + 22, after + 23);
  const kind = KINDS[letter]!;
  // a final's story, behind its length
  const storyAt = after + 27;
  const end =
    kind === 'chunk' ? after + 23 : storyAt + parseInt(mail.toString('latin1', after + 23, storyAt), 16);
  return {
    tick,
    ticket: mail.toString('utf8', owner + 20, after),
    fence: mail.toString('latin1', after, after + 14),
    number: parseInt(mail.toString('latin1', after + 14, after + 22), 16),
    kind,
    ...(kind === 'chunk' ? {} : { story: parseStory(mail.toString('latin1', storyAt, end)) }),
    payload: mail.subarray(end),
    ...(letter === 'd' ? { bare: true } : {}),
  };
}

/** The end of a record: `tries_spent|bytes|arrival`, and `|fence|runner` if it was claimed; then perhaps a mark, and pauses. */
function parseStory(text: string): Story {
  const [triesSpent, , arrival, claimedAt = NO_TICK, runner = ''] = text.split(/[~/]/, 1)[0]!.split('|');
  return { triesSpent: parseInt(triesSpent!, 16), arrival: arrival!, claimedAt, runner };
}

/** Tickets, each with its length in front. */
function parseTickets(text: Buffer, from: number): Ticket[] {
  const tickets: Ticket[] = [];
  for (let at = from; at < text.length;) {
    const end = at + 4 + parseInt(text.toString('latin1', at, at + 4), 16);
    tickets.push(text.toString('utf8', at + 4, end));
    at = end;
  }
  return tickets;
}

// Replies: the status, the tick, then what the script's header says. EVICTED and STALE never come here.

/** @param owner the caller, of whom every ticket is */
export function parsePut(reply: readonly Buffer[], owner: string, items: readonly PutItem[]): PutAnswer[] {
  return String(reply[2])
    .split(',')
    .map((answer, i): PutAnswer => {
      const [status, detail, body] = answer.split(' ');
      if (status === 'FULL') return { status, retryAfterMs: Number(detail) };
      if (status === 'EXPIRED') return { status };
      const ticket = joinTicket(owner, detail!, items[i]!.id);
      return status === 'OK' ? { status, ticket } : { status: 'DUPLICATE', ticket, same: body === 'same' };
    });
}

export function parseReset(reply: readonly Buffer[]): ResetAnswer {
  const answer = reply[2]!;
  return { more: answer.toString('latin1', 0, 1) === '1', dropped: parseTickets(answer, 1) };
}

export function parseClaim(reply: readonly Buffer[]): ClaimAnswer {
  const remembered = reply.length === 3;
  return {
    status: String(reply[0]) as ClaimAnswer['status'],
    claims: parseClaimed(reply[2]!, reply.slice(6)),
    remembered,
    ...(remembered
      ? {}
      : { ...numberOf('againMs', reply[3]), ...numberOf('dueMs', reply[4]), ...numberOf('askOn', reply[5]) }),
  };
}

export function parseResults(reply: readonly Buffer[]): ResultAnswer[] {
  return words(reply[2]) as ResultAnswer[];
}

export function parseTaken(reply: readonly Buffer[]): { mails: Mail[]; more: boolean } {
  return { more: String(reply[2]) === '1', mails: reply.slice(3).map(parseMail) };
}

/** @param held and `pending`: what the call named, of which the reply gives indexes */
export function parseRefresh<H extends Held>(
  reply: readonly Buffer[],
  held: readonly H[],
  pending: readonly Ticket[],
): RefreshAnswer<H> {
  return {
    lost: words(reply[2]).map((i) => held[Number(i)]!),
    unknown: words(reply[3]).map((i) => pending[Number(i)]!),
    more: String(reply[4]) === '1',
    ...numberOf('dueMs', reply[5]),
    orphans: reply[6] ? words(reply[6]).map((i) => held[Number(i)]!) : [],
  };
}

export function parseCancel(reply: readonly Buffer[]): CancelAnswer[] {
  return words(reply[2]) as CancelAnswer[];
}

function words(text: Buffer | undefined): string[] {
  const joined = String(text);
  return joined === '' ? [] : joined.split(' ');
}

/** A time to wait, or a place; -1 says that there is none. */
function numberOf<K extends string>(key: K, reply: Buffer | undefined): { [P in K]?: number } {
  const ms = Number(String(reply));
  return (ms >= 0 ? { [key]: ms } : {}) as { [P in K]?: number };
}
