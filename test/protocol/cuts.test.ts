import { expect } from 'chai';
import { cutPuts, cutUnits, lingerOf, shareOf, unitsOf, type ResultUnit } from '../../src/protocol/cuts.ts';
import {
  MAX_BYTES,
  MAX_ITEMS,
  type PutItem,
  type ResultItem,
  type SentClaim,
} from '../../src/protocol/wire.ts';

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
  const rest = { claim: {} as SentClaim, number: 1, kind: 'chunk', dead: false } as const;
  return { ...rest, payload: 'x'.repeat(bytes), bytes };
}

function unitOf(...bytes: number[]): ResultUnit {
  const units = unitsOf(bytes.map(resultOf));
  expect(units).to.have.length(1);
  return units[0]!;
}

/** The sizes of the results of each unit. */
function sizesOf(...bytes: number[]): number[][] {
  return unitsOf(bytes.map(resultOf)).map((unit) => {
    const sizes = unit.items.map((item) => item.bytes);
    expect(unit.bytes).to.equal(sizes.reduce((sum, size) => sum + size, 0));
    return sizes;
  });
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
    expect(cutUnits(Array.from({ length: 200 }, () => unitOf(1)))).to.equal(MAX_ITEMS);
    expect(cutUnits([unitOf(MAX_BYTES), unitOf(1)])).to.equal(1);
    expect(cutUnits([unitOf(MAX_BYTES + 1), unitOf(1)])).to.equal(1);
  });

  it('what was put together as one, unless it is too much for one call', () => {
    const most = Array.from({ length: MAX_ITEMS }, () => 1);
    expect(cutUnits([unitOf(...most), unitOf(1)])).to.equal(1);
    expect(cutUnits([unitOf(1), unitOf(...most)])).to.equal(1);
    expect(cutUnits([unitOf(...most.slice(2)), unitOf(1), unitOf(1), unitOf(1)])).to.equal(3);
    expect(unitsOf([])).to.deep.equal([]);
    expect(sizesOf(...most, 2)).to.deep.equal([most, [2]]);
    expect(sizesOf(MAX_BYTES - 1, 1, 1)).to.deep.equal([[MAX_BYTES - 1, 1], [1]]);
    expect(sizesOf(1, MAX_BYTES + 1, 1)).to.deep.equal([[1], [MAX_BYTES + 1], [1]]);
  });

  it('and says what part of a call results fill; an end waits for no others', () => {
    expect(shareOf(unitOf(0, 0))).to.equal(2 / MAX_ITEMS);
    expect(shareOf(unitOf(MAX_BYTES / 4, MAX_BYTES / 4))).to.equal(1 / 2);
    for (const kind of ['finished', 'failed'] as const)
      expect(shareOf({ items: [resultOf(0), { ...resultOf(0), kind }], bytes: 0 })).to.equal(Infinity);
    expect(lingerOf(0)).to.equal(undefined);
    expect(lingerOf(3)).to.deep.equal({ ms: 3, share: shareOf });
  });

  it('and looks at no more of it: 100,000 that wait cost no more than 200', () => {
    for (const bytes of [0, 1, MAX_BYTES]) {
      const puts = watched(Array.from({ length: 5_000 }, () => putOf(bytes)));
      expect(puts.looks() + cutPuts(puts.queue)).to.be.at.most(MAX_ITEMS);
      expect(puts.looks()).to.be.at.most(MAX_ITEMS + 1);
      const unit = unitOf(bytes);
      const results = watched(Array.from({ length: 5_000 }, () => unit));
      cutUnits(results.queue);
      expect(results.looks()).to.be.at.most(MAX_ITEMS + 1);
    }
  });
});
