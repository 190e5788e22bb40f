/** Nothing accepted waits longer than its bound while an engine that could run it is idle. Pure. */
import { describe, type ProcessHistory } from '../harness/happenings.ts';
import { enginesOf, type EngineHistory } from './engines.ts';
import type { Evidence } from './evidence.ts';
import { oldestOf } from './oldest.ts';
import { areApart, lengthOf, within, without, type Span } from './spans.ts';
import { waitsOf, type Wait } from './waits.ts';

/** A time in which no bound runs: a fault strikes, or what it broke is being made anew. */
export interface Window extends Span {
  /** The fault. */
  readonly what: string;
  /** Processes that it strikes; undefined: all. */
  readonly labels?: ReadonlySet<string>;
  /** Load shards that it strikes; undefined: all. */
  readonly shards?: ReadonlySet<number>;
}

/** What may be waited for, in ms, as lua/README.md#promises and #wake-ups state it for the options of the run. */
export interface Bounds {
  /** Until an engine with room finds work of which it was not told: `stealAfterMs`, a poll, and the engine's iteration. */
  readonly foundMs: number;
  /** Until the claim of a runner that died is back in line, from the end of its lease: a grace, and the reap. */
  readonly reapedMs: number;
  /** So much younger ones may be taken first. */
  readonly aheadMs: number;
  /** After which an engine keeps room for what does not fit. */
  readonly patienceMs: number;
  /** Until the oldest request of a shard has been given room by an engine that could hold it; undefined: not promised. */
  readonly roomMs?: number;
}

/** What the rule judges by; a run that says nothing of its engines and its faults has none. */
export interface Watch {
  readonly bounds: Bounds;
  readonly windows: readonly Window[];
  /** The end of the run. */
  readonly until: number;
}

/** Told of a request that was stranded. */
export type WaitFault = (id: string, message: string) => void;

type WatchedEvidence = Pick<Evidence, 'lives' | 'losses' | 'leaseMs' | 'clockSteps'>;

/**
 * Each request, each stay in line, each engine: how long the one waited while the other had room for it beside what ran,
 * and took nothing that comes before it: else it is not idle. The time of windows that strike the engine, the shard, or the process whose claim ended the wait does not count. A
 * bound that was interrupted goes on where it stopped: the tail of each window has time for a poll.
 *
 * Answers the longest such time, in ms.
 */
export function checkWaits(evidence: WatchedEvidence, watch: Watch, fault: WaitFault): number {
  const { lives, losses, leaseMs, clockSteps = [] } = evidence;
  const { bounds, until } = watch;
  const waits = lives.all.flatMap((life) => waitsOf(life, losses, until, leaseMs));
  const engines = enginesOf(lives, until);
  const patient = waits.filter(({ from, to }) => to - from > bounds.patienceMs);
  const oldest = oldestOf(waits);
  let longestMs = 0;
  for (const wait of waits) {
    // a lease ends by the clock of Redis, which had to come to that time again
    if (
      wait.lapses > 0 &&
      clockSteps.some(({ at, byMs }) => byMs < 0 && at > wait.from - leaseMs && at < wait.to)
    )
      continue;
    const bound = bounds.foundMs + wait.lapses * (leaseMs + bounds.reapedMs);
    const struck = strikes(wait, watch);
    for (const engine of engines) {
      // most waits are over long before any bound
      const least = Math.min(longestMs, bound);
      if (wait.to - wait.from <= least) continue;
      const turns = engine.turns(wait, wait.order, bounds.aheadMs, least);
      const idle = turns.flatMap((turn) => engine.roomFor(wait.tokens, turn));
      if (longestOf(idle, turns) <= least) continue;
      const watched = without(idle, struck(engine));
      if (longestOf(watched, turns) <= least) continue;
      const ms = longestOf(without(watched, keeping(wait, patient, engine, bounds)), turns);
      longestMs = Math.max(longestMs, ms - wait.lapses * (leaseMs + bounds.reapedMs));
      if (ms <= bound) continue;
      const had = `while ${describe(engine.by)} had room for its ${wait.tokens} tokens`;
      fault(wait.id, `it waited ${Math.round(ms)} ms in shard ${wait.shard} ${had}: at most ${bound}`);
      break;
    }
    checkRoom(wait, oldest.get(wait) ?? [], { engines, struck, bounds }, fault);
  }
  return Math.round(longestMs);
}

/** What the longest of the turns has of the spans. */
function longestOf(spans: readonly Span[], turns: readonly Span[]): number {
  return Math.max(0, ...turns.map((turn) => lengthOf(within(spans, turn))));
}

/** The windows of the wait that strike an engine, found when first asked for. */
function strikes(wait: Wait, { windows }: Watch): (engine: EngineHistory) => Window[] {
  let ofWait: Window[] | undefined;
  return (engine) => {
    ofWait ??= windows.filter((one) => !areApart(one, wait) && (one.shards?.has(wait.shard) ?? true));
    return ofWait.filter(({ labels }) => isOf(engine.by, labels) || isOf(wait.claimedBy, labels));
  };
}

function isOf(process: ProcessHistory | undefined, labels: ReadonlySet<string> | undefined): boolean {
  return labels === undefined || (process !== undefined && labels.has(process.label));
}

/** When the engine may have kept its room for an older and larger request, and took nothing younger. */
function keeping(
  wait: Wait,
  patient: readonly Wait[],
  engine: EngineHistory,
  { patienceMs }: Bounds,
): Span[] {
  const older = patient.filter(
    (one) =>
      one.order < wait.order &&
      one.tokens > wait.tokens &&
      !areApart(one, wait) &&
      engine.couldHold(one.tokens),
  );
  return older.map(({ from, to }) => ({ from: from + patienceMs, to }));
}

interface RoomContext {
  engines: readonly EngineHistory[];
  struck: (engine: EngineHistory) => Window[];
  bounds: Bounds;
}

/** While it was the oldest of its shard some engine that could hold it had to make room. */
function checkRoom(
  wait: Wait,
  oldest: readonly Span[],
  { engines, struck, bounds: { roomMs } }: RoomContext,
  fault: WaitFault,
): void {
  if (roomMs === undefined || lengthOf(oldest) <= roomMs || wait.lapses > 0) return;
  for (const engine of engines.filter((one) => one.couldHold(wait.tokens))) {
    const ms = lengthOf(without(within(oldest, engine.serves), struck(engine)));
    if (ms <= roomMs) continue;
    const made = `and ${describe(engine.by)}, which could hold its ${wait.tokens} tokens, made no room`;
    fault(
      wait.id,
      `it was the oldest of shard ${wait.shard} for ${Math.round(ms)} ms, ${made}: at most ${roomMs}`,
    );
    return;
  }
}
