import { expect } from 'chai';
import type { Entry } from '../../../scripts/demo/history.ts';
import { KILLED_AT, Paper } from './paper.ts';

describe("the demo's audit, of what clients are told", () => {
  let paper: Paper;
  beforeEach(() => {
    paper = new Paper();
  });

  it('lets a successor tell again what the killed node was told in its last instant', () => {
    const { a, b, successor } = paper;
    paper
      .accepted(a)
      .claimed(b, a, 99_000)
      .chunks(a, 99_100, [1, 2])
      .chunks(a, KILLED_AT - 20, [3]);
    paper
      .finished(a, KILLED_AT - 10)
      .chunks(successor, 110_000, [3])
      .finished(successor, 110_001);
    expect(paper.kept()).to.include({ finished: 1, duplicated: 0, toldAgain: 2 });
  });

  it('lets a successor go on where the killed node stopped, or with a later attempt', () => {
    const { a, b, successor } = paper;
    paper.accepted(a).claimed(b, a, 99_000).chunks(a, 99_100, [1, 2]).chunks(successor, 110_000, [3]);
    expect(paper.finished(successor, 110_001).kept()).to.include({
      finished: 1,
      toldAgain: 0,
      reclaimed: 0,
    });
    paper = new Paper();
    paper.accepted(a).claimed(a, a, 99_000).chunks(a, 99_100, [1, 2]).claimed(b, a, 110_000, 2);
    paper.chunks(successor, 110_100, [1, 2, 3], 2).finished(successor, 110_200, 4, 2);
    expect(paper.kept()).to.include({ finished: 1, reclaimed: 1, stolen: 1 });
  });

  it('sees a result that is missing, also at a successor', () => {
    const { a, b, successor } = paper;
    paper.accepted(b).claimed(b, b, 1_030).chunks(b, 1_100, [1, 3]);
    paper.finished(b, 1_200).broken(/result 3 of attempt 1 came instead of 2/);
    paper = new Paper();
    paper.accepted(b).claimed(b, b, 1_030).chunks(b, 1_100, [2, 3]);
    paper.finished(b, 1_200).broken(/result 2 of attempt 1 came instead of 1/);
    paper = new Paper();
    paper.accepted(a).claimed(b, a, 99_000).chunks(a, 99_100, [1]).chunks(successor, 110_000, [3]);
    paper.finished(successor, 110_001).broken(/result 3 of attempt 1 came instead of 2/);
  });

  it('sees results in the wrong order, twice, or after the end', () => {
    const { b } = paper;
    const told = (numbers: readonly number[]): Paper =>
      paper.accepted(b).claimed(b, b, 1_030).chunks(b, 1_100, numbers);
    told([2, 1, 3]).broken(/2 .* instead of 1/, /1 .* instead of 3/, /3 .* instead of 2/, /was lost/);
    paper = new Paper();
    told([1, 2, 2, 3])
      .finished(b, 1_200)
      .broken(/result 2 of attempt 1 came instead of 3/);
    paper = new Paper();
    told([1, 2, 3])
      .finished(b, 1_200)
      .chunks(b, 1_300, [5])
      .broken(/chunk was told after the end/);
  });

  it('wants a restart marker between attempts, and never an earlier attempt', () => {
    const { b, c } = paper;
    const first = (): Paper =>
      paper.accepted(b).claimed(c, b, 1_030).chunks(b, 1_100, [1, 2]).claimed(b, b, 5_000, 2);
    first().restarted(b, 5_050).chunks(b, 5_100, [1, 2, 3], 2).finished(b, 5_200, 4, 2);
    expect(paper.kept()).to.include({ reclaimed: 1, stolen: 1 });
    paper = new Paper();
    first()
      .chunks(b, 5_100, [1, 2, 3], 2)
      .finished(b, 5_200, 4, 2)
      .broken(/without a restart marker/);
    paper = new Paper();
    first().restarted(b, 5_050).chunks(b, 5_100, [1], 2).restarted(b, 5_110).chunks(b, 5_120, [1], 1);
    paper.broken(/attempt 1 came after 2/, /was lost/);
  });

  it('sees two runners with the same attempt', () => {
    paper
      .usual()
      .claimed(paper.b, paper.b, 1_040)
      .broken(/attempt 1 was run by c and by b/);
  });

  it('sees a result told at another node than the owner', () => {
    const { a, b, c, successor } = paper;
    paper.accepted(b).claimed(c, b, 1_030).chunks(b, 1_100, [1, 2, 3]);
    paper.finished(c, 1_200).broken(/x of b was told at c/);
    paper = new Paper();
    paper.accepted(b).claimed(c, b, 1_030).chunks(b, 1_100, [1, 2, 3]);
    paper.finished(successor, 110_000).broken(/x of b was told at a/);
    paper = new Paper();
    paper.ledger.sent(a, 'x', 40);
    paper.finished(b, 110_000, 1).broken(/x of a was told at b/);
  });

  it('sees an end that is none of the demo: failed, cancelled, expired', () => {
    paper
      .accepted(paper.b)
      .saw(paper.b, 1_500, { what: 'told', id: 'x', kind: 'failed', reason: 'no tries left' });
    expect(paper.broken(/x of b ended as failed: no tries left/)).to.include({
      failed: 1,
      finished: 0,
      lost: 0,
    });
  });

  it('sees the output of another request, and one that is too short', () => {
    const ends = (output: Partial<NonNullable<Extract<Entry, { what: 'told' }>['output']>>): Paper => {
      const whole = { id: 'x', attempt: 1, number: 1, tokens: 40, ...output };
      return paper
        .accepted(paper.b)
        .saw(paper.b, 1_500, { what: 'told', id: 'x', kind: 'finished', output: whole });
    };
    ends({}).kept();
    paper = new Paper();
    ends({ id: 'y' }).broken(/asked for 40 tokens and got .*"id":"y"/);
    paper = new Paper();
    ends({ tokens: 39 }).broken(/asked for 40 tokens and got .*"tokens":39/);
  });
});
