import { expect } from 'chai';
import { SchedulerError } from '../../src/base/errors.ts';
import { Lane, type LaneOptions } from '../../src/protocol/lane.ts';
import { PoisonError, StaleReply } from '../../src/protocol/resend.ts';

/** What left, as `number: items`, with a `!` if it had to go alone. */
type Sent = string[];

interface World {
  lane: Lane<string, string>;
  sent: Sent;
  /** Answers the oldest call that has none. */
  answer: () => Promise<void>;
  /** The oldest call that has none got no answer, and is sent again. */
  lose: () => Promise<void>;
  refuse: (error: Error) => Promise<void>;
  setEpoch: (epoch: string) => void;
}

interface Flight {
  items: string[];
  resolve: (answers: string[]) => void;
  reject: (error: Error) => void;
}

class NoAnswer extends Error {}

const POISON = new PoisonError('test', 3, new Error('broke'));
const REFUSAL = new SchedulerError('REDIS', 'test', 'refused');
const everything = (queue: Iterable<string>): number => [...queue].length;

/** A lane whose calls are answered by hand. `isAlone`: each must go alone, as connections broke. */
function world(
  cut = everything,
  options: Pick<LaneOptions<string, string>, 'hollow' | 'parts' | 'usable' | 'linger'> = {},
  isAlone = false,
): World {
  let epoch = 'e1';
  const sent: Sent = [];
  const flights: Flight[] = [];
  const lane = new Lane<string, string>({
    operation: 'test',
    epoch: () => epoch,
    answered: async (_, send) => {
      for (;;) {
        try {
          return await send(isAlone);
        } catch (error) {
          if (!(error instanceof NoAnswer)) throw error;
        }
      }
    },
    cut,
    ...options,
    send: ({ number, alone }, items) => {
      sent.push(`${parseInt(number, 16)}: ${items.join(' ')}${alone ? '!' : ''}`);
      return new Promise((resolve, reject) => flights.push({ items, resolve, reject }));
    },
  });
  const settle = async (end: (flight: Flight) => void): Promise<void> => {
    end(flights.shift()!);
    await turn();
  };
  return {
    lane,
    sent,
    answer: () => settle(({ items, resolve }) => resolve(items.map((item) => item.toUpperCase()))),
    lose: () => settle(({ reject }) => reject(new NoAnswer())),
    refuse: (error) => settle(({ reject }) => reject(error)),
    setEpoch: (next) => (epoch = next),
  };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('a lane', () => {
  it('sends together what comes in one turn, and what comes while a call flies in the next', async () => {
    const { lane, sent, answer } = world();
    const first = [lane.push('a'), lane.push('b')];
    await turn();
    const later = [lane.push('c'), lane.push('d')];
    await turn();
    expect(sent).to.deep.equal(['1: a b']);
    await answer();
    expect(await Promise.all(first)).to.deep.equal(['A', 'B']);
    expect(sent).to.deep.equal(['1: a b', '2: c d']);
    await answer();
    expect(await Promise.all(later)).to.deep.equal(['C', 'D']);
  });

  it('sends as many as its cut says', async () => {
    const { lane, sent, answer } = world(() => 2);
    const all = Promise.all(['a', 'b', 'c'].map((item) => lane.push(item)));
    await turn();
    await answer();
    await answer();
    expect(sent).to.deep.equal(['1: a b', '2: c']);
    expect(await all).to.deep.equal(['A', 'B', 'C']);
  });

  it('sends a call that was not answered again under its number', async () => {
    const { lane, sent, answer, lose } = world();
    const a = lane.push('a');
    await turn();
    await lose();
    await lose();
    await answer();
    expect(await a).to.equal('A');
    const b = lane.push('b');
    await turn();
    await answer();
    await b;
    expect(sent).to.deep.equal(['1: a', '1: a', '1: a', '2: b']);
  });

  it('begins with number 1 under a new epoch, also in the middle of a call', async () => {
    const { lane, sent, answer, lose, setEpoch } = world();
    const a = lane.push('a');
    await turn();
    await answer();
    await a;
    const b = lane.push('b');
    await turn();
    setEpoch('e2');
    await lose();
    await lose();
    await answer();
    await b;
    expect(sent).to.deep.equal(['1: a', '2: b', '1: b', '1: b']);
  });

  it('goes on behind the number that the server has seen', async () => {
    const { lane, sent, answer, refuse } = world();
    const a = lane.push('a');
    await turn();
    await refuse(new StaleReply(7));
    await answer();
    await a;
    const b = lane.push('b');
    await turn();
    await answer();
    await b;
    expect(sent).to.deep.equal(['1: a', '8: a', '9: b']);
  });

  it('sends a call alone that is said to, also behind the number that the server has seen', async () => {
    const { lane, sent, answer, refuse } = world(everything, {}, true);
    const a = lane.push('a');
    await turn();
    await refuse(new StaleReply(7));
    await answer();
    await a;
    expect(sent).to.deep.equal(['1: a!', '8: a!']);
  });

  it('rejects the items of a call that is refused, and those alone', async () => {
    const { lane, answer, refuse } = world(() => 2);
    const settled = Promise.allSettled(['a', 'b', 'c'].map((item) => lane.push(item)));
    await turn();
    await refuse(REFUSAL);
    await answer();
    expect(await settled).to.deep.equal([
      { status: 'rejected', reason: REFUSAL },
      { status: 'rejected', reason: REFUSAL },
      { status: 'fulfilled', value: 'C' },
    ]);
  });

  it('is flushed when the last item has its answer, and says meanwhile that some have none', async () => {
    const { lane, answer } = world();
    expect(lane.unanswered).to.equal(false);
    await lane.flushed();
    const items = [lane.push('a')];
    await turn();
    items.push(lane.push('b'));
    let isFlushed = false;
    const flushed = lane.flushed().then(() => (isFlushed = true));
    await answer();
    expect([lane.unanswered, isFlushed]).to.deep.equal([true, false]);
    await answer();
    await flushed;
    expect(lane.unanswered).to.equal(false);
    await Promise.all(items);
  });

  it('gives back what no call has taken along yet, and nothing else', async () => {
    const { lane, sent, answer } = world();
    const settled = Promise.allSettled(['a', 'b', 'c'].map((item) => lane.push(item)));
    expect(lane.withdraw('a', REFUSAL)).to.equal(true);
    expect(lane.withdraw('a', REFUSAL), 'twice').to.equal(false);
    await turn();
    expect(lane.withdraw('b', REFUSAL), 'it may be in Redis').to.equal(false);
    await answer();
    expect(sent).to.deep.equal(['1: b c']);
    expect(await settled).to.deep.equal([
      { status: 'rejected', reason: REFUSAL },
      { status: 'fulfilled', value: 'B' },
      { status: 'fulfilled', value: 'C' },
    ]);
  });

  it('takes nothing along until a call can be written', async () => {
    let open: (() => void) | undefined;
    const isOpen = new Promise<void>((resolve) => (open = resolve));
    const { lane, sent, answer } = world(everything, {
      usable: () => (open ? isOpen : undefined),
    });
    const items = [lane.push('a').catch((error: unknown) => error), lane.push('b')];
    await turn();
    expect([sent, lane.unanswered]).to.deep.equal([[], true]);
    expect(lane.withdraw('a', REFUSAL)).to.equal(true);
    open!();
    open = undefined;
    await turn();
    await answer();
    expect(await Promise.all(items)).to.deep.equal([REFUSAL, 'B']);
    expect(sent).to.deep.equal(['1: b']);
  });

  describe('that lingers', () => {
    /** The timers that were made and neither rang nor were cancelled: ring one by calling it. */
    const timers = new Map<() => void, number>();
    /** A capital letter must not wait; four others fill a call. */
    const linger = {
      ms: 7,
      share: (item: string): number => (item < 'a' ? Infinity : 1 / 4),
      after: (ms: number, act: () => void): (() => void) => {
        const ring = (): void => {
          timers.delete(ring);
          act();
        };
        timers.set(ring, ms);
        return () => void timers.delete(ring);
      },
    };
    const ring = async (): Promise<void> => {
      expect([...timers.values()], 'one timer').to.deep.equal([7]);
      for (const one of timers.keys()) one();
      await turn();
    };

    beforeEach(() => timers.clear());

    it('sends together what comes until its timer rings, which the first item set', async () => {
      const { lane, sent, answer } = world(everything, { linger });
      const items = [lane.push('a')];
      await turn();
      items.push(lane.push('b'));
      await turn();
      expect([sent, lane.unanswered]).to.deep.equal([[], true]);
      await ring();
      expect(sent).to.deep.equal(['1: a b']);
      await answer();
      expect(await Promise.all(items)).to.deep.equal(['A', 'B']);
      expect([timers.size, lane.unanswered]).to.deep.equal([0, false]);

      const next = lane.push('c');
      await turn();
      expect(sent, 'the next one lingers, too').to.have.length(1);
      await ring();
      await answer();
      expect([await next, sent[1]]).to.deep.equal(['C', '2: c']);
    });

    it('sends at once what must not wait, behind what waits', async () => {
      const { lane, sent, answer } = world(everything, { linger });
      const items = [lane.push('a'), lane.push('b'), lane.push('C'), lane.push('d')];
      expect(timers.size).to.equal(0);
      await turn();
      expect(sent).to.deep.equal(['1: a b C d']);
      await answer();
      await Promise.all(items);
    });

    it('sends at once what fills a call, and what is over it right behind', async () => {
      const { lane, sent, answer } = world(() => 4, { linger });
      const items = ['a', 'b', 'c'].map((item) => lane.push(item));
      await turn();
      expect(sent).to.deep.equal([]);
      items.push(lane.push('d'), lane.push('e'));
      await turn();
      expect([sent, timers.size]).to.deep.equal([['1: a b c d'], 0]);
      await answer();
      expect(sent).to.deep.equal(['1: a b c d', '2: e']);
      await answer();
      await Promise.all(items);
      items.push(lane.push('f'));
      await turn();
      expect(sent, 'a first one again').to.have.length(2);
      await ring();
      await answer();
      await Promise.all(items);
    });

    it('lets what comes while a call flies linger from then on; the call back, it waits for the timer', async () => {
      const { lane, sent, answer } = world(everything, { linger });
      const items = [lane.push('A')];
      await turn();
      items.push(lane.push('b'));
      await answer();
      expect(sent).to.deep.equal(['1: A']);
      items.push(lane.push('c'));
      await ring();
      expect(sent).to.deep.equal(['1: A', '2: b c']);
      items.push(lane.push('d'));
      await ring();
      expect(sent, 'a call flies').to.have.length(2);
      await answer();
      expect(sent[2]).to.equal('3: d');
      items.push(lane.push('E'));
      await answer();
      expect(sent[3]).to.equal('4: E');
      await answer();
      await Promise.all(items);
    });

    it('is flushed: what lingers leaves before what is sent afterwards', async () => {
      const { lane, sent, answer } = world(everything, { linger });
      lane.flush();
      const items = [lane.push('a')];
      lane.flush();
      lane.flush();
      expect([[...sent], timers.size], 'in the same moment').to.deep.equal([['1: a'], 0]);
      items.push(lane.push('b'));
      lane.flush();
      await answer();
      expect(sent).to.deep.equal(['1: a', '2: b']);
      items.push(lane.push('c'));
      const flushed = lane.flushed();
      await answer();
      expect(sent[2]).to.equal('3: c');
      await answer();
      await flushed;
      expect(await Promise.all(items)).to.deep.equal(['A', 'B', 'C']);
    });

    it('waits for nothing when all that lingered was withdrawn', async () => {
      const { lane, sent, answer } = world(everything, { linger });
      const [a, b] = ['a', 'b'].map((item) => lane.push(item).catch((error: unknown) => error));
      lane.withdraw('a', REFUSAL);
      expect(timers.size).to.equal(1);
      lane.withdraw('b', REFUSAL);
      expect([timers.size, lane.unanswered]).to.deep.equal([0, false]);
      expect(await Promise.all([a, b])).to.deep.equal([REFUSAL, REFUSAL]);
      const c = lane.push('c');
      await turn();
      expect(sent).to.deep.equal([]);
      await ring();
      await answer();
      await c;
    });
  });

  describe('whose call breaks every connection', () => {
    const hollow = {
      of: (item: string): string => `(${item})`,
      wasRun: (answer: string): boolean => !answer.startsWith('('),
    };

    it('asks under its number whether it was run, and takes that answer', async () => {
      const { lane, sent, answer, refuse } = world(everything, { hollow: { ...hollow, wasRun: () => true } });
      const a = lane.push('a');
      await turn();
      await refuse(POISON);
      await answer();
      expect(await a).to.equal('(A)');
      expect(sent).to.deep.equal(['1: a', '1: (a)!']);
    });

    it('sends its items one by one, refuses the one that breaks, and goes on', async () => {
      const { lane, sent, answer, refuse } = world(everything, { hollow });
      const settled = Promise.allSettled(['a', 'b'].map((item) => lane.push(item)));
      await turn();
      await refuse(POISON);
      await answer();
      // a by itself breaks again
      await refuse(POISON);
      await answer();
      await answer();
      expect(await settled).to.deep.equal([
        { status: 'rejected', reason: POISON },
        { status: 'fulfilled', value: 'B' },
      ]);
      const c = lane.push('c');
      await turn();
      await answer();
      expect(await c).to.equal('C');
      expect(sent).to.deep.equal(['1: a b', '1: (a) (b)!', '2: a!', '2: (a)!', '3: b!', '4: c']);
    });

    it('sends an item that was put together part by part, and refuses the part that breaks', async () => {
      const parts = {
        of: (item: string): string[] => (item.length > 1 ? Array.from(item) : []),
        join: (outcomes: (string | Error)[]): string =>
          outcomes.map((one) => (one instanceof Error ? '!' : one)).join(''),
      };
      const { lane, sent, answer, refuse } = world(everything, { hollow, parts });
      const all = Promise.all(['ab', 'cd'].map((item) => lane.push(item)));
      await turn();
      await refuse(POISON);
      await answer();
      // ab breaks again, and of it b
      await refuse(POISON);
      await answer();
      await answer();
      await refuse(POISON);
      await answer();
      await answer();
      expect(await all).to.deep.equal(['A!', 'CD']);
      expect(sent).to.deep.equal([
        ...['1: ab cd', '1: (ab) (cd)!', '2: ab!', '2: (ab)!', '3: a!', '4: b!', '4: (b)!', '5: cd!'],
      ]);
    });

    it('sends each of them alone, also behind the number that the server has seen', async () => {
      const { lane, sent, answer, refuse } = world(everything, { hollow });
      const items = Promise.all(['a', 'b'].map((item) => lane.push(item)));
      await turn();
      await refuse(POISON);
      await answer();
      await refuse(new StaleReply(7));
      await answer();
      await answer();
      expect(await items).to.deep.equal(['A', 'B']);
      expect(sent).to.deep.equal(['1: a b', '1: (a) (b)!', '2: a!', '8: a!', '9: b!']);
    });

    it('refuses it where nothing tells whether it was run', async () => {
      for (const options of [{}, { hollow }]) {
        const { lane, sent, refuse } = world(everything, options);
        const a = lane.push('a').catch((error: unknown) => error);
        await turn();
        await refuse(POISON);
        if ('hollow' in options) await refuse(REFUSAL);
        expect(await a).to.equal(POISON);
        expect(sent.length).to.equal('hollow' in options ? 2 : 1);
      }
    });
  });
});
