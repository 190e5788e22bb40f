import { expect } from 'chai';
import { shardKeys } from '../../src/base/keys.ts';
import { runScript } from '../../src/redis/run-script.ts';
import { claim, put, putResults } from './calls.ts';
import { TestShard, connection, connections } from './support.ts';
import { START, viewOf } from './view.ts';

type Nested = Buffer | Nested[];

function text(reply: Nested): unknown {
  return Array.isArray(reply) ? reply.map(text) : reply.toString();
}

describe('inspect', () => {
  connections();

  const inspect = async (shard: TestShard): Promise<unknown[]> =>
    text(
      await runScript(connection(), 'auto', 'inspect', shardKeys(shard.topic, shard.number), []),
    ) as unknown[];

  it('answers empty figures for a shard that nobody has used, and makes no key', async () => {
    const shard = new TestShard();
    const [, ...rest] = await inspect(shard);
    expect(rest).to.deep.equal([[], [], [], [], [], ['0', '0', '0', '0', '0', '0', '0']]);
    expect((await shard.snapshot()).expiry.size).to.equal(0);
  });

  it('answers the figures of every table, and changes nothing', async () => {
    const shard = new TestShard();
    await shard.run(claim(shard, 'i', { idleFor: 100_000 }));
    await shard.run(put(shard, 'a', ['x', 'y', 'z'], { policy: 'none' }));
    await shard.run(put(shard, 'c', ['v'], { policy: 'none' }));
    await shard.run(claim(shard, 'b', { limit: 1 }, { at: 60, policy: 'oldest' }));
    const dead = {
      ...(await shard.held('a|x')),
      number: 1,
      kind: 'failed' as const,
      dead: true,
      payload: '',
    };
    await shard.run(putResults(shard, 'b', [dead], { at: 60 }));
    const before = await shard.snapshot();
    const [now, state, load, head, nodes, idle, sizes] = await inspect(shard);
    expect(Math.abs(Number(now) - Date.now())).to.be.lessThan(5_000);
    expect(state).to.include.members(['tick', 'visited', 'grace', 'expiry', 'schema']);
    expect(load).to.deep.equal(['c', '1', 'a', '2']);
    expect(head).to.deep.equal(['a', String(START * 1000 + 2), 'c', String(START * 1000 + 4)]);
    expect(nodes).to.deep.equal(
      ['a', 'c', 'i'].flatMap((node) => [node, String(START + 30_000)]).concat('b', String(START + 30_060)),
    );
    expect(idle).to.deep.equal([]);
    expect(sizes).to.deep.equal(['3', '3', '3', '3', '1', '1', '0']);
    expect(viewOf(await shard.snapshot())).to.deep.equal(viewOf(before));
  });

  it('counts what is overdue', async () => {
    const shard = new TestShard();
    const past = Date.now() - 1_000;
    await shard.run(put(shard, 'a', [{ id: 'x', deadline: 1 }, 'y'], { clock: past }));
    expect((await inspect(shard)).at(-1)).to.deep.equal(['2', '2', '2', '2', '0', '0', '1']);
  });
});
