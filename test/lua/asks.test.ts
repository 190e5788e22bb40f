// An owner that says when it claims by itself: its requests are its own until then. stealAfter is 50 ms.
import { expect } from 'chai';
import { claim, put, refresh } from './calls.ts';
import { TestShard, connections, wakeUps, type Options } from './support.ts';
import { parseClaims, type Policy } from './wire.ts';

describe('an owner that said when it claims', () => {
  connections();

  const stolen = async (shard: TestShard, at: number, options: Options = {}): Promise<number> =>
    parseClaims((await shard.run(claim(shard, 'b', {}, { at, ...options })))[2]!).length;

  for (const policy of ['oldest', 'lucky'] satisfies Policy[]) {
    it(`keeps its requests until then, whatever their age (${policy})`, async () => {
      const shard = new TestShard({ policy });
      await shard.run(put(shard, 'a', ['1', '2'], { at: 100, claimsIn: 200 }));
      expect((await shard.view()).asks).to.deep.equal({ a: 300 });
      expect(await stolen(shard, 299)).to.equal(0);
      expect(await stolen(shard, 300)).to.be.greaterThan(0);
    });

    it(`keeps none of too many (${policy})`, async () => {
      const shard = new TestShard({ policy });
      await shard.run(put(shard, 'a', ['1', '2', '3'], { at: 100, claimsIn: 200 }));
      expect(await stolen(shard, 101)).to.be.greaterThan(0);
    });
  }

  it('keeps them no longer than six times stealAfter', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['1'], { at: 100, claimsIn: 301 }));
    expect((await shard.view()).asks).to.deep.equal({});
    await shard.run(put(shard, 'a', ['2'], { at: 110, claimsIn: 300 }));
    expect((await shard.view()).asks).to.deep.equal({ a: 410 });
  });

  it('says nothing by a claim that follows at once, or by a put that is refused', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['1'], { claimsIn: 0 }));
    await shard.run(put(shard, 'a', ['1'], { claimsIn: 200 }));
    await shard.run(put(shard, 'a', ['2']));
    expect((await shard.view()).asks).to.deep.equal({});
  });

  it('is left to itself by who asked in vain: told to come again when the first of the others is free', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['1'], { at: 100, claimsIn: 200 }));
    expect(String((await shard.run(claim(shard, 'b', {}, { at: 200 })))[3])).to.equal('100');
    await shard.run(put(shard, 'c', ['1'], { at: 210, claimsIn: 30 }));
    await shard.run(put(shard, 'd', ['1'], { at: 211, claimsIn: 200 }));
    expect(String((await shard.run(claim(shard, 'b', {}, { at: 211 })))[3])).to.equal('49');
  });

  it('has others rung for what it kept only when it is over', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['1'], { at: 100, claimsIn: 200 }));
    await shard.run(claim(shard, 'b', {}, { at: 170 }));
    await shard.run(claim(shard, 'c', {}, { at: 171 }));
    await wakeUps();
    // busy, b passes a ring on
    await shard.run(claim(shard, 'b', { limit: 0 }, { at: 180 }));
    expect(await wakeUps()).to.deep.equal(['c: claim 0 120']);
    await shard.run(put(shard, 'd', ['1', '2', '3'], { at: 190, claimsIn: 100 }));
    expect(await wakeUps(), 'a longer line than that').to.deep.equal(['c: claim 0 0']);
  });

  it('is forgotten with its epoch, and with its node', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['1'], { at: 100, claimsIn: 200 }));
    await shard.run(refresh(shard, 'a', {}, { at: 110, epoch: 2 }));
    expect((await shard.view()).asks).to.deep.equal({});
    await shard.run(put(shard, 'a', ['2'], { at: 120, claimsIn: 200, epoch: 2 }));
    expect((await shard.view()).asks).to.deep.equal({ a: 320 });
    await shard.run(refresh(shard, 'b', {}, { at: 2_000_000 }));
    expect((await shard.view()).asks).to.deep.equal({});
  });
});
