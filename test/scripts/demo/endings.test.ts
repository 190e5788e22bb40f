import { expect } from 'chai';
import { KILLED_AT, Paper, a, b, c, fence, successor } from './paper.ts';

describe('the checker on a run of the demo, of how requests end,', () => {
  let paper: Paper;
  beforeEach(() => {
    paper = new Paper();
  });

  it('calls what nobody was told the end of lost, and says where it is', () => {
    const lost = (why: RegExp): void => {
      expect(
        paper.broken(new RegExp(`^lost: x: accepted by p\\d \\(\\w\\) and lost: .*${why.source}`)),
      ).to.include({
        lost: 1,
        finished: 0,
      });
      paper = new Paper();
    };
    paper.accepted(b).claimed(c, b, 1_030).done(c, 1_200);
    lost(/gone from Redis, and its owner was told nothing/);
    paper.accepted(b).chunks(b, 1_100, [1, 2, 3]).records.add('b|x');
    lost(/still in Redis; it was last claimed by nobody/);
    paper.accepted(b).claimed(c, b, 1_030).mails.add('b|x');
    lost(/a result of it is in Redis/);
  });

  it('calls a request at a killed node lost, unless that node alone can have ended it', () => {
    const lost = (why: RegExp): void => {
      expect(paper.broken(new RegExp(`^lost: x: .* and lost: .*${why.source}`))).to.include({
        lost: 1,
        endedWithOwner: 0,
      });
      paper = new Paper();
    };
    paper.accepted(a);
    lost(/nobody claimed it/);
    paper.accepted(a).claimed(b, a, 1_030).done(b, 1_200);
    lost(/p1 \(b\) claimed it last; it sent its final/);
    paper.accepted(a).claimed(a, a, 1_030);
    lost(/p0 \(a\) claimed it last; it did not send its final/);
    paper
      .accepted(a)
      .claimed(a, a, 1_030)
      .saw(a, 1_040, { what: 'stopped', id: 'x', fence: fence(1) });
    lost(/p0 \(a\) claimed it last; it did not send its final/);
    paper
      .accepted(a)
      .claimed(a, a, KILLED_AT + 1)
      .done(a, KILLED_AT + 2);
    lost(/p0 \(a\) claimed it last; it sent its final/);
    paper.accepted(a).claimed(a, a, 1_030).done(a, 1_200).claimed(b, a, 110_000, 2).done(b, 111_000, 2);
    lost(/p1 \(b\) claimed it last/);
    paper.accepted(a).claimed(successor, a, 110_000).done(successor, 111_000);
    lost(/p3 \(a\) claimed it last/);
    paper.accepted(a).claimed(a, a, 1_030).done(a, 1_200).records.add('a|x');
    lost(/still in Redis; it was last claimed by p0 \(a\)/);
    paper.accepted(a).claimed(a, a, 1_030).done(a, 1_200).mails.add('a|x');
    lost(/a result of it is in Redis/);
  });

  it('counts as endedWithOwner what the killed node accepted, ran itself and had ended', () => {
    paper
      .accepted(a)
      .claimed(a, a, KILLED_AT - 500)
      .chunks(a, KILLED_AT - 400, [1, 2, 3]);
    expect(paper.done(a, KILLED_AT - 1).kept()).to.include({
      accepted: 1,
      finished: 0,
      endedWithOwner: 1,
    });
  });

  it('counts an end that is told twice', () => {
    const again = paper
      .usual()
      .finished(b, 1_300)
      .broken(/told after the end/, /result 4 .* instead of 5/);
    expect(again).to.include({ finished: 1, duplicated: 1, lost: 0 });
  });

  it('counts an end that the successor tells again, long after the killed node was told', () => {
    paper.accepted(a).claimed(b, a, 1_030).chunks(a, 1_100, [1, 2, 3]).finished(a, 1_200);
    expect(
      paper.finished(successor, 110_000).broken(/it ended for p0 \(a\), and again for p3 \(a\)/),
    ).to.include({
      duplicated: 1,
    });
  });

  it('counts an end that the successor tells in another way', () => {
    paper
      .accepted(a)
      .claimed(b, a, 1_030)
      .chunks(a, 1_100, [1, 2, 3])
      .finished(a, KILLED_AT - 10);
    paper.claimed(b, a, 110_000, 2).chunks(successor, 110_100, [1, 2, 3], 2);
    expect(
      paper.finished(successor, 110_200, 4, 2).broken(/it ended for p0 \(a\), and again for p3 \(a\)/),
    ).to.include({ duplicated: 1 });
  });

  it('forgives a put without an answer only to the killed node, whose successor may tell of it', () => {
    paper.put(a);
    expect(paper.kept()).to.include({ accepted: 0, unanswered: 1, strays: 0 });
    expect(paper.finished(successor, 110_000, 1).kept()).to.include({
      accepted: 0,
      finished: 0,
      strays: 1,
      duplicated: 0,
    });
    paper = new Paper();
    paper.put(b);
    paper.broken(/answer: x: p1 \(b\) never answered its put/);
    paper = new Paper();
    paper.finished(b, 110_000, 1).broken(/answer: x: nobody put it/);
  });

  it('counts a refused put, and sees results of it', () => {
    paper.put(b);
    paper.saw(b, 1_000, { what: 'refused', id: 'x', code: 'TOO_LARGE', reason: 'it never fits' });
    expect(paper.kept()).to.include({ accepted: 0, refused: 1 });
    paper.finished(b, 1_200, 1).broken(/was refused \(TOO_LARGE\), and has results/);
  });

  it('sees what was left in Redis', () => {
    paper.usual().records.add('b|x');
    paper.mails.add('b|z');
    paper.broken(/a record of b\|x was left in Redis/, /a result of b\|z was left in Redis/);
  });

  it('knows who still waits for something', () => {
    const open = (): string[] => paper.lives.open.map(({ id }) => id);
    paper.put(b);
    expect(open(), 'sent').to.deep.equal(['x']);
    paper.accepted(b).chunks(b, 1_100, [1]);
    expect(open(), 'accepted').to.deep.equal(['x']);
    paper.finished(b, 1_200);
    paper.saw(a, 1_300, { what: 'put', id: 'died', priority: 0 });
    expect(open(), 'finished, or unanswered by a killed node').to.deep.equal([]);
  });
});
