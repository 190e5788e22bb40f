/** One holder of a request at a time, as Redis gave its claims out. Pure. */
import type { Evidence } from './evidence.ts';
import type { Grant, Life } from './lives.ts';
import { eraOf } from './losses.ts';

/** Told of a request that had two holders, or of a fence that two claims share. */
export type HolderFault = (id: string, message: string) => void;

/** Leases are in whole ms of a clock that tokens tell in µs. */
const CLOCK_MS = 1;

/**
 * Tokens belong to one claim. And a ticket is granted again only after the holder gave it back, which it wrote down,
 * or after its lease: then a try was counted (`triesSpent`), and by the clock of Redis, which tokens tell in microseconds,
 * a lease has passed. What a loss of data came between proves nothing.
 */
export function checkHolders(
  lives: Iterable<Life>,
  { losses, leaseMs }: Pick<Evidence, 'losses' | 'leaseMs'>,
  fault: HolderFault,
): void {
  const owners = new Map<string, Grant>();
  for (const { id, granted, givenBack } of lives) {
    for (const grant of granted) {
      const claim = `${grant.shard}.${grant.fence}`;
      const other = owners.get(claim);
      if (other && (other.ticket !== grant.ticket || other.by !== grant.by))
        fault(id, `claim ${grant.fence} was granted to ${other.by.label} and ${grant.by.label}`);
      owners.set(claim, grant);
    }
    const grants = [...granted].sort((one, next) => (one.fence < next.fence ? -1 : 1));
    for (const [i, next] of grants.entries()) {
      const one = grants[i - 1];
      if (!one || one.ticket !== next.ticket || one.fence === next.fence) continue;
      if (eraOf(losses, one.shard, one.fence) !== eraOf(losses, next.shard, next.fence)) continue;
      const both = `${next.by.label} was granted claim ${next.fence}`;
      if (next.triesSpent === one.triesSpent) {
        const isBack = givenBack.some(({ fence, by }) => fence === one.fence && by === one.by);
        if (!isBack) fault(id, `${both} while ${one.by.label} held ${one.fence} and had not given it back`);
        continue;
      }
      const ms = (parseInt(next.fence, 16) - parseInt(one.fence, 16)) / 1000;
      if (ms <= leaseMs - CLOCK_MS)
        fault(
          id,
          `${both} ${Math.round(ms)} ms after ${one.by.label} had been granted ${one.fence} for ${leaseMs} ms`,
        );
    }
  }
}
