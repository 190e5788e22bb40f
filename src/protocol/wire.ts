/** What goes into a shard's scripts and what they answer; replies.ts reads the answers. Pure. */
import type { Payload } from '../base/codec.ts';
import type { OnOwnerLoss } from '../base/options.ts';
import { NO_TICK, hex, type Tick, type Ticket } from '../base/ticket.ts';

/** A call carries at most this, or one larger item (lua/README.md#scripts). */
export const MAX_ITEMS = 128;
export const MAX_BYTES = 256 * 1024;
/** A claim takes no more, whatever the engine has room for (lua/lib/bounds.lua): the next claim takes the rest. */
export const MAX_CLAIMS = 1_000;
/** An entry of results of at most so many bytes goes with the wake-up of its owner, too (lua/README.md#carried-frames). */
export const CARRIED_BYTES = 4_096;
/** How many times the bytes at which its runner is asked to wait may wait for a reader. */
export const UNREAD_TIMES = 16;
/** Bytes of chunks that may wait for an owner in a shard, at least. */
const LEAST_BOX_BYTES = 64 * 1024 * 1024;
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
  /** See {@link SentClaim}. */
  vouchedIn?: number;
}

export interface ClaimAnswer {
  /** BLOCKED: something does not fit now. KEEPING: this node keeps room for it. */
  status: 'OK' | 'IDLE' | 'BLOCKED' | 'KEEPING';
  claims: ClaimedTicket[];
  /** The answer came from the lane's memory, which keeps no bodies. */
  remembered: boolean;
  /** The mark that it was granted on, see grants.ts; zeros: none. */
  on: Tick;
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

/** A claim as its results are sent. What changes of it, the lane of results changes, but for `isHeld`. */
export interface SentClaim extends Held {
  readonly owner: string;
  /** The fence as a number: exact, as no tick is beyond 2^52. */
  readonly fenceNumber: number;
  /** This node holds it, as far as it knows. */
  isHeld: boolean;
  /** The round in which it was last vouched for (grants.ts). */
  vouchedIn: number;
  /** The intro of its owner's mailbox when the owner was last told the claim's ticket. */
  introducedTo: Tick;
  /** And when that was, on the monotonic clock. */
  introducedAt: number;
}

export interface ResultItem {
  readonly claim: SentClaim;
  readonly number: number;
  readonly kind: 'chunk' | 'finished' | 'failed';
  /** Copy the request to `dead`. */
  readonly dead: boolean;
  readonly payload: Payload;
  /** Of the payload. */
  readonly bytes: number;
  /** Finished without an output, which is not one of zero bytes. */
  readonly bare?: boolean;
}

export type ResultAnswer = 'OK' | 'ORPHAN' | 'LOST' | 'OVERFLOW';

/** What was accepted of the results of one call, see lua/put_results.lua. */
export interface ResultsAnswer {
  /** Which form of the call ran. */
  form: number;
  /** The one that the call named, or one that begins a new count. */
  mark: Tick;
  /** Fences that were taken from the caller: nothing of them was accepted. */
  told: Tick[];
  /** By group, in the order of the call. */
  groups: { status: 'OK' | 'ORPHAN'; intro: Tick }[];
  /** By result that was checked by itself. */
  words: ResultAnswer[];
}

/** Chunks on their way to their owner, many as one entry of the mailbox (frames.ts). */
export interface FrameMail {
  tick: Tick;
  totals: string;
  entry: Buffer;
  /** Where the frame begins. */
  from: number;
  /** Chunks in it. */
  count: number;
}

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
  /** Of an entry that is counted: what its owner hands back with the cursor. */
  totals?: string;
  /** Results in front of it were given up. */
  hasHole?: boolean;
}

/** What a mailbox had behind a cursor. */
export interface TakenAnswer {
  /** The cursor is unknown: this begins at the beginning. */
  isBox?: true;
  mails: (Mail | FrameMail)[];
  more: boolean;
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

/** Bytes of chunks that may wait for an owner in a shard. */
export function boxBytes({ maxUnreadBytes }: { maxUnreadBytes: number }): number {
  return Math.max(LEAST_BOX_BYTES, UNREAD_TIMES * maxUnreadBytes);
}

/** What `put_results` is told of a result that is checked by itself. @param isHollow it has the fence of no claim, and no content */
export function resultArguments(item: ResultItem, isHollow: boolean): (string | Buffer)[] {
  const { claim, number, kind, dead, payload, bare } = item;
  return [
    claim.ticket,
    isHollow ? NO_TICK : claim.fence,
    hex(number, 8),
    bare ? 'done' : kind,
    dead ? '1' : '0',
    isHollow ? '' : payload,
  ];
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

/** A mailbox' cursor: a tick, and perhaps totals behind it. */
export function cursorArgument(cursor: string): string {
  return cursor === NO_TICK ? '' : cursor;
}
