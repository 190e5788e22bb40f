/** When each request waited in line, as the histories tell. Pure. */
import { parseTicket } from '../../../src/base/ticket.ts';
import { isFinal, type ProcessHistory } from '../harness/happenings.ts';
import type { Grant, Life } from './lives.ts';
import type { Loss } from './losses.ts';
import type { Span } from './spans.ts';

/** One stay in a line: from a put, a give-back or the end of a lost lease, until a claim or the end of the request. */
export interface Wait extends Span {
  readonly id: string;
  readonly shard: number;
  readonly order: string;
  readonly tokens: number;
  /** Leases that ran out meanwhile: of a runner that had died, and of those that nobody saw, as the tries say. */
  readonly lapses: number;
  /** Whose claim ended it: it was granted before that process wrote it down. */
  readonly claimedBy: ProcessHistory | undefined;
}

interface Entering {
  at: number;
  what: 'enters';
  why: 'put' | 'given back' | 'lapsed' | 'restored';
  shard: number;
  ticket: string;
  /** Of the claim that returned. */
  fence?: string;
}

type Step = Entering | { at: number; what: 'granted'; grant: Grant } | { at: number; what: 'leaves' };

/**
 * @param until the end of the run, and of what still waits then
 * @param leaseMs after which the claim of a dead runner returns
 */
export function waitsOf(life: Life, losses: readonly Loss[], until: number, leaseMs: number): Wait[] {
  const waits: Wait[] = [];
  const spent = new Map<string, number>();
  let entered: Entering | undefined;
  let held: Grant | undefined;
  const leave = (at: number, grant?: Grant): void => {
    if (entered && at > entered.at) {
      const { at: from, shard, ticket, why } = entered;
      const lapses = lapsesOf(why, spent.get(ticket) ?? 0, grant?.ticket === ticket ? grant : undefined);
      const { order } = parseTicket(ticket);
      const tokens = life.put?.promptTokens ?? 1;
      waits.push({ id: life.id, shard, order, tokens, lapses, claimedBy: grant?.by, from, to: at });
    }
    entered = undefined;
  };
  for (const step of stepsOf(life, losses, leaseMs)) {
    if (step.what === 'enters') {
      // a put may be answered after its claim
      const isHeld = step.fence === undefined ? held?.ticket === step.ticket : held?.fence !== step.fence;
      if (!entered && !isHeld) entered = step;
    } else if (step.what === 'granted') {
      // of a process that stood still and writes it down late
      if (held && held.fence > step.grant.fence) continue;
      leave(step.at, step.grant);
      held = step.grant;
      spent.set(held.ticket, held.triesSpent);
    } else {
      leave(step.at);
      held = undefined;
    }
  }
  leave(until);
  return waits;
}

/** @param spent the tries that its last claim, as far as it was seen, had spent */
function lapsesOf(why: Entering['why'], spent: number, grant: Grant | undefined): number {
  const seen = why === 'lapsed' ? 1 : 0;
  return Math.max(seen, (grant?.triesSpent ?? spent) - spent);
}

function stepsOf(life: Life, losses: readonly Loss[], leaseMs: number): Step[] {
  const { placed, granted, givenBack } = life;
  const steps: Step[] = [
    ...placed.map(({ at, shard, ticket }): Step => ({ at, what: 'enters', why: 'put', shard, ticket })),
    ...granted.map((grant): Step => ({ at: grant.at, what: 'granted', grant })),
    ...losses.flatMap((loss) => throughLoss(life, loss)),
  ];
  for (const grant of granted) {
    const { fence, shard, ticket } = grant;
    const place = { what: 'enters', shard, ticket, fence } as const;
    const back = givenBack.find((one) => one.fence === fence);
    if (back) steps.push({ ...place, at: back.at, why: 'given back' });
    const at = lapsesAt(grant, life, leaseMs);
    // what a loss undid or brought back is held by leases that nobody knows
    const isUndone = losses.some((loss) => loss.at > grant.at && loss.from < (at ?? 0));
    if (at !== undefined && !isUndone) steps.push({ ...place, at, why: 'lapsed' });
  }
  const end = endOf(life);
  const before = steps.filter(({ at }) => at < end).sort((one, other) => one.at - other.at);
  return end === Infinity ? before : [...before, { at: end, what: 'leaves' }];
}

/** It waits on only if Redis came back with it, and without a claim of it. */
function throughLoss({ id, placed }: Life, { from, at, has }: Loss): Step[] {
  const last = placed.findLast((one) => one.at < from);
  const steps: Step[] = [{ at: from, what: 'leaves' }];
  if (last && has.records.has(id) && has.records.get(id) === undefined)
    steps.push({ at, what: 'enters', why: 'restored', shard: last.shard, ticket: last.ticket });
  return steps;
}

/** When nobody promises any more that it is executed: it was told its end, refused, unwanted, or past its deadline. */
function endOf({ told, cancelling, refused, put }: Life): number {
  const deadline = put?.deadlineMs === undefined ? undefined : put.at + put.deadlineMs;
  const ends = [told.find(isFinal)?.at, cancelling[0]?.at, refused?.at, deadline];
  return Math.min(...ends.map((at) => at ?? Infinity));
}

/** When the claim of a runner that died returns; undefined: it lived, or had ended the request or given it back. */
function lapsesAt({ by, fence, at }: Grant, life: Life, leaseMs: number): number | undefined {
  if (by.diedAt === undefined || life.givenBack.some((one) => one.fence === fence)) return undefined;
  const isAgain = life.granted.some((one) => one.fence > fence);
  const isFinal = life.sent.some((one) => one.final && one.fence === fence);
  return isFinal && !isAgain ? undefined : Math.max(at, by.diedAt) + leaseMs;
}
