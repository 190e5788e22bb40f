import { expect } from 'chai';
import { NO_TICK } from '../../src/base/ticket.ts';
import { Attempts } from '../../src/owner/attempts.ts';
import type { ResultKind } from '../../src/protocol/wire.ts';

/** `fence.number`, then the kind unless it is a chunk. */
function judged(attempts: Attempts, ...mails: string[]): string[] {
  return mails.map((mail) => {
    const [place, kind = 'chunk'] = mail.split(' ');
    const [fence, number] = place!.split('.');
    return attempts.judge({
      fence: fence === '-' ? NO_TICK : fence!.padStart(14, '0'),
      number: Number(number),
      kind: kind as ResultKind,
    });
  });
}

describe('the rule of delivery', () => {
  it('takes the numbers of an attempt in their order, each once', () => {
    expect(judged(new Attempts(), '5.1', '5.1', '5.2', '5.1', '5.3 finished')).to.deep.equal([
      ...['take', 'drop', 'take', 'drop', 'take'],
    ]);
  });

  it('says where numbers are missing, and goes on where it was', () => {
    expect(judged(new Attempts(), '5.2', '5.1', '5.3', '5.2')).to.deep.equal(['gap', 'take', 'gap', 'take']);
  });

  it('can be asked whether one is next, or was: what is not must not be judged before others came', () => {
    const attempts = new Attempts();
    const isNext = (fence: string, number: number): boolean =>
      attempts.isNext(fence.padStart(14, '0'), number);
    expect([isNext('5', 1), isNext('5', 2)]).to.deep.equal([true, false]);
    judged(attempts, '5.1', '5.2');
    expect([isNext('5', 2), isNext('5', 3), isNext('5', 4)]).to.deep.equal([true, true, false]);
    expect([isNext('4', 9), isNext('6', 1), isNext('6', 2)]).to.deep.equal([true, true, false]);
  });

  it('takes a failure though numbers are missing, and no other final', () => {
    expect(judged(new Attempts(), '5.1', '5.4 failed')).to.deep.equal(['take', 'take']);
    expect(judged(new Attempts(), '5.1', '5.4 finished')).to.deep.equal(['take', 'gap']);
  });

  it('restarts with number 1 of a later attempt, if it had taken something', () => {
    expect(judged(new Attempts(), '5.1', '6.1', '6.2')).to.deep.equal(['take', 'restart', 'take']);
    expect(judged(new Attempts(), '5.1', '6.2')).to.deep.equal(['take', 'gap']);
    expect(judged(new Attempts(), '6.1')).to.deep.equal(['take']);
  });

  it('drops what an earlier attempt says, whatever its number', () => {
    expect(judged(new Attempts(), '6.1', '5.1', '5.2', '5.7 failed')).to.deep.equal([
      ...['take', 'drop', 'drop', 'drop'],
    ]);
  });

  it('takes what the shard itself says, which is of no attempt', () => {
    expect(judged(new Attempts(), '5.1', '-.0 cancelled')).to.deep.equal(['take', 'take']);
  });
});

describe("a successor's view of a request", () => {
  it('begins with any number, as its predecessor had the results before; from then on a gap is a gap', () => {
    expect(judged(new Attempts(true), '5.7', '5.8', '5.10')).to.deep.equal(['take', 'take', 'gap']);
    expect(judged(new Attempts(), '5.7')).to.deep.equal(['gap']);
  });

  it('has no gap in a later attempt either', () => {
    expect(judged(new Attempts(true), '5.7', '6.2', '6.1')).to.deep.equal(['take', 'gap', 'restart']);
  });
});
