import { expect } from 'chai';
import { percentile, tally } from '../../../scripts/demo/ledger.ts';
import { Paper } from './paper.ts';

describe("the demo's ledger", () => {
  let paper: Paper;
  beforeEach(() => {
    paper = new Paper();
  });

  it('counts a request that went as it should', () => {
    const { queueDelayMs, ...figures } = paper.usual().kept();
    expect(figures).to.include({ accepted: 1, finished: 1, endedWithOwner: 0, lost: 0, duplicated: 0 });
    expect(figures).to.include({ stolen: 1, reclaimed: 0, refused: 0, unanswered: 0, toldAgain: 0 });
    expect(queueDelayMs).to.deep.equal({ p50: 30, p99: 30 });
  });

  it('reads histories in any order', () => {
    paper.done(paper.c, paper.b, 1_200).finished(paper.b, 1_201).chunks(paper.b, 1_100, [1, 2, 3]);
    paper.claimed(paper.c, paper.b, 1_030).accepted(paper.b);
    expect(paper.kept().queueDelayMs.p50).to.equal(30);
  });

  it('counts no queueing delay below zero: a claim may come before the answer to the put', () => {
    paper.accepted(paper.b).claimed(paper.c, paper.b, 990).chunks(paper.b, 1_100, [1, 2, 3]);
    expect(paper.finished(paper.b, 1_200).kept().queueDelayMs.p50).to.equal(0);
  });

  it('tallies per node, and forgets what ran in a killed process', () => {
    paper.usual();
    paper.saw(paper.a, 2_000, { what: 'claimed', id: 'y', owner: 'b', attempt: 1 });
    paper.saw(paper.c, 2_000, { what: 'claimed', id: 'z', owner: 'c', attempt: 1 });
    const figures = tally(paper.ledger.lives, 0);
    const b = { accepted: 1, finished: 1, running: 0, stolenIn: 0, stolenOut: 2, delays: [30] };
    expect(figures.get('b')).to.deep.equal(b);
    expect(figures.get('c')).to.deep.include({ accepted: 0, running: 1, stolenIn: 1, stolenOut: 0 });
    expect(figures.get('a')).to.deep.include({ running: 0, stolenIn: 1 });
    expect(tally(paper.ledger.lives, 1_031).get('b')?.delays).to.deep.equal([]);
  });

  it('takes percentiles by the nearest rank', () => {
    const values = Array.from({ length: 200 }, (_, i) => 200 - i);
    expect([0.5, 0.99, 1].map((share) => percentile(values, share))).to.deep.equal([100, 198, 200]);
    expect(percentile([7], 0.01)).to.equal(7);
    expect(percentile([], 0.5)).to.equal(undefined);
  });
});
