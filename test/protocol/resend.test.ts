import { expect } from 'chai';
import { SchedulerError } from '../../src/base/errors.ts';
import { EvictedReply, PoisonError, Resend } from '../../src/protocol/resend.ts';
import { BrokenConnection } from '../../src/redis/verdicts.ts';
import { rejection } from '../support/fleet.ts';

const CLOSED = new SchedulerError('CLOSED', 'close', 'it is closed');
const never = (): Promise<never> => new Promise(() => undefined);

/** Fails so often before it answers. */
function after(failures: readonly Error[]): { send: () => Promise<string>; sent: number[] } {
  const left = [...failures];
  const sent: number[] = [];
  return {
    sent,
    send: () => {
      sent.push(performance.now());
      const failure = left.shift();
      return failure ? Promise.reject(failure) : Promise.resolve('answer');
    },
  };
}

describe('a call that Redis answers in the end', () => {
  const goesOn = (): Resend => new Resend(() => Promise.resolve(true));

  it('is sent again, later and later, after what is no answer, and tells why', async () => {
    const reasons = ['READONLY it is a replica', 'Connection is closed.', 'LOADING it is'];
    const { send, sent } = after(reasons.map((reason) => new Error(reason)));
    const told: string[] = [];
    expect(await goesOn().answered('put', send, (reason) => told.push(reason))).to.equal('answer');
    expect(told).to.deep.equal(reasons);
    const waits = sent.slice(1).map((time, i) => time - sent[i]!);
    // 10, 20 and 40 ms, a quarter less at most; a timer may be a ms early
    for (const [i, least] of [6, 14, 29].entries()) expect(waits[i]).to.be.at.least(least);
  });

  it('ends with what Redis refuses, or what is no matter of Redis', async () => {
    const refusal = await rejection(goesOn().answered('put', after([new Error('NOPERM no')]).send));
    expect(refusal).to.include({ code: 'REDIS', operation: 'put' });
    expect(refusal.message).to.include('NOPERM no');
    const own = new SchedulerError('SCRIPT', 'put', 'it is not there');
    expect(await rejection(goesOn().answered('put', after([own]).send))).to.equal(own);
  });

  it('is contested when another epoch stands: it goes on, or ends with the reason', async () => {
    const contested: string[] = [];
    const answers = [true, false];
    const resend: Resend = new Resend((standing) => {
      contested.push(standing);
      const goes = answers.shift()!;
      if (!goes) resend.end(CLOSED);
      return Promise.resolve(goes);
    });
    const once = after([new EvictedReply('e7')]);
    expect(await resend.answered('put', once.send)).to.equal('answer');
    expect(once.sent.length).to.equal(2);
    expect(await rejection(resend.answered('put', after([new EvictedReply('e8')]).send))).to.equal(CLOSED);
    expect(contested).to.deep.equal(['e7', 'e8']);
  });

  it('rejects with the first reason when the node is over, whatever it waits for', async () => {
    const resend = goesOn();
    const waits = [
      resend.answered('a call that is never answered', never),
      resend.answered('one whose next attempt is far off', after(Array(9).fill(new Error('BUSY'))).send),
    ].map(rejection);
    await new Promise((resolve) => setImmediate(resolve));
    expect(resend.over.aborted).to.equal(false);
    resend.end(CLOSED);
    resend.end(new SchedulerError('EVICTED', 'renew', 'later'));
    expect(await Promise.all(waits)).to.deep.equal([CLOSED, CLOSED]);
    expect(resend.over.reason).to.equal(CLOSED);
  });

  it('is not even sent when the node is over', async () => {
    const resend = goesOn();
    resend.end(CLOSED);
    const { send, sent } = after([]);
    expect(await rejection(resend.answered('put', send))).to.equal(CLOSED);
    expect(sent).to.deep.equal([]);
  });

  describe('whose connection breaks', () => {
    const broken = (isAlone: boolean, written = true): BrokenConnection =>
      Object.assign(new BrokenConnection(new Error('read ECONNRESET'), written), { isAlone });

    /** How it was sent: alone or not; and how it ended. */
    async function resent(failures: readonly Error[]): Promise<{ alone: boolean[]; ended: unknown }> {
      const [alone, left] = [[] as boolean[], [...failures]];
      const ended = await goesOn()
        .answered('put', (isAlone) => {
          alone.push(isAlone);
          const failure = left.shift();
          return failure ? Promise.reject(failure) : Promise.resolve('answer');
        })
        .catch((error: unknown) => error);
      return { alone, ended };
    }

    it('goes alone after the second time', async () => {
      const { alone, ended } = await resent([broken(false), broken(false), broken(true)]);
      expect([alone, ended]).to.deep.equal([[false, false, true, true], 'answer']);
    });

    it('is given up when it broke three that it had to itself, while others stood', async () => {
      const { alone, ended } = await resent([1, 2, 3, 4, 5].map((n) => broken(n > 2)));
      expect(alone.length).to.equal(5);
      expect(ended).to.be.instanceOf(PoisonError).and.include({ code: 'REDIS', operation: 'put' });
      expect((ended as Error).message)
        .to.include('5 connections')
        .and.include('read ECONNRESET');
    });

    it('is given up when it broke twelve, though it had none of them to itself', async () => {
      const { alone, ended } = await resent(Array.from({ length: 13 }, () => broken(false)));
      expect(alone.length).to.equal(12);
      expect(ended).to.be.instanceOf(PoisonError);
    });

    it('is not given up for what broke before it was written, or was no broken connection', async () => {
      const failures = [
        ...Array.from({ length: 5 }, () => broken(true, false)),
        ...Array.from({ length: 2 }, () => new Error('LOADING')),
      ];
      const { alone, ended } = await resent(failures);
      expect(ended).to.equal('answer');
      expect(alone).to.deep.equal(Array(8).fill(false));
    });
  });
});
