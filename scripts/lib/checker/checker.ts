/**
 * Decides, from what every process saw and what is left in Redis, whether every promise was kept: the one checker of the
 * demo and of the chaos run. Pure.
 *
 * Every accepted request has ended at its owner (or the owner's successor), or is `endedWithOwner`, or is `lost`.
 * `endedWithOwner` is proven, request by request, see {@link withOwner}; what cannot be proven is lost. In a run without
 * outages (`outageMs` 0) nothing may fail, and a request that was refused may have no result.
 */
import { describe, isFinal } from '../harness/happenings.ts';
import type { Evidence } from './evidence.ts';
import { checkHolders } from './holders.ts';
import { checkLines } from './line.ts';
import type { Life, Telling } from './lives.ts';
import { checkWaits } from './stranded.ts';
import { checkStream, type StreamFigures } from './stream.ts';
import { withOwner, type Proof } from './with-owner.ts';

export type ViolationKind =
  | ('lost' | 'duplicated' | 'stale' | 'order' | 'holder' | 'stream' | 'output' | 'ending')
  | ('answer' | 'left' | 'fleet' | 'waited');

export interface BrokenPromise {
  kind: ViolationKind;
  /** Of the request it is about. */
  id?: string;
  message: string;
}

/** A broken promise for people. */
export function textOf({ kind, id, message }: BrokenPromise): string {
  return `${kind}: ${id === undefined ? '' : `${id}: `}${message}`;
}

export interface Figures {
  accepted: number;
  ended: number;
  finished: number;
  failed: number;
  cancelled: number;
  expired: number;
  endedWithOwner: number;
  lost: number;
  duplicated: number;
  staleAccepted: number;
  orderViolations: number;
  refused: number;
  /** Put by a process that died before it had an answer: nothing was promised. */
  unanswered: number;
  /** Of the unanswered, those that ran all the same, and have results. */
  strays: number;
  /** Told by a process, and once more by another of its name that could not know; see {@link StreamFigures}. */
  toldAgain: StreamFigures['toldAgain'];
  /** Claimed more than once, or as a later attempt. */
  reclaimed: number;
}

export interface Verdict {
  figures: Figures;
  /** How many requests ended with their owner by each proof. */
  proofs: Record<Proof, number>;
  violations: BrokenPromise[];
  /** The longest that a request waited, in ms, while an engine had room for it and no fault excused that. */
  longestWaitMs: number;
}

/** In a run with outages requests may be given up for these reasons; any other is a bug. */
const GIVEN_UP =
  /^no tries left|^results were lost|^Redis lost the request of a predecessor|^its owner has no room for more results/;
/** Clocks of a deadline are those of Redis and of a node. */
const EARLY_MS = 50;
/** An owner tells a deadline within a second of its own; on a machine whose cores are all busy it comes later to it. */
const LATE_MS = 5_000;
/** In a run with outages a process may stand still for 4 s, and again; nothing else delays what its own clock tells. */
const STALLED_MS = 8_100;

export function check(evidence: Evidence): Verdict {
  const { lives, losses, left } = evidence;
  const figures: Figures = {
    ...{ accepted: 0, ended: 0, finished: 0, failed: 0, cancelled: 0, expired: 0, endedWithOwner: 0 },
    ...{ lost: 0, duplicated: 0, staleAccepted: 0, orderViolations: 0, refused: 0, unanswered: 0 },
    ...{ strays: 0, toldAgain: 0, reclaimed: 0 },
  };
  const proofs: Verdict['proofs'] = { ownResult: 0, taken: 0, dropped: 0, forgotten: 0 };
  const violations: BrokenPromise[] = left.complaints.map((message) => ({ kind: 'left', message }));
  for (const life of lives.all) {
    const complain = (kind: ViolationKind, message: string): void => {
      violations.push({ kind, id: life.id, message });
    };
    figures.toldAgain += checkStream(life, evidence, complain).toldAgain;
    const fences = new Set(life.claimed.map(({ fence }) => fence));
    if (fences.size > 1 || life.claimed.some(({ attempt }) => attempt > 1)) figures.reclaimed += 1;
    if (!life.put) complain('answer', 'nobody put it');
    if (life.accepted) {
      const proof = judge(life, evidence, figures, complain);
      if (proof) proofs[proof] += 1;
    } else checkUnaccepted(life, evidence, figures, complain);
  }
  checkLines(lives.all, losses, (id, message) => violations.push({ kind: 'order', id, message }));
  checkHolders(lives.all, evidence, (id, message) => violations.push({ kind: 'holder', id, message }));
  const { watch } = evidence;
  const waited = (id: string, message: string): void => void violations.push({ kind: 'waited', id, message });
  const longestWaitMs = watch ? checkWaits(evidence, watch, waited) : 0;
  const lost = new Set(violations.filter(({ kind }) => kind === 'lost').map(({ id }) => id));
  for (const [what, keys] of [['a record', left.records] as const, ['a result', left.mails] as const]) {
    // what is said of a lost request is not said again
    const others = [...keys].filter((key) => !lost.has(key.slice(key.indexOf('|') + 1)));
    for (const key of others)
      violations.push({ kind: 'left', message: `${what} of ${key} was left in Redis` });
  }
  const count = (kind: ViolationKind): number => violations.filter((one) => one.kind === kind).length;
  figures.duplicated = count('duplicated');
  figures.staleAccepted = count('stale');
  figures.orderViolations = count('order');
  return { figures, proofs, violations, longestWaitMs };
}

type Complain = (kind: ViolationKind, message: string) => void;

function judge(life: Life, evidence: Evidence, figures: Figures, complain: Complain): Proof | undefined {
  figures.accepted += 1;
  const end = life.told.find(isFinal);
  if (end) {
    figures.ended += 1;
    figures[end.kind as 'finished'] += 1;
    const why = whyNot(life, end, evidence);
    if (why !== undefined) complain('ending', `it ended as ${end.kind}: ${why}`);
    return undefined;
  }
  const found = withOwner(life, evidence);
  if (found.proof) {
    figures.endedWithOwner += 1;
    return found.proof;
  }
  figures.lost += 1;
  complain('lost', `accepted by ${describe(life.accepted!.by)} and lost: ${found.why}`);
  return undefined;
}

/** Why a request should not have ended like this. */
function whyNot(
  { put, cancelling }: Life,
  { kind, at, by, reason = 'no reason given' }: Telling,
  { outageMs, clockSteps = [] }: Evidence,
): string | undefined {
  const lateMs = LATE_MS + (outageMs > 0 ? STALLED_MS : 0);
  if (put?.deadlineMs !== undefined && put.by === by && at > put.at + put.deadlineMs + lateMs)
    return `${Math.round(at - put.at - put.deadlineMs)} ms after its deadline`;
  if (kind === 'failed' && !(outageMs > 0 && GIVEN_UP.test(reason))) return reason;
  if (kind === 'cancelled' && cancelling.length === 0) return 'nobody cancelled it';
  if (kind !== 'expired') return undefined;
  if (put?.deadlineMs === undefined) return 'it had no deadline';
  const { at: putAt, deadlineMs } = put;
  // a clock that is set forward comes to a deadline sooner
  const ahead = clockSteps.filter((step) => step.byMs > 0 && step.at > putAt && step.at < at);
  const aheadMs = ahead.reduce((sum, { byMs }) => sum + byMs, 0);
  return at < putAt + deadlineMs - EARLY_MS - aheadMs ? 'before its deadline' : undefined;
}

/** In a run with outages a put that failed with one of these may have reached Redis all the same. */
const NO_ANSWER = new Set(['TIMEOUT', 'EXPIRED', 'CLOSED', 'EVICTED', 'UNSURE']);

function checkUnaccepted(
  { put, refused, told }: Life,
  { outageMs }: Evidence,
  figures: Figures,
  complain: Complain,
): void {
  if (refused) {
    figures.refused += 1;
    if (told.length > 0 && !(outageMs > 0 && NO_ANSWER.has(refused.code)))
      complain('answer', `it was refused (${refused.code}), and has results all the same`);
  } else if (put && put.by.diedAt === undefined) {
    complain('answer', `${describe(put.by)} never answered its put`);
  } else if (put) {
    figures.unanswered += 1;
    if (told.length > 0) figures.strays += 1;
  }
}
