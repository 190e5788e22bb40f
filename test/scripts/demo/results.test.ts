import { expect } from 'chai';
import { KILLED_AT, Paper, a, b, c, fence, successor } from './paper.ts';

describe('the checker on a run of the demo, of what clients are told,', () => {
  let paper: Paper;
  beforeEach(() => {
    paper = new Paper();
  });

  it('lets a successor tell again what the killed node was told in its last instant', () => {
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
    paper.accepted(b).claimed(b, b, 1_030).chunks(b, 1_100, [1, 3]);
    paper.finished(b, 1_200).broken(/result 3 of claim \w+ came instead of 2/);
    paper = new Paper();
    paper.accepted(b).claimed(b, b, 1_030).chunks(b, 1_100, [2, 3]);
    paper.finished(b, 1_200).broken(/result 2 of claim \w+ came instead of 1/);
    paper = new Paper();
    paper.accepted(a).claimed(b, a, 99_000).chunks(a, 99_100, [1]).chunks(successor, 110_000, [3]);
    paper.finished(successor, 110_001).broken(/was told result 3 of claim \w+ instead of 2/);
  });

  it('sees results in the wrong order, twice, or after the end', () => {
    const told = (numbers: readonly number[]): Paper =>
      paper.accepted(b).claimed(b, b, 1_030).chunks(b, 1_100, numbers);
    told([2, 1, 3]).broken(/2 .* instead of 1/, /1 .* instead of 3/, /3 .* instead of 2/, /and lost/);
    paper = new Paper();
    told([1, 2, 2, 3])
      .finished(b, 1_200)
      .broken(/result 2 of claim \w+ came instead of 3/);
    paper = new Paper();
    told([1, 2, 3])
      .finished(b, 1_200)
      .chunks(b, 1_300, [5])
      .broken(/chunk was told after the end/);
  });

  it('wants a restart marker between attempts, and never an earlier attempt', () => {
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
    paper.broken(/stale: x: a result of claim .* was told after one of the later claim/, /and lost/);
  });

  it('sees two runners with the same attempt', () => {
    paper
      .usual()
      .claimed(b, b, 1_040)
      .broken(/holder: x: claim \w+ was granted to p2 \(c\) and p1 \(b\)/);
    paper = new Paper();
    paper
      .usual()
      .claimed(b, b, 1_300, 1, fence(3))
      .broken(/holder: x: p1 \(b\) was granted claim \w+ while p2 \(c\) held \w+ and had not given it back/);
  });

  it('sees a result told at another node than the owner', () => {
    paper.accepted(b).claimed(c, b, 1_030).chunks(b, 1_100, [1, 2, 3]);
    paper.finished(c, 1_200).broken(/stream: x: it was sent to p1 \(b\), and told at p2 \(c\)/);
    paper = new Paper();
    paper.accepted(b).claimed(c, b, 1_030).chunks(b, 1_100, [1, 2, 3]);
    paper.finished(successor, 110_000).broken(/stream: x: it was sent to p1 \(b\), and told at p3 \(a\)/);
    paper = new Paper();
    paper.put(a);
    paper.finished(b, 110_000, 1).broken(/stream: x: it was sent to p0 \(a\), and told at p1 \(b\)/);
  });

  it('sees an end that is none of the demo: failed, cancelled, expired', () => {
    for (const kind of ['failed', 'cancelled', 'expired'] as const) {
      paper = new Paper();
      paper.accepted(b).saw(b, 1_500, { what: 'told', id: 'x', kind, reason: 'no tries left' });
      const why = {
        failed: 'no tries left',
        cancelled: 'nobody cancelled it',
        expired: 'it had no deadline',
      };
      const figures = paper.broken(new RegExp(`ending: x: it ended as ${kind}: ${why[kind]}`));
      expect(figures).to.include({ [kind]: 1, finished: 0, lost: 0 });
    }
  });

  it('sees the output of another request, and one that is too short', () => {
    const ends = (tokens: number, id = 'x'): Paper =>
      (paper = new Paper()).accepted(b).finished(b, 1_500, 1, 1, tokens, id);
    ends(40).kept();
    ends(40, 'y').broken(/output: x: 40 tokens were asked for, told was .*"id":"y"/);
    ends(39).broken(/output: x: 40 tokens were asked for, told was .*"tokens":39/);
  });
});
