import { expect } from 'chai';
import { Pace } from '../../src/base/pace.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a pace', () => {
  it('lets so many begin at once, and the others in later turns, in order', async () => {
    const pace = new Pace(4);
    const begun: number[] = [];
    const all = Promise.all(
      Array.from({ length: 10 }, async (_, i) => {
        await pace.enter();
        begun.push(i);
      }),
    );
    const seen = [begun.length];
    while (seen.length < 5) {
      await turn();
      seen.push(begun.length);
    }
    await all;
    expect(begun).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(seen).to.deep.equal([0, 8, 10, 10, 10]);
  });

  it('holds up none that are few, in whatever number of turns', async () => {
    const pace = new Pace(4);
    for (let i = 0; i < 100; i += 1) {
      expect([pace.enter(), pace.enter()], `turn ${i}`).to.deep.equal([undefined, undefined]);
      await turn();
    }
  });

  it('lets none in before those that wait', async () => {
    const pace = new Pace(1);
    const begun: string[] = [];
    const enter = async (name: string): Promise<void> => {
      await pace.enter();
      begun.push(name);
    };
    const first = Promise.all(['a', 'b', 'c'].map(enter));
    await turn();
    await Promise.all([first, enter('d')]);
    expect(begun).to.deep.equal(['a', 'b', 'c', 'd']);
  });
});
