/**
 * Arguments and replies of the shard scripts, written from the headers in lua/ and not from src/: two readings of one
 * text check each other.
 */
import { NO_TICK, parseTicket, type Tick, type Ticket } from '../../src/base/ticket.ts';
import type { Argument } from '../../src/redis/run-script.ts';
import type { ScriptName } from '../../src/redis/declarations.ts';

export type ShardScript = Exclude<ScriptName, 'register' | 'inspect' | 'note_topic'>;
export type LoadUnit = 'requests' | 'tokens';
export type Policy = 'lucky' | 'oldest' | 'none';

/** The thirteen arguments that every shard script gets first. */
export interface Caller {
  node: string;
  epoch: number;
  seen: Tick;
  /** ms, or '' for the server's own time. */
  clock: number | '';
  ttl: number;
  lease: number;
  wake: string;
  number: number;
  policy: Policy;
  minLoad: number;
  loadUnit: LoadUnit;
  stealAfter: number;
  laneCall: number | '';
}

/** One call of one script; running it again is a resend. */
export interface Call {
  script: ShardScript;
  /** Argument n of the header is `args[n - 1]`. */
  args: Argument[];
}

export function hexOf(value: number, width: number): string {
  return value.toString(16).padStart(width, '0');
}

export function callerArgs(caller: Caller): Argument[] {
  const {
    node,
    epoch,
    seen,
    clock,
    ttl,
    lease,
    wake,
    number,
    policy,
    minLoad,
    loadUnit,
    stealAfter,
    laneCall,
  } = caller;
  const head = [
    node,
    hexOf(epoch, 14),
    seen,
    String(clock),
    String(ttl),
    String(lease),
    wake,
    String(number),
  ];
  const rules = [policy, String(minLoad), loadUnit, String(stealAfter)];
  return [...head, ...rules, laneCall === '' ? '' : hexOf(laneCall, 12)];
}

export interface PutItem {
  id: string;
  /** Default 128. */
  tokens?: number;
  /** ms from now; default: ttl. */
  deadline?: number;
  /** ms; default 0. */
  headStart?: number;
  /** Default 3. */
  triesLeft?: number;
  triesSpent?: number;
  /** What the loss of its owner does to it. Default: finish. */
  loss?: 'finish' | 'abort';
  /** Default: `body of <id>`. */
  body?: Argument;
}

/** ms in which a claim of the caller follows; never: it is a front; undefined: it does not say. */
export type ClaimsIn = number | 'never' | undefined;

/** What of a request is kept in `dead` when it ends, and up to which size its body is. */
export interface Wish {
  dead: 'lost' | 'failed' | 'all';
  deadBytes: number;
}

const LOST_ONLY: Wish = { dead: 'lost', deadBytes: 65_536 };

export function putArgs(
  maxWaiting: number,
  items: readonly PutItem[],
  claimsIn?: ClaimsIn,
  { dead, deadBytes }: Wish = LOST_ONLY,
): Argument[] {
  const each = items.flatMap(
    ({
      id,
      tokens = 128,
      deadline = '',
      headStart = 0,
      triesLeft = 3,
      triesSpent = 0,
      loss = 'finish',
      body,
    }) => [
      ...[
        id,
        hexOf(tokens, 8),
        String(deadline),
        String(headStart),
        hexOf(triesLeft, 2),
        hexOf(triesSpent, 2),
        loss,
      ],
      body ?? `body of ${id}`,
    ],
  );
  const head = [String(maxWaiting), claimsIn === undefined ? '' : String(claimsIn)];
  return [...head, dead, String(deadBytes), ...each];
}

export interface ClaimBounds {
  limit: number;
  alone: number;
  sum: number;
  total: number;
  bytes: number;
  since: Tick;
  idleFor: number;
  entropy: number;
  patience: number;
  keepFor: number;
  askOn: number;
  elsewhere: number;
}

export function claimArgs(bounds: ClaimBounds): Argument[] {
  const { limit, alone, sum, total, bytes, since, idleFor, entropy, patience, keepFor, askOn } = bounds;
  const rest = [idleFor, entropy, patience, keepFor, askOn, bounds.elsewhere];
  return [...[limit, alone, sum, total, bytes].map(String), since, ...rest.map(String)];
}

export interface ResultItem {
  ticket: Ticket;
  fence: Tick;
  number: number;
  kind: 'chunk' | 'finished' | 'done' | 'failed';
  dead?: boolean;
  payload: Argument;
}

/** A chunk within a frame. */
export interface FrameChunk {
  fence: Tick;
  number: number;
  payload: Argument;
  /** It introduces its claim. */
  ticket?: Ticket;
}

/** Chunks to one owner; without them, as many as `count` of the caller itself. */
export interface Group {
  owner: string;
  chunks: readonly FrameChunk[];
  /** Default: NO_TICK. */
  intro?: Tick;
  /** No frame: the owner is the caller. */
  own?: boolean;
}

export interface Terms {
  form: number;
  /** Number of the last call of the lane that was answered; 0: none. */
  last: number;
  mark: Tick;
  /** Entries of at most so many bytes go with the wake-up; default: none. */
  carried?: number;
}

/** Heads of 16 bytes: token 7, number 4, flags 1, length 4; then the bodies, with the ticket behind its length if flag 1. */
export function frameOf(chunks: readonly FrameChunk[]): Buffer {
  const bodies = chunks.map(({ payload, ticket }) => {
    const intro = ticket === undefined ? '' : hexOf(Buffer.byteLength(ticket), 4) + ticket;
    return Buffer.concat([Buffer.from(intro), Buffer.from(payload as Buffer)]);
  });
  const heads = chunks.map(({ fence, number, ticket }, i) =>
    Buffer.from(
      fence + hexOf(number, 8) + (ticket === undefined ? '00' : '01') + hexOf(bodies[i]!.length, 8),
      'hex',
    ),
  );
  return Buffer.concat([...heads, ...bodies]);
}

/** The chunks of a frame. */
export function parseFrame(frame: Buffer, count: number): FrameChunk[] {
  let at = 16 * count;
  return Array.from({ length: count }, (_, i) => {
    const head = frame.subarray(16 * i, 16 * i + 16);
    const body = frame.subarray(at, (at += head.readUInt32BE(12)));
    const ticketEnd = head[11] === 1 ? 4 + parseInt(body.toString('latin1', 0, 4), 16) : 0;
    return {
      fence: head.toString('hex', 0, 7),
      number: head.readUInt32BE(7),
      payload: body.subarray(ticketEnd),
      ...(ticketEnd > 0 ? { ticket: body.toString('utf8', 4, ticketEnd) } : {}),
    };
  });
}

export function resultArgs(
  { maxResults, maxBytes }: { maxResults: number; maxBytes: number },
  { form, last, mark, carried = 0 }: Terms,
  items: readonly ResultItem[],
  groups: readonly Group[] = [],
): Argument[] {
  const sent = groups.flatMap(({ owner, chunks, intro = NO_TICK, own }) => [
    intro + hexOf(chunks.length, 4) + owner,
    own ? '' : frameOf(chunks),
  ]);
  const each = items.flatMap(({ ticket, fence, number, kind, dead, payload }) => [
    ...[ticket, fence, hexOf(number, 8), kind, dead ? '1' : '0'],
    payload,
  ]);
  const terms = hexOf(form, 1) + hexOf(last, 12) + mark + hexOf(carried, 4);
  return [String(maxResults), String(maxBytes), terms, String(groups.length), ...sent, ...each];
}

/** What a call with results answers. */
export interface ResultsAnswer {
  form: number;
  mark: Tick;
  /** Fences of claims that were taken away. */
  told: Tick[];
  /** `k` or `o`, and the intro. */
  groups: string[];
  words: string;
}

/** @param groups how many the form had that was run */
export function parseResults(text: Buffer | string, groups = 0): ResultsAnswer {
  const answer = String(text);
  const end = 19 + 14 * parseInt(answer.slice(15, 19), 16);
  return {
    form: parseInt(answer[0]!, 16),
    mark: answer.slice(1, 15),
    told: answer.slice(19, end).match(/.{14}/g) ?? [],
    groups: answer.slice(end, end + 15 * groups).match(/.{15}/g) ?? [],
    words: answer.slice(end + 15 * groups),
  };
}

export interface Held {
  ticket: Ticket;
  fence: Tick;
}

/** How a claim is given back. */
export interface GiveBack {
  /** ms; empty: so long as the node gave it back often. */
  after: number | '';
  elsewhere: boolean;
  counted: boolean;
  reason: string;
}

/** May be taken again at once. */
export const AT_ONCE: GiveBack = { after: 0, elsewhere: false, counted: false, reason: '' };

export function pushBackArgs(held: readonly Held[], how: GiveBack = AT_ONCE): Argument[] {
  const rest = [String(how.after), how.elsewhere ? '1' : '0', how.counted ? '1' : '0', how.reason];
  return held.flatMap(({ ticket, fence }) => [ticket, fence, ...rest]);
}

export function refreshArgs(
  reapLimit: number,
  cursor: Tick,
  held: readonly Held[],
  pending: readonly Ticket[],
  alive = 30_000,
): Argument[] {
  const claims = held.flatMap(({ ticket, fence }) => [ticket, fence]);
  return [String(reapLimit), cursor, String(alive), String(held.length), ...claims, ...pending];
}

export interface Claim extends Held {
  triesLeft: number;
  triesSpent: number;
  arrival: Tick;
  /** Whether the claim said that its body follows. */
  bodied: boolean;
}

/** The claims of a claim's third reply element, behind the mark that it built on: fence, `left|spent|bytes|arrival`, b or -, 4 hex digits, ticket. */
export function parseClaims(text: Buffer): Claim[] {
  const claims: Claim[] = [];
  for (let at = 14; at < text.length;) {
    const fixed = text.toString('latin1', at, at + 48);
    const end = at + 48 + parseInt(fixed.slice(44, 48), 16);
    const [, spent, , arrival] = fixed.slice(14, 43).split('|');
    claims.push({
      fence: fixed.slice(0, 14),
      triesLeft: parseInt(fixed.slice(14, 16), 16),
      triesSpent: parseInt(spent!, 16),
      arrival: arrival!,
      bodied: fixed[43] === 'b',
      ticket: text.toString('utf8', at + 48, end),
    });
    at = end;
  }
  return claims;
}

/** Tickets, each behind its length in 4 hex digits. */
export function parseTickets(text: Buffer, from: number): Ticket[] {
  const tickets: Ticket[] = [];
  for (let at = from; at < text.length;) {
    const end = at + 4 + parseInt(text.toString('latin1', at, at + 4), 16);
    tickets.push(text.toString('utf8', at + 4, end));
    at = end;
  }
  return tickets;
}

export interface Mail {
  owner: string;
  tick: Tick;
  ticket: Ticket;
  fence: Tick;
  number: number;
  kind: string;
  /** Of a final: who held the request; empty: it waited. */
  runner: string;
  /** Of a chunk: id of the box, and chunks and bytes that had been put with it. */
  totals?: string;
  /** Of a final: tries spent, arrival, and fence of the one who held it or zeros, with a blank between; of a chunk empty. */
  story: string;
  payload: Buffer;
}

const KINDS: Record<string, string> = {
  c: 'chunk',
  f: 'finished',
  d: 'done',
  x: 'failed',
  k: 'cancelled',
  e: 'expired',
  l: 'lost',
};

/**
 * A member of `out` with one result: `owner|tick|`, ticket behind its length, fence, number, kind, of a chunk 42 characters of
 * totals, of a final its story behind its length, payload. A story is the end of a record: `spent|bytes|arrival`, and `|fence|runner` if it was claimed, its mark, its pauses.
 */
export function parseMail(member: Buffer): Mail {
  const bar = member.indexOf('|');
  if (isFrame(member)) throw new Error('many results');
  const ticketAt = bar + 20;
  const end = ticketAt + parseInt(member.toString('latin1', ticketAt - 4, ticketAt), 16);
  const ticket = member.toString('utf8', ticketAt, end);
  const owner = member.toString('latin1', 0, bar);
  if (parseTicket(ticket).owner !== owner) throw new Error(`a result for ${owner} of ${ticket}`);
  const kind = KINDS[member.toString('latin1', end + 22, end + 23)] ?? '?';
  const isChunk = kind === 'chunk';
  const payloadAt = isChunk
    ? end + 65
    : end + 27 + parseInt(member.toString('latin1', end + 23, end + 27), 16);
  const [record] = isChunk ? [''] : member.toString('latin1', end + 27, payloadAt).split(/[~/]/);
  const [spent, , arrival, claimedAt = NO_TICK, runner = ''] = record!.split('|');
  return {
    owner,
    tick: member.toString('latin1', bar + 1, bar + 15),
    ticket,
    fence: member.toString('latin1', end, end + 14),
    number: parseInt(member.toString('latin1', end + 14, end + 22), 16),
    kind,
    runner,
    ...(isChunk ? { totals: member.toString('latin1', end + 23, payloadAt) } : {}),
    story: isChunk ? '' : [spent, arrival, claimedAt].join(' '),
    payload: member.subarray(payloadAt),
  };
}

/** Whether a member of `out` has a frame: `owner|tick|F`, totals, count in 4 hex digits, frame. */
export function isFrame(member: Buffer): boolean {
  return member.toString('latin1', member.indexOf('|') + 16)[0] === 'F';
}

export interface FrameMail {
  owner: string;
  tick: Tick;
  totals: string;
  chunks: FrameChunk[];
}

export function parseFrameMail(member: Buffer): FrameMail {
  const bar = member.indexOf('|');
  const count = parseInt(member.toString('latin1', bar + 59, bar + 63), 16);
  return {
    owner: member.toString('latin1', 0, bar),
    tick: member.toString('latin1', bar + 1, bar + 15),
    totals: member.toString('latin1', bar + 17, bar + 59),
    chunks: parseFrame(member.subarray(bar + 63), count),
  };
}

/** Owner, tick, and totals if it has any, of any member of `out`. */
export function headOf(member: Buffer): { owner: string; tick: Tick; totals?: string } {
  return isFrame(member) ? parseFrameMail(member) : parseMail(member);
}
