// What `top` computes of looks at a topic: what happens in a second, and the quantiles of many nodes.
import { expect } from 'chai';
import { Comparison, mixed } from '../../src/inspect/rates.ts';
import type { NodeStatus, StatusReport } from '../../src/inspect/status-report.ts';
import { parseCard, type Card, type CardTotals } from '../../src/protocol/card.ts';

interface Told extends Partial<NodeStatus> {
  upMs: number;
  totals?: Partial<CardTotals>;
  lastMinute?: Card['lastMinute'];
}

const node = (name: string, { upMs, totals, lastMinute, ...more }: Told): NodeStatus => {
  const empty = parseCard('{}')!;
  const card = {
    ...empty,
    upMs,
    totals: { ...empty.totals, ...totals },
    lastMinute: lastMinute ?? empty.lastMinute,
  };
  return {
    ...{ name, home: 0, epoch: '1', registeredUntil: 0, state: 'registered', engine: null },
    ...{ condition: 'front', waiting: 0, oldestMs: null, heardAt: 0, nextTryAt: null, card, ...more },
  };
};

const look = (now: number, nodes: NodeStatus[], waiting = 0, dead = 0): StatusReport => ({
  ...{ topic: 't', server: 's', now, loadUnit: 'requests', largestPrompt: null, memory: null, nodes },
  shards: [
    {
      ...{ shard: 0, waiting, load: waiting, oldestMs: null, claims: 0, results: 0, dead, visitedMs: null },
      leases: { inTime: 0, overdue: 0 },
    },
  ],
  ...{ tooLarge: [], findings: [] },
});

const OLD = 3_600_000;

describe('the comparison of looks', () => {
  it('tells what a node does in a second between two of its renewals, and of what is the same nothing', () => {
    const all = new Comparison();
    const at = (now: number, upMs: number, accepted: number) =>
      all.add(look(now, [node('a', { upMs, totals: { accepted, stolenOut: accepted / 2 } })]));
    expect(at(0, OLD, 100).nodes[0]!.rates, 'its counters are of an hour').to.equal(null);
    expect(at(2_000, OLD, 100).rates, 'it has not renewed').to.equal(null);
    expect(at(4_000, OLD + 4_000, 180).nodes[0]!.rates).to.deep.include({
      ...{ accepted: 20, stolenOut: 10, finished: 0, overMs: 4_000 },
    });
    expect(at(6_000, OLD + 4_000, 180).nodes[0]!.rates, 'as of its last renewal').to.deep.include({
      ...{ accepted: 20, overMs: 4_000 },
    });
    expect(at(8_000, OLD + 8_000, 180).rates).to.deep.include({ nodes: 1, accepted: 0, stolenOut: 0 });
  });

  it('does not judge by two renewals that are close, and tells of a young node from its start', () => {
    const all = new Comparison();
    const rates = (upMs: number, accepted: number, more: Partial<NodeStatus> = {}) =>
      all.add(look(upMs, [node('a', { upMs, totals: { accepted }, ...more })])).nodes[0]!.rates;
    expect(rates(10_000, 50)).to.deep.include({ accepted: 5, overMs: 10_000 });
    expect(rates(14_000, 90)).to.deep.include({ accepted: 10, overMs: 4_000 });
    expect(rates(14_010, 91)).to.deep.include({ overMs: 4_010 });
    expect(rates(18_010, 91)).to.deep.include({ accepted: 0, overMs: 4_000 });
    expect(rates(2_000, 8, { epoch: '2' }), 'a successor').to.deep.include({ accepted: 4, overMs: 2_000 });
    expect(rates(1_000, 3, { epoch: '2' }), 'again').to.deep.include({ accepted: 3, overMs: 1_000 });
  });

  it('tells nothing of nodes that are silent, have left, or have no card, and forgets them', () => {
    const all = new Comparison();
    const told = (more: Partial<NodeStatus>, upMs = 5_000) =>
      all.add(look(upMs, [node('a', { upMs, totals: { accepted: 10 }, ...more })]));
    expect(told({}).rates).to.deep.include({ nodes: 1, accepted: 2 });
    for (const more of [{ condition: 'silent' }, { condition: 'left' }, { card: null }] as const)
      expect(told(more, 9_000)).to.have.property('rates', null);
    expect(told({}, OLD).rates, 'of before nothing is left').to.equal(null);
  });

  it('tells how what waits and what is dead grows from look to look', () => {
    const all = new Comparison();
    expect(all.add(look(1_000, [], 5, 1)).change).to.equal(null);
    expect(all.add(look(3_000, [], 105, 2)).change).to.deep.equal({ overMs: 2_000, waiting: 50, dead: 0.5 });
    expect(all.add(look(4_000, [], 95, 2)).change).to.deep.equal({ overMs: 1_000, waiting: -10, dead: 0 });
    expect(all.add(look(4_000, [], 95, 2)).change, 'no time has passed').to.equal(null);
  });

  it('adds up what nodes do, and mixes their quantiles', () => {
    const all = new Comparison();
    const minute = (p50: number, p99: number, count: number) => ({ queued: { count, p50, p99 }, ran: null });
    const report = all.add(
      look(0, [
        node('a', { upMs: 1_000, totals: { accepted: 3 }, lastMinute: minute(10, 100, 50) }),
        node('b', { upMs: 2_000, totals: { accepted: 3 }, lastMinute: minute(10, 100, 150) }),
        node('c', { upMs: OLD }),
      ]),
    );
    expect(report.rates).to.deep.include({ nodes: 2, accepted: 4.5 });
    expect(report.queued).to.deep.equal({ count: 200, p50: 10, p99: 100 });
    expect(report.ran).to.equal(null);
  });
});

describe('quantiles of several nodes', () => {
  it('are those of one alone, and none of none', () => {
    expect(mixed([])).to.equal(null);
    expect(mixed([{ count: 0, p50: 1, p99: 2 }])).to.equal(null);
    for (const one of [
      { count: 7, p50: 120, p99: 3_400 },
      { count: 1, p50: 55, p99: 55 },
      { count: 3, p50: 0, p99: 0 },
    ])
      expect(mixed([one])).to.deep.equal(one);
  });

  it('weigh each node by what it counted', () => {
    const [fast, slow] = [
      { count: 990, p50: 10, p99: 20 },
      { count: 10, p50: 1_000, p99: 2_000 },
    ];
    const both = mixed([fast, slow])!;
    expect(both.p50).to.be.within(9, 11);
    expect(both.p99).to.be.within(20, 40);
    const other = mixed([
      { ...fast, count: 10 },
      { ...slow, count: 990 },
    ])!;
    expect(other.p50).to.be.within(980, 1_000);
    expect(other.p99).to.be.within(1_900, 2_000);
  });
});
