/**
 * A shard's whole keyspace, decoded to be read and compared. Times are ms, and ticks µs, after START; a ticket is shown
 * as `owner|id@order`.
 */
import { isDeepStrictEqual } from 'node:util';
import { parseRecord } from '../../src/inspect/decode.ts';
import type { ShardSnapshot } from '../../src/inspect/snapshot.ts';
import { NO_TICK, parseTicket, type Tick, type Ticket } from '../../src/base/ticket.ts';
import {
  isFrame,
  parseClaims,
  parseFrameMail,
  parseMail,
  parseResults,
  parseTickets,
  type ShardScript,
} from './wire.ts';

/** The fixed time at which every row begins: far enough ahead that nothing expires meanwhile. */
export const START = Date.UTC(2100, 0, 1);

export interface View {
  /** In their order. */
  waiting: string[];
  head: Record<string, number>;
  load: Record<string, number>;
  /**
   * `owner|id` -> `@order tokens/deadline/left/triesSpent/bytes`, the wish if it is not `lb-`, and ` runner#fence` while claimed;
   * of each node that gave it back or was lost with it ` /until count`, `e`, `-` or `l`, node.
   */
  request: Record<string, string>;
  body: Record<string, string>;
  due: Record<string, number>;
  /** `tick: ticket #fence.number kind payload`; a final has its runner's name before the `#`. A frame: `tick: owner [chunks]`. */
  out: string[];
  node: Record<string, number>;
  idle: Record<string, number>;
  /** Node -> epoch. */
  epochs: Record<string, number>;
  /** `node|lane` -> number of the last call. */
  lanes: Record<string, number>;
  /** Node -> when it said that it claims. */
  asks: Record<string, number | 'never'>;
  /** Node -> tokens that it has room for. */
  rooms: Record<string, number>;
  /** `runner until ticket`, or empty. */
  kept: string;
  state: Record<string, number>;
  /** `ticket kind "error" triesSpent [nodes] bytes body`. */
  dead: string[];
  /** The one time at which every table expires; several only if they differ. */
  expires: number[];
}

/** µs after START. */
export function ticks(tick: Tick | number): number {
  return (typeof tick === 'number' ? tick : parseInt(tick, 16)) - START * 1000;
}

export function showTicket(ticket: Ticket): string {
  const { owner, id, order } = parseTicket(ticket);
  return `${owner}|${id}@${ticks(order)}`;
}

function showRecord(text: string): string {
  const record = parseRecord(text);
  if (!record) return `malformed: ${text}`;
  const { order, deadline, triesLeft, triesSpent, bytes, stamp, wish, fence, runner, pauses, reason } =
    record;
  const tokens = parseInt(stamp.slice(15, 23), 16);
  const figures = `@${ticks(order)} ${tokens}/${deadline - START}/${triesLeft}/${triesSpent}/${bytes}`;
  const shown = wish === 'lb-' ? figures : `${figures} ${wish}`;
  const back = pauses.map(
    ({ node, until, count, mark }) => ` /${until === 0 ? 0 : until - START} ${count}${mark}${node}`,
  );
  return (
    (fence === undefined ? shown : `${shown} ${runner!}#${ticks(fence)}`) +
    back.join('') +
    (reason === undefined ? '' : ` ~${reason}`)
  );
}

export function showMail(member: Buffer): string {
  if (isFrame(member)) {
    const { owner, tick, chunks } = parseFrameMail(member);
    const shown = chunks.map(({ fence, number, payload, ticket }) => {
      const introduced = ticket === undefined ? '' : `${showTicket(ticket)} `;
      return `${introduced}#${ticks(fence)}.${number} ${String(payload)}`;
    });
    return `${ticks(tick)}: ${owner} [${shown.join(', ')}]`;
  }
  const { tick, ticket, fence, number, kind, runner, payload } = parseMail(member);
  const claim = fence === NO_TICK && number === 0 ? '-' : `#${ticks(fence)}.${number}`;
  return `${ticks(tick)}: ${showTicket(ticket)} ${runner}${claim} ${kind} ${payload.toString('latin1')}`;
}

function record<T>(map: ReadonlyMap<string, T>, show: (value: T, key: string) => [string, unknown]): never {
  return Object.fromEntries([...map].map(([key, value]) => show(value, key))) as never;
}

export function viewOf(snapshot: ShardSnapshot): View {
  const { waiting, head, load, request, body, due, out, node, idle, calls, state, dead, expiry } = snapshot;
  const lanes = new Map([...calls].filter(([field]) => /\|(put|claim|result)$/.test(field)));
  const asks = new Map([...calls].filter(([field]) => field.endsWith('|asks')));
  const rooms = new Map([...calls].filter(([field]) => field.endsWith('|room')));
  const epochs = new Map([...calls].filter(([field]) => !field.includes('|')));
  const ms = (value: number): number => (value === 0 ? 0 : value - START);
  return {
    waiting: waiting.map(showTicket),
    head: record(head, (order, owner) => [owner, ticks(order)]),
    load: record(load, (size, owner) => [owner, size]),
    request: record(request, (text, field) => [field, showRecord(text)]),
    body: record(body, ({ payload }, field) => [field, payload!.toString('latin1')]),
    due: record(due, (at, ticket) => [showTicket(ticket), ms(at)]),
    out: out.map(showMail),
    node: record(node, (until, name) => [name, ms(until)]),
    idle: record(idle, (until, name) => [name, ms(until)]),
    epochs: record(epochs, (epoch, name) => [name, parseInt(epoch, 16)]),
    lanes: record(lanes, (last, field) => [field, parseInt(last.slice(0, 12), 16)]),
    asks: record(asks, (at, field) => [field.split('|')[0]!, at === 'never' ? at : ms(Number(at))]),
    rooms: record(rooms, (tokens, field) => [field.split('|')[0]!, Number(tokens)]),
    kept: showKept(state.get('kept') ?? ''),
    state: record(new Map([...state].filter(([field]) => field !== 'kept')), (value, field) => [
      field,
      field === 'tick' ? ticks(value) : stateOf(field, value),
    ]),
    dead: dead.map((entry) => {
      const text = (field: string): string => entry.get(field)!.toString('latin1');
      const what = `${showTicket(entry.get('ticket')!.toString())} ${text('kind')} "${text('error')}"`;
      return `${what} ${text('spent')} [${text('nodes')}] ${text('bytes')} "${text('body')}"`;
    }),
    expires: [...new Set(expiry.values())].map(ms),
  };
}

function showKept(text: string): string {
  if (text === '') return '';
  const [runner, until] = text.split('|', 2);
  return `${runner!} ${parseInt(until!, 16) - START} ${showTicket(text.slice(runner!.length + 14))}`;
}

function stateOf(field: string, value: string): number {
  const isTime = field !== 'schema' && field !== 'ttl' && value !== '0';
  return isTime ? Number(value) - START : Number(value);
}

/** What differs: of a list all of it as it is now, of a map the entries that changed (undefined: gone). */
export type Changes = { [Table in keyof View]?: View[Table] | Record<string, unknown> };

export function changes(before: View, after: View): Changes {
  const found: Record<string, unknown> = {};
  for (const table of Object.keys(after) as (keyof View)[]) {
    const [old, now] = [before[table], after[table]];
    if (isDeepStrictEqual(old, now)) continue;
    found[table] = Array.isArray(now) || typeof now === 'string' ? now : changed(old as never, now);
  }
  return found;
}

function changed(old: Record<string, unknown>, now: Record<string, unknown>): Record<string, unknown> {
  const keys = [...new Set([...Object.keys(old), ...Object.keys(now)])].filter(
    (key) => old[key] !== now[key],
  );
  return Object.fromEntries(keys.map((key) => [key, now[key]]));
}

/**
 * A reply to be read: the status, then what it says. The tick is left out, `-` is an empty string. A put: each answer with
 * the order it names; a claim: each claim as `ticket #fence left/triesSpent b|-`, `again n due n`, and `on n` where it ends
 * before its search, bodies; a reset: `more n`, tickets; a take: `more n`, results; results: the words of single ones, then
 * `told #fence` for each claim that was taken away, and `k` or `o` for each group.
 *
 * @param groups how many a call with results has
 */
export function showReply(script: ShardScript, reply: readonly Buffer[], groups = 0): string[] {
  const [status, , third] = reply.map((part) => part.toString('latin1'));
  const rest = (from: number): string[] => reply.slice(from).map((part) => part.toString('latin1') || '-');
  if (status === 'DOUBT' || status === 'FULL') return [status];
  if (reply.length < 3) return rest(0);
  switch (script) {
    case 'put_requests':
      return [status!, ...third!.split(',').map(showPut)];
    case 'claim': {
      const claims = parseClaims(reply[2]!).map(
        ({ ticket, fence, triesLeft, triesSpent, bodied }) =>
          `${showTicket(ticket)} #${ticks(fence)} ${triesLeft}/${triesSpent} ${bodied ? 'b' : '-'}`,
      );
      const [again, due, on, ...bodies] = rest(3);
      const asksOn = on === '-1' ? '' : ` on ${on!}`;
      return [status!, ...claims, `again ${again!} due ${due!}${asksOn}`, ...bodies];
    }
    case 'put_results': {
      const { told, words, ...rest } = parseResults(reply[2]!, groups);
      return [
        status!,
        words,
        ...told.map((fence) => `told #${ticks(fence)}`),
        ...rest.groups.map(([word]) => word!),
      ];
    }
    case 'reset':
      return [status!, `more ${third![0]!}`, ...parseTickets(reply[2]!, 1).map(showTicket)];
    case 'take_results':
      return [status!, `more ${third!}`, ...reply.slice(3).map(showMail)];
    default:
      return [status!, ...rest(2)];
  }
}

function showPut(answer: string): string {
  const [word, detail, body] = answer.split(' ');
  if (detail === undefined || word === 'FULL') return answer;
  return `${word!} @${ticks(detail.slice(0, 14))}${body === undefined ? '' : ` ${body}`}`;
}
