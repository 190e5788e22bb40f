import { expect } from 'chai';
import { SchedulerError } from '../../src/base/errors.ts';
import { hex } from '../../src/base/ticket.ts';
import { fenceOf, readFrame } from '../../src/protocol/frames.ts';
import { Grants } from '../../src/protocol/grants.ts';
import { PoisonError } from '../../src/protocol/resend.ts';
import { ResultLane, type ResultOutcome } from '../../src/protocol/result-lane.ts';
import {
  MAX_BYTES,
  MAX_ITEMS,
  type ClaimedTicket,
  type ResultItem,
  type SentClaim,
} from '../../src/protocol/wire.ts';

class NoAnswer extends Error {}

const REFUSAL = new SchedulerError('REDIS', 'test', 'refused');
const POISON = new PoisonError('test', 3, new Error('broke'));
const fence = (n: number): string => hex(n, 14);

/** A call as it left: `number form last mark`, then `owner intro: chunks` of each group, then results that are checked. */
type Sent = string[];

interface Flight {
  args: (string | Buffer)[];
  resolve: (reply: Buffer[]) => void;
  reject: (error: Error) => void;
}

class World {
  readonly grants = new Grants();
  readonly sent: Sent[] = [];
  readonly taken: string[] = [];
  readonly #flights: Flight[] = [];
  epoch = 'e1';
  readonly lane: ResultLane;

  constructor(introduceMs = 1e9, flushMs = 0, maxIntros?: number) {
    this.lane = new ResultLane({
      epoch: () => this.epoch,
      answered: async (_, send) => {
        for (;;) {
          try {
            return await send(false);
          } catch (error) {
            if (!(error instanceof NoAnswer)) throw error;
          }
        }
      },
      ...{
        grants: this.grants,
        node: () => 'me',
        limits: ['9', '99'],
        introduceMs,
        carriedBytes: 0,
        flushMs,
      },
      ...(maxIntros === undefined ? {} : { maxIntros }),
      taken: (one) => this.taken.push(one),
      send: ({ number, alone }, args) => {
        const texts = args as (string | Buffer)[];
        this.sent.push([`${parseInt(number, 16)}${alone ? '!' : ''} ${headOf(texts)}`, ...bodyOf(texts)]);
        return new Promise((resolve, reject) => this.#flights.push({ args: texts, resolve, reject }));
      },
    });
  }

  /** Claims of these fences, of requests of an owner, granted on the mark of before. */
  granted(owner: string, ...fences: number[]): SentClaim[] {
    const claims = fences.map((n) => ({ fence: fence(n), ticket: `${owner}|t${n}` }) as ClaimedTicket);
    this.grants.granted(this.grants.mark, claims);
    return claims.map((claim) => {
      const fenceNumber = parseInt(claim.fence, 16);
      const sent = { owner, fenceNumber, isHeld: true, introducedTo: '', introducedAt: -Infinity };
      return { ...claim, ...sent, vouchedIn: claim.vouchedIn! };
    });
  }

  /** Puts results together: numbers of chunks, or ends. */
  async put(...items: ResultItem[]): Promise<{ outcomes: Promise<ResultOutcome[]> }> {
    const outcomes = this.lane.put(items);
    await turn();
    return { outcomes };
  }

  /** `form mark told… groups words`, as put_results answers. */
  async answer(form: number, mark: number, told: number[], groups: string[], words: string[]): Promise<void> {
    const text = [form.toString(16), fence(mark), hex(told.length, 4), ...told.map(fence), ...groups];
    await this.reply('OK', fence(0), text.join('') + words.join(' '));
  }

  async reply(...parts: string[]): Promise<void> {
    this.#flights.shift()!.resolve(parts.map((part) => Buffer.from(part)));
    await turn();
  }

  /** The call got no answer, and is sent again. */
  async lose(error: Error = new NoAnswer()): Promise<void> {
    this.#flights.shift()!.reject(error);
    await turn();
  }

  get last(): Sent {
    return this.sent.at(-1)!;
  }
}

function headOf([results, bytes, terms]: readonly (string | Buffer)[]): string {
  expect([results, bytes]).to.deep.equal(['9', '99']);
  const text = String(terms);
  const [form, last, mark] = [text[0]!, text.slice(1, 13), text.slice(13, 27)];
  return `${form} ${parseInt(last, 16)} ${parseInt(mark, 16)}`;
}

function bodyOf(args: readonly (string | Buffer)[]): string[] {
  const groups = Number(args[3]);
  const lines: string[] = [];
  for (let i = 0; i < groups; i += 1) {
    const head = String(args[4 + 2 * i]);
    const [frame, count] = [args[5 + 2 * i]!, parseInt(head.slice(14, 18), 16)];
    const chunks: string[] = [];
    if (typeof frame === 'string') chunks.push(`${count} of its own`);
    else
      readFrame(frame, 0, count, (n, number, payload, ticket) =>
        chunks.push(
          `${parseInt(fenceOf(n), 16)}.${number} ${payload.toString()}${ticket ? ` ${ticket}` : ''}`,
        ),
      );
    lines.push(`${head.slice(18)} ${parseInt(head.slice(0, 14), 16)}: ${chunks.join(', ')}`);
  }
  for (let at = 4 + 2 * groups; at < args.length; at += 6) {
    const [ticket, held, number, kind, dead, payload] = args.slice(at, at + 6).map(String);
    expect(dead).to.equal('0');
    lines.push(`${ticket} ${parseInt(held!, 16)}.${parseInt(number!, 16)} ${kind} ${payload}`);
  }
  return lines;
}

function chunk(claim: SentClaim, number: number, payload = `p${number}`): ResultItem {
  return { claim, number, kind: 'chunk', dead: false, payload, bytes: payload.length };
}

function end(claim: SentClaim, number: number): ResultItem {
  return { ...chunk(claim, number, 'end'), kind: 'finished' };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A group that was taken; its mailbox has this intro. */
const taken = (intro: number): string => `k${fence(intro)}`;

describe('the lane of results', () => {
  it('cuts chunks of claims that are vouched for into a frame for each owner, and checks ends by themselves', async () => {
    const world = new World();
    const [a, b] = world.granted('o', 5, 6);
    const [c] = world.granted('p', 7);
    const { outcomes } = await world.put(chunk(a!, 1), chunk(c!, 1), chunk(b!, 1), chunk(a!, 2), end(a!, 3));
    expect(world.last).to.deep.equal([
      '1 0 0 7',
      'o 0: 5.1 p1 o|t5, 6.1 p1 o|t6, 5.2 p2',
      'p 0: 7.1 p1 p|t7',
      'o|t5 5.3 finished end',
    ]);
    await world.answer(0, 7, [], [taken(1), `o${fence(2)}`], ['OK']);
    expect(await outcomes).to.deep.equal(['OK', 'ORPHAN', 'OK', 'OK', 'OK']);
  });

  it('answers each in its place, also where those that are checked stand first', async () => {
    const world = new World();
    const [a, b] = world.granted('o', 5, 6);
    const { outcomes } = await world.put(end(b!, 1), chunk(a!, 1));
    await world.answer(0, 6, [], [taken(1)], ['ORPHAN']);
    expect(await outcomes).to.deep.equal(['ORPHAN', 'OK']);
  });

  it('names the last call that was answered, and the mark', async () => {
    const world = new World();
    const [a] = world.granted('o', 5);
    await world.put(chunk(a!, 1));
    await world.answer(0, 5, [], [taken(1)], []);
    world.granted('o', 8);
    await world.put(chunk(a!, 2));
    await world.lose(REFUSAL);
    await world.put(chunk(a!, 2));
    expect(world.sent.map(([head]) => head)).to.deep.equal(['1 0 0 5', '2 0 1 8', '3 0 1 8']);
  });

  it('sends what is of its own without content, and nothing of what was taken away is accepted', async () => {
    const world = new World();
    const [a, b] = world.granted('me', 5, 6);
    const { outcomes } = await world.put(chunk(a!, 1), chunk(b!, 1), chunk(b!, 2));
    expect(world.last).to.deep.equal(['1 0 0 6', 'me 0: 3 of its own']);
    await world.answer(0, 6, [6, 4], [taken(0)], []);
    expect(await outcomes).to.deep.equal(['OK', 'LOST', 'LOST']);
    expect(world.taken, 'also claims of which nothing was sent').to.deep.equal([fence(6), fence(4)]);
  });

  describe('tells an owner the ticket', () => {
    it('with the first chunk, and then no more', async () => {
      const world = new World();
      const [a, b] = world.granted('o', 5, 6);
      await world.put(chunk(a!, 1), chunk(a!, 2));
      await world.answer(0, 6, [], [taken(1)], []);
      await world.put(chunk(a!, 3), chunk(b!, 1));
      expect(world.last.slice(1)).to.deep.equal(['o 1: 5.3 p3, 6.1 p1 o|t6']);
    });

    it('again once its mailbox has another intro', async () => {
      const world = new World();
      const [a, b] = world.granted('o', 5, 6);
      await world.put(chunk(a!, 1), chunk(b!, 1));
      await world.answer(0, 6, [], [taken(1)], []);
      await world.put(chunk(a!, 2));
      await world.answer(0, 6, [], [taken(9)], []);
      await world.put(chunk(a!, 3), chunk(a!, 4), chunk(b!, 2));
      expect(world.last.slice(1)).to.deep.equal(['o 9: 5.3 p3 o|t5, 5.4 p4, 6.2 p2 o|t6']);
      await world.answer(0, 6, [], [taken(9)], []);
      await world.put(chunk(a!, 5));
      expect(world.last.slice(1)).to.deep.equal(['o 9: 5.5 p5']);
    });

    it('again after a while', async () => {
      const world = new World(0);
      const [a] = world.granted('o', 5);
      await world.put(chunk(a!, 1));
      await world.answer(0, 5, [], [taken(1)], []);
      await world.put(chunk(a!, 2), chunk(a!, 3));
      expect(world.last.slice(1)).to.deep.equal(['o 1: 5.2 p2 o|t5, 5.3 p3']);
    });
  });

  describe('in doubt', () => {
    it('sends the same number once more, one by one, and vouches for what was accepted', async () => {
      const world = new World();
      const [a, b, c] = world.granted('o', 5, 6, 7);
      const { outcomes } = await world.put(chunk(a!, 1), chunk(b!, 1));
      await world.reply('DOUBT', fence(0));
      expect(world.sent).to.deep.equal([
        ['1 0 0 7', 'o 0: 5.1 p1 o|t5, 6.1 p1 o|t6'],
        ['1 1 0 7', 'o|t5 5.1 chunk p1', 'o|t6 6.1 chunk p1'],
      ]);
      await world.answer(1, 9, [], [], ['OK', 'LOST']);
      expect(await outcomes).to.deep.equal(['OK', 'LOST']);
      await world.put(chunk(a!, 2), chunk(c!, 1));
      expect(world.last, 'c was not checked').to.deep.equal([
        ...['2 0 1 9', 'o 0: 5.2 p2 o|t5', 'o|t7 7.1 chunk p1'],
      ]);
      await world.answer(0, 9, [], [taken(1)], ['OK']);
      await world.put(chunk(b!, 2), chunk(c!, 2));
      expect(world.last, 'nor was b accepted').to.deep.equal([
        ...['3 0 2 9', 'o 1: 7.2 p2 o|t7', 'o|t6 6.2 chunk p2'],
      ]);
    });

    it('checks what follows, too, if the call is given up then', async () => {
      const world = new World();
      const [a] = world.granted('o', 5);
      await world.put(chunk(a!, 1));
      await world.reply('DOUBT', fence(0));
      await world.lose(REFUSAL);
      await world.put(chunk(a!, 1));
      expect(world.last).to.deep.equal(['2 0 0 5', 'o|t5 5.1 chunk p1']);
    });

    it('cuts frames once more if it has another mark meanwhile, and no oftener', async () => {
      const world = new World();
      const [a] = world.granted('o', 5);
      await world.put(chunk(a!, 1));
      world.granted('o', 6);
      await world.reply('DOUBT', fence(0));
      world.granted('o', 7);
      await world.reply('DOUBT', fence(0));
      expect(world.sent.map(([head, body]) => `${head}, ${body}`)).to.deep.equal([
        '1 0 0 5, o 0: 5.1 p1 o|t5',
        '1 1 0 6, o 0: 5.1 p1 o|t5',
        '1 2 0 7, o|t5 5.1 chunk p1',
      ]);
    });

    it('checks those that were lost meanwhile by themselves', async () => {
      const world = new World();
      const [a, b] = world.granted('o', 5, 6);
      const { outcomes } = await world.put(chunk(a!, 1), chunk(b!, 1));
      // a refresh said so
      b!.isHeld = false;
      world.granted('o', 7);
      await world.reply('DOUBT', fence(0));
      expect(world.last).to.deep.equal(['1 1 0 7', 'o 0: 5.1 p1 o|t5', 'o|t6 6.1 chunk p1']);
      await world.answer(1, 7, [], [taken(1)], ['LOST']);
      expect(await outcomes).to.deep.equal(['OK', 'LOST']);
    });

    it('reads the answer of the form that ran', async () => {
      const world = new World();
      const [a, b] = world.granted('o', 5, 6);
      const { outcomes } = await world.put(chunk(a!, 1), chunk(b!, 1), end(b!, 2));
      await world.reply('FULL', fence(0));
      // a late copy of the first form found room
      await world.answer(0, 6, [5], [taken(1)], ['ORPHAN']);
      expect(await outcomes).to.deep.equal(['LOST', 'OK', 'ORPHAN']);
      await world.put(chunk(b!, 3));
      expect(world.last).to.deep.equal(['2 0 1 6', 'o 1: 6.3 p3']);
    });

    it('vouches for no claim that a call without frames did not check, when that began a new count', async () => {
      const world = new World();
      const [a, b] = world.granted('o', 5, 6);
      await world.put(end(b!, 1));
      await world.answer(0, 8, [], [], ['OK']);
      await world.put(chunk(a!, 1));
      expect(world.last).to.deep.equal(['2 0 1 8', 'o|t5 5.1 chunk p1']);
    });
  });

  it('sends one by one what an owner has no room for together; the claims are vouched for as before', async () => {
    const world = new World();
    const [a, b] = world.granted('o', 5, 6);
    const { outcomes } = await world.put(chunk(a!, 1), chunk(b!, 1));
    await world.reply('FULL', fence(0));
    expect(world.last).to.deep.equal(['1 1 0 6', 'o|t5 5.1 chunk p1', 'o|t6 6.1 chunk p1']);
    await world.answer(1, 6, [], [], ['OK', 'OVERFLOW']);
    expect(await outcomes).to.deep.equal(['OK', 'OVERFLOW']);
    await world.put(chunk(a!, 2));
    expect(world.last).to.deep.equal(['2 0 1 6', 'o 0: 5.2 p2 o|t5']);
  });

  it('lets chunks wait for others, with which they go in one frame, but no end, and nothing that is flushed', async () => {
    const world = new World(1e9, 600_000);
    const [a, b] = world.granted('o', 5, 6);
    const { outcomes } = await world.put(chunk(a!, 1));
    await world.put(chunk(b!, 1));
    await world.put(chunk(a!, 2));
    expect(world.sent).to.deep.equal([]);
    world.lane.flush();
    expect(world.last).to.deep.equal(['1 0 0 6', 'o 0: 5.1 p1 o|t5, 6.1 p1 o|t6, 5.2 p2']);
    await world.answer(0, 6, [], [taken(1)], []);
    expect(await outcomes).to.deep.equal(['OK']);
    await world.put(chunk(a!, 3));
    await world.put(chunk(b!, 2));
    expect(world.sent).to.have.length(1);
    await world.put(end(a!, 4));
    expect(world.last).to.deep.equal(['2 0 1 6', 'o 1: 5.3 p3, 6.2 p2', 'o|t5 5.4 finished end']);
    await world.answer(0, 6, [], [taken(1)], ['OK']);
    await world.put(chunk(b!, 3));
    const flushed = world.lane.flushed();
    expect(world.last).to.deep.equal(['3 0 2 6', 'o 1: 6.3 p3']);
    await world.answer(0, 6, [], [taken(1)], []);
    await flushed;
  });

  it('sends a call that was not answered again as it was, whatever has happened', async () => {
    const world = new World();
    const [a] = world.granted('o', 5);
    await world.put(chunk(a!, 1));
    a!.isHeld = false;
    world.granted('o', 6);
    await world.lose();
    expect(world.sent[1]).to.deep.equal(world.sent[0]);
    await world.reply('DOUBT', fence(0));
    await world.lose();
    expect(world.sent[3]).to.deep.equal(world.sent[2]);
    expect(world.last).to.deep.equal(['1 1 0 6', 'o|t5 5.1 chunk p1']);
  });

  it('cuts anew under a new epoch, and names no call of the old one', async () => {
    const world = new World();
    const [a, b] = world.granted('o', 5, 6);
    await world.put(chunk(a!, 1));
    await world.answer(0, 6, [], [taken(1)], []);
    await world.put(chunk(a!, 2), chunk(b!, 1));
    b!.isHeld = false;
    world.epoch = 'e2';
    await world.lose();
    expect(world.last).to.deep.equal(['1 0 0 6', 'o 1: 5.2 p2', 'o|t6 6.1 chunk p1']);
  });

  it('cuts anew under a new epoch, also under the same number', async () => {
    const world = new World();
    const [a, b] = world.granted('o', 5, 6);
    await world.put(chunk(a!, 1), chunk(b!, 1));
    b!.isHeld = false;
    world.epoch = 'e2';
    await world.lose();
    expect(world.sent.map(([head]) => head)).to.deep.equal(['1 0 0 6', '1 0 0 6']);
    expect(world.last.slice(1)).to.deep.equal(['o 0: 5.1 p1 o|t5', 'o|t6 6.1 chunk p1']);
  });

  it('sends a list that is too long for one call in several, and answers it as one', async () => {
    const world = new World();
    const [a] = world.granted('o', 5);
    const items = Array.from({ length: MAX_ITEMS + 1 }, (_, i) => chunk(a!, i + 1));
    const { outcomes } = await world.put(...items);
    await world.answer(0, 5, [], [taken(1)], []);
    expect(world.last).to.deep.equal(['2 0 1 5', `o 1: 5.${MAX_ITEMS + 1} p${MAX_ITEMS + 1}`]);
    await world.answer(0, 5, [5], [taken(1)], []);
    expect(await outcomes).to.deep.equal([...Array<string>(MAX_ITEMS).fill('OK'), 'LOST']);
  });

  it('sends what is larger than any list over the connection at the side', async () => {
    const world = new World();
    const [a] = world.granted('o', 5);
    await world.put(chunk(a!, 1, 'x'.repeat(MAX_BYTES)));
    await world.answer(0, 5, [], [taken(1)], []);
    await world.put(chunk(a!, 2, 'x'.repeat(MAX_BYTES + 1)));
    expect(world.sent.map(([head]) => head)).to.deep.equal(['1 0 0 5', '2! 0 1 5']);
  });

  it('knows the intros of so many owners, and then begins anew', async () => {
    const world = new World(1e9, 0, 2);
    const [a, b, c] = ['o', 'p', 'q'].map((owner, i) => world.granted(owner, 5 + i)[0]);
    const meet = async (claim: SentClaim, number: number): Promise<string[]> => {
      await world.put(chunk(claim, number));
      await world.answer(0, 7, [], [taken(1)], []);
      return world.last.slice(1);
    };
    await meet(a!, 1);
    await meet(b!, 1);
    expect(await meet(a!, 2)).to.deep.equal(['o 1: 5.2 p2']);
    await meet(c!, 1);
    expect(await meet(a!, 3)).to.deep.equal(['o 0: 5.3 p3 o|t5']);
    expect(await meet(a!, 4)).to.deep.equal(['o 1: 5.4 p4']);
  });

  it('asks without content whether a call was run that breaks connections, and sends each part of a list by itself', async () => {
    const world = new World();
    const [a, b] = world.granted('o', 5, 6);
    const { outcomes } = await world.put(chunk(a!, 1), chunk(b!, 1));
    await world.lose(POISON);
    expect(world.last).to.deep.equal(['1! 1 0 6', 'o|t5 0.1 chunk ', 'o|t6 0.1 chunk ']);
    await world.lose();
    expect(world.last[0], 'the same form').to.equal('1! 1 0 6');
    await world.answer(1, 6, [], [], ['LOST', 'LOST']);
    expect(world.last).to.deep.equal(['2! 0 1 6', 'o 0: 5.1 p1 o|t5']);
    await world.lose(POISON);
    await world.answer(1, 6, [], [], ['LOST']);
    await world.answer(0, 6, [], [taken(1)], []);
    expect(await outcomes).to.deep.equal([POISON, 'OK']);
  });

  it('takes the answer of such a call that was run', async () => {
    const world = new World();
    const [a] = world.granted('o', 5);
    const { outcomes } = await world.put(chunk(a!, 1));
    await world.lose(POISON);
    await world.answer(0, 5, [], [taken(1)], []);
    expect(await outcomes).to.deep.equal(['OK']);
    expect(world.sent.length).to.equal(2);
  });

  it('never rejects: each result has its outcome', async () => {
    const world = new World();
    const [a] = world.granted('o', 5);
    const { outcomes } = await world.put(chunk(a!, 1), chunk(a!, 2));
    await world.lose(REFUSAL);
    expect(await outcomes).to.deep.equal([REFUSAL, REFUSAL]);
  });

  it('puts lists together that wait, and answers each', async () => {
    const world = new World();
    const [a, b] = world.granted('o', 5, 6);
    const lists = [world.lane.put([chunk(a!, 1), chunk(b!, 1)]), world.lane.put([chunk(a!, 2)])];
    await turn();
    expect(world.last).to.deep.equal(['1 0 0 6', 'o 0: 5.1 p1 o|t5, 6.1 p1 o|t6, 5.2 p2']);
    await world.answer(0, 6, [6], [taken(1)], []);
    expect(await Promise.all(lists)).to.deep.equal([['OK', 'LOST'], ['OK']]);
  });

  it('has no frame for a claim that nobody vouched for', async () => {
    const world = new World();
    const [a] = world.granted('o', 5);
    a!.vouchedIn = -1;
    await world.put(chunk(a!, 1));
    await world.answer(0, 5, [], [], ['ORPHAN']);
    await world.put(chunk(a!, 2));
    expect(world.sent).to.deep.equal([
      ['1 0 0 5', 'o|t5 5.1 chunk p1'],
      ['2 0 1 5', 'o 0: 5.2 p2 o|t5'],
    ]);
  });
});
