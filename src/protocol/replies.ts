/** How the replies of a shard's scripts are read, and the records in them. Pure. */
import { NO_TICK, joinTicket, type Tick, type Ticket } from '../base/ticket.ts';
import { isWhole } from './frames.ts';
import type {
  CancelAnswer,
  ClaimAnswer,
  ClaimedTicket,
  FrameMail,
  Held,
  Mail,
  MailKind,
  PutAnswer,
  PutItem,
  RefreshAnswer,
  ResetAnswer,
  ResultAnswer,
  ResultsAnswer,
  Story,
  TakenAnswer,
} from './wire.ts';

const TICK = 14;
/** Characters of what an entry says of the counts of its mailbox. */
const TOTALS = 42;

const KINDS: Record<string, MailKind> = {
  c: 'chunk',
  f: 'finished',
  d: 'finished',
  x: 'failed',
  k: 'cancelled',
  e: 'expired',
  l: 'lost',
};

function parseClaimed(text: Buffer, from: number, bodies: readonly Buffer[]): ClaimedTicket[] {
  const claims: ClaimedTicket[] = [];
  let nextBody = 0;
  for (let at = from; at < text.length;) {
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

/** An entry of a mailbox: `owner|tick|`, and a frame or one result. */
export function parseMail(entry: Buffer): Mail | FrameMail {
  const at = entry.indexOf('|') + 1;
  const tick = entry.toString('latin1', at, at + TICK);
  const from = at + TICK + 1;
  return String.fromCharCode(entry[from]!) === 'F'
    ? parseFrame(entry, tick, from + 1)
    : parseResult(entry, tick, from);
}

function parseFrame(entry: Buffer, tick: Tick, from: number): FrameMail {
  const head = entry.toString('latin1', from, from + TOTALS + 4);
  const count = parseInt(head.slice(TOTALS), 16);
  return { tick, totals: head.slice(0, TOTALS), entry, from: from + TOTALS + 4, count };
}

/** An entry that a wake-up carried. Undefined: it is no frame of this owner. */
export function parseCarried(entry: Buffer, owner: string): FrameMail | undefined {
  const from = Buffer.byteLength(owner) + 1 + TICK + 2;
  const head = entry.toString('latin1', 0, from + TOTALS + 4);
  if (!/^\|[0-9a-f]{14}\|F[0-9a-f]{46}$/.test(head.slice(from - TICK - 3)) || !head.startsWith(owner))
    return undefined;
  const frame = parseFrame(entry, head.slice(from - TICK - 2, from - 2), from);
  return isWhole(entry, frame.from, frame.count) ? frame : undefined;
}

function parseResult(entry: Buffer, tick: Tick, from: number): Mail {
  const after = from + 4 + parseInt(entry.toString('latin1', from, from + 4), 16);
  const letter = entry.toString('latin1', after + 22, after + 23);
  const mail = {
    tick,
    ticket: entry.toString('utf8', from + 4, after),
    fence: entry.toString('latin1', after, after + TICK),
    number: parseInt(entry.toString('latin1', after + TICK, after + 22), 16),
    kind: KINDS[letter]!,
  };
  if (mail.kind === 'chunk') {
    const end = after + 23 + TOTALS;
    return { ...mail, totals: entry.toString('latin1', after + 23, end), payload: entry.subarray(end) };
  }
  // a final's story, behind its length
  const storyAt = after + 27;
  const end = storyAt + parseInt(entry.toString('latin1', after + 23, storyAt), 16);
  const story = parseStory(entry.toString('latin1', storyAt, end));
  return { ...mail, story, payload: entry.subarray(end), ...(letter === 'd' ? { bare: true } : {}) };
}

/** The end of a record: `tries_spent|bytes|arrival`, and `|fence|runner` if it was claimed; then perhaps pauses, and a reason. */
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
    claims: parseClaimed(reply[2]!, TICK, reply.slice(6)),
    remembered,
    on: reply[2]!.toString('latin1', 0, TICK),
    ...(remembered
      ? {}
      : { ...numberOf('againMs', reply[3]), ...numberOf('dueMs', reply[4]), ...numberOf('askOn', reply[5]) }),
  };
}

/** @param groupsOf how many groups a form of the call had */
export function parseResults(reply: readonly Buffer[], groupsOf: (form: number) => number): ResultsAnswer {
  const text = reply[2]!.toString('latin1');
  const form = parseInt(text[0]!, 16);
  const toldAt = 1 + TICK + 4;
  const groupsAt = toldAt + TICK * parseInt(text.slice(1 + TICK, toldAt), 16);
  const wordsAt = groupsAt + groupsOf(form) * (1 + TICK);
  const told: Tick[] = [];
  for (let at = toldAt; at < groupsAt; at += TICK) told.push(text.slice(at, at + TICK));
  const groups: ResultsAnswer['groups'] = [];
  for (let at = groupsAt; at < wordsAt; at += 1 + TICK)
    groups.push({ status: text[at] === 'o' ? 'ORPHAN' : 'OK', intro: text.slice(at + 1, at + 1 + TICK) });
  const words = (text.length > wordsAt ? text.slice(wordsAt).split(' ') : []) as ResultAnswer[];
  return { form, mark: text.slice(1, 1 + TICK), told, groups, words };
}

export function parseTaken(reply: readonly Buffer[]): TakenAnswer {
  const mails = reply.slice(3).map(parseMail);
  const isBox = String(reply[0]) === 'BOX';
  return { ...(isBox ? { isBox } : {}), more: String(reply[2]) === '1', mails };
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
