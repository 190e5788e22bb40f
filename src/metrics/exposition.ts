/** Prometheus' text format, version 0.0.4. Pure. */

export interface Definition {
  readonly type: 'gauge' | 'counter' | 'histogram';
  /** One sentence, without its full stop. */
  readonly help: string;
  /** Beside those that all of its table have. */
  readonly labels?: readonly string[];
}

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  /** Of a histogram: what follows its name. */
  readonly part?: '_bucket' | '_sum' | '_count';
  readonly labels: Labels;
  readonly value: number;
}

/** By the names of their metrics. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Metrics without a sample are left out. In the order of the table. */
export function expose(table: Readonly<Record<string, Definition>>, samples: Samples): string {
  const blocks = Object.entries(table).flatMap(([name, { type, help }]) => {
    const known = samples.get(name) ?? [];
    if (known.length === 0) return [];
    const lines = known.map(
      ({ part = '', labels, value }) => `${name}${part}${labelled(labels)} ${numeral(value)}`,
    );
    return [`# HELP ${name} ${escaped(help)}`, `# TYPE ${name} ${type}`, ...lines];
  });
  return blocks.map((line) => `${line}\n`).join('');
}

function labelled(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${escaped(value).replaceAll('"', '\\"')}"`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function numeral(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}
