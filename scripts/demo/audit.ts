/**
 * The proof at the end of a run: what the histories and what is left in Redis say about the promises. Pure.
 *
 * Every accepted request is `finished`, `failed`, `lost` or `endedWithOwner`. Two things a killed process takes with it:
 *
 * - `endedWithOwner`: it had accepted a request, run it itself and sent its final, and Redis had ended the request,
 *   before it could tell its client. An own result is kept by the process alone, so nobody else can tell.
 * - `unanswered`: a client had sent it a request, and never heard an answer to the put: nothing was promised. The
 *   request may run all the same, and its results reach the successor, as `strays`.
 *
 * And one thing it leaves behind: what its clients were told in its last instant, before Redis heard that it had been
 * read, is told once more by its successor (`toldAgain`).
 */
import { isFinal, percentile, queueDelay, thefts, type Life, type Process, type Telling } from './ledger.ts';

/** What Redis still holds of the run, as `owner|id`. */
export interface Leftovers {
  readonly records: ReadonlySet<string>;
  readonly mails: ReadonlySet<string>;
}

export interface Audit {
  accepted: number;
  finished: number;
  endedWithOwner: number;
  /** Accepted, and its client was never told of an end. */
  lost: number;
  /** Ends that a client was told beyond the first. */
  duplicated: number;
  /** Ended in another way than finished; nothing in the demo asks for that. */
  failed: number;
  refused: number;
  unanswered: number;
  strays: number;
  toldAgain: number;
  /** Requests that ran at another node than their owner. */
  stolen: number;
  /** Requests that were claimed again after a runner was lost. */
  reclaimed: number;
  /** Real ms, see {@link queueDelay}. */
  queueDelayMs: { p50: number; p99: number };
  /** Broken promises, in words; empty if all were kept. */
  broken: string[];
}

/** A killed process has told Redis what it read before this: with the next read, or after 100 ms and a round trip. */
const ACKNOWLEDGED_MS = 1_000;

export function audit(lives: readonly Life[], left: Leftovers): Audit {
  const delays = lives.map(queueDelay).filter((delay) => delay !== undefined);
  const report: Audit = {
    accepted: 0,
    finished: 0,
    endedWithOwner: 0,
    lost: 0,
    duplicated: 0,
    failed: 0,
    refused: 0,
    unanswered: 0,
    strays: 0,
    toldAgain: 0,
    stolen: lives.filter((life) => thefts(life).size > 0).length,
    reclaimed: lives.filter(({ executions }) => executions.some(({ attempt }) => attempt > 1)).length,
    queueDelayMs: { p50: round(percentile(delays, 0.5)), p99: round(percentile(delays, 0.99)) },
    broken: [],
  };
  for (const life of lives) {
    checkExecutions(life, report);
    if (life.accepted) checkAccepted(life, life.accepted.by, left, report);
    else checkOther(life, report);
  }
  checkLeftovers(lives, left, report);
  return report;
}

/** What is said of a lost request already is not said again. */
function checkLeftovers(lives: readonly Life[], { records, mails }: Leftovers, report: Audit): void {
  const open = new Set(
    lives.filter(({ ended }) => !ended).map(({ id, accepted }) => `${accepted?.by.node}|${id}`),
  );
  for (const key of records) if (!open.has(key)) report.broken.push(`${key} was left in Redis`);
  for (const key of mails) if (!open.has(key)) report.broken.push(`a result of ${key} was left in Redis`);
}

function round(ms = 0): number {
  return Math.round(ms * 10) / 10;
}

function checkExecutions({ id, executions }: Life, report: Audit): void {
  const attempts = new Map<number, Process>();
  for (const { attempt, by } of executions) {
    const other = attempts.get(attempt);
    if (other) report.broken.push(`${id}: attempt ${attempt} was run by ${other.node} and by ${by.node}`);
    attempts.set(attempt, by);
  }
}

/** Refused, or its put was never answered. */
function checkOther({ id, sent, refused, told }: Life, report: Audit): void {
  if (refused) {
    report.refused += 1;
    if (told.length > 0) report.broken.push(`${id} was refused, and has results all the same`);
  } else if (sent?.to.killedAt === undefined) {
    const what = sent ? `was sent to ${sent.to.node}, which never answered` : 'was never sent by a client';
    report.broken.push(`${id} ${what}`);
  } else {
    report.unanswered += 1;
    if (told.length > 0) report.strays += 1;
    const wrong = told.find(({ by }) => by !== sent.to && by.predecessor !== sent.to);
    if (wrong) report.broken.push(`${id} of ${sent.to.node} was told at ${wrong.by.node}`);
  }
}

function checkAccepted(life: Life, owner: Process, left: Leftovers, report: Audit): void {
  report.accepted += 1;
  const { id, told, sent } = life;
  const wrong = told.find(({ by }) => by !== owner && by.predecessor !== owner);
  if (wrong) report.broken.push(`${id} of ${owner.node} was told at ${wrong.by.node}`);
  checkStream(life, owner, report);

  const end = told.find(isFinal);
  if (!end) {
    const why = whyNotWithOwner(life, owner, left);
    if (why === undefined) {
      report.endedWithOwner += 1;
    } else {
      report.lost += 1;
      report.broken.push(`${id} of ${owner.node} was lost: ${why}`);
    }
  } else if (end.kind !== 'finished') {
    report.failed += 1;
    report.broken.push(`${id} of ${owner.node} ended as ${end.kind}: ${end.reason ?? 'no reason given'}`);
  } else {
    report.finished += 1;
    if (end.output?.id !== id || end.output.tokens !== sent?.outputTokens)
      report.broken.push(
        `${id} asked for ${String(sent?.outputTokens)} tokens and got ${JSON.stringify(end.output)} in the end`,
      );
  }
}

/** Why an accepted request that nobody was told the end of did not end with its owner; undefined: it did. */
export function whyNotWithOwner(
  { id, executions }: Life,
  owner: Process,
  left: Leftovers,
): string | undefined {
  const key = `${owner.node}|${id}`;
  const last = executions.at(-1);
  if (left.mails.has(key)) return 'a result of it is in Redis, and nobody took it';
  if (left.records.has(key)) return `it is still in Redis; its last runner was ${last?.by.node ?? 'nobody'}`;
  if (owner.killedAt === undefined) return 'it is gone from Redis, and its owner was told nothing';
  if (!last) return 'it is gone from Redis, and nobody ran it';
  if (last.by !== owner) return `${last.by.node} ran it last, and not its killed owner`;
  if (last.at >= owner.killedAt) return 'its owner claimed it after it had been killed';
  if (last.end !== 'done') return 'its owner ran it, and was killed before it was done';
  return undefined;
}

/**
 * What one process tells of a request: results 1, 2, 3 … of one attempt, or of a later one after a restart marker, and
 * nothing after the end. A successor goes on where its predecessor stopped, or a little before that, or with a later
 * attempt from its first result on.
 */
function checkStream({ id, told }: Life, owner: Process, report: Audit): void {
  const before = told.filter(({ by }) => by === owner);
  checkOrder(id, before, undefined, report);
  const after = told.filter(({ by }) => by !== owner);
  const known = before.findLast(({ output }) => output !== undefined);
  checkOrder(id, after, known, report);

  for (const telling of after) {
    if (telling.kind === 'restart') continue;
    const first = before.find((one) => sameResult(one, telling));
    if (first && owner.killedAt !== undefined && first.at > owner.killedAt - ACKNOWLEDGED_MS) {
      report.toldAgain += 1;
    } else if (first) {
      if (isFinal(telling)) report.duplicated += 1;
      report.broken.push(`${id}: a result was told again by the successor long after it was read`);
    } else if (isFinal(telling) && before.some(isFinal)) {
      report.duplicated += 1;
      report.broken.push(`${id} ended at ${owner.node}, and in another way at its successor`);
    }
  }
}

function sameResult(one: Telling, other: Telling): boolean {
  return (
    one.kind === other.kind &&
    one.output?.attempt === other.output?.attempt &&
    one.output?.number === other.output?.number
  );
}

/** @param known the last result that a predecessor told */
function checkOrder(
  id: string,
  tellings: readonly Telling[],
  known: Telling | undefined,
  report: Audit,
): void {
  let last = known?.output;
  let first = true;
  let ended = false;
  let restarted = false;
  const complain = (what: string): void => void report.broken.push(`${id}: ${what}`);
  for (const telling of tellings) {
    const { kind, output } = telling;
    if (ended) {
      if (isFinal(telling)) report.duplicated += 1;
      complain(`${kind} was told after the end`);
    }
    ended ||= isFinal(telling);
    if (kind === 'restart') restarted = true;
    if (!output) continue;
    const { attempt, number } = output;
    const next = last?.attempt === attempt ? last.number + 1 : 1;
    const overlap = first && known !== undefined && attempt === last?.attempt && number < next;
    if (number !== next && !overlap)
      complain(`result ${number} of attempt ${attempt} came instead of ${next}`);
    if (last && attempt !== last.attempt && !restarted && !(first && known))
      complain(`attempt ${attempt} followed ${last.attempt} without a restart marker`);
    if (last && attempt < last.attempt) complain(`attempt ${attempt} came after ${last.attempt}`);
    last = output;
    first = false;
    restarted = false;
  }
}
