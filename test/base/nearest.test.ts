import { expect } from 'chai';
import { nearest } from '../../src/base/nearest.ts';
import { OPTIONS } from '../../src/base/option-table.ts';

const NAMES = Object.keys(OPTIONS);

describe('the nearest word', () => {
  it('is found with a letter missing, too many, wrong or swapped, whatever its case', () => {
    for (const name of NAMES) {
      for (let at = 0; at < name.length - 1; at += 1) {
        const [before, after] = [name.slice(0, at), name.slice(at)];
        const misspelt = [
          before + after.slice(1),
          `${before}q${after}`,
          `${before}q${after.slice(1)}`,
          before + after[1]! + after[0]! + after.slice(2),
        ];
        for (const word of misspelt) {
          const found = nearest(word, NAMES);
          // another name may be as near to what is left of a short one
          expect(found, word).to.satisfy((one?: string) => one === name || name.length < 6);
        }
      }
      expect(nearest(name.toUpperCase(), NAMES)).to.equal(name);
      expect(
        nearest(
          name.replace(/[A-Z]/g, (letter) => `_${letter}`),
          NAMES,
        ),
      ).to.equal(name);
    }
  });

  it('is none if nothing is near', () => {
    for (const word of ['', 'x', 'frobnicate', 'x'.repeat(100_000)])
      expect(nearest(word, NAMES), word.slice(0, 20)).to.equal(undefined);
    expect(nearest('wa', ['waitMs', 'signal'])).to.equal(undefined);
  });

  it('is one that begins so', () => {
    for (const word of ['lease', 'keepAlive', 'ttl', 'loadL'])
      expect(nearest(word, NAMES)).to.match(new RegExp(`^${word}`));
    expect(nearest('wait', ['waitMs', 'signal'])).to.equal('waitMs');
  });

  it('is the first of several that are as near', () => {
    expect(nearest('ab', ['abc', 'abd'])).to.equal('abc');
  });
});
