/** How the replies of a shard's scripts are read, and the records in them. Pure. */
import { NO_TICK, joinTicket, type Tick, type Ticket } from '../base/ticket.ts';
import { readFrame } from './frames.ts';
import type {
  CancelAnswer,
  ClaimAnswer,
  ClaimedTicket,
  Held,
  Mail,
  MailFrame,
  MailKind,
  PutAnswer,
  PutItem,
  RefreshAnswer,
  ResetAnswer,
  ResultAnswer,
  ResultsReply,
  Story,
} from './wire.ts';

/** Where a single result has the first digit of its ticket's length. */
const FRAME = 'F'.charCodeAt(0);
/** Length of an entry's totals. */
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

function parseClaimed(text: Buffer, bodies: readonly Buffer[]): ClaimedTicket[] {
  const claims: ClaimedTicket[] = [];
  let nextBody = 0;
  // behind `on`
  for (let at = 14; at < text.length;) {
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

/** An entry of a mailbox. */
export function parseEntry(entry: Buffer): Mail | MailFrame {
  const owner = entry.indexOf('|');
  if (entry[owner + 16] !== FRAME) return parseMail(entry);
  const totalsAt = owner + 17;
  const countAt = totalsAt + TOTALS;
  return {
    tick: entry.toString('latin1', owner + 1, owner + 15),
    totals: entry.toString('latin1', totalsAt, countAt),
    chunks: readFrame(entry, countAt + 4, parseInt(entry.toString('latin1', countAt, countAt + 4), 16)),
  };
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
    kind === 'chunk'
      ? after + 23 + TOTALS
      : storyAt + parseInt(mail.toString('latin1', after + 23, storyAt), 16);
  return {
    tick,
    ticket: mail.toString('utf8', owner + 20, after),
    fence: mail.toString('latin1', after, after + 14),
    number: parseInt(mail.toString('latin1', after + 14, after + 22), 16),
    kind,
    ...(kind === 'chunk'
      ? { totals: mail.toString('latin1', after + 23, end) }
      : { story: parseStory(mail.toString('latin1', storyAt, end)) }),
    payload: mail.subarray(end),
    ...(letter === 'd' ? { bare: true } : {}),
  };
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
    on: reply[2]!.toString('latin1', 0, 14),
    claims: parseClaimed(reply[2]!, reply.slice(6)),
    remembered,
    ...(remembered
      ? {}
      : { ...numberOf('againMs', reply[3]), ...numberOf('dueMs', reply[4]), ...numberOf('askOn', reply[5]) }),
  };
}

/** @param forms the forms in which this number was sent, each at its place: how many groups it has */
export function parseResults(
  reply: readonly Buffer[],
  forms: readonly { readonly groups: { readonly length: number } }[],
): ResultsReply {
  const status = String(reply[0]);
  if (status === 'DOUBT' || status === 'FULL') return { status };
  const text = reply[2]!.toString('latin1');
  const form = parseInt(text[0]!, 16);
  const toldEnd = 19 + 14 * parseInt(text.slice(15, 19), 16);
  const told: Tick[] = [];
  for (let at = 19; at < toldEnd; at += 14) told.push(text.slice(at, at + 14));
  const groupsEnd = toldEnd + 15 * forms[form]!.groups.length;
  const groups: { orphan: boolean; intro: Tick }[] = [];
  for (let at = toldEnd; at < groupsEnd; at += 15)
    groups.push({ orphan: text[at] === 'o', intro: text.slice(at + 1, at + 15) });
  const answers = (groupsEnd === text.length ? [] : text.slice(groupsEnd).split(' ')) as ResultAnswer[];
  return { status: 'OK', form, mark: text.slice(1, 15), told, groups, answers };
}

/** @returns isBox: the cursor did not stand, and the answer begins at the first entry */
export function parseTaken(reply: readonly Buffer[]): {
  isBox: boolean;
  more: boolean;
  entries: (Mail | MailFrame)[];
} {
  return {
    isBox: String(reply[0]) === 'BOX',
    more: String(reply[2]) === '1',
    entries: reply.slice(3).map((entry) => parseEntry(entry)),
  };
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
