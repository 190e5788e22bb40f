import { expect } from 'chai';
import { Reading, type Unread } from '../../src/owner/reading.ts';

/** Numbers that are read. */
class Source implements Unread<number> {
  items: number[] = [];
  isOver = false;
  error: Error | undefined;
  readers = 0;
  waits = 0;
  #waiting: (() => void)[] = [];

  take(): number | undefined {
    return this.items.shift();
  }

  whenNews(look: () => void): void {
    this.waits += 1;
    this.#waiting.push(look);
  }

  open(): void {
    if (this.readers > 0) throw new Error('second');
    this.readers += 1;
  }

  close(): void {
    this.readers -= 1;
    this.wake();
  }

  wake(): void {
    const waiting = this.#waiting.splice(0);
    queueMicrotask(() => {
      for (const wake of waiting) wake();
    });
  }

  give(...items: number[]): void {
    this.items.push(...items);
    this.wake();
  }

  end(error?: Error): void {
    this.isOver = error === undefined;
    this.error = error;
    this.wake();
  }
}

const value = (one: number): IteratorResult<number, void> => ({ done: false, value: one });
const DONE = { done: true, value: undefined };

describe('a reading', () => {
  let source: Source;
  let reading: Reading<number>;
  beforeEach(() => {
    source = new Source();
    reading = new Reading(source);
  });

  it('waits for nothing that is there, and once for what comes together', async () => {
    source.give(1, 2);
    expect([await reading.next(), await reading.next(), source.waits]).to.deep.equal([value(1), value(2), 0]);
    const next = reading.next();
    for (const one of [3, 4, 5]) source.give(one);
    expect([await next, await reading.next(), await reading.next()]).to.deep.equal([3, 4, 5].map(value));
    expect(source.waits).to.equal(1);
  });

  it('answers calls that wait together in order', async () => {
    const all = [reading.next(), reading.next(), reading.next()];
    await Promise.resolve();
    expect(source.waits, 'the first one looks for all').to.equal(1);
    source.give(1);
    source.give(2);
    all.push(reading.next());
    source.give(3, 4);
    expect(await Promise.all(all)).to.deep.equal([1, 2, 3, 4].map(value));
  });

  it('ends when nothing follows, after what is there', async () => {
    source.give(1);
    source.end();
    expect([await reading.next(), await reading.next(), await reading.next()]).to.deep.equal([
      value(1),
      ...[DONE, DONE],
    ]);
    expect(source.readers).to.equal(0);
  });

  it('throws why it ended, once', async () => {
    const next = reading.next().catch((error: unknown) => error);
    const error = new Error('over');
    source.end(error);
    expect([await next, await reading.next(), source.readers]).to.deep.equal([error, DONE, 0]);
  });

  it('ends for a reader that leaves, also while it waits', async () => {
    const next = reading.next();
    await Promise.resolve();
    expect([await reading.return(), await next, await reading.next()]).to.deep.equal([DONE, DONE, DONE]);
    expect(source.readers).to.equal(0);
    source.give(1, 2);
    for await (const one of new Reading(source)) {
      expect(one).to.equal(1);
      break;
    }
    expect([source.readers, source.items]).to.deep.equal([0, [2]]);
  });

  it('ends with the error that is thrown into it', async () => {
    const error = new Error('the client has gone');
    const next = reading.next();
    expect(await reading.throw(error).catch((thrown: unknown) => thrown)).to.equal(error);
    expect([await next, source.readers]).to.deep.equal([DONE, 0]);
  });

  it('that has not begun has nothing to close', async () => {
    await reading.return();
    expect([await reading.next(), source.readers]).to.deep.equal([DONE, 0]);
  });

  it('is refused where another one reads, and is over then', async () => {
    await Promise.race([reading.next(), Promise.resolve()]);
    const second = new Reading(source);
    expect(await second.next().catch((error: unknown) => (error as Error).message)).to.equal('second');
    expect([await second.next(), source.readers]).to.deep.equal([DONE, 1]);
  });

  it('can be disposed of', async () => {
    {
      await using read = reading;
      source.give(1);
      await read.next();
      expect(read[Symbol.asyncIterator]()).to.equal(read);
    }
    expect(source.readers).to.equal(0);
  });
});
