import { expect } from 'chai';
import { Mailbox } from '../../src/owner/mailbox.ts';
import type { Mail } from '../../src/protocol/wire.ts';
import { Attempts } from '../../src/owner/attempts.ts';
import type { Shard } from '../../src/protocol/shard.ts';
import { openAfter } from '../support/alone.ts';

describe('a mailbox', () => {
  it('asks Redis again for every call that comes after its last answer, in whatever microtask', async () => {
    // found by the demo: a refresh answered in the same read as a take said "unknown", and the final was not looked for
    for (let ticks = 0; ticks < 12; ticks += 1) {
      const answers: ((answer: { mails: Mail[]; more: boolean }) => void)[] = [];
      const takeResults: Shard['takeResults'] = () => new Promise((resolve) => answers.push(resolve));
      const mailbox = new Mailbox({ takeResults } as unknown as Shard, () => undefined);
      void mailbox.empty();
      answers[0]!({ mails: [], more: false });
      for (let i = 0; i < ticks; i += 1) await Promise.resolve();
      const emptied = mailbox.empty();
      for (let i = 0; i < 20; i += 1) await Promise.resolve();
      expect(answers, `${ticks} microtasks later`).to.have.lengthOf(2);
      answers[1]!({ mails: [], more: false });
      await emptied;
      mailbox.close();
    }
  });

  it('leaves no timer behind when it is closed while an answer is on its way', async () => {
    const alone = new URL('./mailbox-alone.ts', import.meta.url);
    expect(await openAfter(alone, 'closeWhileAnAnswerIsOnItsWay')).to.deep.equal([]);
    expect(await openAfter(alone, 'receiveAnAnswer'), 'one that is not closed').to.deep.equal(['Timeout']);
  });
});

describe("a successor's view of a request", () => {
  const chunk = (fence: string, number: number) => ({
    fence: fence.padStart(14, '0'),
    number,
    kind: 'chunk' as const,
  });

  it('begins with any number, as its predecessor had the results before; from then on a gap is a gap', () => {
    const attempts = new Attempts(true);
    expect(attempts.judge(chunk('5', 7))).to.equal('take');
    expect(attempts.judge(chunk('5', 8))).to.equal('take');
    expect(attempts.judge(chunk('5', 10))).to.equal('gap');
    expect(new Attempts().judge(chunk('5', 7))).to.equal('gap');
  });

  it('has no gap in a later attempt either', () => {
    const attempts = new Attempts(true);
    attempts.judge(chunk('5', 7));
    expect(attempts.judge(chunk('6', 2))).to.equal('gap');
    expect(attempts.judge(chunk('6', 1))).to.equal('restart');
  });
});
