/** What goes into a shard's scripts and what they answer; replies.ts reads the answers. Pure. */
import type { Payload } from '../base/codec.ts';
import type { OnOwnerLoss } from '../base/options.ts';
import { NO_TICK, hex, type Tick, type Ticket } from '../base/ticket.ts';
import type { FrameChunk } from './frames.ts';

/** A call carries at most this, or one larger item (lua/README.md#scripts). */
export const MAX_ITEMS = 128;
export const MAX_BYTES = 256 * 1024;
/** Bytes of chunks of one owner that may wait in a shard, at least; an owner that keeps more has more of them. */
const LEAST_BOX_BYTES = 64 * 1024 * 1024;
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
  /** The runner's mark in Redis before these grants; zeros: none. */
  on: Tick;
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

/** Chunks of claims that are known to stand, to one owner (lua/put_results.lua). */
export interface ResultGroup {
  owner: string;
  /** Of the owner's box, as the runner knows it; zeros: it does not. */
  intro: Tick;
  count: number;
  /** See frames.ts; empty if the owner is the caller. */
  frame: Buffer | '';
}

/** One form of a call with results: the same number may be sent in another, after DOUBT or FULL. */
export interface ResultsForm {
  /** From 0; of one number no two forms have the same. */
  form: number;
  /** Number of the last call on the lane whose answer is known, 12 hex digits; zeros: none. */
  last: string;
  /** The runner's; zeros: none. */
  mark: Tick;
  groups: readonly ResultGroup[];
  items: readonly ResultItem[];
}

/** DOUBT, FULL: nothing was done, and the same number may be sent in another form. */
export type ResultsReply = { status: 'DOUBT' | 'FULL' } | ResultsAnswer;

export interface ResultsAnswer {
  status: 'OK';
  /** The form that was run; what follows is of its groups and items. */
  form: number;
  mark: Tick;
  /** Fences of claims that were taken from the caller, up to its mark: no chunk of them was delivered. */
  told: Tick[];
  groups: { orphan: boolean; intro: Tick }[];
  answers: ResultAnswer[];
}

/** A frame on its way to its owner: chunks of several claims, some of them with their tickets. */
export interface MailFrame {
  tick: Tick;
  totals: string;
  chunks: FrameChunk<Buffer>[];
}

/**
 * How far an owner has its mailbox: the tick of the last entry, and the totals of the last one with chunks, if there was one. It
 * compares with ticks like that tick.
 */
export type Cursor = string;

/** A result on its way to its owner, as it stands in the mailbox. */
export interface Mail {
  tick: Tick;
  /** Of a chunk: how much had been put into the mailbox, with it (lua/lib/boxes.lua); the cursor hands it back. */
  totals?: string;
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

/** What `put_results` is told. */
export function resultsArguments(
  { form, last, mark, groups, items }: ResultsForm,
  { maxResults, maxUnreadBytes }: { maxResults: number; maxUnreadBytes: number },
): (string | Buffer)[] {
  const maxBytes = Math.max(LEAST_BOX_BYTES, 16 * maxUnreadBytes);
  const args: (string | Buffer)[] = [String(maxResults), String(maxBytes), `${form.toString(16)}${last}${mark}`];
  args.push(String(groups.length));
  for (const { owner, intro, count, frame } of groups) args.push(`${intro}${hex(count, 4)}${owner}`, frame);
  for (const item of items) args.push(...resultArguments(item));
  return args;
}

function resultArguments(item: ResultItem): (string | Buffer)[] {
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

/** In how many ms a claim of the node that puts follows; undefined: none does. `keepsNone`: nobody is to wait for one. */
export function claimsInArgument(claimsInMs: number | undefined, keepsNone: boolean): string {
  if (keepsNone) return 'never';
  return claimsInMs === undefined ? '' : String(Math.ceil(claimsInMs));
}

/** A mailbox' cursor. */
export function cursorArgument(cursor: Cursor): string {
  return cursor === NO_TICK ? '' : cursor;
}

/** The cursor once this entry has been had. */
export function cursorBehind(cursor: Cursor, { tick, totals }: Pick<Mail, 'tick' | 'totals'>): Cursor {
  return tick + (totals ?? cursor.slice(NO_TICK.length));
}
