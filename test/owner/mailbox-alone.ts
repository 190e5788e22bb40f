import { expect } from 'chai';
import { Mailbox, type MailboxReader } from '../../src/owner/mailbox.ts';
import type { FrameMail, Mail } from '../../src/protocol/wire.ts';
import type { Shard } from '../../src/protocol/shard.ts';
import { actAlone } from '../support/alone.ts';

function readerOf(told: (Mail | FrameMail)[]): MailboxReader {
  return { take: (mail) => void told.push(mail), takeEarly: () => true };
}

/** An answer that tells of a result would have the mailbox look again later, were it not closed. */
async function closeWhileAnAnswerIsOnItsWay(): Promise<void> {
  let answer: (answer: { mails: Mail[]; more: boolean }) => void = () => undefined;
  const takeResults: Shard['takeResults'] = () => new Promise((resolve) => (answer = resolve));
  const told: (Mail | FrameMail)[] = [];
  const mailbox = new Mailbox({ takeResults } as unknown as Shard, readerOf(told));
  const emptied = mailbox.empty();
  mailbox.close();
  answer({ mails: [{ tick: '00000000000001' } as Mail], more: false });
  await emptied;
  expect(told).to.have.lengthOf(1);
}

/** What it would acknowledge later is left to the next process of this name. */
async function closeBeforeItIsAcknowledged(): Promise<void> {
  (await receiveAnAnswer()).close();
}

/** The same without the close: what it leaves open shows that the check sees it. */
async function receiveAnAnswer(): Promise<Mailbox> {
  const takeResults: Shard['takeResults'] = () =>
    Promise.resolve({ mails: [{ tick: '00000000000001' } as Mail], more: false });
  const mailbox = new Mailbox({ takeResults } as unknown as Shard, readerOf([]));
  await mailbox.empty();
  return mailbox;
}

actAlone({ closeWhileAnAnswerIsOnItsWay, closeBeforeItIsAcknowledged, receiveAnAnswer });
