/** Figures that a process counts itself, by the names of a table; their text is made by metrics/exposition.ts alone. */
import { expose, type Definition, type Labels, type Sample, type Samples } from '../metrics/exposition.ts';

/** Upper bounds of histograms, s. */
export const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

type Metrics = Readonly<Record<string, Definition>>;
type NamesOf<Table extends Metrics, Type> = {
  [Name in keyof Table & string]: Table[Name]['type'] extends Type ? Name : never;
}[keyof Table & string];

/** One series; of a histogram, `value` is the sum in s. */
interface Series {
  readonly labels: Labels;
  value: number;
  /** Of a histogram: how many were up to each of the bounds, and in all. */
  counts?: number[];
  count: number;
}

export class Meters<Table extends Metrics> {
  readonly #table: Table;
  readonly #series = new Map<string, Map<string, Series>>();

  constructor(table: Table) {
    this.#table = table;
  }

  /** To a counter or a gauge. */
  add(name: NamesOf<Table, 'counter' | 'gauge'>, labels: Labels = {}, by = 1): void {
    this.#of(name, labels).value += by;
  }

  observe(name: NamesOf<Table, 'histogram'>, labels: Labels, ms: number): void {
    const series = this.#of(name, labels);
    const seconds = Math.max(0, ms) / 1_000;
    series.value += seconds;
    series.count += 1;
    series.counts ??= BOUNDS.map(() => 0);
    for (const [i, bound] of BOUNDS.entries()) if (seconds <= bound) series.counts[i]! += 1;
  }

  samples(): Samples {
    const all = [...this.#series].map(
      ([name, series]) => [name, [...series.values()].flatMap(samplesOf)] as const,
    );
    return new Map(all);
  }

  text(): string {
    return expose(this.#table, this.samples());
  }

  #of(name: string, labels: Labels): Series {
    let known = this.#series.get(name);
    if (!known) this.#series.set(name, (known = new Map<string, Series>()));
    const key = JSON.stringify(labels);
    let series = known.get(key);
    if (!series) known.set(key, (series = { labels, value: 0, count: 0 }));
    return series;
  }
}

function samplesOf({ labels, value, counts, count }: Series): Sample[] {
  if (!counts) return [{ labels, value }];
  return [
    ...counts.map((below, i): Sample => {
      return { part: '_bucket', labels: { ...labels, le: String(BOUNDS[i]) }, value: below };
    }),
    { part: '_bucket', labels: { ...labels, le: '+Inf' }, value: count },
    { part: '_sum', labels, value },
    { part: '_count', labels, value: count },
  ];
}
