/** First come, first served, per owner, shard and priority. Pure. */
import { parseTicket } from '../../../src/base/ticket.ts';
import { describe } from '../harness/happenings.ts';
import type { Grant, Life } from './lives.ts';
import { eraOf, type Loss } from './losses.ts';

/** Told of a request that was overtaken. */
export type LineFault = (id: string, message: string) => void;

/**
 * Fences are the order in which Redis granted claims. A ticket whose first claim has spent no try (`triesSpent` 0) had
 * waited in line since its put, so no request that came later to the same line may have been claimed before it. A
 * ticket that was given back, or whose runner was lost, had been claimed in time before, and proves nothing. Claims of
 * before and after a loss of data are not compared: the loss undid some of them.
 */
export function checkLines(lives: Iterable<Life>, losses: readonly Loss[], fault: LineFault): void {
  const lines = new Map<string, Grant[]>();
  for (const { granted, put } of lives) {
    if (!put) continue;
    const firsts = new Map<string, Grant>();
    for (const grant of granted) {
      const first = firsts.get(grant.ticket);
      if (!first || grant.fence < first.fence) firsts.set(grant.ticket, grant);
    }
    for (const grant of firsts.values()) {
      const { ticket, shard, fence } = grant;
      const line = `${shard}|${parseTicket(ticket).owner}|${put.priority}|${eraOf(losses, shard, fence)}`;
      lines.set(line, [...(lines.get(line) ?? []), grant]);
    }
  }
  for (const grants of lines.values()) checkLine(grants, fault);
}

function checkLine(grants: Grant[], fault: LineFault): void {
  grants.sort((one, other) => (one.fence < other.fence ? -1 : 1));
  let latest: Grant | undefined;
  for (const grant of grants) {
    const overtaken = latest !== undefined && orderOf(latest) > orderOf(grant);
    if (overtaken && grant.triesSpent === 0) {
      fault(
        grant.id,
        `it came before ${latest!.id} and was claimed after it (${describe(latest!.by)}, claim ${latest!.fence})`,
      );
    }
    if (!overtaken) latest = grant;
  }
}

function orderOf({ ticket }: Grant): string {
  return parseTicket(ticket).order;
}
