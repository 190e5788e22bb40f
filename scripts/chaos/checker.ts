/**
 * Decides, from what every process saw and what is left in Redis, whether every promise was kept. Pure.
 *
 * Every accepted request has ended at its owner (or the owner's successor), or is `endedWithOwner`, or is `lost`.
 * `endedWithOwner` is proven, request by request, see {@link withOwner}; what cannot be proven is lost.
 */
import { collect, isFinal, nameOf, type Life, type Lives, type ProcessHistory } from './lives.ts';
import { checkLines } from './line.ts';
import { checkStream } from './stream.ts';

/** What Redis holds when everything should have ended. */
export interface Leftovers {
  /** As `owner|id`. */
  readonly records: ReadonlySet<string>;
  readonly mails: ReadonlySet<string>;
  /** Tables that should be empty, and broken invariants, in words. */
  readonly complaints: readonly string[];
}

export interface Evidence {
  readonly processes: readonly ProcessHistory[];
  /** When Redis was started again without its data; ms of the histories' clock. */
  readonly emptiedAt: readonly number[];
  readonly left: Leftovers;
}

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
  /** Told by a process in its last moments, and once more by its successor. */
  toldAgain: number;
  /** Claimed more than once. */
  reclaimed: number;
}

/** Which of the four proofs of {@link withOwner}. */
export type Proof = 'ownResult' | 'read' | 'dropped' | 'emptied';

export interface Verdict {
  figures: Figures;
  /** How many requests ended with their owner by each proof. */
  proofs: Record<Proof, number>;
  violations: ChaosViolation[];
}

/** An owner notices a loss at its next refresh, and puts again; a fault may delay that. */
const NOTICE_MS = 6_000;
/** Requests may be given up for these reasons in a chaos; any other is a bug. */
const GIVEN_UP = /^no tries left|^results were lost|^Redis lost the request of a predecessor/;
/** Clocks of a deadline are those of Redis and of a node. */
const EARLY_MS = 50;

export function check({ processes, emptiedAt, left }: Evidence): Verdict {
  const histories = collect(processes);
  const figures: Figures = {
    ...{ accepted: 0, ended: 0, finished: 0, failed: 0, cancelled: 0, expired: 0, endedWithOwner: 0 },
    ...{ lost: 0, duplicated: 0, staleAccepted: 0, orderViolations: 0, refused: 0, unanswered: 0 },
    ...{ toldAgain: 0, reclaimed: 0 },
  };
  const proofs: Verdict['proofs'] = { ownResult: 0, read: 0, dropped: 0, emptied: 0 };
  const violations: ChaosViolation[] = left.complaints.map((message) => ({ kind: 'left', message }));
  for (const life of histories.lives.values()) {
    const complain = (kind: ViolationKind, message: string): void => {
      violations.push({ kind, id: life.id, message });
    };
    figures.toldAgain += checkStream(life, complain).toldAgain;
    if (new Set(life.claimed.map(({ token }) => token)).size > 1) figures.reclaimed += 1;
    if (life.accepted) {
      const proof = judge(life, histories, { emptiedAt, left }, figures, complain);
      if (proof) proofs[proof] += 1;
    } else checkUnaccepted(life, figures, complain);
  }
  checkLines(histories.lives.values(), (kind, id, message) => violations.push({ kind, id, message }));
  const count = (kind: ViolationKind): number => violations.filter((one) => one.kind === kind).length;
  figures.duplicated = count('duplicated');
  figures.staleAccepted = count('stale');
  figures.orderViolations = count('order');
  return { figures, proofs, violations };
}

type Complain = (kind: ViolationKind, message: string) => void;
type Circumstances = Pick<Evidence, 'emptiedAt' | 'left'>;

function judge(
  life: Life,
  histories: Lives,
  circumstances: Circumstances,
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
    const why = whyNot(life, end.kind, end.at, end.reason);
    if (why !== undefined) complain('ending', `it ended as ${end.kind}: ${why}`);
    return undefined;
  }
  const found = withOwner(life, histories, circumstances);
  if (found.proof) {
    figures.endedWithOwner += 1;
    return found.proof;
  }
  figures.lost += 1;
  complain('lost', `accepted by ${owner.label} and lost: ${found.why}`);
  return undefined;
}

/** Why a request should not have ended like this. */
function whyNot({ put, cancelling }: Life, kind: string, at: number, reason = ''): string | undefined {
  if (kind === 'failed' && !GIVEN_UP.test(reason)) return reason;
  if (kind === 'cancelled' && cancelling.length === 0) return 'nobody cancelled it';
  if (kind !== 'expired') return undefined;
  if (put?.deadlineMs === undefined) return 'it had no deadline';
  return at < put.at + put.deadlineMs - EARLY_MS ? 'before its deadline' : undefined;
}

/**
 * Why an accepted request that nobody was told the end of did not end with its owner; undefined: it did. Its owner was
 * killed or evicted, Redis has nothing of it, and one of these is proven:
 *
 * 1. the owner had claimed it itself last, and sent its final: an own result is kept by the process alone;
 * 2. a process that died had the final from Redis, and died before it could tell;
 * 3. somebody took the name without takeover later on, and so dropped its predecessor's results: a runner had sent
 *    the final, or it was cancelled or had a deadline;
 * 4. Redis was emptied, and the owner, who alone had the payload, was dead or died before it could notice.
 */
function withOwner(
  life: Life,
  { started }: Lives,
  { emptiedAt, left }: Circumstances,
): { proof: Proof } | { proof?: undefined; why: string } {
  const { accepted, claimed, sent, read, put, cancelling } = life;
  const owner = accepted!.by;
  const name = nameOf(owner);
  const key = `${name}|${life.id}`;
  const last = claimed.at(-1);
  if (left.mails.has(key)) return { why: 'a result of it is in Redis, and nobody took it' };
  if (left.records.has(key))
    return { why: `it is still in Redis; it was last claimed by ${last?.by.label ?? 'nobody'}` };
  const { diedAt } = owner;
  if (diedAt === undefined) return { why: 'it is gone from Redis, and its owner was told nothing' };
  const isFinished = sent.some(({ final, token }) => final && token === last?.token);
  if (last?.by === owner && isFinished) return { proof: 'ownResult' };
  const finals = sent.filter(({ final }) => final);
  const hasFinal = ({ token, number }: { token: string; number: number }): boolean =>
    finals.some((final) => final.token === token && final.number === number);
  if (read.some((one) => one.by.diedAt !== undefined && hasFinal(one))) return { proof: 'read' };
  const dropped = started.some(
    ({ by, node, takeover, at }) => by !== owner && node === name && !takeover && at > accepted!.at,
  );
  if (dropped && (isFinished || cancelling.length > 0 || put?.deadlineMs !== undefined))
    return { proof: 'dropped' };
  if (emptiedAt.some((at) => at > put!.at && diedAt < at + NOTICE_MS)) return { proof: 'emptied' };
  const by = last ? `${last.by.label} claimed it last` : 'nobody claimed it';
  return { why: `it is gone from Redis; its owner was killed, and ${by}` };
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
