/** First come, first served, per owner, shard and priority, but that a request may be passed by shorter ones. Pure. */
import { parseTicket } from '../../../src/base/ticket.ts';
import { describe } from '../harness/happenings.ts';
import type { Grant, Life } from './lives.ts';
import { eraOf, type Loss } from './losses.ts';

/** Told of a request that was overtaken. */
export type LineFault = (id: string, message: string) => void;

/**
 * Fences are the order in which Redis granted claims. A ticket whose first claim has spent no try (`triesSpent` 0) had
 * waited in line since its put, so no request that came later to the same line may have been claimed before it, unless that
 * had fewer tokens: it fitted where this one did not. A ticket that was given back, or whose runner was lost, had been claimed in time before, and proves nothing. Claims of
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
      const { ticket, shard } = grant;
      const line = `${shard}|${parseTicket(ticket).owner}|${put.priority}|${eraOf(losses, grant)}`;
      lines.set(line, [...(lines.get(line) ?? []), grant]);
    }
  }
  for (const grants of lines.values()) checkLine(grants, fault);
}

function checkLine(grants: Grant[], fault: LineFault): void {
  grants.sort((one, other) => (one.fence < other.fence ? -1 : 1));
  /** Per number of tokens, the latest to come of those claimed. */
  const latest = new Map<number, Grant>();
  for (const grant of grants) {
    const { order, tokens } = parseTicket(grant.ticket);
    const passedBy = [...latest].find(
      ([size, one]) => size >= tokens && parseTicket(one.ticket).order > order,
    )?.[1];
    if (passedBy && grant.triesSpent === 0) {
      fault(
        grant.id,
        `it came before ${passedBy.id} and was claimed after it (${describe(passedBy.by)}, claim ${passedBy.fence})`,
      );
    }
    const before = latest.get(tokens);
    if (!before || parseTicket(before.ticket).order < order) latest.set(tokens, grant);
  }
}
