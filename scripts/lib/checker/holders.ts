/** One holder of a request at a time, as Redis granted its claims and as handlers got them. Pure. */
import { describe } from '../harness/happenings.ts';
import type { ClockStep, Evidence } from './evidence.ts';
import type { Grant, Life } from './lives.ts';
import { eraOf } from './losses.ts';

/** Told of a request that had two holders, of a fence that two claims share, or of an execution without a claim. */
export type HolderFault = (id: string, message: string) => void;

type HolderEvidence = Pick<Evidence, 'losses' | 'leaseMs' | 'clockSteps'>;

/** Leases are in whole ms of a clock that fences tell in µs. */
const CLOCK_MS = 1;

/**
 * A fence belongs to one claim, and a claim that Redis granted is executed at most once, by the process that got it and
 * as the attempt that it is. A request is granted again only after its holder gave it back, which it wrote down, or
 * after its lease: then a try was counted (`triesSpent`), and by the clock of Redis, which fences tell in µs until it was
 * set back, a lease has passed. Claims with a loss of data between them are not compared.
 */
export function checkHolders(lives: Iterable<Life>, evidence: HolderEvidence, fault: HolderFault): void {
  const { losses } = evidence;
  const owners = new Map<string, Grant>();
  for (const life of lives) {
    const { id, granted } = life;
    for (const grant of granted) {
      const claim = `${grant.shard}.${grant.fence}`;
      const other = owners.get(claim);
      if (other && (other.ticket !== grant.ticket || other.by !== grant.by))
        fault(id, `claim ${grant.fence} was granted to ${describe(other.by)} and ${describe(grant.by)}`);
      owners.set(claim, grant);
    }
    const grants = [...granted].sort((one, next) => (one.fence < next.fence ? -1 : 1));
    for (const [i, next] of grants.entries()) {
      const one = grants[i - 1];
      if (!one || one.fence === next.fence) continue;
      if (eraOf(losses, one) !== eraOf(losses, next)) continue;
      const why = whyNotAgain(one, next, life, evidence);
      if (why !== undefined) fault(id, `${describe(next.by)} was granted claim ${next.fence} ${why}`);
    }
    checkExecutions(life, (message) => fault(id, message));
  }
}

/** Why Redis should not have granted the next claim after the one before it. */
function whyNotAgain(
  one: Grant,
  next: Grant,
  { givenBack }: Life,
  { losses, leaseMs, clockSteps = [] }: HolderEvidence,
): string | undefined {
  const after = `after ${describe(one.by)} had been granted ${one.fence}`;
  // after a loss its owner puts it again
  if (one.ticket !== next.ticket)
    return losses.length === 0 ? `with another ticket, ${after}, and nothing was lost` : undefined;
  if (next.triesSpent < one.triesSpent) return `with fewer tries spent, ${after}`;
  if (next.triesSpent === one.triesSpent) {
    const isBack = givenBack.some(({ fence, by }) => fence === one.fence && by === one.by);
    return isBack ? undefined : `while ${describe(one.by)} held ${one.fence} and had not given it back`;
  }
  const ms = (parseInt(next.fence, 16) - parseInt(one.fence, 16)) / 1000;
  return ms > leaseMs - CLOCK_MS || mayLag(clockSteps, next)
    ? undefined
    : `${Math.round(ms)} ms ${after} for ${leaseMs} ms`;
}

/**
 * Fences follow the clock of Redis, until it was set back. From then on they are ahead of it, for a hundred times as long as it
 * was set back, and slower than it: a process counts from when it heard the last one (lua/README.md#ticks).
 */
function mayLag(clockSteps: readonly ClockStep[], next: Grant): boolean {
  return clockSteps.some(({ at, byMs }) => byMs < 0 && at < next.at);
}

function checkExecutions({ granted, claimed }: Life, fault: (message: string) => void): void {
  for (const [i, { fence, by, attempt }] of claimed.entries()) {
    const what = `claim ${fence} was executed by ${describe(by)} as attempt ${attempt}`;
    const grant = granted.find((one) => one.fence === fence && one.by === by);
    if (grant?.triesSpent !== attempt - 1) fault(`${what}, and not granted as such`);
    if (claimed.slice(0, i).some((one) => one.fence === fence && one.by === by)) fault(`${what}, again`);
  }
}
