/** One holder of a request at a time, as Redis gave its claims out. Pure. */
import type { Evidence } from './evidence.ts';
import type { Grant, Life } from './lives.ts';
import { eraOf } from './losses.ts';

/** Told of a request that had two holders, or of a token that two claims share. */
export type HolderFault = (id: string, message: string) => void;

/** Leases are in whole ms of a clock that tokens tell in µs. */
const CLOCK_MS = 1;

/**
 * Tokens belong to one claim. And a ticket is granted again only after the holder gave it back, which it wrote down,
 * or after its lease: then a try was counted (`spent`), and by the clock of Redis, which tokens tell in microseconds,
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
      const claim = `${grant.shard}.${grant.token}`;
      const other = owners.get(claim);
      if (other && (other.ticket !== grant.ticket || other.by !== grant.by))
        fault(id, `claim ${grant.token} was granted to ${other.by.label} and ${grant.by.label}`);
      owners.set(claim, grant);
    }
    const grants = [...granted].sort((one, next) => (one.token < next.token ? -1 : 1));
    for (const [i, next] of grants.entries()) {
      const one = grants[i - 1];
      if (!one || one.ticket !== next.ticket || one.token === next.token) continue;
      if (eraOf(losses, one.shard, one.token) !== eraOf(losses, next.shard, next.token)) continue;
      const both = `${next.by.label} was granted claim ${next.token}`;
      if (next.spent === one.spent) {
        const isBack = givenBack.some(({ token, by }) => token === one.token && by === one.by);
        if (!isBack) fault(id, `${both} while ${one.by.label} held ${one.token} and had not given it back`);
        continue;
      }
      const ms = (parseInt(next.token, 16) - parseInt(one.token, 16)) / 1000;
      if (ms <= leaseMs - CLOCK_MS)
        fault(
          id,
          `${both} ${Math.round(ms)} ms after ${one.by.label} had been granted ${one.token} for ${leaseMs} ms`,
        );
    }
  }
}
