/**
 * The invariants of a shard (lua/README.md#tables), checked on a snapshot of its twelve tables. Pure. Invariant 3 compares
 * two moments, so no snapshot can show it; the model in test/model does.
 */
import type { LoadUnit } from '../base/options.ts';
import { NO_TICK, parseTicket, type Tick, type Ticket } from '../base/ticket.ts';
import { countOf, fieldOf, parseBox, parseRecord, type Counted, type RequestRecord } from './decode.ts';
import type { ShardSnapshot } from './snapshot.ts';

export interface Violation {
  shard: number;
  /** Number of the invariant in lua/README.md#tables. */
  invariant: 1 | 2 | 3 | 4 | 5 | 6;
  message: string;
}

/** A negative priority places a request so much later than its arrival, at most (owner/prepare.ts). */
const MOST_BEHIND_US = 86_400_000_000;
const TICKET = /^[^|]+\|[0-9a-f]{14}\|[0-9a-f]{8}\|[0-9a-f]{12}\|[^]+$/;

export interface InvariantOptions {
  /**
   * Look for nodes that were silent for the shard's ttl. A refresh forgets a few nodes at a time, so ask for this only right
   * after a refresh that left nothing to do. Default false.
   */
  refreshed?: boolean;
  /** What the load table counts. Default `requests`. */
  loadUnit?: LoadUnit;
}

/** What is wrong with a shard, an entry for each; empty if nothing is. */
export function checkInvariants(
  snapshot: ShardSnapshot,
  { refreshed = false, loadUnit = 'requests' }: InvariantOptions = {},
): Violation[] {
  const violations: Violation[] = [];
  const report =
    (invariant: Violation['invariant']): Report =>
    (message) => {
      violations.push({ shard: snapshot.shard, invariant, message });
    };
  const records = readRecords(snapshot, report(2));
  checkLines(snapshot, loadUnit, report(1));
  checkWaiting(snapshot, records, report(2));
  checkRequests(snapshot, records, report(2));
  checkTicks(snapshot, records, report(4));
  checkExpiries(snapshot, records, report(5));
  checkNames(snapshot, report(5));
  checkAsks(snapshot, report(5));
  checkBoxes(snapshot, report(6));
  checkTaken(snapshot, records, report(6));
  if (refreshed) checkSilent(snapshot, report(5));
  return violations;
}

type Report = (message: string) => void;
type Records = ReadonlyMap<string, RequestRecord>;

function readRecords({ request }: ShardSnapshot, report: Report): Records {
  const records = new Map<string, RequestRecord>();
  for (const [field, text] of request) {
    const record = parseRecord(text);
    if (record) records.set(field, record);
    const nodes = record?.pauses.map(({ node }) => node) ?? [];
    if (new Set(nodes).size < nodes.length)
      report(`request ${show(field)} has two pauses of one node: ${show(text)}`);
    if (!record) report(`request ${show(field)} has a malformed record: ${show(text)}`);
  }
  return records;
}

function checkLines({ waiting, load, head }: ShardSnapshot, loadUnit: LoadUnit, report: Report): void {
  const sums = new Map<string, number>();
  const firsts = new Map<string, number>();
  for (const { owner, order, tokens } of waiting.filter(isTicket).map(parseTicket)) {
    const weight = loadUnit === 'requests' ? 1 : Math.max(1, tokens);
    sums.set(owner, (sums.get(owner) ?? 0) + weight);
    firsts.set(owner, Math.min(firsts.get(owner) ?? Infinity, parseInt(order, 16)));
  }
  for (const owner of new Set([...sums.keys(), ...load.keys(), ...head.keys()])) {
    const sum = sums.get(owner);
    if (load.get(owner) !== sum) {
      const wait = loadUnit === 'requests' ? 'of its tickets wait' : 'tokens of its tickets wait';
      report(`the load of ${owner} is ${load.get(owner) ?? 'absent'}, and ${sum ?? 'none'} ${wait}`);
    }
    if (head.get(owner) !== firsts.get(owner)) {
      report(
        `the head of ${owner} is ${tickOf(head.get(owner))}, its first ticket's order ${tickOf(firsts.get(owner))}`,
      );
    }
  }
}

function checkWaiting({ waiting, due }: ShardSnapshot, records: Records, report: Report): void {
  const tickets = new Set(waiting);
  for (const ticket of tickets) {
    const record = isTicket(ticket) ? records.get(fieldOf(ticket)) : undefined;
    if (!record) report(`${show(ticket)} waits without a record`);
    else if (record.runner !== undefined) report(`${show(ticket)} waits, and ${record.runner} runs it`);
    else if (!ticket.includes(`|${record.stamp}|`))
      report(`${show(ticket)} waits, its record is of ${record.stamp}`);
  }
  for (const [field, record] of records) {
    const ticket = ticketOf(field, record);
    const score = due.get(ticket);
    if (record.runner === undefined && !tickets.has(ticket))
      report(`${show(ticket)} has no runner and does not wait`);
    if (score === undefined) report(`${show(ticket)} is never due`);
    else if (record.runner === undefined ? score !== record.deadline : score > record.deadline) {
      report(`${show(ticket)} (${record.runner ? 'claimed' : 'waiting'}) is due at ${score}`);
    }
  }
}

function checkRequests({ body, due, request }: ShardSnapshot, records: Records, report: Report): void {
  for (const [field, record] of records) {
    const found = body.get(field);
    if (!found) report(`request ${show(field)} has no body`);
    else if (found.bytes !== undefined && found.bytes !== record.bytes) {
      report(`the body of ${show(field)} has ${found.bytes} bytes, its record says ${record.bytes}`);
    }
  }
  for (const field of body.keys()) if (!request.has(field)) report(`body ${show(field)} has no request`);
  for (const ticket of due.keys()) {
    const record = isTicket(ticket) ? records.get(fieldOf(ticket)) : undefined;
    if (!record || ticketOf(fieldOf(ticket), record) !== ticket)
      report(`${show(ticket)} is due without a request`);
  }
}

function checkTicks({ out, state }: ShardSnapshot, records: Records, report: Report): void {
  const tick = state.get('tick') ?? NO_TICK;
  const used = new Map<Tick, string>();
  const use = (by: string, taken: Tick | undefined): void => {
    if (taken === undefined) return;
    const other = used.get(taken);
    if (other !== undefined) report(`tick ${taken} is ${other} and ${by}`);
    if (taken > tick) report(`tick ${taken} of ${by} is later than the shard's ${tick}`);
    used.set(taken, by);
  };
  for (const [field, record] of records) {
    use(`the fence of ${show(field)}`, record.fence);
    if (parseInt(record.order, 16) > parseInt(tick, 16) + MOST_BEHIND_US)
      report(`order ${record.order} of ${show(field)} is later than the shard's tick ${tick}`);
    if (record.arrival * 1000 > parseInt(tick, 16))
      report(`the arrival of ${show(field)} is later than the shard's tick ${tick}`);
  }
  for (const member of out) {
    const [owner, taken] = member.toString('latin1').split('|', 2);
    use(`a result for ${owner!}`, taken ?? '');
  }
}

function checkExpiries(
  { expiry, expiryTolerance, state }: ShardSnapshot,
  records: Records,
  report: Report,
): void {
  const finite = [...expiry.values()].filter((at) => at >= 0);
  for (const [table, at] of expiry) if (at < 0) report(`table ${table} never expires`);
  if (Math.max(...finite) - Math.min(...finite) > expiryTolerance) {
    const list = [...expiry].map(([table, at]) => `${table} ${at}`).join(', ');
    report(`tables expire at different times: ${list}`);
  }
  const noted = state.get('expiry');
  const first = Math.min(...finite);
  if (noted !== undefined && Math.abs(first - Number(noted)) > expiryTolerance)
    report(`tables expire at ${first}, and the shard's expiry is ${noted}`);
  for (const [field, { deadline }] of records)
    if (deadline > first + expiryTolerance)
      report(`request ${show(field)} may wait until ${deadline}, and tables expire at ${first}`);
}

function checkNames({ calls, idle, node, out }: ShardSnapshot, report: Report): void {
  const named = { calls: new Set<string>(), idle: new Set(idle.keys()), out: new Set<string>() };
  for (const field of calls.keys()) named.calls.add(field.split('|', 1)[0]!);
  for (const member of out) named.out.add(member.toString('latin1', 0, member.indexOf('|')));
  for (const [table, names] of Object.entries(named)) {
    for (const name of names) if (!node.has(name)) report(`${table} names ${name}, which is not in node`);
  }
}

/** What owners said of claims of their own: when one comes, or that none ever does. */
function checkAsks({ calls }: ShardSnapshot, report: Report): void {
  for (const [field, asks] of calls)
    if (field.endsWith('|asks') && !/^(?:\d+|never)$/.test(asks))
      report(`calls says that ${field.split('|', 1)[0]!} claims at ${show(asks)}`);
}

/** What a mailbox says of how much waits in it, beside what does. */
function checkBoxes({ calls, out }: ShardSnapshot, report: Report): void {
  const waiting = new Map<string, Counted[]>();
  for (const entry of out.map(countOf)) {
    if (entry) waiting.set(entry.owner, [...(waiting.get(entry.owner) ?? []), entry]);
  }
  for (const [field, text] of calls) {
    if (!field.endsWith('|box')) continue;
    const owner = field.slice(0, -4);
    const box = parseBox(text);
    if (!box) {
      report(`the box of ${owner} is malformed: ${show(text)}`);
      continue;
    }
    const { id, chunks, bytes, taken } = box;
    if (taken.chunks > chunks || taken.bytes > bytes)
      report(`of the mailbox of ${owner} more was taken than was put: ${show(text)}`);
    // entries of a box that was lost are not counted
    const own = (waiting.get(owner) ?? []).filter((entry) => entry.id === id);
    let before = taken;
    for (const entry of own) {
      if (entry.total.chunks - entry.chunks < before.chunks || entry.total.bytes - entry.bytes < before.bytes)
        report(
          `totals of an entry for ${owner} go back behind ${before.chunks} chunks, ${before.bytes} bytes`,
        );
      before = entry.total;
    }
    if (own.length > 0 && (before.chunks !== chunks || before.bytes !== bytes))
      report(
        `the box of ${owner} counts ${chunks} chunks, ${bytes} bytes, its last entry ${before.chunks}, ${before.bytes}`,
      );
  }
}

/** Fences that were taken away, and marks. */
function checkTaken({ calls }: ShardSnapshot, records: Records, report: Report): void {
  const held = new Map<string, string>();
  for (const { fence, runner } of records.values()) if (fence !== undefined) held.set(fence, runner!);
  for (const [field, text] of calls) {
    const name = field.split('|', 1)[0]!;
    if (field.endsWith('|held') && !/^[0-9a-f]{28}$/.test(text))
      report(`the marks of ${name} are malformed: ${show(text)}`);
    if (!field.endsWith('|taken')) continue;
    if (!/^(?:[0-9a-f]{14})+\*?$/.test(text))
      report(`what was taken from ${name} is malformed: ${show(text)}`);
    for (const fence of text.match(/[0-9a-f]{14}/g) ?? [])
      if (held.get(fence) === name) report(`${fence} was taken from ${name}, which still holds it`);
  }
}

function checkSilent({ node, now, state }: ShardSnapshot, report: Report): void {
  const before = now - Number(state.get('ttl') ?? Infinity);
  for (const [name, until] of node) {
    if (until < before) report(`node ${name} has been silent since ${until}, now is ${now}`);
  }
}

function ticketOf(field: string, record: RequestRecord): Ticket {
  const bar = field.indexOf('|');
  return `${field.slice(0, bar)}|${record.stamp}|${field.slice(bar + 1)}`;
}

function isTicket(text: string): boolean {
  return TICKET.test(text);
}

function tickOf(order: number | undefined): string {
  return order === undefined ? 'absent' : order.toString(16).padStart(14, '0');
}

function show(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 117)}...` : text);
}
