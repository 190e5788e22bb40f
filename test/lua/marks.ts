/**
 * What a call must do to the marks of runners and to what was taken away from them (lua/README.md#frames), derived from the shard
 * before and after it: so every row of every script checks it.
 */
import { expect } from 'chai';
import { NO_TICK } from '../../src/base/ticket.ts';
import { parseRecord } from '../../src/inspect/decode.ts';
import type { ShardSnapshot } from '../../src/inspect/snapshot.ts';
import { parseClaims, parseResults, type Call } from './wire.ts';

const ofField = (calls: ReadonlyMap<string, string>, field: string): Map<string, string> =>
  new Map(
    [...calls]
      .filter(([name]) => name.endsWith(`|${field}`))
      .map(([name, text]) => [name.split('|')[0]!, text]),
  );

export function marksOf({ calls }: ShardSnapshot): Map<string, string> {
  return ofField(calls, 'held');
}

/** Whether the caller's epoch is new to the shard. */
function isNew({ args }: Call, { calls }: ShardSnapshot): boolean {
  return String(args[1]) > (calls.get(String(args[0])) ?? '');
}

/** The marks as they must be after a call: of a claim that grants the last fence, and the mark before. */
export function marksBehind(
  call: Call,
  reply: readonly Buffer[],
  before: ShardSnapshot,
): Map<string, string> {
  const marks = marksOf(before);
  const node = String(call.args[0]);
  if (String(reply[0]) === 'EVICTED' || String(reply[0]) === 'STALE') return marks;
  if (isNew(call, before)) marks.delete(node);
  const on = marks.get(node)?.slice(0, 14) ?? NO_TICK;
  if (call.script === 'claim') {
    expect(reply[2]!.toString('latin1', 0, 14), 'on').to.equal(on);
    const last = parseClaims(reply[2]!).at(-1);
    if (last) marks.set(node, last.fence + on);
  } else if (call.script === 'put_results' && reply.length > 2) {
    const { mark } = parseResults(reply[2]!);
    const sent = String(call.args[15]).slice(13, 27);
    if (mark !== sent) marks.set(node, mark + mark);
  }
  return marks;
}

export function takenOf(calls: ReadonlyMap<string, string>): Map<string, string[]> {
  return new Map(
    [...ofField(calls, 'taken')].map(([node, text]) => [node, (text.match(/.{14}|\*/g) ?? []).sort()]),
  );
}

/** What must be taken from whom after a call: each claim that a record no longer has, unless its runner ended it by a result. */
export function takenBehind(
  call: Call,
  reply: readonly Buffer[],
  before: ShardSnapshot,
  after: ShardSnapshot,
): Map<string, string[]> {
  const taken = takenOf(before.calls);
  const node = String(call.args[0]);
  if (String(reply[0]) === 'EVICTED' || String(reply[0]) === 'STALE') return taken;
  if (isNew(call, before)) taken.delete(node);
  if (call.script === 'put_results' && reply.length > 2) {
    const { mark, told } = parseResults(reply[2]!);
    const isRebased = mark !== String(call.args[15]).slice(13, 27);
    const left = isRebased ? [] : (taken.get(node) ?? []).filter((fence) => !told.includes(fence));
    if (!isRebased)
      expect([...told].sort(), 'told').to.deep.equal(
        (taken.get(node) ?? []).filter((fence) => fence <= mark),
      );
    if (left.length === 0) taken.delete(node);
    else taken.set(node, left);
  }
  for (const [field, text] of before.request) {
    const { fence, runner } = parseRecord(text) ?? {};
    if (fence === undefined || runner === undefined) continue;
    if (parseRecord(after.request.get(field) ?? '')?.fence === fence) continue;
    if (call.script === 'put_results' && runner === node) continue;
    const isMarked = before.calls.has(`${runner}|held`) && !(runner === node && isNew(call, before));
    if (isMarked) taken.set(runner, [...(taken.get(runner) ?? []), fence].sort());
  }
  return taken;
}
