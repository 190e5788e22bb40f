/** Marks in a source that tell, by the server's log, which of its mutants a run comes by. */
import type { LuaMutant } from './mutants.ts';

const MARK = /~mark (\d+)~/g;

/** Numbers of the marks in a part of the log. */
export function markedIn(log: string): number[] {
  return [...new Set([...log.matchAll(MARK)].map(([, number]) => Number(number)))];
}

/**
 * A source in which each place that has a mutant says so before it is looked at. It does the same as without.
 * @param numberOf what the mutants of one place are called
 */
export function withMarks(
  source: string,
  mutants: readonly LuaMutant[],
  numberOf: (mutant: LuaMutant) => number,
): string {
  const places = new Map(mutants.map((one) => [`${one.from}-${one.to}`, one]));
  const signs = [...places.values()].flatMap((one) => {
    const length = one.to - one.from;
    return [
      // an outer one opens before, and closes after, an inner one
      { at: one.from, rank: -length, text: `(redis.log(3, '~mark ${numberOf(one)}~') or (` },
      { at: one.to, rank: length - 1e9, text: '))' },
    ];
  });
  let text = '';
  let at = 0;
  for (const sign of signs.sort((a, b) => a.at - b.at || a.rank - b.rank)) {
    text += source.slice(at, sign.at) + sign.text;
    at = sign.at;
  }
  return text + source.slice(at);
}
