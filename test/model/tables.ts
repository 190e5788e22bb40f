/** A shard's whole keyspace in the shape in which the real one and the model's are compared. */
import type { ShardSnapshot } from '../../src/inspect/snapshot.ts';
import { pausesText } from '../../src/testing/in-process/pauses.ts';
import { headOf, isFrame, parseFrameMail, parseMail } from '../lua/wire.ts';
import { stampOf, type Frame, type Mail, type Request, type ShardState } from './state.ts';

export function mailOf(member: Buffer): Mail | Frame {
  if (isFrame(member)) {
    const { chunks } = parseFrameMail(member);
    return { chunks: chunks.map(({ fence, number, payload }) => `${fence} ${number} ${String(payload)}`) };
  }
  const { ticket, fence, number, kind, runner, story, payload } = parseMail(member);
  return { ticket, fence, number, kind, runner, story, payload: payload.toString('latin1') };
}

function recordOf(request: Request): string {
  const { ticket, triesLeft, triesSpent, body, arrival, fence, runner, wish } = request;
  const hex = (value: number, width: number): string => value.toString(16).padStart(width, '0');
  const waiting = `${stampOf(ticket)}|${wish.dead[0]!}${body.length > wish.deadBytes ? '-' : 'b'}${request.endsAlone ? 'a' : '-'}|${hex(triesLeft, 2)}|${hex(triesSpent, 2)}|${hex(body.length, 8)}|${hex(arrival * 1000, 14)}`;
  const holder = fence === undefined ? '' : `|${fence}|${runner!}`;
  const said = Buffer.from(request.reason, 'latin1').toString();
  return waiting + holder + pausesText(request) + (said === '' ? '' : `~${said}`);
}

function keptOf({ kept }: ShardState): string {
  return kept ? `${kept.runner}|${kept.until.toString(16).padStart(12, '0')}|${kept.ticket}` : '';
}

function sorted<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  return Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Chunks put and taken. */
function boxText(text: string): string {
  const [, id, put, , taken] = text.match(/.{14}/g)!;
  return `${id!} ${parseInt(put!, 16)} ${parseInt(taken!, 16)}`;
}

/** In one call the order in which they were taken does not matter. */
function inOrder(fences: string): string {
  return fences
    .match(/.{14}|\*/g)!
    .sort()
    .join('');
}

export function realTables(snapshot: ShardSnapshot): Record<string, unknown> {
  const { waiting, head, load, request, body, due, out, node, idle, calls, state, dead, expiry } = snapshot;
  const mailboxes = new Map<string, (Mail | Frame)[]>();
  for (const member of out) {
    const { owner } = headOf(member);
    mailboxes.set(owner, [...(mailboxes.get(owner) ?? []), mailOf(member)]);
  }
  const [boxes, marks, taken] = [
    new Map<string, string>(),
    new Map<string, string>(),
    new Map<string, string>(),
  ];
  const [epochs, lanes, asks, rooms] = [
    new Map<string, number>(),
    new Map<string, number>(),
    new Map<string, number | 'never'>(),
    new Map<string, number>(),
  ];
  for (const [field, value] of calls) {
    if (field.endsWith('|asks')) asks.set(field.slice(0, -5), value === 'never' ? value : Number(value));
    else if (field.endsWith('|room')) rooms.set(field.slice(0, -5), Number(value));
    else if (field.endsWith('|box')) boxes.set(field.slice(0, -4), boxText(value));
    else if (field.endsWith('|held')) marks.set(field.slice(0, -5), value);
    else if (field.endsWith('|taken')) taken.set(field.slice(0, -6), inOrder(value));
    else if (field.includes('|')) lanes.set(field, parseInt(value.slice(0, 12), 16));
    else epochs.set(field, parseInt(value, 16));
  }
  return {
    waiting,
    head: sorted(head),
    load: sorted(load),
    request: sorted(request),
    body: sorted([...body].map(([field, { payload }]) => [field, payload!.toString('latin1')])),
    due: sorted(due),
    out: sorted(mailboxes),
    node: sorted(node),
    idle: sorted(idle),
    epochs: sorted(epochs),
    lanes: sorted(lanes),
    asks: sorted(asks),
    rooms: sorted(rooms),
    boxes: sorted(boxes),
    marks: sorted(marks),
    taken: sorted(taken),
    kept: state.get('kept') ?? '',
    fronts: Number(state.get('fronts') ?? 0),
    visited: Number(state.get('visited') ?? 0),
    grace: Number(state.get('grace') ?? 0),
    expiry: Number(state.get('expiry') ?? 0),
    ttl: Number(state.get('ttl') ?? 0),
    expires: [...new Set(expiry.values())],
    dead: dead.map((entry) =>
      ['ticket', 'kind', 'error', 'spent', 'nodes', 'bytes', 'body']
        .map((field) => entry.get(field)!.toString(field === 'ticket' ? 'utf8' : 'latin1'))
        .join(' '),
    ),
  };
}

export function foreseenTables(model: ShardState): Record<string, unknown> {
  const requests = [...model.requests];
  const waiting = requests
    .filter(([, { runner }]) => runner === undefined)
    .map(([, { ticket }]) => Buffer.from(ticket));
  const { visited, grace, expiry, ttl } = model;
  return {
    waiting: waiting.sort((a, b) => Buffer.compare(a, b)).map(String),
    head: sorted(model.heads()),
    load: sorted(model.loads()),
    request: sorted(requests.map(([field, request]) => [field, recordOf(request)])),
    body: sorted(requests.map(([field, { body }]) => [field, body.toString('latin1')])),
    due: sorted(requests.map(([, { ticket, due }]) => [ticket, due])),
    out: sorted(model.mailboxes),
    node: sorted(model.nodes),
    idle: sorted(model.idle),
    epochs: sorted(model.epochs),
    asks: sorted(model.asks),
    rooms: sorted(model.rooms),
    boxes: sorted([...model.boxes].map(([owner, { id, put, taken }]) => [owner, `${id} ${put} ${taken}`])),
    marks: sorted(model.marks),
    taken: sorted([...model.taken].map(([node, fences]) => [node, inOrder(fences)])),
    kept: keptOf(model),
    fronts: model.fronts,
    lanes: sorted([...model.lanes].map(([field, { number }]) => [field, number])),
    visited,
    grace,
    expiry,
    ttl,
    expires: expiry > 0 ? [expiry] : [],
    dead: model.dead,
  };
}
