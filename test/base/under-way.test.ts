import { expect } from 'chai';
import { UnderWay } from '../../src/base/under-way.ts';

describe('what is under way', () => {
  it('is waited for by all who ask, until the last of it has ended, and by nobody where there is none', async () => {
    const underWay = new UnderWay();
    const told: string[] = [];
    const ask = async (who: string): Promise<void> => {
      await underWay.none();
      told.push(who);
    };
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    await underWay.none();
    underWay.begin();
    underWay.begin();
    const asked = [ask('a'), ask('b')];
    underWay.end();
    await turn();
    expect(told, 'one is left').to.deep.equal([]);
    underWay.end();
    await Promise.all(asked);
    expect(told).to.deep.equal(['a', 'b']);
    await underWay.none();
    underWay.begin();
    const again = ask('c');
    await turn();
    expect(told).to.deep.equal(['a', 'b']);
    underWay.end();
    await again;
    expect(told, 'each is told once').to.deep.equal(['a', 'b', 'c']);
  });
});
