/**
 * What Redis answers about a topic, made readable: the one place that knows the positions of a reply and the fields of a
 * record. Pure. The tables themselves are described in lua/README.md#tables.
 */
import { parseTicket, type Tick, type Ticket } from '../base/ticket.ts';

/** `name, value, name, value ..` as a map in the same order. */
export function pairsOf<T extends string | Buffer>(flat: readonly T[]): Map<string, T> {
  const map = new Map<string, T>();
  for (let i = 0; i < flat.length; i += 2) map.set(String(flat[i]), flat[i + 1]!);
  return map;
}

/** The same, the values as numbers. */
export function scoresOf(flat: readonly (string | Buffer)[]): Map<string, number> {
  return new Map([...pairsOf(flat)].map(([name, score]) => [name, Number(String(score))]));
}

/** What the script `inspect` answers, position by position. */
export type FiguresReply = [
  now: Buffer,
  shard: Buffer[],
  load: Buffer[],
  head: Buffer[],
  node: Buffer[],
  idle: Buffer[],
  sizes: Buffer[],
];

const SIZES = ['waiting', 'request', 'body', 'due', 'out', 'dead', 'overdue'] as const;

/** One shard's figures at one instant. At most 1,000 owners and nodes are listed, those with the lowest scores. */
export interface ShardFigures {
  /** ms of the server's clock. */
  now: number;
  /** Fields of the table `shard`. */
  state: ReadonlyMap<string, string>;
  /** Owner -> load in the topic's unit, the least loaded first. An owner of whom nothing waits is missing. */
  load: ReadonlyMap<string, number>;
  /** Owner -> order of its first waiting request, in µs of the shard's clock; the oldest first. */
  head: ReadonlyMap<string, number>;
  /** Node -> ms until which it counts as alive. */
  node: ReadonlyMap<string, number>;
  /** Idle runner -> ms until which it waits for a wake-up. */
  idle: ReadonlyMap<string, number>;
  /** Entries of each table; `overdue`: those of `due` whose time has passed. */
  sizes: Readonly<Record<(typeof SIZES)[number], number>>;
}

export function decodeFigures(reply: FiguresReply): ShardFigures {
  const [now, shard, load, head, node, idle, sizes] = reply;
  const state = [...pairsOf(shard)].map(([name, value]): [string, string] => [name, String(value)]);
  return {
    now: Number(String(now)),
    state: new Map(state),
    load: scoresOf(load),
    head: scoresOf(head),
    node: scoresOf(node),
    idle: scoresOf(idle),
    sizes: Object.fromEntries(
      SIZES.map((name, at) => [name, Number(String(sizes[at]))]),
    ) as ShardFigures['sizes'],
  };
}

/** A request as the table `request` holds it. */
export interface RequestRecord {
  /** `order|tokens|deadline`, as in the ticket. */
  stamp: string;
  order: Tick;
  /** ms of the server's clock. */
  deadline: number;
  /** As what it is kept in `dead` when it ends: `l`ost, `f`ailed or `a`ll; whether with its body, `b` or `-`; whether the loss of its owner ends it, `a` or `-`. */
  wish: string;
  /** Tries left and tries used; losing its runner uses one. */
  triesLeft: number;
  triesSpent: number;
  /** Of the body. */
  bytes: number;
  /** ms of the server's clock at the put. */
  arrival: number;
  /** Of the claim; undefined while the request waits. */
  fence: Tick | undefined;
  runner: string | undefined;
  /** Of the nodes that gave it back or were lost with it, the last one last. */
  pauses: readonly Pause[];
  /** Why it was last given back, as far as somebody said; its first 200 bytes. */
  reason: string | undefined;
}

/** A node does not take a request again that it gave back; or it was lost with it. */
export interface Pause {
  node: string;
  /** ms of the server's clock; 0: it was lost. */
  until: number;
  /** How often it has given it back. */
  count: number;
  /** `e`: not before another node has given it back, while another living engine can hold it. `l`: it was lost. */
  mark: 'e' | '-' | 'l';
}

const RECORD =
  /^(([0-9a-f]{14})\|[0-9a-f]{8}\|([0-9a-f]{12}))\|([lfa][b-][a-])\|([0-9a-f]{2})\|([0-9a-f]{2})\|([0-9a-f]{8})\|([0-9a-f]{14})(?:\|([0-9a-f]{14})\|([^|/~]+))?((?:\/[0-9a-f]{14}[el-][^|/~]+)*)(?:~([^]*))?$/;
const PAUSE = /\/([0-9a-f]{12})([0-9a-f]{2})([el-])([^/]+)/g;

/**
 * Reads `order|tokens|deadline|wish|triesLeft|triesSpent|bytes|arrival`, with `|fence|runner` while the request is claimed, and
 * `/`, until, count, `e`, `-` or `l`, and the node for each that gave it back or was lost with it; then `~` and a reason.
 * @returns undefined if the text is no record
 */
export function parseRecord(text: string): RequestRecord | undefined {
  const match = RECORD.exec(text);
  if (!match) return undefined;
  const [
    ,
    stamp,
    order,
    deadline,
    wish,
    triesLeft,
    triesSpent,
    bytes,
    arrival,
    fence,
    runner,
    pauses,
    reason,
  ] = match;
  return {
    stamp: stamp!,
    order: order!,
    deadline: parseInt(deadline!, 16),
    wish: wish!,
    triesLeft: parseInt(triesLeft!, 16),
    triesSpent: parseInt(triesSpent!, 16),
    bytes: parseInt(bytes!, 16),
    arrival: parseInt(arrival!, 16) / 1000,
    fence,
    runner,
    pauses: pausesOf(pauses!),
    reason,
  };
}

function pausesOf(text: string): Pause[] {
  return [...text.matchAll(PAUSE)].map(([, until, count, mark, node]) => ({
    node: node!,
    until: parseInt(until!, 16),
    count: parseInt(count!, 16),
    mark: mark as Pause['mark'],
  }));
}

/** The name under which `request` and `body` hold a ticket's request: `owner|id`. */
export function fieldOf(ticket: Ticket): string {
  const { owner, id } = parseTicket(ticket);
  return `${owner}|${id}`;
}

/** Chunks and their bytes. */
export interface Sums {
  chunks: number;
  bytes: number;
}

/** What the table `calls` says of an owner's mailbox: all that was ever put into it, and what of that was taken. */
export interface Box extends Sums {
  intro: Tick;
  id: Tick;
  taken: Sums;
}

const sumsOf = (text: string): Sums => ({
  chunks: parseInt(text.slice(0, 14), 16),
  bytes: parseInt(text.slice(14, 28), 16),
});

/** @returns undefined if the text is no box */
export function parseBox(text: string): Box | undefined {
  if (!/^[0-9a-f]{84}$/.test(text)) return undefined;
  const [intro, id] = [text.slice(0, 14), text.slice(14, 28)];
  return { intro, id, ...sumsOf(text.slice(28)), taken: sumsOf(text.slice(56)) };
}

/** An entry of a mailbox with chunks: how many, and all that had been put into the mailbox with it. */
export interface Counted extends Sums {
  owner: string;
  /** Of the box. */
  id: Tick;
  total: Sums;
}

/** @returns undefined for a final, which is not counted */
export function countOf(entry: Buffer): Counted | undefined {
  const bar = entry.indexOf('|');
  const text = (from: number, length: number): string => entry.toString('latin1', from, from + length);
  const isFrame = text(bar + 16, 1) === 'F';
  // behind the ticket of a single result: fence, number and kind
  const kindAt = bar + 42 + (isFrame ? 0 : parseInt(text(bar + 16, 4), 16));
  if (!isFrame && text(kindAt, 1) !== 'c') return undefined;
  const totalsAt = isFrame ? bar + 17 : kindAt + 1;
  const behind = totalsAt + 42;
  const own = isFrame
    ? { chunks: parseInt(text(behind, 4), 16), bytes: entry.length - behind - 4 }
    : { chunks: 1, bytes: entry.length - behind };
  return { owner: text(0, bar), id: text(totalsAt, 14), total: sumsOf(text(totalsAt + 14, 28)), ...own };
}
