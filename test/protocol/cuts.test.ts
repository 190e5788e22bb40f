import { expect } from 'chai';
import { cutPuts, cutResults } from '../../src/protocol/cuts.ts';
import { MAX_BYTES, MAX_ITEMS, type PutItem, type ResultItem } from '../../src/protocol/wire.ts';

function putOf(bytes: number): PutItem {
  const rest = {
    promptTokens: 1,
    deadlineMs: 1,
    headStartMs: 0,
    triesLeft: 1,
    triesSpent: 0,
    onOwnerLoss: 'finish' as const,
  };
  return { id: 'x', ...rest, payload: 'x'.repeat(bytes) };
}

function resultOf(bytes: number): ResultItem {
  const rest = { ticket: 't', fence: 'f', number: 1, kind: 'chunk', dead: false } as const;
  return { ...rest, payload: 'x'.repeat(bytes) };
}

/** How many items of the queue were looked at. */
function watched<Item>(queue: Item[]): { queue: Item[]; looks: () => number } {
  const seen = new Set<string>();
  const proxy = new Proxy(queue, {
    get(target, key, receiver): unknown {
      if (typeof key === 'string' && /^\d+$/.test(key)) seen.add(key);
      return Reflect.get(target, key, receiver);
    },
  });
  return { queue: proxy, looks: () => seen.size };
}

describe('a call takes from a long queue', () => {
  it('no more than its items and bytes, and at least one', () => {
    expect(cutPuts(Array.from({ length: 200 }, () => putOf(1)))).to.equal(MAX_ITEMS);
    expect(cutPuts([putOf(MAX_BYTES - 10), putOf(10), putOf(1)])).to.equal(2);
    expect(cutPuts([putOf(MAX_BYTES + 1), putOf(1)])).to.equal(1);
    expect(cutPuts([putOf(1), { reset: [] }, putOf(1)])).to.equal(1);
    expect(cutPuts([{ reset: [] }, putOf(1)])).to.equal(1);
    expect(cutResults(Array.from({ length: 200 }, () => resultOf(1)))).to.equal(MAX_ITEMS);
    expect(cutResults([resultOf(MAX_BYTES), resultOf(1)])).to.equal(1);
  });

  it('and looks at no more of it: 100,000 that wait cost no more than 200', () => {
    for (const bytes of [0, 1, MAX_BYTES]) {
      const puts = watched(Array.from({ length: 5_000 }, () => putOf(bytes)));
      expect(puts.looks() + cutPuts(puts.queue)).to.be.at.most(MAX_ITEMS);
      expect(puts.looks()).to.be.at.most(MAX_ITEMS + 1);
      const results = watched(Array.from({ length: 5_000 }, () => resultOf(bytes)));
      cutResults(results.queue);
      expect(results.looks()).to.be.at.most(MAX_ITEMS + 1);
    }
  });
});
