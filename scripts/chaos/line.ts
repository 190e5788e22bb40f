/** First come, first served, per owner, shard and priority; and one holder at a time. Pure. */
import { parseTicket } from '../../src/ticket.ts';
import type { Grant, Life } from './lives.ts';

/** Told of a request that was overtaken, or of a token that two claims share. */
export type LineFault = (kind: 'order' | 'holder', id: string, message: string) => void;

/**
 * Tokens are the order in which Redis gave claims out. A ticket whose first claim nobody has lost (`spent` 0) had been
 * in line, unclaimed, since its put; so nobody that came later to the same line may have been claimed before it. One
 * that was given back, or whose runner was lost, was claimed in time before, and proves nothing.
 */
export function checkLines(lives: Iterable<Life>, fault: LineFault): void {
  const lines = new Map<string, Grant[]>();
  const holders = new Map<string, Grant>();
  for (const { granted, put } of lives) {
    const firsts = new Map<string, Grant>();
    for (const grant of granted) {
      const other = holders.get(`${grant.shard}.${grant.token}`);
      if (other && (other.ticket !== grant.ticket || other.by !== grant.by))
        fault(
          'holder',
          grant.id,
          `claim ${grant.token} was granted to ${other.by.label} and ${grant.by.label}`,
        );
      holders.set(`${grant.shard}.${grant.token}`, grant);
      const first = firsts.get(grant.ticket);
      if (!first || grant.token < first.token) firsts.set(grant.ticket, grant);
    }
    for (const grant of firsts.values()) {
      const line = `${grant.shard}|${parseTicket(grant.ticket).owner}|${put?.priority ?? 'unknown'}`;
      lines.set(line, [...(lines.get(line) ?? []), grant]);
    }
  }
  for (const [line, grants] of lines) if (!line.endsWith('unknown')) checkLine(grants, fault);
}

function checkLine(grants: Grant[], fault: LineFault): void {
  grants.sort((one, other) => (one.token < other.token ? -1 : 1));
  let latest: Grant | undefined;
  for (const grant of grants) {
    const overtaken = latest !== undefined && orderOf(latest) > orderOf(grant);
    if (overtaken && grant.spent === 0) {
      fault(
        'order',
        grant.id,
        `it came before ${latest!.id} and was claimed after it (${latest!.by.label}, claim ${latest!.token})`,
      );
    }
    if (!overtaken) latest = grant;
  }
}

function orderOf({ ticket }: Grant): string {
  return parseTicket(ticket).order;
}
