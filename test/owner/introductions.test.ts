import { expect } from 'chai';
import { Introductions } from '../../src/owner/introductions.ts';
import { NO_TICK, hex, type Ticket } from '../../src/base/ticket.ts';
import type { Mail, MailKind } from '../../src/protocol/wire.ts';
import { WAITED, frameOf, mailOf } from './owner-world.ts';

/** A final of a claim that a script wrote. */
function writtenFinal(ticket: Ticket, kind: MailKind, claimedAt: number): Mail {
  const story = { ...WAITED, claimedAt: hex(claimedAt, 14), runner: 'r' };
  return { ...mailOf(ticket, kind), fence: NO_TICK, number: 0, story };
}

describe('introductions', () => {
  const LEASE = 30;
  /** `ticket fence.number`, with a `!` behind a hole. */
  let told: string[];
  const pending = new Set<Ticket>();
  let introductions: Introductions;
  const make = (maxResults = 100, maxBytes = 100): Introductions =>
    new Introductions(
      { maxResults, maxBytes, leaseMs: LEASE },
      {
        isPending: (ticket) => pending.has(ticket),
        isNext: ({ number }) => number !== 9,
        deliver: ({ ticket, fence, number, kind, hasHole }) => {
          const what = kind === 'chunk' ? '' : ` ${kind}`;
          told.push(`${ticket} ${parseInt(fence, 16)}.${number}${hasHole ? '!' : ''}${what}`);
        },
      },
    );
  const lease = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, LEASE + 5));

  beforeEach(() => {
    told = [];
    pending.clear();
    introductions = make();
  });

  it('name the request of each chunk once its ticket was told', () => {
    introductions.take(frameOf([5, 1, 't'], [6, 1, 'u'], [5, 2]));
    introductions.take(frameOf([6, 2], [5, 3]));
    expect(told).to.deep.equal(['t 5.1', 'u 6.1', 't 5.2', 'u 6.2', 't 5.3']);
  });

  it('let chunks of a claim that nobody introduced wait, in order, and no others', () => {
    introductions.take(frameOf([5, 7], [6, 1, 'u'], [5, 8]));
    introductions.take(frameOf([5, 9], [6, 2]));
    introductions.take(frameOf([5, 10, 't'], [5, 11]));
    expect(told).to.deep.equal(['u 6.1', 'u 6.2', 't 5.7', 't 5.8', 't 5.9', 't 5.10', 't 5.11']);
  });

  it('let nothing wait of a frame that came early: what nobody introduced, or is not next, is left in the mailbox', () => {
    expect(introductions.takeEarly(frameOf([5, 1, 't'], [5, 2]))).to.equal(true);
    expect(introductions.takeEarly(frameOf([6, 1], [5, 3]))).to.equal(false);
    expect(introductions.takeEarly(frameOf([5, 9], [5, 10]))).to.equal(false);
    introductions.take(frameOf([6, 1, 'u']));
    expect(told).to.deep.equal(['t 5.1', 't 5.2', 't 5.3', 't 5.10', 'u 6.1']);
  });

  it('let nothing be told early behind a hole: the mailbox has it, and says so', () => {
    introductions = make(1);
    introductions.take(frameOf([5, 1], [6, 1]));
    expect(introductions.takeEarly(frameOf([5, 2, 't'], [5, 3]))).to.equal(false);
    expect(told).to.deep.equal([]);
    introductions.take(frameOf([5, 2, 't'], [5, 3]));
    expect(told).to.deep.equal(['t 5.2!', 't 5.3']);
  });

  it('are made by each result that says its ticket, also by a final, which comes behind what waited', () => {
    introductions.take(frameOf([5, 1], [6, 1], [7, 1]));
    introductions.take(mailOf('t', 'chunk', 5, 2));
    introductions.take(frameOf([5, 3]));
    introductions.take(mailOf('u', 'finished', 6, 2));
    introductions.take(writtenFinal('v', 'cancelled', 7));
    expect(told).to.deep.equal([
      ...['t 5.1', 't 5.2', 't 5.3', 'u 6.1', 'u 6.2 finished', 'v 7.1', 'v 0.0 cancelled'],
    ]);
  });

  it('end with the final of a request', () => {
    introductions.take(frameOf([5, 1, 't']));
    introductions.take(mailOf('t', 'finished', 5, 2));
    introductions.take(frameOf([5, 3]));
    expect(told).to.deep.equal(['t 5.1', 't 5.2 finished']);
    introductions.take(frameOf([5, 4, 't'], [5, 5]));
    expect(told.slice(2), 'until they are made again').to.deep.equal(['t 5.3', 't 5.4', 't 5.5']);
  });

  it('of a later claim end those of the one before, and not the other way round', () => {
    introductions.take(frameOf([5, 1, 't'], [7, 1, 't'], [5, 2], [7, 2]));
    expect(told).to.deep.equal(['t 5.1', 't 7.1', 't 7.2']);
    introductions.take(frameOf([5, 3, 't'], [7, 3]));
    expect(told.slice(3), 'the one that waited comes, too').to.deep.equal(['t 5.2', 't 5.3', 't 7.3']);
  });

  it('take no final that waited in line for one of a claim', () => {
    introductions.take({ ...mailOf('t', 'expired'), fence: NO_TICK, number: 0, story: WAITED });
    introductions.take({ ...mailOf('t', 'lost'), fence: NO_TICK, number: 0 });
    expect(told).to.deep.equal(['t 0.0 expired', 't 0.0 lost']);
  });

  it('do not wait for ever: what waited is given up after a lease, and what follows knows of the hole', async () => {
    introductions.take(frameOf([5, 1], [5, 2], [6, 1]));
    await lease();
    introductions.take(frameOf([6, 2]));
    introductions.take(frameOf([5, 3, 't'], [6, 3, 'u'], [5, 4]));
    introductions.take(frameOf([5, 5, 't']));
    expect(told).to.deep.equal(['t 5.3!', 'u 6.1', 'u 6.2', 'u 6.3', 't 5.4', 't 5.5']);
  });

  it('forget the hole, too, once nobody has spoken of the claim for another lease', async () => {
    introductions.take(frameOf([5, 1]));
    await lease();
    introductions.take(frameOf([9, 1, 'x']));
    await lease();
    introductions.take(frameOf([9, 2, 'x']));
    introductions.take(frameOf([5, 2, 't']));
    expect(told).to.deep.equal(['x 9.1', 'x 9.2', 't 5.2']);
  });

  it('are forgotten after a lease without a word, unless the request is pending', async () => {
    pending.add('t');
    introductions.take(frameOf([5, 1, 't'], [6, 1, 'u']));
    await lease();
    introductions.take(frameOf([9, 1, 'x']));
    introductions.take(frameOf([5, 2], [6, 2], [9, 2]));
    expect(told.slice(3), 'of x somebody spoke').to.deep.equal(['t 5.2', 'x 9.2']);
    introductions.take(frameOf([6, 3, 'u'], [6, 4]));
    expect(told.slice(5), 'until they are made again').to.deep.equal(['u 6.2', 'u 6.3', 'u 6.4']);
  });

  it('wait with no more than so many chunks and bytes; those of the claim that came first are given up', () => {
    introductions = make(3);
    introductions.take(frameOf([5, 1], [6, 1], [5, 2]));
    introductions.take(frameOf([6, 2], [6, 3]));
    introductions.take(frameOf([6, 4, 'u'], [5, 3, 't']));
    expect(told).to.deep.equal(['u 6.1', 'u 6.2', 'u 6.3', 'u 6.4', 't 5.3!']);
    told = [];
    introductions = make(100, 2);
    introductions.take(frameOf([5, 1], [6, 1], [7, 1]));
    introductions.take(frameOf([5, 2, 't'], [6, 2, 'u'], [7, 2, 'v']));
    expect(told).to.deep.equal(['t 5.2!', 'u 6.1', 'u 6.2', 'v 7.1', 'v 7.2']);
  });

  it('have room again for what waits once others were told', () => {
    introductions = make(3, 3);
    introductions.take(frameOf([5, 1], [5, 2], [5, 3]));
    introductions.take(frameOf([5, 4, 't'], [6, 1], [6, 2], [6, 3]));
    introductions.take(frameOf([6, 4, 'u']));
    expect(told.slice(4)).to.deep.equal(['u 6.1', 'u 6.2', 'u 6.3', 'u 6.4']);
  });

  it('let one chunk wait, however large it is', () => {
    introductions = make(100, 0);
    introductions.take(frameOf([5, 1]));
    introductions.take(frameOf([5, 2, 't']));
    expect(told).to.deep.equal(['t 5.1', 't 5.2']);
  });
});
