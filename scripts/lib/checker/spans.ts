/** Spans of time, as lists that are in order and do not overlap. Pure. */

/** From `from` until `to`, in ms of the histories' clock. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** What is left of the spans without the cuts, which may come in any order and overlap. */
export function without(spans: readonly Span[], cuts: readonly Span[]): Span[] {
  let left = spans.filter(({ from, to }) => from < to);
  for (const cut of cuts) {
    left = left.flatMap((span) => {
      if (areApart(cut, span) || cut.to <= cut.from) return [span];
      const parts = [
        { from: span.from, to: cut.from },
        { from: cut.to, to: span.to },
      ];
      return parts.filter(({ from, to }) => from < to);
    });
  }
  return left;
}

/** What the spans have of `frame`. */
export function within(spans: readonly Span[], frame: Span): Span[] {
  const inner: Span[] = [];
  for (let i = firstAfter(spans, frame.from); i < spans.length && spans[i]!.from < frame.to; i += 1) {
    const { from, to } = spans[i]!;
    inner.push({ from: Math.max(from, frame.from), to: Math.min(to, frame.to) });
  }
  return inner.filter(({ from, to }) => from < to);
}

/** The place of the first span that ends after `at`. */
function firstAfter(spans: readonly Span[], at: number): number {
  let [low, high] = [0, spans.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[middle]!.to <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function areApart(one: Span, other: Span): boolean {
  return one.to <= other.from || other.to <= one.from;
}

export function lengthOf(spans: readonly Span[]): number {
  return spans.reduce((sum, { from, to }) => sum + to - from, 0);
}
