import { expect } from 'chai';
import { NO_TICK } from '../../src/base/ticket.ts';
import { claim, put } from './calls.ts';
import { TestShard, connection, connections, type Options } from './support.ts';
import { parseClaims, type ClaimBounds } from './wire.ts';

const numbered = (count: number, prefix = ''): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

async function claimed(shard: TestShard, node: string, bounds: Partial<ClaimBounds> = {}): Promise<string[]> {
  const reply = await shard.run(claim(shard, node, bounds));
  return parseClaims(reply[2]!).map(
    ({ ticket }) => `${ticket.split('|')[0]!}${ticket.slice(ticket.lastIndexOf('|') + 1)}`,
  );
}

describe('a claim', () => {
  connections();

  for (const policy of ['oldest', 'lucky'] as const) {
    it(`ends each expired request once, also when there are more than one reap looks at (${policy})`, async () => {
      const shard = new TestShard({ policy, stealAfter: 50 });
      const items = numbered(40).map((id) => ({ id, deadline: 100 }));
      await shard.run(put(shard, 'a', items));
      await shard.run(put(shard, 'b', ['later'], { at: 10 }));
      shard.at = 1_000;
      expect(await claimed(shard, 'a')).to.deep.equal(['blater']);
      const { out, load, waiting, request } = await shard.view();
      expect(out.filter((line) => line.includes('expired'))).to.have.length(40);
      expect([load, waiting, Object.keys(request)]).to.deep.equal([{}, [], ['b|later']]);
    });

    it(`does not take again what is claimed, though a damaged line still names it (${policy})`, async () => {
      const shard = new TestShard({ policy, stealAfter: 50 });
      await shard.run(put(shard, 'a', ['x', 'y']));
      const ticket = await shard.ticket('a|x');
      shard.at = 100;
      expect(await claimed(shard, 'b', { limit: policy === 'lucky' ? 2 : 1 })).to.deep.equal(['ax']);
      const { fence } = await shard.held('a|x');
      await connection().zadd(shard.key('waiting'), 0, ticket);
      await connection().zincrby(shard.key('load'), 1, 'a');
      await connection().zadd(shard.key('head'), 0, 'a');
      expect(await claimed(shard, 'c', { limit: 4 })).to.deep.equal(['ay']);
      expect(await shard.held('a|x'), 'its holder is the same').to.deep.equal({ ticket, fence });
    });
  }
});

describe('a claim by the policy oldest', () => {
  connections();

  it('finds the peer that it can take from behind many that it cannot', async () => {
    const shard = new TestShard({ policy: 'oldest', stealAfter: 50 });
    const big = [{ id: 'big', tokens: 1_000 }];
    for (const [at, owner] of numbered(40, 'big').entries()) await shard.run(put(shard, owner, big, { at }));
    await shard.run(put(shard, 'small', ['x'], { at: 100 }));
    shard.at = 1_000;
    expect(await claimed(shard, 'a', { limit: 1, total: 999 })).to.deep.equal(['smallx']);
  });

  it('looks at fifty peers and no more, and says where it goes on: its time is bounded', async () => {
    const shard = new TestShard({ policy: 'oldest', stealAfter: 50 });
    const big = [{ id: 'big', tokens: 1_000 }];
    for (const [at, owner] of numbered(50, 'big').entries()) await shard.run(put(shard, owner, big, { at }));
    await shard.run(put(shard, 'small', ['x'], { at: 100 }));
    shard.at = 1_000;
    const reply = await shard.run(claim(shard, 'a', { limit: 100, total: 999 }));
    expect([0, 2, 3, 5].map((i) => String(reply[i]))).to.deep.equal(['IDLE', NO_TICK, '-1', '51']);
    expect((await shard.view()).idle, 'the search is not over').to.deep.equal({});
    expect(await claimed(shard, 'a', { total: 999, askOn: 51 })).to.deep.equal(['smallx']);
    await shard.run(put(shard, 'small', ['y'], { at: 980 }));
    const last = await shard.run(claim(shard, 'a', { total: 999, askOn: 51 }));
    expect(String(last[3]), 'until one behind the fifty is free').to.equal('30');
  });

  it('says that its search is over if there were fewer than fifty, though not at once that few', async () => {
    for (const count of [20, 49]) {
      const shard = new TestShard({ policy: 'oldest', stealAfter: 50 });
      const big = [{ id: 'big', tokens: 1_000 }];
      for (const owner of numbered(count, 'big')) await shard.run(put(shard, owner, big));
      shard.at = 1_000;
      const reply = await shard.run(claim(shard, 'a', { limit: 8, total: 999 }));
      expect([0, 5].map((i) => String(reply[i]))).to.deep.equal(['IDLE', '-1']);
    }
  });

  it('keeps to the peer that it has found if those behind are younger', async () => {
    const shard = new TestShard({ policy: 'oldest', stealAfter: 50 });
    await shard.run(put(shard, 'p', ['x'], { at: 0 }));
    const big = [{ id: 'big', tokens: 1_000 }];
    for (const [i, owner] of numbered(8, 'big').entries())
      await shard.run(put(shard, owner, big, { at: 1 + i }));
    await shard.run(put(shard, 'p', ['y'], { at: 20 }));
    for (const owner of numbered(20, 'young')) await shard.run(put(shard, owner, ['z'], { at: 100 }));
    shard.at = 1_000;
    expect(await claimed(shard, 'a', { limit: 2, alone: 999, sum: 999 })).to.deep.equal(['px', 'py']);
  });
});

describe('a claim by the policy lucky', () => {
  connections();
  const lucky: Options = { policy: 'lucky', stealAfter: 30_000 };

  it('takes from one peer only, however much room is left', async () => {
    const shard = new TestShard(lucky);
    for (const owner of ['b', 'c', 'd']) await shard.run(put(shard, owner, numbered(3)));
    const taken = await claimed(shard, 'a', { limit: 16 });
    expect(taken).to.have.length(3);
    expect(new Set(taken.map((one) => one[0])).size).to.equal(1);
  });

  it('goes on to another peer from one that is listed and has none in line', async () => {
    for (let entropy = 1; entropy <= 8; entropy += 1) {
      const shard = new TestShard(lucky);
      await shard.run(put(shard, 'b', numbered(3)));
      // what a lost table leaves
      await connection().zadd(shard.key('load'), 9, 'ghost');
      expect(await claimed(shard, 'a', { entropy: entropy * 7_919 })).to.have.length(3);
    }
  });

  it('looks at ten peers and no more: its time is bounded', async () => {
    const shard = new TestShard(lucky);
    const big = numbered(3).map((id) => ({ id, tokens: 1_000 }));
    for (const owner of numbered(49, 'big')) await shard.run(put(shard, owner, big));
    const words: string[] = [];
    for (let entropy = 1; entropy <= 8; entropy += 1) {
      await shard.run(put(shard, 'small', numbered(3, `${entropy}.`)));
      const reply = await shard.run(claim(shard, 'a', { alone: 999, entropy: entropy * 104_729 }));
      words.push(String(reply[0]));
    }
    // by its chance of one in five it misses the one that it could take from
    expect(words).to.include('BLOCKED');
  });
});
