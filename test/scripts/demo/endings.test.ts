import { expect } from 'chai';
import { KILLED_AT, Paper } from './paper.ts';

describe("the demo's audit, of how requests end", () => {
  let paper: Paper;
  beforeEach(() => {
    paper = new Paper();
  });

  it('calls what nobody was told the end of lost, and says where it is', () => {
    const lost = (why: RegExp): void => {
      expect(paper.broken(new RegExp(`^x of \\w was lost: .*${why.source}`))).to.include({
        lost: 1,
        finished: 0,
      });
      paper = new Paper();
    };
    paper.accepted(paper.b).claimed(paper.c, paper.b, 1_030).done(paper.c, paper.b, 1_200);
    lost(/gone from Redis, and its owner was told nothing/);
    paper.accepted(paper.b).chunks(paper.b, 1_100, [1, 2, 3]).records.add('b|x');
    lost(/still in Redis; its last runner was nobody/);
    paper.accepted(paper.b).claimed(paper.c, paper.b, 1_030).mails.add('b|x');
    lost(/a result of it is in Redis/);
  });

  it('calls a request at a killed node lost, unless that node alone can have ended it', () => {
    const lost = (why: RegExp): void => {
      expect(paper.broken(new RegExp(`was lost: .*${why.source}`))).to.include({
        lost: 1,
        endedWithOwner: 0,
      });
      paper = new Paper();
    };
    const { a, b } = paper;
    paper.accepted(a);
    lost(/nobody ran it/);
    paper.accepted(a).claimed(b, a, 1_030).done(b, a, 1_200);
    lost(/b ran it last, and not its killed owner/);
    paper.accepted(a).claimed(a, a, 1_030);
    lost(/was killed before it was done/);
    paper
      .accepted(a)
      .claimed(a, a, 1_030)
      .saw(a, 1_040, { what: 'stopped', id: 'x', owner: 'a', attempt: 1 });
    lost(/was killed before it was done/);
    paper
      .accepted(a)
      .claimed(a, a, KILLED_AT + 1)
      .done(a, a, KILLED_AT + 2);
    lost(/claimed it after it had been killed/);
    paper.accepted(a).claimed(a, a, 1_030).done(a, a, 1_200).claimed(b, a, 110_000, 2).done(b, a, 111_000, 2);
    lost(/b ran it last/);
    paper.accepted(a).claimed(paper.successor, a, 110_000).done(paper.successor, a, 111_000);
    lost(/a ran it last, and not its killed owner/);
    paper.accepted(a).claimed(a, a, 1_030).done(a, a, 1_200).records.add('a|x');
    lost(/still in Redis; its last runner was a/);
    paper.accepted(a).claimed(a, a, 1_030).done(a, a, 1_200).mails.add('a|x');
    lost(/a result of it is in Redis/);
  });

  it('counts as endedWithOwner what the killed node accepted, ran itself and had ended', () => {
    const { a } = paper;
    paper
      .accepted(a)
      .claimed(a, a, KILLED_AT - 500)
      .chunks(a, KILLED_AT - 400, [1, 2, 3]);
    expect(paper.done(a, a, KILLED_AT - 1).kept()).to.include({
      accepted: 1,
      finished: 0,
      endedWithOwner: 1,
    });
  });

  it('counts an end that is told twice', () => {
    const again = paper
      .usual()
      .finished(paper.b, 1_300)
      .broken(/told after the end/, /result 4 .* instead of 5/);
    expect(again).to.include({ finished: 1, duplicated: 1, lost: 0 });
  });

  it('counts an end that the successor tells again, long after the killed node was told', () => {
    const { a, b, successor } = paper;
    paper.accepted(a).claimed(b, a, 1_030).chunks(a, 1_100, [1, 2, 3]).finished(a, 1_200);
    expect(paper.finished(successor, 110_000).broken(/again by the successor/)).to.include({
      duplicated: 1,
    });
  });

  it('counts an end that the successor tells in another way', () => {
    const { a, b, successor } = paper;
    paper
      .accepted(a)
      .claimed(b, a, 1_030)
      .chunks(a, 1_100, [1, 2, 3])
      .finished(a, KILLED_AT - 10);
    paper.claimed(b, a, 110_000, 2).chunks(successor, 110_100, [1, 2, 3], 2);
    expect(paper.finished(successor, 110_200, 4, 2).broken(/in another way/)).to.include({ duplicated: 1 });
  });

  it('forgives a put without an answer only to the killed node, whose successor may tell of it', () => {
    const { a, b, successor } = paper;
    paper.ledger.sent(a, 'x', 40);
    expect(paper.kept()).to.include({ accepted: 0, unanswered: 1, strays: 0 });
    expect(paper.finished(successor, 110_000, 1).kept()).to.include({
      accepted: 0,
      finished: 0,
      strays: 1,
      duplicated: 0,
    });
    paper = new Paper();
    paper.ledger.sent(b, 'x', 40);
    paper.broken(/x was sent to b, which never answered/);
    paper = new Paper();
    paper.finished(b, 110_000, 1).broken(/x was never sent by a client/);
  });

  it('counts a refused put, and sees results of it', () => {
    paper.ledger.sent(paper.b, 'x', 40);
    paper.saw(paper.b, 1_000, { what: 'refused', id: 'x', code: 'TOO_LARGE', reason: 'it never fits' });
    expect(paper.kept()).to.include({ accepted: 0, refused: 1 });
    expect([...paper.ledger.refusals]).to.deep.equal([['TOO_LARGE', 'it never fits']]);
    paper.finished(paper.b, 1_200).broken(/was refused, and has results/);
  });

  it('sees what was left in Redis', () => {
    paper.usual().records.add('b|x');
    paper.mails.add('b|z');
    paper.broken(/^b\|x was left in Redis/, /a result of b\|z was left in Redis/);
  });

  it('knows who still waits for something', () => {
    const open = (): string[] => paper.ledger.open.map(({ id }) => id);
    paper.ledger.sent(paper.b, 'x', 40);
    expect(open(), 'sent').to.deep.equal(['x']);
    paper.accepted(paper.b).chunks(paper.b, 1_100, [1]);
    expect(open(), 'accepted').to.deep.equal(['x']);
    paper.finished(paper.b, 1_200);
    paper.ledger.sent(paper.a, 'died', 40);
    expect(open(), 'finished, or unanswered by a killed node').to.deep.equal([]);
  });
});
