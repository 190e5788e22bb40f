import { expect } from 'chai';
import type { Budget, ClaimBounds } from '../../src/base/budget.ts';
import { EngineSize } from '../../src/runner/engine-size.ts';
import { room } from '../support/fleet.ts';

const ANY = 2 ** 32 - 1;
const bounds = (aloneTokens: number): ClaimBounds => ({ limit: 1, aloneTokens, sumTokens: 0 });
const chunked = (maxLongPartialPrefills: number): Partial<Budget> => ({
  chunkedPrefill: { maxPartialPrefills: 4, maxLongPartialPrefills, longPrefillTokenThreshold: 50 },
});

describe('the size of an engine', () => {
  it('grows with more room than it ever had, once it was empty', () => {
    const size = new EngineSize();
    const grows = (tokens: number, isHolding = false): boolean => size.grows(bounds(tokens), isHolding);
    expect([grows(10, true), grows(20, true)], 'it was never empty').to.deep.equal([false, false]);
    expect([grows(20), grows(20), grows(10), grows(15)]).to.deep.equal([false, false, false, false]);
    expect([grows(21, true), grows(21)]).to.deep.equal([true, false]);
  });

  it('is what its budget says', () => {
    const size = new EngineSize();
    expect(size.largestPrompt(room(1, { totalBlocks: 11, blockSize: 16 }))).to.equal(160);
    expect(size.largestPrompt(room(1, { totalBlocks: 1, reservedOutputBlocks: 2 }))).to.equal(0);
    expect(size.largestPrompt(room(1, { totalBlocks: 11, ...chunked(0) })), 'no long prompt').to.equal(50);
    expect(size.largestPrompt(room(1, { totalBlocks: 11, ...chunked(1) }))).to.equal(160);
    expect(size.largestPrompt(room(1, { totalBlocks: 3, ...chunked(0) })), 'it is smaller yet').to.equal(32);
  });

  it('is the largest of those that several budgets say', () => {
    const size = new EngineSize();
    const said = [3, 11, 5].map((totalBlocks) => size.says(room(1, { totalBlocks })));
    expect(said).to.deep.equal([32, 160, 160]);
  });

  it('is else what it had room for when it was empty, and any before', () => {
    const size = new EngineSize();
    size.grows(bounds(70), true);
    expect(size.largestPrompt(room())).to.equal(ANY);
    expect(size.largestPrompt(room(1, chunked(0)))).to.equal(50);
    size.grows(bounds(30), false);
    expect(size.largestPrompt(room(1, { totalBlocks: 11 })), 'unless it says more').to.equal(160);
    expect(size.largestPrompt(room())).to.equal(70);
    expect(size.largestPrompt(room(1, chunked(0)))).to.equal(50);
  });
});
