/** What a gateway counts, as text for Prometheus. Labels are of bounded number: no client can make new ones. */

/** Upper bounds of histograms, s. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

type Labels = Readonly<Record<string, string | number>>;

/** A series of any kind, by its labels as text. */
class Family<Value> {
  readonly name: string;
  readonly head: string;
  readonly values = new Map<string, Value>();

  constructor(name: string, type: string, help: string) {
    this.name = `sched_lua_${name}`;
    this.head = `# HELP ${this.name} ${help}\n# TYPE ${this.name} ${type}\n`;
  }
}

class Counter extends Family<number> {
  add(labels: Labels = {}, by = 1): void {
    const key = labelsOf(labels);
    this.values.set(key, (this.values.get(key) ?? 0) + by);
  }

  text(): string {
    const lines = [...this.values].map(([labels, value]) => `${this.name}${braces(labels)} ${value}\n`);
    return this.head + lines.join('');
  }
}

interface Spread {
  counts: number[];
  sum: number;
  count: number;
}

class Histogram extends Family<Spread> {
  observe(labels: Labels, ms: number): void {
    const key = labelsOf(labels);
    let spread = this.values.get(key);
    if (!spread) this.values.set(key, (spread = { counts: BOUNDS.map(() => 0), sum: 0, count: 0 }));
    const seconds = Math.max(0, ms) / 1_000;
    spread.sum += seconds;
    spread.count += 1;
    const at = BOUNDS.findIndex((bound) => seconds <= bound);
    if (at >= 0) spread.counts[at]! += 1;
  }

  text(): string {
    let text = this.head;
    for (const [labels, { counts, sum, count }] of this.values) {
      const and = labels === '' ? '' : `${labels},`;
      let below = 0;
      for (const [i, bound] of BOUNDS.entries()) {
        below += counts[i]!;
        text += `${this.name}_bucket{${and}le="${bound}"} ${below}\n`;
      }
      text += `${this.name}_bucket{${and}le="+Inf"} ${count}\n`;
      text += `${this.name}_sum${braces(labels)} ${sum}\n${this.name}_count${braces(labels)} ${count}\n`;
    }
    return text;
  }
}

export class Metrics {
  readonly requests = new Counter(
    'http_requests_total',
    'counter',
    'Requests that ended, by the status that was told.',
  );
  readonly rejected = new Counter(
    'rejected_total',
    'counter',
    'Requests that the gateway refused or gave up, by its code.',
  );
  readonly migrations = new Counter('migrations_total', 'counter', 'Requests moved to another worker.');
  readonly gone = new Counter(
    'client_gone_total',
    'counter',
    'Requests whose client went away or was too slow.',
  );
  readonly tokens = new Counter('tokens_total', 'counter', 'Tokens by the usage that engines told.');
  readonly duration = new Histogram(
    'request_duration_seconds',
    'histogram',
    'From arrival to the last byte.',
  );
  readonly firstByte = new Histogram(
    'time_to_first_token_seconds',
    'histogram',
    'Of streams, from arrival to the first byte.',
  );
  readonly queued = new Histogram(
    'queue_duration_seconds',
    'histogram',
    'From the put to the claim of a worker.',
  );
  /** Requests that are here, and those of them that no worker has taken. */
  inflight = 0;
  waiting = 0;

  text(): string {
    const gauges = (['inflight', 'waiting'] as const).map((name) => {
      const family = new Family<number>(
        name,
        'gauge',
        `Requests ${name === 'waiting' ? 'without a worker' : 'in this gateway'}.`,
      );
      return `${family.head}${family.name} ${this[name]}\n`;
    });
    const families = [this.requests, this.rejected, this.migrations, this.gone, this.tokens];
    const histograms = [this.duration, this.firstByte, this.queued];
    return [...families, ...histograms].map((family) => family.text()).join('') + gauges.join('');
  }
}

function labelsOf(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(String(value))}"`)
    .join(',');
}

function escaped(value: string): string {
  return value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n');
}

function braces(labels: string): string {
  return labels === '' ? '' : `{${labels}}`;
}
