// The load in prompt tokens instead of requests: every script that moves a ticket in or out of line weighs it.
import { expect } from 'chai';
import { checkInvariants } from '../../src/inspect/invariants.ts';
import { cancel, claim, pushBack, put, refresh, reset } from './calls.ts';
import { TestShard, connections, type Options } from './support.ts';
import { parseClaims, type ClaimBounds, type PutItem } from './wire.ts';

const TOKENS: Options = { loadUnit: 'tokens', minLoad: 1_000, policy: 'oldest', stealAfter: 50 };

function items(...tokens: number[]): PutItem[] {
  return tokens.map((each, i) => ({ id: `${i}`, tokens: each }));
}

async function seeded(defaults: Options, lines: Record<string, number[]>): Promise<TestShard> {
  const shard = new TestShard(defaults);
  for (const [owner, tokens] of Object.entries(lines)) await shard.run(put(shard, owner, items(...tokens)));
  return shard;
}

async function loads(shard: TestShard): Promise<Record<string, number>> {
  const snapshot = await shard.snapshot();
  expect(checkInvariants(snapshot, { loadUnit: 'tokens' })).to.deep.equal([]);
  return Object.fromEntries(snapshot.load);
}

async function claimed(
  shard: TestShard,
  node: string,
  bounds: Partial<ClaimBounds> = {},
  options: Options = {},
): Promise<string[]> {
  const reply = await shard.run(claim(shard, node, bounds, options));
  return parseClaims(reply[2]!).map(({ ticket }) => `${ticket.split('|')[0]!}${ticket.split('|').at(-1)!}`);
}

describe('the load in tokens', () => {
  connections();

  it('is the sum of the waiting prompts, each at least 1, and absent when none waits', async () => {
    const shard = await seeded(TOKENS, { a: [300, 0, 40], b: [7] });
    expect(await loads(shard)).to.deep.equal({ a: 341, b: 7 });
    await claimed(shard, 'a', { limit: 1 });
    expect(await loads(shard)).to.deep.equal({ a: 41, b: 7 });
    await claimed(shard, 'a', { limit: 1 });
    expect(await loads(shard)).to.deep.equal({ a: 40, b: 7 });
    await claimed(shard, 'a');
    expect(await loads(shard)).to.deep.equal({ b: 7 });
  });

  it('comes back with what is pushed back', async () => {
    const shard = await seeded(TOKENS, { a: [300, 0, 40] });
    await claimed(shard, 'a');
    await shard.run(pushBack(shard, 'a', [await shard.held('a|0'), await shard.held('a|1')]));
    expect(await loads(shard)).to.deep.equal({ a: 301 });
  });

  it('goes with what is cancelled, expires, or is reset, and comes back with what a dead runner held', async () => {
    const shard = await seeded(TOKENS, { a: [300, 50, 40], b: [8, 9] });
    await shard.run(put(shard, 'a', [{ id: 'late', tokens: 5_000, deadline: 100 }]));
    await shard.run(cancel(shard, 'a', [await shard.ticket('a|1')]));
    expect(await loads(shard)).to.deep.equal({ a: 5_340, b: 17 });
    await claimed(shard, 'a', { limit: 1 });
    expect(await loads(shard)).to.deep.equal({ a: 5_040, b: 17 });
    await shard.run(refresh(shard, 'b', {}, { at: 200 }));
    expect(await loads(shard)).to.deep.equal({ a: 40, b: 17 });
    // twice: the first visit after the long silence opens a grace
    for (const at of [14_000, 28_000, 31_000]) await shard.run(refresh(shard, 'b', {}, { at }));
    expect(await loads(shard)).to.deep.equal({ a: 340, b: 17 });
    await shard.run(reset(shard, 'a'));
    expect(await loads(shard)).to.deep.equal({ b: 17 });
  });

  it('is lowered by an expired ticket that a claim meets', async () => {
    const shard = new TestShard(TOKENS);
    const doomed = Array.from({ length: 20 }, (_, i) => ({ id: `d${i}`, tokens: 100, deadline: 10 }));
    await shard.run(put(shard, 'b', [...doomed, ...items(2_000, 30)]));
    // reap ends 16 of them before, the claim the other four
    expect(await claimed(shard, 'a', { limit: 1 }, { at: 20 })).to.deep.equal(['b0']);
    expect(await loads(shard)).to.deep.equal({ b: 30 });
  });

  it('leaves max_waiting a number of requests', async () => {
    const shard = await seeded(TOKENS, { a: [5_000, 5_000] });
    const reply = await shard.run(put(shard, 'a', [{ id: 'x' }, { id: 'y' }], { maxWaiting: 3 }));
    expect(String(reply[2])).to.match(/^OK \S+,FULL \d+$/);
  });

  it('lets `oldest` steal from one long prompt, and not from many short ones', async () => {
    const shard = await seeded(TOKENS, { many: Array.from({ length: 9 }, () => 10), one: [1_000] });
    expect(await claimed(shard, 'a')).to.deep.equal(['one0']);
    expect(await claimed(shard, 'a')).to.deep.equal([]);
  });

  it('lets `oldest` take from a peer until what is left is below min_load', async () => {
    const shard = await seeded(TOKENS, { b: [600, 600, 600, 600] });
    expect(await claimed(shard, 'a')).to.deep.equal(['b0', 'b1', 'b2']);
    expect(await loads(shard)).to.deep.equal({ b: 600 });
  });

  it('lets `lucky` choose among the peers with the most tokens', async () => {
    const lines = { many: Array.from({ length: 9 }, () => 10), one: [1_000] };
    for (let entropy = 0; entropy < 5; entropy += 1) {
      const shard = await seeded({ ...TOKENS, policy: 'lucky' }, lines);
      expect(await claimed(shard, 'a', { entropy: entropy * 104_729 })).to.deep.equal(['one0']);
    }
  });

  it('decides whom a put rings: a peer at once from min_load on', async () => {
    const shard = await seeded(TOKENS, {});
    await shard.run(claim(shard, 'idle'));
    await shard.row(put(shard, 'a', items(1_000), { at: 1 }), {
      reply: ['OK', 'OK @1000'],
      changes: {
        ...{ waiting: ['a|0@1000'], head: { a: 1_000 }, load: { a: 1_000 } },
        ...{ request: { 'a|0': '@1000 1000/900001/3/0/9' }, body: { 'a|0': 'body of 0' } },
        ...{ due: { 'a|0@1000': 900_001 }, idle: { idle: undefined } },
        ...{ node: { a: 30_001 }, epochs: { a: 1 } },
      },
      rings: ['idle: claim 0 0'],
    });
  });
});
