import { expect } from 'chai';
import { figuresOf, inversions } from '../../../scripts/fleet/figures.ts';
import type { History, Journey, Room } from '../../../scripts/fleet/history.ts';
import { workConservation } from '../../../scripts/fleet/work-conservation.ts';

/** A request that went well; 10 blocks, owned and executed by node 0. */
function journey(atMs: number, enteredAt: number, rest: Partial<Journey> = {}): Journey {
  return {
    ...{ promptTokens: 100, outputTokens: 1, owner: 0, runner: 0, blocks: 10, executions: 1, ends: 1 },
    ...{ atMs, enteredAt, prefillAt: enteredAt, firstTokenAt: enteredAt, finishedAt: enteredAt },
    ...rest,
  };
}

function history(journeys: Journey[], rooms: Room[] = [], nodes = 2): History {
  return { nodes, slotsPerNode: 4, blocksPerNode: 100, journeys, rooms };
}

describe('the figures of a run', () => {
  it('measure from the arrival: to the first prefill, and to the first token', () => {
    const journeys = Array.from({ length: 101 }, (_, i) =>
      journey(1_000, 1_000 + i, { prefillAt: 1_000 + 2 * i, firstTokenAt: 1_000 + 5 * i }),
    );
    const figures = figuresOf(history(journeys));
    expect(figures.queueDelayMs).to.deep.equal({ p50: 100, p99: 198 });
    expect(figures.ttftP99Ms).to.equal(495);
  });

  it('tell large requests, that take at least 30 % of an engine, from small ones', () => {
    const journeys = Array.from({ length: 101 }, (_, i) => journey(1_000, 1_000 + i));
    const large = [
      journey(0, 500, { blocks: 30, prefillAt: 700 }),
      journey(0, 500, { blocks: 29, prefillAt: 90 }),
    ];
    const figures = figuresOf(history([...journeys, ...large]));
    expect(figures).to.include({ longestMs: 700, largeP99Ms: 700 });
    expect(figures.smallP99Ms).to.be.within(90, 100);
    expect(figuresOf(history(journeys)).largeP99Ms).to.equal(null);
  });

  it('count as stolen what another node than the owner executed', () => {
    const journeys = [journey(0, 1), journey(1, 2, { runner: 1 }), journey(2, 3, { owner: 1, runner: 1 })];
    expect(figuresOf(history(journeys)).stolenShare).to.be.closeTo(1 / 3, 1e-12);
  });

  it('notice a request that did not run, ran twice, did not end, or ended twice', () => {
    const journeys = [
      journey(0, 1),
      journey(1, 2, { executions: 0 }),
      journey(2, 3, { executions: 2 }),
      journey(3, 4, { ends: 0 }),
      journey(4, 5, { ends: 2 }),
    ];
    expect(figuresOf(history(journeys)).unsound).to.equal(4);
  });

  it('count every pair that entered the engines in the wrong order, and none that entered together', () => {
    expect(inversions([journey(0, 10), journey(1, 11), journey(2, 12)])).to.equal(0);
    expect(inversions([journey(0, 10), journey(1, 10)])).to.equal(0);
    expect(inversions([journey(0, 13), journey(1, 12), journey(2, 11)])).to.equal(3);
    expect(inversions([journey(0, 5), journey(1, 9), journey(2, 6), journey(3, 7), journey(4, 8)])).to.equal(
      3,
    );
    expect(
      figuresOf(history([journey(0, 13), journey(1, 12), journey(2, 11)])).inversions,
      'per request',
    ).to.equal(1);
  });
});

describe('the work-conservation violation', () => {
  const open: Room[] = [
    { atMs: -Infinity, node: 0, slots: 4, blocks: 100 },
    { atMs: -Infinity, node: 1, slots: 0, blocks: 100 },
  ];

  it('is the slot-time that was idle while requests waited, as a share of all', () => {
    // two wait from 0 to 50, one of them until 100, with four slots free: 150 of 100 ms x 8 slots
    expect(workConservation(history([journey(0, 50), journey(0, 100)], open))).to.be.closeTo(
      150 / 800,
      1e-12,
    );
  });

  it('is nothing while no engine takes prompts', () => {
    const closed = open.map((room) => ({ ...room, slots: 0 }));
    expect(workConservation(history([journey(0, 50), journey(0, 100)], closed))).to.equal(0);
  });

  it('begins when an engine opens, and counts no more slots than are free', () => {
    const opens: Room[] = [
      { ...open[0]!, slots: 0 },
      { atMs: 40, node: 0, slots: 1, blocks: 100 },
    ];
    expect(workConservation(history([journey(0, 100), journey(0, 100)], opens, 1))).to.be.closeTo(
      60 / 400,
      1e-12,
    );
  });

  it('counts no request that is too large for the engine', () => {
    const large = { blocks: 101 };
    expect(workConservation(history([journey(0, 100, large)], open))).to.equal(0);
    expect(
      workConservation(history([journey(0, 100, large), journey(0, 100)], open)),
      'one behind it fits',
    ).to.be.closeTo(100 / 800, 1e-12);
    const half = { blocks: 60 };
    expect(
      workConservation(history([journey(0, 100, half), journey(0, 100, half)], open)),
      'only one of two fits',
    ).to.be.closeTo(100 / 800, 1e-12);
  });
});
