/**
 * Decides, from what every process saw and what is left in Redis, whether every promise was kept. Pure.
 *
 * Every accepted request has ended at its owner (or the owner's successor), or is `endedWithOwner`, or is `lost`.
 * `endedWithOwner` is proven, request by request, see {@link withOwner}; what cannot be proven is lost.
 */
import type { Evidence } from './evidence.ts';
import { checkHolders } from './holders.ts';
import { checkLines } from './line.ts';
import {
  collect,
  isFinal,
  nameOf,
  type Life,
  type Lives,
  type ProcessHistory,
  type Telling,
} from './lives.ts';
import { checkStream, type StreamFigures } from './stream.ts';
import { withOwner, type Proof } from './with-owner.ts';

export type ViolationKind =
  'lost' | 'duplicated' | 'stale' | 'order' | 'holder' | 'stream' | 'ending' | 'answer' | 'left' | 'fleet';

export interface ChaosViolation {
  kind: ViolationKind;
  /** Of the request it is about. */
  id?: string;
  message: string;
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
  /** Told by a process, and once more by another of its name that could not know; see {@link StreamFigures}. */
  toldAgain: StreamFigures['toldAgain'];
  /** Claimed more than once. */
  reclaimed: number;
}

export interface Verdict {
  figures: Figures;
  /** How many requests ended with their owner by each proof. */
  proofs: Record<Proof, number>;
  violations: ChaosViolation[];
}

/** Requests may be given up for these reasons in a chaos; any other is a bug. */
const GIVEN_UP = /^no tries left|^results were lost|^Redis lost the request of a predecessor/;
/** Clocks of a deadline are those of Redis and of a node. */
const EARLY_MS = 50;

export function check(evidence: Evidence): Verdict {
  const { losses, left } = evidence;
  const histories = collect(evidence.processes);
  const figures: Figures = {
    ...{ accepted: 0, ended: 0, finished: 0, failed: 0, cancelled: 0, expired: 0, endedWithOwner: 0 },
    ...{ lost: 0, duplicated: 0, staleAccepted: 0, orderViolations: 0, refused: 0, unanswered: 0 },
    ...{ toldAgain: 0, reclaimed: 0 },
  };
  const proofs: Verdict['proofs'] = { ownResult: 0, taken: 0, dropped: 0, forgotten: 0 };
  const violations: ChaosViolation[] = left.complaints.map((message) => ({ kind: 'left', message }));
  for (const life of histories.lives.values()) {
    const complain = (kind: ViolationKind, message: string): void => {
      violations.push({ kind, id: life.id, message });
    };
    figures.toldAgain += checkStream(life, losses, namesakesOf(life, histories), complain).toldAgain;
    if (new Set(life.claimed.map(({ fence }) => fence)).size > 1) figures.reclaimed += 1;
    if (life.accepted) {
      const proof = judge(life, histories, evidence, figures, complain);
      if (proof) proofs[proof] += 1;
    } else checkUnaccepted(life, figures, complain);
  }
  const lives = [...histories.lives.values()];
  checkLines(lives, losses, (id, message) => violations.push({ kind: 'order', id, message }));
  checkHolders(lives, evidence, (id, message) => violations.push({ kind: 'holder', id, message }));
  const count = (kind: ViolationKind): number => violations.filter((one) => one.kind === kind).length;
  figures.duplicated = count('duplicated');
  figures.staleAccepted = count('stale');
  figures.orderViolations = count('order');
  return { figures, proofs, violations };
}

type Complain = (kind: ViolationKind, message: string) => void;

function namesakesOf({ put }: Life, { started }: Lives): ProcessHistory[] {
  const name = put && nameOf(put.by);
  return started.filter(({ node }) => node === name).map(({ by }) => by);
}

function judge(
  life: Life,
  histories: Lives,
  evidence: Evidence,
  figures: Figures,
  complain: Complain,
): Proof | undefined {
  figures.accepted += 1;
  const owner = life.accepted!.by;
  const wrong = life.told.find(({ by }) => nameOf(by) !== nameOf(owner));
  if (wrong) complain('stream', `it was accepted by ${owner.label}, and told at ${wrong.by.label}`);
  const end = life.told.find(isFinal);
  if (end) {
    figures.ended += 1;
    figures[end.kind as 'finished'] += 1;
    const why = whyNot(life, end);
    if (why !== undefined) complain('ending', `it ended as ${end.kind}: ${why}`);
    return undefined;
  }
  const found = withOwner(life, histories, evidence);
  if (found.proof) {
    figures.endedWithOwner += 1;
    return found.proof;
  }
  figures.lost += 1;
  complain('lost', `accepted by ${owner.label} and lost: ${found.why}`);
  return undefined;
}

/** Why a request should not have ended like this. */
function whyNot({ put, cancelling }: Life, { kind, at, reason = '' }: Telling): string | undefined {
  if (kind === 'failed' && !GIVEN_UP.test(reason)) return reason;
  if (kind === 'cancelled' && cancelling.length === 0) return 'nobody cancelled it';
  if (kind !== 'expired') return undefined;
  if (put?.deadlineMs === undefined) return 'it had no deadline';
  return at < put.at + put.deadlineMs - EARLY_MS ? 'before its deadline' : undefined;
}

const NO_ANSWER = new Set(['TIMEOUT', 'CLOSED', 'EVICTED', 'UNSURE']);

function checkUnaccepted({ put, refused, told }: Life, figures: Figures, complain: Complain): void {
  if (!put) complain('answer', 'nobody put it');
  else if (refused) {
    figures.refused += 1;
    if (told.length > 0 && !NO_ANSWER.has(refused.code))
      complain('answer', `it was refused (${refused.code}), and has results all the same`);
  } else if (put.by.diedAt === undefined) complain('answer', `${put.by.label} never answered its put`);
  else figures.unanswered += 1;
}
