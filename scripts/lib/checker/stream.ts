/** What the clients of one request were told, against the rule of results. Pure. */
import { describe, isFinal, nameOf, type ProcessHistory } from '../harness/happenings.ts';
import type { Evidence } from './evidence.ts';
import type { Life, Telling } from './lives.ts';
import { cameBack, stoodAgain, type Loss } from './losses.ts';

export type Fault = (kind: 'duplicated' | 'stale' | 'stream' | 'output', message: string) => void;

export interface StreamFigures {
  /**
   * Results that two processes of one name told: one was killed and had told them in its last moments, or before Redis
   * came back with an earlier state of the request; or Redis lost the takeover before both knew of it.
   */
  toldAgain: number;
}

/**
 * How long before its death a process may have told what it then could not acknowledge any more: undisturbed it does so
 * with its next read, or after 100 ms and a round trip, and a busy machine gets ten times that. Beside it stands
 * `outageMs`, for which the faults of the run may have kept it from Redis.
 */
const ACKNOWLEDGED_MS = 1_000;

/** What the rules of one stream are judged by; `started`: of all processes, in the order of time. */
type StreamEvidence = Pick<Evidence, 'losses' | 'outageMs' | 'lives'>;

export function checkStream(life: Life, evidence: StreamEvidence, fault: Fault): StreamFigures {
  const { losses, outageMs } = evidence;
  const { put, accepted } = life;
  const first = accepted ?? put;
  const namesakes = first ? namesakesOf(first.by, evidence) : [];
  checkOutputs(life, fault);
  checkSources(life, losses, fault);
  if (first) checkTellers(life, first.by, evidence, fault);
  const tellers = [...new Set(life.told.map(({ by }) => by))];
  let toldAgain = 0;
  let known: Telling | undefined;
  const before: Telling[] = [];
  for (const teller of tellers) {
    const told = life.told.filter(({ by }) => by === teller);
    const undone = known && isUndone(life, losses, known, told[0]!, namesakes);
    const midway = before.length > 0 || teller !== put?.by;
    checkOrder(told, { midway, known: undone ? undefined : known, strict: outageMs === 0 }, fault);
    const since = evidence.lives.started.find(({ by }) => by === teller)?.at;
    for (const telling of told) {
      if (telling.kind === 'restart') continue;
      const first = before.find((one) => isSame(one, telling) || (isFinal(one) && isFinal(telling)));
      const isLate = first !== undefined && mayRepeat(first, since, outageMs);
      if (isLate && (isSame(first, telling) || isByItself(first, outageMs))) toldAgain += 1;
      else if (first && isUndone(life, losses, first, telling, namesakes)) toldAgain += 1;
      else if (first && isOutlived(life, first, telling, evidence)) toldAgain += 1;
      else if (isFinal(telling) && before.some(isFinal)) {
        const { by } = before.find(isFinal)!;
        fault('duplicated', `it ended for ${describe(by)}, and again for ${describe(teller)}`);
      } else if (first) {
        const which = telling.output?.number ?? telling.kind;
        fault('stream', `result ${which} was told again by ${describe(teller)}`);
      }
    }
    before.push(...told);
    known = told.findLast(({ output }) => output !== undefined) ?? known;
  }
  return { toldAgain };
}

/** Every process that ever had the owner's name. */
function namesakesOf(owner: ProcessHistory, { lives }: StreamEvidence): ProcessHistory[] {
  const name = nameOf(owner);
  return lives.started.filter(({ node }) => node === name).map(({ by }) => by);
}

/** Every output is the request's own, and the last one as long as the client wanted it. */
function checkOutputs({ id, put, told }: Life, fault: Fault): void {
  for (const { kind, output } of told) {
    const isShort = put !== undefined && kind === 'finished' && output?.tokens !== put.outputTokens;
    if ((output && output.id !== id) || isShort)
      fault(
        'output',
        `${put?.outputTokens ?? 'any'} tokens were asked for, told was ${JSON.stringify(output)}`,
      );
  }
}

/**
 * Results go to the owner, or to a process that came after it and took its name over. After a loss of data, which may
 * undo a takeover, an earlier one may have the name again.
 */
function checkTellers({ told }: Life, owner: ProcessHistory, evidence: StreamEvidence, fault: Fault): void {
  const { lives, losses } = evidence;
  const index = (process: ProcessHistory): number => lives.started.findIndex(({ by }) => by === process);
  for (const teller of new Set(told.map(({ by }) => by))) {
    if (teller === owner) continue;
    const isHeir =
      nameOf(teller) === nameOf(owner) &&
      (lives.started[index(teller)]?.takeover === true || losses.length > 0) &&
      (index(teller) > index(owner) || losses.length > 0);
    if (!isHeir) fault('stream', `it was sent to ${describe(owner)}, and told at ${describe(teller)}`);
  }
}

/** An owner that Redis does not answer says by itself that a deadline has passed: its successor may hear otherwise. */
function isByItself({ kind }: Telling, outageMs: number): boolean {
  return outageMs > 0 && kind === 'expired';
}

/** It said by itself that a deadline had passed, and had not heard of its successor, which had been told the end before. */
function isOutlived(
  { taken }: Life,
  first: Telling,
  again: Telling,
  { outageMs, lives: { started } }: StreamEvidence,
): boolean {
  const since = (process: ProcessHistory): number => started.findIndex(({ by }) => by === process);
  const heard = taken.some(({ by, final }) => by === again.by && final);
  return isByItself(again, outageMs) && !heard && since(first.by) > since(again.by);
}

/** @param succeededAt when the other teller took the name: from then on the first could acknowledge nothing */
function mayRepeat({ by: { diedAt }, at }: Telling, succeededAt = Infinity, outageMs: number): boolean {
  return diedAt !== undefined && at > Math.min(diedAt, succeededAt) - ACKNOWLEDGED_MS - outageMs;
}

/**
 * The first teller died, and Redis came back with an earlier state of the request after it had taken the result: a process
 * that stands still reads the answer later, and tells it even after its successor did. Or two had the name, one cut off
 * and taken over by the other, when Redis lost the takeover, and neither had died when the request was accepted.
 */
function isUndone(
  { id, accepted, sent }: Life,
  losses: readonly Loss[],
  first: Telling,
  again: Telling,
  namesakes: readonly ProcessHistory[],
): boolean {
  const { fence, number } = first.output ?? {};
  const source = sent.find((one) => one.fence === fence && one.number === number);
  const takenAt = Math.min(first.at, source?.at ?? first.at);
  if (first.by.diedAt !== undefined && cameBack(losses, id, takenAt, again.at)) return true;
  return losses.some(({ from }) => {
    const rivals = namesakes.filter((one) => isAlive(one, from));
    const overAt = rivals.map(({ diedAt }) => diedAt ?? Infinity).sort((one, other) => one - other)[0];
    return from < again.at && rivals.length > 1 && (accepted?.at ?? 0) < overAt!;
  });
}

function isAlive({ entries, diedAt }: ProcessHistory, at: number): boolean {
  const startedAt = entries.find(({ what }) => what === 'started')?.at;
  return startedAt !== undefined && startedAt < at && (diedAt === undefined || diedAt > at);
}

function isSame(one: Telling, other: Telling): boolean {
  return (
    one.kind === other.kind &&
    one.output?.fence === other.output?.fence &&
    one.output?.number === other.output?.number
  );
}

/**
 * Every result that was told was sent, and as what it was told. Had a later claim been granted when it was sent, its
 * sender no longer held the request, and Redis should have refused the result.
 */
function checkSources({ id, told, sent, granted }: Life, losses: readonly Loss[], fault: Fault): void {
  for (const { kind, output } of told) {
    if (!output) continue;
    const { fence, number } = output;
    const source = sent.find((one) => one.fence === fence && one.number === number);
    if (!source || source.final !== (kind === 'finished')) {
      fault('stream', `${kind} ${number} of claim ${fence} was told, and not sent as such`);
      continue;
    }
    const later = granted.find(
      (one) => one.fence > fence && one.at < source.at && !stoodAgain(losses, id, fence, one),
    );
    if (later) {
      fault(
        'stale',
        `result ${number} of claim ${fence}, sent by ${describe(source.by)} after ${describe(later.by)} had claim ${later.fence}, was told`,
      );
    }
  }
}

/** Where one process begins in a stream. */
interface Begin {
  /** It is a successor: it goes on where its predecessor stopped, or a little before that. */
  midway: boolean;
  /** The last result that a predecessor told. */
  known: Telling | undefined;
  /** A claim of which no predecessor told anything begins with its first result. */
  strict: boolean;
}

/** One process tells results 1, 2, 3 … of one claim, or of a later one after a restart marker, and nothing after the end. */
function checkOrder(told: readonly Telling[], { midway, known, strict }: Begin, fault: Fault): void {
  let last = midway ? undefined : known?.output;
  let ended = false;
  let restarted = false;
  let first = midway;
  for (const telling of told) {
    const { kind, output } = telling;
    if (ended) fault(isFinal(telling) ? 'duplicated' : 'stream', `${kind} was told after the end`);
    ended ||= isFinal(telling);
    if (kind === 'restart') restarted = true;
    if (!output) continue;
    const { fence, number } = output;
    if (last && fence < last.fence) {
      fault('stale', `a result of claim ${fence} was told after one of the later claim ${last.fence}`);
    } else if (!first) {
      const next = last?.fence === fence ? last.number + 1 : 1;
      if (number !== next) fault('stream', `result ${number} of claim ${fence} came instead of ${next}`);
      if (last && fence !== last.fence && !restarted)
        fault('stream', `claim ${fence} followed ${last.fence} without a restart marker`);
    } else if (known?.output && fence < known.output.fence) {
      fault('stale', `a successor was told of claim ${fence} after the later claim ${known.output.fence}`);
    } else {
      const isKnown = known?.output?.fence === fence;
      const next = isKnown ? known.output!.number + 1 : 1;
      if (number > next && (isKnown || strict))
        fault('stream', `a successor was told result ${number} of claim ${fence} instead of ${next}`);
    }
    last = output;
    first = false;
    restarted = false;
  }
}
