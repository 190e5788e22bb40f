// What gateway and worker count: its text, and that their documents have a row for each metric.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { GATEWAY_METRICS } from '../../src/gateway/metrics.ts';
import { Meters } from '../../src/service/meters.ts';
import { WORKER_METRICS } from '../../src/worker/metrics.ts';

const TABLE = {
  a_total: { type: 'counter', help: 'A' },
  b: { type: 'gauge', help: 'B' },
  c_seconds: { type: 'histogram', help: 'C' },
} as const;

describe('what a command that serves counts', () => {
  it('is told by the labels, histograms with all that is up to each bound', () => {
    const meters = new Meters(TABLE);
    meters.add('a_total', { x: '"' });
    meters.add('a_total', { x: '"' }, 2);
    meters.add('b', {}, 0);
    meters.add('b');
    meters.add('b', {}, -1);
    for (const ms of [4, 5, 300, 400_000, -1]) meters.observe('c_seconds', { x: 'y' }, ms);
    const lines = meters.text().split('\n');
    expect(lines.slice(0, 8)).to.deep.equal([
      '# HELP a_total A',
      '# TYPE a_total counter',
      'a_total{x="\\""} 3',
      '# HELP b B',
      '# TYPE b gauge',
      'b 0',
      '# HELP c_seconds C',
      '# TYPE c_seconds histogram',
    ]);
    expect(lines).to.include.members([
      'c_seconds_bucket{x="y",le="0.005"} 3',
      'c_seconds_bucket{x="y",le="0.25"} 3',
      'c_seconds_bucket{x="y",le="0.5"} 4',
      'c_seconds_bucket{x="y",le="300"} 4',
      'c_seconds_bucket{x="y",le="+Inf"} 5',
      'c_seconds_count{x="y"} 5',
    ]);
    expect(Number(/c_seconds_sum\{x="y"\} (\S+)/.exec(meters.text())![1])).to.be.closeTo(400.309, 1e-9);
  });

  for (const [file, table] of [
    ['gateway.md', GATEWAY_METRICS],
    ['worker.md', WORKER_METRICS],
  ] as const)
    it(`is in docs/${file}`, () => {
      const text = readFileSync(new URL(`../../docs/${file}`, import.meta.url), 'utf8');
      const told = [...text.matchAll(/`(?:sched_lua)?_?([a-z_]+)(?:\{[a-z]+\})?`/g)].map(([, name]) => name!);
      const missing = Object.keys(table).filter((name) => !told.some((end) => name.endsWith(end)));
      expect(missing).to.deep.equal([]);
    });
});
