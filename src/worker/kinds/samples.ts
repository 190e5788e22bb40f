/** The text form of Prometheus, as engines print it. */

export interface Sample {
  name: string;
  labels: Readonly<Record<string, string>>;
  value: number;
}

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]+-?\d+)?[ \t]*$/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** All samples of a page, in order. Lines that are none, and values that are no finite number, are left out. */
export function samplesOf(page: string | undefined): Sample[] {
  const samples: Sample[] = [];
  for (const line of (page ?? '').split(/\r?\n/)) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name, labels = '', text] = LINE.exec(line) ?? [];
    const value = Number(text);
    if (name !== undefined && Number.isFinite(value)) samples.push({ name, labels: labelsOf(labels), value });
  }
  return samples;
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, name, value] of text.matchAll(LABEL))
    labels[name!] = value!.replace(/\\(.)/g, (_, character: string) =>
      character === 'n' ? '\n' : character,
    );
  return labels;
}

/** Those with the first of these names that there is any of: names changed between versions. */
export function named(samples: readonly Sample[], ...names: string[]): Sample[] {
  for (const name of names) {
    const found = samples.filter((sample) => sample.name === name);
    if (found.length > 0) return found;
  }
  return [];
}

/**
 * The sum over the engines behind an endpoint; undefined: no sample. Samples that differ in `ranks` only are parts of one
 * engine, which all say the same: the largest counts.
 */
export function sumOf(samples: readonly Sample[], ranks: readonly string[] = []): number | undefined {
  if (samples.length === 0) return undefined;
  const engines = new Map<string, number>();
  for (const { labels, value } of samples) {
    const engine = JSON.stringify(
      Object.entries(labels)
        .filter(([name]) => !ranks.includes(name))
        .sort(),
    );
    engines.set(engine, Math.max(engines.get(engine) ?? 0, value));
  }
  return [...engines.values()].reduce((sum, value) => sum + value, 0);
}
