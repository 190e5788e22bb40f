import { expect } from 'chai';
import { queueDelay, refusals, tally, thefts } from '../../../scripts/demo/figures.ts';
import { quantile } from '../../../scripts/lib/measure/statistics.ts';
import { Paper, a, b, c, fence } from './paper.ts';

describe("the demo's figures", () => {
  let paper: Paper;
  beforeEach(() => {
    paper = new Paper();
  });

  const delayOf = ({ lives }: Paper): number | undefined => queueDelay(lives.all[0]!);

  it('count a request that went as it should', () => {
    const figures = paper.usual().kept();
    expect(figures).to.include({ accepted: 1, finished: 1, endedWithOwner: 0, lost: 0, duplicated: 0 });
    expect(figures).to.include({ stolen: 1, reclaimed: 0, refused: 0, unanswered: 0, toldAgain: 0 });
    expect(thefts(paper.lives.all[0]!)).to.deep.equal(new Map([['c', 'b']]));
    expect(delayOf(paper)).to.equal(30);
  });

  it('do not depend on the order in which histories are read', () => {
    paper.done(c, 1_200).finished(b, 1_201).chunks(b, 1_100, [1, 2, 3]);
    paper.claimed(c, b, 1_030).accepted(b);
    expect(paper.kept()).to.include({ finished: 1 });
    expect(delayOf(paper)).to.equal(30);
  });

  it('have no queueing delay below zero: a claim may come before the answer to the put', () => {
    paper.accepted(b).claimed(c, b, 990).chunks(b, 1_100, [1, 2, 3]);
    paper.finished(b, 1_200).kept();
    expect(delayOf(paper)).to.equal(0);
  });

  it('are told per node, without what ran in a killed process', () => {
    paper.usual();
    const claims = { fence: fence(1), attempt: 1 };
    paper.saw(a, 2_000, { what: 'claimed', id: 'y', owner: 'b', ...claims });
    paper.saw(c, 2_000, { what: 'claimed', id: 'z', owner: 'c', ...claims });
    const figures = tally(paper.lives.all, 0);
    const b = { accepted: 1, finished: 1, running: 0, stolenIn: 0, stolenOut: 2, delays: [30] };
    expect(figures.get('b')).to.deep.equal(b);
    expect(figures.get('c')).to.deep.include({ accepted: 0, running: 1, stolenIn: 1, stolenOut: 0 });
    expect(figures.get('a')).to.deep.include({ running: 0, stolenIn: 1 });
    expect(tally(paper.lives.all, 1_031).get('b')?.delays).to.deep.equal([]);
  });

  it('name the codes of refusals, with words', () => {
    paper.saw(b, 1_000, { what: 'refused', id: 'x', code: 'TOO_LARGE', reason: 'it never fits' });
    expect([...refusals(paper.lives.all)]).to.deep.equal([['TOO_LARGE', 'it never fits']]);
  });

  it('interpolate quantiles', () => {
    const values = Array.from({ length: 201 }, (_, i) => 200 - i);
    expect([0.5, 0.99, 1].map((share) => quantile(values, share))).to.deep.equal([100, 198, 200]);
    expect(quantile([1, 2], 0.5)).to.equal(1.5);
    expect(quantile([7], 0.01)).to.equal(7);
    expect(quantile([], 0.5)).to.be.NaN;
  });
});
