/** Spans of time, as lists that are in order and do not overlap. Pure. */

/** From `from` until `to`, in ms of the histories' clock. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** What is left of the spans without the cuts, which may come in any order and overlap. */
export function without(spans: readonly Span[], cuts: readonly Span[]): Span[] {
  const ordered = cuts.filter(({ from, to }) => from < to).sort((one, other) => one.from - other.from);
  const left: Span[] = [];
  let next = 0;
  /** The end of the cuts that have begun. */
  let cutTo = -Infinity;
  for (const span of spans) {
    let from = Math.max(span.from, cutTo);
    for (; next < ordered.length && ordered[next]!.from < span.to; next += 1) {
      const cut = ordered[next]!;
      if (from < cut.from) left.push({ from, to: cut.from });
      cutTo = Math.max(cutTo, cut.to);
      from = Math.max(from, cutTo);
    }
    if (from < span.to) left.push({ from, to: span.to });
  }
  return left;
}

/** What the spans have of `frame`. */
export function within(spans: readonly Span[], frame: Span): Span[] {
  const inner: Span[] = [];
  for (
    let i = firstWhere(spans, ({ to }) => to > frame.from);
    i < spans.length && spans[i]!.from < frame.to;
    i += 1
  ) {
    const { from, to } = spans[i]!;
    inner.push({ from: Math.max(from, frame.from), to: Math.min(to, frame.to) });
  }
  return inner.filter(({ from, to }) => from < to);
}

/** The spans and one more, in place: those that it touches become one with it. */
export function join(spans: Span[], { from, to }: Span): Span[] {
  const first = firstWhere(spans, (one) => one.to >= from);
  const behind = firstWhere(spans, (one) => one.from > to);
  const touched = spans.slice(first, behind);
  const joined = {
    from: Math.min(from, touched[0]?.from ?? from),
    to: Math.max(to, touched.at(-1)?.to ?? to),
  };
  spans.splice(first, touched.length, joined);
  return spans;
}

/** The place of the first of which it is true, as it is of all that follow. */
export function firstWhere<T>(list: readonly T[], isTrue: (one: T) => boolean): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isTrue(list[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}

export function areApart(one: Span, other: Span): boolean {
  return one.to <= other.from || other.to <= one.from;
}

export function lengthOf(spans: readonly Span[]): number {
  return spans.reduce((sum, { from, to }) => sum + to - from, 0);
}
