/** When each engine of a run had room for a request, and what it took, as its history tells. Pure. */
import { requiredBlocks } from '../../../src/base/budget.ts';
import { parseTicket } from '../../../src/base/ticket.ts';
import type { Entry, ProcessHistory, EngineSize } from '../harness/happenings.ts';
import type { Lives, Seen } from './lives.ts';
import { firstWhere, within, type Span } from './spans.ts';

/** What an engine has free from a moment on. */
interface Free {
  at: number;
  slots: number;
  blocks: number;
}

export class EngineHistory {
  readonly by: ProcessHistory;
  /** From its first claim until it dies or closes. */
  readonly serves: Span;
  readonly #size: EngineSize;
  readonly #steps: Free[];
  /** When it was granted requests, and their places in line, in µs. */
  readonly #taken: readonly { at: number; order: number }[];
  /** Blocks that must be free -> when they were. */
  readonly #room = new Map<number, Span[]>();

  /** @param tokensOf the prompt tokens of a request @param until the end of the run */
  constructor({ by, at, engine }: Seen<'started'>, tokensOf: (id: string) => number, until: number) {
    this.by = by;
    this.#size = engine!;
    const end = by.entries.find((entry) => entry.at >= at && isEnd(entry));
    this.serves = { from: at, to: Math.min(end?.at ?? until, by.diedAt ?? until) };
    this.#steps = stepsOf(by, engine!, tokensOf);
    this.#taken = by.entries.flatMap((entry) =>
      entry.what === 'granted'
        ? [{ at: entry.at, order: parseInt(parseTicket(entry.ticket).order, 16) }]
        : [],
    );
  }

  /** It could run a prompt of so many tokens if nothing else ran. */
  couldHold(tokens: number): boolean {
    return requiredBlocks(tokens, this.#size) <= this.#size.availableBlocks && this.#size.batch > 0;
  }

  /** When it had room for a prompt of so many tokens, beside what ran, in this time. */
  roomFor(tokens: number, time: Span): Span[] {
    const needed = requiredBlocks(tokens, this.#size);
    const spans = this.#room.get(needed) ?? this.#spansFor(needed);
    this.#room.set(needed, spans);
    return within(spans, time);
  }

  /**
   * Longer than `leastMs` while it served: parts of the time between which it took what comes before the place in line
   * `order`, in µs, or less than `aheadMs` behind it.
   */
  turns(time: Span, order: string, aheadMs: number, leastMs: number): Span[] {
    const last = parseInt(order, 16) + 1000 * aheadMs;
    const taken = this.#taken;
    const end = Math.min(time.to, this.serves.to);
    const turns: Span[] = [];
    for (let from = Math.max(time.from, this.serves.from); end - from > leastMs;) {
      const after = firstWhere(taken, ({ at }) => at > from + leastMs);
      let i = after - 1;
      while (i >= 0 && taken[i]!.at > from && taken[i]!.order >= last) i -= 1;
      if (i >= 0 && taken[i]!.at > from) {
        from = taken[i]!.at;
        continue;
      }
      i = after;
      while (i < taken.length && taken[i]!.at < end && taken[i]!.order >= last) i += 1;
      const to = Math.min(taken[i]?.at ?? end, end);
      turns.push({ from, to });
      from = to;
    }
    return turns;
  }

  #spansFor(needed: number): Span[] {
    const spans: Span[] = [];
    let from: number | undefined;
    for (const { at, slots, blocks } of [...this.#steps, { at: Infinity, slots: 0, blocks: 0 }]) {
      if (slots >= 1 && blocks >= needed) from ??= at;
      else if (from !== undefined) {
        spans.push({ from, to: at });
        from = undefined;
      }
    }
    return within(spans, this.serves);
  }
}

/** The engines of all processes that said what theirs holds. */
export function enginesOf({ started, all }: Lives, until: number): EngineHistory[] {
  const tokens = new Map(all.map(({ id, put }) => [id, put?.promptTokens ?? 1]));
  const tokensOf = (id: string): number => tokens.get(id) ?? 1;
  return started.filter(({ engine }) => engine).map((one) => new EngineHistory(one, tokensOf, until));
}

function isEnd({ what }: Entry): boolean {
  return what === 'over' || what === 'closing';
}

function stepsOf(
  { entries }: ProcessHistory,
  { availableBlocks, batch, ...size }: EngineSize,
  tokensOf: (id: string) => number,
): Free[] {
  const running = new Map<string, number>();
  let free: Free = { at: -Infinity, slots: batch, blocks: availableBlocks };
  const steps = [free];
  for (const entry of entries) {
    const isBegin = entry.what === 'claimed';
    const isEnd = entry.what === 'stopped' || (entry.what === 'sent' && entry.final);
    if (!isBegin && !isEnd) continue;
    const blocks = isBegin ? requiredBlocks(tokensOf(entry.id), size) : running.get(entry.fence);
    if (blocks === undefined) continue;
    if (isBegin) running.set(entry.fence, blocks);
    else running.delete(entry.fence);
    const sign = isBegin ? -1 : 1;
    free = { at: entry.at, slots: free.slots + sign, blocks: free.blocks + sign * blocks };
    steps.push(free);
  }
  return steps;
}
