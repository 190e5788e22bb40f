// docs/metrics.md, the Grafana dashboard and the alert rules: they have all metrics that there are, and no others.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { parser } from '@prometheus-io/lezer-promql';
import { parse } from 'yaml';
import type { Definition } from '../../src/metrics/exposition.ts';
import { NODE_METRICS } from '../../src/metrics/node-metrics.ts';
import { TOPIC_METRICS } from '../../src/metrics/topic-metrics.ts';
import { rowsOf, section } from '../support/documents.ts';

interface Panel {
  title: string;
  targets?: { expr: string }[];
}
interface Dashboard {
  title: string;
  panels: Panel[];
  templating: { list: { name: string; query: string | { query: string } }[] };
}
interface Rule {
  alert: string;
  expr: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

const read = (file: string): string => readFileSync(new URL(`../../docs/${file}`, import.meta.url), 'utf8');
const ALL: Readonly<Record<string, Definition>> = { ...NODE_METRICS, ...TOPIC_METRICS };
const dashboard = JSON.parse(read('grafana-dashboard.json')) as Dashboard;
const { groups } = parse(read('alerts.yml')) as { groups: { name: string; rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const panels = dashboard.panels.filter(({ targets }) => targets);

/** As Grafana would fill them in. */
const filled = (expr: string): string => expr.replaceAll('$__rate_interval', '5m');

/** What is wrong with an expression, and the series and labels that it names. */
function look(expr: string): { troubles: string[]; series: string[]; labels: string[] } {
  const found = { troubles: [] as string[], series: [] as string[], labels: [] as string[] };
  parser.parse(expr).iterate({
    enter: ({ type, from, to }) => {
      const text = expr.slice(from, to);
      if (type.isError) found.troubles.push(`${from}: ${expr}`);
      if (type.name === 'VectorSelector') found.series.push(/^\w+/.exec(text)![0]);
      if (type.name === 'LabelName') found.labels.push(text);
    },
  });
  return found;
}

/** The metric of a series; undefined: there is none. A histogram is three. */
function metricOf(series: string): string | undefined {
  if (series in ALL && ALL[series]!.type !== 'histogram') return series;
  const [, base] = /^(\w+)_(?:bucket|sum|count)$/.exec(series) ?? [];
  return base !== undefined && ALL[base]?.type === 'histogram' ? base : undefined;
}

function labelsOf(metric: string): string[] {
  const { type, labels = [] } = ALL[metric]!;
  const node = metric in NODE_METRICS && !labels.includes('from') ? ['node'] : [];
  return ['topic', ...node, ...labels, ...(type === 'histogram' ? ['le'] : [])];
}

const expressions = [
  ...panels.flatMap(({ title, targets }) =>
    targets!.map(({ expr }) => ({ where: `the panel "${title}"`, expr: filled(expr) })),
  ),
  ...rules.map(({ alert, expr }) => ({ where: `the alert ${alert}`, expr })),
];

describe('the dashboard and the alerts', () => {
  it('are there', () => {
    expect(panels).to.have.length.above(20);
    expect(rules).to.have.length.above(10);
    expect(dashboard.title).to.equal('sched-lua');
  });

  it('are PromQL', () => {
    expect(
      expressions.flatMap(({ where, expr }) => look(expr).troubles.map((at) => `${where}: ${at}`)),
    ).to.deep.equal([]);
  });

  it('use only metrics that exist, and labels that these have', () => {
    const wrong = expressions.flatMap(({ where, expr }) => {
      const { series, labels } = look(expr);
      expect(series, where).to.not.be.empty;
      const metrics = series.map(metricOf);
      const missing = series.filter((_, at) => metrics[at] === undefined);
      const known = metrics.flatMap((metric) => (metric === undefined ? [] : labelsOf(metric)));
      return [...missing, ...labels.filter((label) => !known.includes(label))].map(
        (name) => `${where}: ${name}`,
      );
    });
    expect(wrong).to.deep.equal([]);
  });

  it('show every metric in some panel', () => {
    const shown = new Set(
      panels.flatMap(({ targets }) =>
        targets!.flatMap(({ expr }) => look(filled(expr)).series.map(metricOf)),
      ),
    );
    expect(Object.keys(ALL).filter((name) => !shown.has(name))).to.deep.equal([]);
  });

  it('have variables that panels use, from metrics that exist', () => {
    const queries = dashboard.templating.list.map(({ query }) =>
      typeof query === 'string' ? query : query.query,
    );
    const named = queries.flatMap((query) => query.match(/sched_lua_\w+/g) ?? []);
    expect(named).to.not.be.empty;
    expect(named.filter((name) => metricOf(name) === undefined)).to.deep.equal([]);
    const text = JSON.stringify(dashboard.panels);
    for (const { name } of dashboard.templating.list) expect(text).to.match(new RegExp(`\\$\\{?${name}\\b`));
  });

  it('have a severity, a summary, and names and places of their own', () => {
    for (const { alert, labels, annotations } of rules) {
      expect(labels['severity'], alert).to.match(/^(warning|critical)$/);
      expect(annotations['summary'], alert).to.have.length.above(20);
    }
    expect(new Set(rules.map(({ alert }) => alert)).size).to.equal(rules.length);
    expect(new Set(dashboard.panels.map(({ title }) => title)).size).to.equal(dashboard.panels.length);
  });

  it('are found wrong when they are', () => {
    expect(look('sum by (topic (x)').troubles).to.not.be.empty;
    expect(look('rate(sched_lua_claims_total{nodes="a"}[5m])')).to.deep.equal({
      troubles: [],
      series: ['sched_lua_claims_total'],
      labels: ['nodes'],
    });
    expect(metricOf('sched_lua_claims')).to.equal(undefined);
    expect(metricOf('sched_lua_claims_total_count')).to.equal(undefined);
  });
});

describe('docs/metrics.md', () => {
  const text = read('metrics.md');

  for (const [heading, table] of [
    ['Of a scheduler', NODE_METRICS],
    ['Of a whole topic', TOPIC_METRICS],
  ] as const) {
    it(`has a row for each metric: ${heading.toLowerCase()}`, () => {
      const rows = rowsOf(section(text, heading)).filter(([name]) => name!.startsWith('sched_lua_'));
      const expected = Object.entries<Definition>(table).map(([name, { type, labels = [], help }]) => [
        name,
        type,
        labels.join(', '),
        help,
      ]);
      expect(rows).to.deep.equal(expected);
    });
  }

  it('explains each alert, and no other', () => {
    const rows = rowsOf(section(text, 'Dashboard and alerts')).map(([name]) => name);
    expect(rows).to.deep.equal(rules.map(({ alert }) => alert));
  });
});
