import { expect } from 'chai';
import { expose } from '../../src/metrics/exposition.ts';

const TABLE = {
  a_total: { type: 'counter', help: 'A back\\slash and\na line' },
  b: { type: 'gauge', help: 'B' },
  c: { type: 'gauge', help: 'C' },
} as const;

describe('the text format of Prometheus', () => {
  it('groups samples by metric, in the order of the table, and leaves out metrics without one', () => {
    const samples = new Map([
      ['c', [{ labels: {}, value: 1.5 }]],
      ['b', []],
      [
        'a_total',
        [
          { labels: { topic: 't', node: 'n' }, value: 3 },
          { labels: { topic: 't', node: 'm' }, value: 1e21 },
        ],
      ],
    ]);
    expect(expose(TABLE, samples)).to.equal(
      [
        '# HELP a_total A back\\\\slash and\\na line',
        '# TYPE a_total counter',
        'a_total{topic="t",node="n"} 3',
        'a_total{topic="t",node="m"} 1e+21',
        '# HELP c C',
        '# TYPE c gauge',
        'c 1.5',
        '',
      ].join('\n'),
    );
  });

  it('escapes values of labels: quotes, backslashes and ends of lines', () => {
    const samples = new Map([['b', [{ labels: { node: 'a"b\\c\nd' }, value: 0 }]]]);
    expect(expose(TABLE, samples).split('\n')[2]).to.equal('b{node="a\\"b\\\\c\\nd"} 0');
  });

  it('has words for what is no finite number', () => {
    const values = [NaN, Infinity, -Infinity].map((value) => ({ labels: {}, value }));
    const lines = expose(TABLE, new Map([['b', values]])).split('\n');
    expect(lines.slice(2, 5)).to.deep.equal(['b NaN', 'b +Inf', 'b -Inf']);
  });
});
