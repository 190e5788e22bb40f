import { expect } from 'chai';
import { naturally } from '../../src/inspect/natural.ts';

describe('the natural order of names', () => {
  it('counts numbers as numbers, wherever they stand', () => {
    const names = [
      'a',
      'a:1',
      'a:2',
      'a:10',
      'b-2-x9',
      'b-2-x10',
      'b-10-x1',
      'node',
      'node01x',
      'node1',
      'node2',
    ];
    expect([...names].reverse().sort(naturally)).to.deep.equal(names);
    for (let seed = 1; seed < names.length; seed += 1) {
      const mixed = [...names].sort((a, b) => ((a.length * seed) % 7) - ((b.length * seed) % 7));
      expect(mixed.sort(naturally)).to.deep.equal(names);
    }
  });

  it('is one order for any names', () => {
    const names = ['', '0', '00', '9'.repeat(400), '1'.repeat(400), 'a1b', 'a01b', 'a', '-', 'ä1', '10', '9'];
    for (const a of names) {
      expect(naturally(a, a)).to.equal(0);
      for (const b of names) expect(Math.sign(naturally(a, b))).to.equal(-Math.sign(naturally(b, a)) + 0);
    }
  });
});
