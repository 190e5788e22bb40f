// Runners are told to wait, or to go on, by the call that takes results: the reader of a claim is behind.
import { expect } from 'chai';
import { claim, pushBack, put, takeResults } from './calls.ts';
import { TestShard, connections, wakeUps } from './support.ts';

describe('a halt', () => {
  connections();

  it('is told to the runner of the claim, with its fence, as long as that stands; nothing is written', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x', 'y', { id: 'z', loss: 'abort' }]));
    await shard.run(claim(shard, 'b', { limit: 2 }, { at: 60 }));
    await shard.run(claim(shard, 'c', { limit: 1 }, { at: 60 }));
    const [x, y, z] = [await shard.held('a|x'), await shard.held('a|y'), await shard.held('a|z')];
    await shard.run(pushBack(shard, 'b', [y]));
    const before = await shard.snapshot();
    await wakeUps();
    const halts = [
      { ...x, ms: 5_000 },
      { ...y, ms: 1 },
      { ...z, ms: 0 },
      { ...x, fence: z.fence, ms: 7 },
    ];
    const call = takeResults(shard, 'a', '', { halts });
    for (const run of ['first', 'second']) {
      expect((await shard.run(call)).map(String), run).to.deep.include.members(['OK', '0']);
      expect(await wakeUps(), run).to.deep.equal([`b: halt 0 5000 ${x.fence}`, `c: halt 0 0 ${z.fence}`]);
    }
    expect({ ...(await shard.snapshot()), now: 0 }).to.deep.equal({ ...before, now: 0 });
  });

  it('is refused before anything else if it is none', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    await shard.run(claim(shard, 'b'));
    const x = await shard.held('a|x');
    for (const ms of [-1, 2 ** 41]) {
      const call = takeResults(shard, 'a', '', { halts: [{ ...x, ms }] });
      expect(await shard.run(call).catch(String)).to.match(/a halt is out of its range/);
    }
  });
});
