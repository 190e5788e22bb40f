/** Marks in a source that tell, by the server's log, which values a run meets where a mutant would change something. */
import type { LuaMutant, Sight } from './mutants.ts';

const MARK = /~sight (\d+)~/g;
/** Numbers of sights that a place has: it fails, it holds, and so many arguments of a bound. */
const EACH = 16;

/** Stands before a script that has marks: they give the value on that they tell of. */
export const PREAMBLE = [
  'local sched_seen = {} local function sched_tell(sight) if not sched_seen[sight] then sched_seen[sight] = true',
  "redis.log(3, '~sight ' .. sight .. '~') end end",
  `local function sched_mark(n, v) sched_tell(n * ${EACH} + (v and 1 or 0)) return v end`,
  'local function sched_mark_bound(n, bound, ...) local v = bound(...)',
  `for i = 1, select('#', ...) do if select(i, ...) ~= v then sched_tell(n * ${EACH} + 1 + i) end end return v end `,
].join(' ');

/** What the marks of a part of the log tell. */
export function sightsIn(log: string): number[] {
  return [...new Set([...log.matchAll(MARK)].map(([, sight]) => Number(sight)))];
}

/** What a mark of this number tells that has met such a value; of `any` each will do. */
export function sightsOf({ value }: Sight, number: number): number[] {
  if (typeof value === 'number') return [number * EACH + 1 + value];
  return [...(value === 'holds' ? [] : [0]), ...(value === 'fails' ? [] : [1])].map(
    (one) => number * EACH + one,
  );
}

/**
 * A source in which each place that a mutant is seen at tells what it meets. It does the same as without.
 * @param numberOf what a place is called
 */
export function withMarks(
  source: string,
  mutants: readonly LuaMutant[],
  numberOf: (sight: Sight) => number,
): string {
  const places = new Map(mutants.map(({ shows }) => [numberOf(shows), shows]));
  const changes = [...places].flatMap(([number, { from, to, value }]) => {
    // an outer one opens before, and closes after, an inner one
    const size = (to - from) / source.length;
    if (typeof value !== 'number')
      return [
        { at: from, rank: 2 - size, text: `sched_mark(${number}, `, skipped: 0 },
        { at: to, rank: size, text: ')', skipped: 0 },
      ];
    const name = source.slice(from, source.indexOf('(', from) + 1);
    const text = `sched_mark_bound(${number}, ${name.slice(0, -1)}, `;
    return [{ at: from, rank: 4, text, skipped: name.length }];
  });
  let text = '';
  let at = 0;
  for (const change of changes.sort((a, b) => a.at - b.at || a.rank - b.rank)) {
    text += source.slice(at, change.at) + change.text;
    at = change.at + change.skipped;
  }
  return text + source.slice(at);
}
