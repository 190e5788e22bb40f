import { expect } from 'chai';
import { Mailbox, type MailboxReader } from '../../src/owner/mailbox.ts';
import {
  MAX_ITEMS,
  type FrameMail,
  type Halt,
  type Mail,
  type TakenAnswer,
} from '../../src/protocol/wire.ts';
import type { Shard } from '../../src/protocol/shard.ts';
import { hex } from '../../src/base/ticket.ts';
import { waitUntil } from '../support/server.ts';
import { openAfter } from '../support/alone.ts';

const HALT: Halt = { ticket: 't', fence: 'f', ms: 1 };

function readerOf(
  take: (mail: Mail | FrameMail) => unknown = () => undefined,
  takeEarly: (mail: FrameMail) => boolean = () => true,
): MailboxReader {
  return { take: (mail) => void take(mail), takeEarly };
}

describe('a mailbox', () => {
  it('asks Redis again for every call that comes after its last answer, in whatever microtask', async () => {
    // found by the demo: a refresh answered in the same read as a take said "unknown", and the final was not looked for
    for (let ticks = 0; ticks < 12; ticks += 1) {
      const answers: ((answer: TakenAnswer) => void)[] = [];
      const takeResults: Shard['takeResults'] = () => new Promise((resolve) => answers.push(resolve));
      const mailbox = new Mailbox({ takeResults } as unknown as Shard, readerOf());
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

  it('leaves no timer behind when it is closed, also while an answer is on its way', async () => {
    const alone = new URL('./mailbox-alone.ts', import.meta.url);
    expect(await openAfter(alone, 'closeWhileAnAnswerIsOnItsWay')).to.deep.equal([]);
    expect(await openAfter(alone, 'closeBeforeItIsAcknowledged')).to.deep.equal([]);
    expect(await openAfter(alone, 'receiveAnAnswer'), 'one that is not closed').to.deep.equal(['Timeout']);
  });

  describe('of a shard', () => {
    const tick = (n: number): string => hex(n, 14);
    const mail = (n: number): Mail => ({ tick: tick(n) }) as Mail;
    /** `take <cursor>`, with a `!` for one that takes nothing, and `told <tick>`. */
    let log: string[];
    let answers: TakenAnswer[];
    let mailbox: Mailbox;
    /** Whether all of what is carried can be delivered at once. */
    let isWhole: boolean;
    const frame = (n: number): FrameMail => ({ tick: tick(n), totals: '', count: 1 }) as FrameMail;

    beforeEach(() => {
      [log, answers] = [[], []];
      const takeResults: Shard['takeResults'] = (cursor, limit) => {
        log.push(`take ${parseInt(cursor, 16)}${limit === 0 ? '!' : ''}`);
        return Promise.resolve(answers.shift() ?? { mails: [], more: false });
      };
      const told = (one: Mail | FrameMail): number => log.push(`told ${parseInt(one.tick, 16)}`);
      isWhole = true;
      const early = (one: FrameMail): boolean => {
        log.push(`early ${parseInt(one.tick, 16)}`);
        return isWhole;
      };
      mailbox = new Mailbox({ takeResults, tick: tick(3) } as unknown as Shard, readerOf(told, early));
    });
    afterEach(() => mailbox.close());

    it('tells with every take whom to halt, and looks again when that may not be all', async () => {
      const halts = [Array.from({ length: MAX_ITEMS }, () => HALT), [HALT], []];
      const told: number[] = [];
      const takeResults: Shard['takeResults'] = (_cursor, _limit, some) => {
        told.push(some!.length);
        return Promise.resolve({ mails: [], more: false });
      };
      const shard = { takeResults, tick: tick(3) } as unknown as Shard;
      const teller = new Mailbox(shard, readerOf(), () => halts.shift()!);
      await teller.empty();
      await waitUntil(() => told.length === 2, 'the rest is told');
      teller.close();
      expect(told).to.deep.equal([MAX_ITEMS, 1]);
    });

    it('is read as long as there is more, from the last result on', async () => {
      answers = [
        { mails: [mail(1), mail(2)], more: true },
        { mails: [mail(3)], more: false },
      ];
      await mailbox.empty();
      expect(log).to.deep.equal(['take 0', 'told 1', 'told 2', 'take 2', 'told 3']);
      expect(mailbox.cursor).to.equal(tick(3));
    });

    it('has been looked into although more results keep coming, each with its ring', async () => {
      // found by chaos: the owner of a busy stream never put again what Redis had lost
      let rings = 0;
      const takeResults: Shard['takeResults'] = async () => {
        await new Promise((resolve) => setImmediate(resolve));
        if ((rings += 1) < 200) void flowing.empty();
        return { mails: [mail(rings)], more: false };
      };
      const flowing = new Mailbox({ takeResults, tick: tick(0) } as unknown as Shard, readerOf());
      const first = flowing.empty();
      await new Promise((resolve) => setImmediate(resolve));
      await flowing.empty();
      await first;
      expect(rings, 'the look that was on its way, and the one after it').to.be.at.most(3);
      flowing.close();
    });

    it('has been looked into once everything of before the call was read, also where there is always more', async () => {
      answers = Array.from({ length: 9 }, (_, i) => ({ mails: [mail(i + 1)], more: true }));
      await mailbox.empty();
      expect(log.at(-1), 'the shard was at tick 3').to.equal('told 3');
    });

    it('tells all who wait for it that Redis refuses', async () => {
      const refusing = { takeResults: () => Promise.reject(new Error('NOPERM')), tick: tick(0) };
      const refused = new Mailbox(refusing as unknown as Shard, readerOf());
      const outcomes = await Promise.allSettled([refused.empty(), refused.empty()]);
      expect(outcomes.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected']);
      await refused.empty().then(
        () => expect.fail('it was not asked again'),
        (error: unknown) => expect(error).to.have.property('message', 'NOPERM'),
      );
      refused.close();
    });

    it('tells nothing twice that an answer of before a rollback brings again', async () => {
      answers = [
        { mails: [mail(2)], more: false },
        { mails: [mail(1), mail(2), mail(3)], more: false },
      ];
      await mailbox.empty();
      await mailbox.empty();
      expect(log).to.deep.equal(['take 0', 'told 2', 'take 2', 'told 3']);
    });

    it('begins at the beginning when Redis does not know how far it was read, and tells all that is there', async () => {
      // Redis has failed over to a server whose clock is behind
      answers = [
        { mails: [mail(7)], more: false },
        { isBox: true, mails: [mail(4)], more: true },
        { mails: [mail(5)], more: false },
      ];
      await mailbox.empty();
      await mailbox.empty();
      await waitUntil(() => log.length === 6, 'the rest is told');
      expect(log).to.deep.equal(['take 0', 'told 7', 'take 7', 'told 4', 'take 4', 'told 5']);
    });

    it('has nothing to tell when Redis has what it confirmed no more', async () => {
      answers = [
        { mails: [mail(1)], more: false },
        { mails: [], more: false },
        { isBox: true, mails: [], more: false },
      ];
      for (let i = 0; i < 3; i += 1) await mailbox.empty();
      await new Promise((resolve) => setTimeout(resolve, 250));
      expect(log).to.deep.equal(['take 0', 'told 1', 'take 1', 'take 1']);
      expect(mailbox.cursor).to.equal(tick(0));
    });

    it('hands back the totals of the last entry that has some', async () => {
      const totals = (n: number): string => hex(n, 42);
      const cursors: string[] = [];
      const takeResults: Shard['takeResults'] = (cursor) => {
        cursors.push(cursor);
        return Promise.resolve(answers.shift() ?? { mails: [], more: false });
      };
      answers = [
        { mails: [{ ...mail(1), totals: totals(8) }], more: true },
        { mails: [mail(2)], more: true },
        { isBox: true, mails: [mail(3)], more: false },
      ];
      const counted = new Mailbox({ takeResults, tick: tick(9) } as unknown as Shard, readerOf());
      await counted.empty();
      await counted.empty();
      counted.close();
      expect(cursors).to.deep.equal([tick(0), tick(1) + totals(8), tick(2) + totals(8), tick(3)]);
    });

    it('is told soon how far it was read, once', async () => {
      answers = [{ mails: [mail(1)], more: false }];
      await mailbox.empty();
      await waitUntil(() => log.length === 3, 'it is told');
      expect(log).to.deep.equal(['take 0', 'told 1', 'take 1']);
      const last = new Promise((resolve) => setTimeout(resolve, 250));
      await last;
      expect(log.length, 'there is nothing more to tell').to.equal(3);
    });

    it('needs no telling that the next take has done', async () => {
      answers = [{ mails: [mail(1)], more: false }];
      await mailbox.empty();
      await mailbox.empty();
      await new Promise((resolve) => setTimeout(resolve, 250));
      expect(log).to.deep.equal(['take 0', 'told 1', 'take 1']);
    });

    it('nor one that a take has done which came while it was about to be told', async () => {
      answers = [{ mails: [mail(1)], more: false }];
      await mailbox.empty();
      await new Promise((resolve) => setImmediate(resolve));
      await mailbox.empty();
      await new Promise((resolve) => setTimeout(resolve, 250));
      expect(log).to.deep.equal(['take 0', 'told 1', 'take 1']);
    });

    it('has been looked into once there is no more, though it is looked into again', async () => {
      const flights: ((answer: Awaited<ReturnType<Shard['takeResults']>>) => void)[] = [];
      const takeResults: Shard['takeResults'] = () => new Promise((resolve) => flights.push(resolve));
      const rung = new Mailbox({ takeResults, tick: tick(9) } as unknown as Shard, readerOf());
      let isSeen = false;
      const first = rung.empty().then(() => (isSeen = true));
      const second = rung.empty();
      const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
      await turn();
      const third = rung.empty();
      flights.shift()!({ mails: [mail(1)], more: false });
      await turn();
      expect(isSeen).to.equal(true);
      flights.shift()!({ mails: [], more: false });
      await Promise.all([first, second, third]);
      rung.close();
    });

    it('is read no more once it is closed, also where there is more', async () => {
      answers = [{ mails: [mail(1)], more: true }];
      const emptied = mailbox.empty();
      expect(mailbox.isClosed).to.equal(false);
      mailbox.close();
      await emptied;
      await mailbox.empty();
      expect(mailbox.isClosed).to.equal(true);
      await new Promise((resolve) => setTimeout(resolve, 250));
      expect(log).to.deep.equal(['take 0', 'told 1']);
    });

    it('hands on at once what a wake-up carried, and takes it off the server soon, without handing it on again', async () => {
      answers = [{ mails: [frame(1), frame(2), frame(3)], more: false }];
      mailbox.carried(frame(1));
      mailbox.carried(frame(3));
      mailbox.carried(frame(1));
      expect(log).to.deep.equal(['early 1', 'early 3']);
      await waitUntil(() => log.includes('take 3'), 'it is taken off');
      expect(log).to.deep.equal(['early 1', 'early 3', 'take 0', 'told 2', 'take 3']);
      mailbox.carried(frame(2));
      mailbox.carried(frame(3));
      expect(log.length, 'they are known').to.equal(5);
    });

    it('asks at once where not all of it could be handed on, and after sixteen', async () => {
      isWhole = false;
      answers = [{ mails: [frame(1)], more: false }];
      mailbox.carried(frame(1));
      expect(log).to.deep.equal(['early 1', 'take 0']);
      await waitUntil(() => log.includes('told 1'), 'it is handed on again');
      isWhole = true;
      for (let n = 2; n < 17; n += 1) mailbox.carried(frame(n));
      expect(log.filter((line) => line.startsWith('take'))).to.have.lengthOf(1);
      mailbox.carried(frame(17));
      expect(log.filter((line) => line.startsWith('take'))).to.have.lengthOf(2);
    });

    it('does not remember what Redis has lost', async () => {
      mailbox.carried(frame(2));
      answers = [
        { mails: [frame(4)], more: false },
        { isBox: true, mails: [frame(2)], more: false },
      ];
      await mailbox.empty();
      await mailbox.empty();
      expect(log).to.deep.equal(['early 2', 'take 0', 'told 4', 'take 4', 'told 2']);
    });

    it('remembers what it has not come to yet', async () => {
      mailbox.carried(frame(6));
      answers = [
        { mails: [frame(4)], more: false },
        { mails: [frame(6), frame(7)], more: false },
      ];
      await mailbox.empty();
      await mailbox.empty();
      expect(log).to.deep.equal(['early 6', 'take 0', 'told 4', 'take 4', 'told 7']);
    });

    it('takes what was carried off the server before it leaves', async () => {
      answers = [{ mails: [frame(1)], more: false }];
      mailbox.carried(frame(1));
      await mailbox.leave();
      expect(log).to.deep.equal(['early 1', 'take 0', 'take 1!']);
      mailbox.carried(frame(2));
      expect(log.length, 'it is closed').to.equal(3);
    });

    it('is told nothing by a close', async () => {
      answers = [{ mails: [mail(1)], more: false }];
      await mailbox.empty();
      mailbox.close();
      await new Promise((resolve) => setTimeout(resolve, 250));
      expect(log).to.deep.equal(['take 0', 'told 1']);
    });

    it('is told by one that leaves how far it was read, after the answer that is on its way', async () => {
      answers = [{ mails: [mail(1)], more: false }];
      const emptied = mailbox.empty();
      await mailbox.leave();
      await emptied;
      expect(log).to.deep.equal(['take 0', 'told 1', 'take 1!']);
      await mailbox.leave();
      await mailbox.empty();
      expect(log.length, 'that is all').to.equal(3);
    });

    it('is not told by one that leaves and has read nothing', async () => {
      await mailbox.empty();
      await mailbox.leave();
      expect(log).to.deep.equal(['take 0']);
    });
  });
});
