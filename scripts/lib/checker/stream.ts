/** What the clients of one request were told, against the rule of results. Pure. */
import { isFinal, type Life, type ProcessHistory, type Telling } from './lives.ts';
import { cameBack, stoodAgain, type Loss } from './losses.ts';

export type Fault = (kind: 'duplicated' | 'stale' | 'stream', message: string) => void;

export interface StreamFigures {
  /**
   * Results that two processes of one name told: one was killed and had told them in its last moments, or before Redis
   * came back with an earlier state of the request; or Redis lost the takeover before both knew of it.
   */
  toldAgain: number;
}

/**
 * How long before its death a process may have told what it then could not acknowledge any more: the faults break and
 * pause connections for some seconds.
 */
const ACKNOWLEDGED_MS = 12_000;

/** @param namesakes every process that ever had the owner's name */
export function checkStream(
  life: Life,
  losses: readonly Loss[],
  namesakes: readonly ProcessHistory[],
  fault: Fault,
): StreamFigures {
  checkSources(life, losses, fault);
  const tellers = [...new Set(life.told.map(({ by }) => by))];
  let toldAgain = 0;
  let known: Telling | undefined;
  const before: Telling[] = [];
  for (const teller of tellers) {
    const told = life.told.filter(({ by }) => by === teller);
    const undone = known && isUndone(life, losses, known, told[0]!, namesakes);
    checkOrder(told, before.length > 0 || teller !== life.put?.by, undone ? undefined : known, fault);
    for (const telling of told) {
      if (telling.kind === 'restart') continue;
      const first = before.find((one) => isSame(one, telling) || (isFinal(one) && isFinal(telling)));
      if (first && isSame(first, telling) && mayRepeat(first.by, first.at)) toldAgain += 1;
      else if (first && isUndone(life, losses, first, telling, namesakes)) toldAgain += 1;
      else if (isFinal(telling) && before.some(isFinal)) {
        fault('duplicated', `it ended for ${before.find(isFinal)!.by.label}, and again for ${teller.label}`);
      } else if (first) {
        fault('stream', `result ${telling.output?.number ?? telling.kind} was told again by ${teller.label}`);
      }
    }
    before.push(...told);
    known = told.findLast(({ output }) => output !== undefined) ?? known;
  }
  return { toldAgain };
}

function mayRepeat({ diedAt }: ProcessHistory, at: number): boolean {
  return diedAt !== undefined && at > diedAt - ACKNOWLEDGED_MS;
}

/**
 * The first teller died, and then Redis came back with an earlier state of the request; or two had the name, one cut off
 * and taken over by the other, when Redis lost the takeover, and neither had died when the request was accepted.
 */
function isUndone(
  { id, accepted }: Life,
  losses: readonly Loss[],
  first: Telling,
  again: Telling,
  namesakes: readonly ProcessHistory[],
): boolean {
  if (first.by.diedAt !== undefined && cameBack(losses, id, first.at, again.at)) return true;
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
 * Every result that was told was sent, as what it was told; and not by somebody who no longer held the request: had a
 * later claim been granted when it was sent, Redis should have refused it.
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
        `result ${number} of claim ${fence}, sent by ${source.by.label} after ${later.by.label} had claim ${later.fence}, was told`,
      );
    }
  }
}

/**
 * One process tells results 1, 2, 3 … of one claim, or of a later one after a restart marker, and nothing after the end.
 *
 * @param midway it is a successor: it goes on where its predecessor stopped, or a little before that
 * @param known the last result that a predecessor told
 */
function checkOrder(
  told: readonly Telling[],
  midway: boolean,
  known: Telling | undefined,
  fault: Fault,
): void {
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
    } else if (known?.output?.fence === fence && number > known.output.number + 1) {
      fault('stream', `a successor was told result ${number} of claim ${fence} after ${known.output.number}`);
    }
    last = output;
    first = false;
    restarted = false;
  }
}
