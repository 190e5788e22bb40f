import { expect } from 'chai';
import { isMeant, type DeadFilter } from '../../src/inspect/dead-filter.ts';

describe('a filter of dead entries', () => {
  const now = 100_000;
  const entry = {
    owner: 'a',
    kind: 'failed',
    reason: 'it failed',
    error: 'out of memory',
    at: 40_000,
  } as const;
  const cases: [name: string, filter: DeadFilter, isMeant: boolean][] = [
    ['nothing', {}, true],
    ['its owner', { owner: 'a' }, true],
    ['another owner', { owner: 'A' }, false],
    ['its kind', { kind: 'failed' }, true],
    ['another kind', { kind: 'lost' }, false],
    ['its error', { reason: /OF MEM/i }, true],
    ['its reason', { reason: /^it/ }, true],
    ['neither', { reason: /^memory/ }, false],
    ['just as old', { olderMs: 60_000 }, true],
    ['older', { olderMs: 60_001 }, false],
    ['just as young', { newerMs: 60_000 }, true],
    ['younger', { newerMs: 59_999 }, false],
    ['all of it', { owner: 'a', kind: 'failed', reason: /memory/, olderMs: 1, newerMs: 99_000 }, true],
    ['all but one', { owner: 'a', kind: 'expired', reason: /memory/ }, false],
  ];
  for (const [name, filter, meant] of cases) {
    it(`of ${name}: ${meant ? 'means' : 'does not mean'} it`, () => {
      expect(isMeant(entry, filter, now)).to.equal(meant);
    });
  }

  it('does not mean what was given up after the command began, and what has no error', () => {
    expect(isMeant({ ...entry, at: now + 1 }, {}, now)).to.equal(false);
    expect(isMeant({ ...entry, at: now }, {}, now)).to.equal(true);
    expect(isMeant({ ...entry, error: undefined }, { reason: /memory/ }, now)).to.equal(false);
  });
});
