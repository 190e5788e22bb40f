// What a node gave back: for how long it does not take it again, who is rung for it meanwhile, and what a try costs.
import { expect } from 'chai';
import { claim, pushBack, put, refresh } from './calls.ts';
import { TestShard, connection, connections, wakeUps, type Options } from './support.ts';
import { START } from './view.ts';
import { parseClaims, type ClaimBounds, type ClaimsIn, type GiveBack, type PutItem } from './wire.ts';

const numbered = (count: number): PutItem[] => Array.from({ length: count }, (_, i) => ({ id: `n${i}` }));

interface Answer {
  status: string;
  ids: string[];
  /** ms; -1: it is not said. */
  again: number;
  on: number;
}

async function asked(
  shard: TestShard,
  node: string,
  at: number,
  bounds: Partial<ClaimBounds> = {},
  options: Options = {},
): Promise<Answer> {
  const reply = await shard.run(claim(shard, node, bounds, { at, ...options }));
  const ids = parseClaims(reply[2]!).map(({ ticket }) => ticket.slice(ticket.lastIndexOf('|') + 1));
  return { status: String(reply[0]), ids, again: Number(String(reply[3])), on: Number(String(reply[5])) };
}

/** `front` puts `x`; each of these nodes in turn claims it and gives it back so. */
async function givenBack(nodes: readonly string[], how: Partial<GiveBack>, options = {}): Promise<TestShard> {
  const shard = new TestShard(options);
  await shard.run(put(shard, 'front', ['x']));
  for (const node of nodes) await giveBack(shard, node, 100, how);
  await wakeUps();
  return shard;
}

async function giveBack(
  shard: TestShard,
  node: string,
  at: number,
  how: Partial<GiveBack>,
  owner = 'front',
): Promise<void> {
  expect((await asked(shard, node, at)).ids, node).to.deep.equal(['x']);
  await shard.run(pushBack(shard, node, [await shard.held(`${owner}|x`)], { at, how }));
}

/** From now on these nodes are believed idle, the first of them longest. */
async function areIdle(shard: TestShard, ...nodes: string[]): Promise<void> {
  const entries = nodes.flatMap((node, i) => [START + 100_000 + i, node]);
  await connection().zadd(shard.key('idle'), ...entries);
  // gives the table its expiry
  await shard.run(refresh(shard, 'a', {}, { at: 250 }));
  await wakeUps();
}

async function pauses(shard: TestShard): Promise<string> {
  const { request } = await shard.view();
  return request['front|x']!.replace(/^[^/]*(\/\d+){4}/, '').trim();
}

describe('a request that a node gave back', () => {
  connections();

  for (const policy of ['oldest', 'lucky'] as const)
    it(`is not taken by that node before its time, nor held against it afterwards (${policy})`, async () => {
      const shard = await givenBack(['a'], { after: 1_000 }, { policy, minLoad: 1 });
      expect(await asked(shard, 'a', 101)).to.deep.equal({ status: 'IDLE', ids: [], again: 999, on: -1 });
      expect(await asked(shard, 'a', 1_099)).to.deep.include({ status: 'IDLE', ids: [], again: 1 });
      // whatever other engines could hold: it was not left to them
      expect((await asked(shard, 'a', 1_100, { elsewhere: 5_000 })).ids).to.deep.equal(['x']);
    });

  it('is taken by another at once, from its exact place', async () => {
    const shard = await givenBack(['a'], { after: 1_000 });
    await shard.run(put(shard, 'front', ['y'], { at: 100 }));
    expect((await asked(shard, 'b', 160)).ids).to.deep.equal(['x', 'y']);
  });

  it('delays nobody behind it', async () => {
    const shard = await givenBack(['front'], { after: 1_000 });
    await shard.run(put(shard, 'front', ['y', 'z'], { at: 100 }));
    expect(await asked(shard, 'front', 101)).to.deep.include({ status: 'OK', ids: ['y', 'z'], again: 999 });
  });

  for (const policy of ['oldest', 'lucky'] as const)
    describe(`of its own is left to others at once, whatever stealAfter is, with the rest of its line (${policy})`, () => {
      const isFree = async (
        how: Partial<GiveBack>,
        options: Options & { claimsIn?: ClaimsIn } = {},
      ): Promise<string[]> => {
        const { claimsIn, ...others } = options;
        const shard = new TestShard({ policy, stealAfter: 60_000 });
        await areIdle(shard, 'other');
        await shard.run(put(shard, 'owner', ['x']));
        await giveBack(shard, 'owner', 100, how, 'owner');
        const rung = (await wakeUps()).includes('other: claim 0 0');
        if (Object.hasOwn(options, 'claimsIn'))
          await shard.run(put(shard, 'owner', ['y'], { at: 101, claimsIn }));
        const { ids } = await asked(shard, 'other', 102, {}, others);
        return [...ids, ...(rung ? ['rung'] : [])];
      };

      it('if it has a pause', async () => {
        expect(await isFree({ after: 1 })).to.deep.equal(['x', 'rung']);
        expect(await isFree({ after: '' })).to.deep.equal(['x', 'rung']);
      });

      it('or is for others', async () =>
        expect(await isFree({ elsewhere: true })).to.deep.equal(['x', 'rung']));

      it('and not if its owner may take it again', async () => expect(await isFree({})).to.deep.equal([]));

      it('until a put says otherwise', async () => {
        expect(await isFree({ after: 1 }, { claimsIn: undefined })).to.deep.equal(['rung']);
        expect(await isFree({ after: 1 }, { claimsIn: 'never' })).to.include.members(['x', 'rung']);
      });
    });

  it('of another is no reason to leave its owner nothing', async () => {
    const shard = await givenBack(['a'], { after: 1_000 }, { stealAfter: 50 });
    expect((await shard.view()).asks).to.deep.equal({});
  });

  it('waits 100 ms if nothing is said, and twice as long each time, up to ten seconds', async () => {
    const shard = await givenBack([], {});
    let at = 100;
    for (const ms of [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]) {
      await giveBack(shard, 'a', at, { after: '' });
      expect((await asked(shard, 'a', at + ms - 1)).ids).to.deep.equal([]);
      at += ms;
    }
    // by each node for itself
    await giveBack(shard, 'b', at, { after: '' });
    expect(await pauses(shard)).to.equal(`/${at} 9-a /${at + 100} 1-b`);
  });

  it('may be taken again at once if that is said, whatever was before', async () => {
    const shard = await givenBack(['a'], { after: 50 });
    await giveBack(shard, 'a', 150, { after: 0 });
    expect(await pauses(shard)).to.equal('/150 1-a');
    expect((await asked(shard, 'a', 150)).ids).to.deep.equal(['x']);
  });

  it('is told of when its time comes, unless the head of a peer may be stolen before', async () => {
    for (const [after, again] of [
      [1_000, 40],
      [80, 20],
    ] as const) {
      const shard = await givenBack(['a'], { after });
      await shard.run(put(shard, 'peer', ['y'], { at: 150 }));
      expect(await asked(shard, 'a', 160)).to.deep.include({ ids: [], again });
    }
  });

  it('is the first of several to be told of, and to have another rung for it', async () => {
    const shard = new TestShard();
    await shard.run(
      put(shard, 'front', [
        { id: 'x', tokens: 50 },
        { id: 'y', tokens: 900 },
      ]),
    );
    await asked(shard, 'a', 100);
    for (const [id, after] of [
      ['x', 500],
      ['y', 1_000],
    ] as const)
      await shard.run(pushBack(shard, 'a', [await shard.held(`front|${id}`)], { at: 100, how: { after } }));
    await areIdle(shard, 'b');
    await connection().hset(shard.key('calls'), 'b|room', '100');
    expect(await asked(shard, 'a', 300)).to.deep.include({ status: 'IDLE', again: 300 });
    expect(await wakeUps()).to.deep.equal(['b: claim 0 0']);
  });

  it('counts no more than 255 times, for which there is room in the record', async () => {
    const shard = await givenBack(['a'], { after: 1 });
    const record = (await connection().hget(shard.key('request'), 'front|x'))!;
    await connection().hset(shard.key('request'), 'front|x', record.replace('01-a', 'ff-a'));
    await giveBack(shard, 'a', 200, { after: '' });
    expect(await pauses(shard)).to.equal('/10200 255-a');
  });

  it('keeps what it says of one node while another has it, also if that one dies', async () => {
    const shard = await givenBack(['a'], { after: 60_000 });
    const waits = '@0 128/900000/3/0/9';
    expect((await asked(shard, 'b', 200)).ids).to.deep.equal(['x']);
    const { request } = await shard.view();
    expect(request['front|x']).to.match(/^@0 128\/900000\/3\/0\/9 b#\d+ \/60100 1-a$/);
    for (const at of [14_000, 28_000]) await asked(shard, 'c', at);
    // its lease is over
    expect(await asked(shard, 'a', 30_200)).to.deep.include({ ids: [], again: 29_900 });
    expect((await shard.view()).request['front|x']).to.equal(
      `${waits.replace('3/0', '2/1')} /60100 1-a /0 0lb`,
    );
  });

  it('is of sixteen nodes at most: the one that gave it back longest ago is forgotten', async () => {
    const nodes = Array.from({ length: 17 }, (_, i) => `n${i}`);
    const shard = await givenBack(nodes, { after: 5_000 });
    expect((await pauses(shard)).split(' ').filter((word) => word.startsWith('1-'))).to.deep.equal(
      nodes.slice(1).map((node) => `1-${node}`),
    );
    expect((await asked(shard, 'n1', 200)).ids).to.deep.equal([]);
    expect((await asked(shard, 'n0', 200)).ids).to.deep.equal(['x']);
  });

  it('is never kept room for by that node', async () => {
    const shard = await givenBack(['a'], { after: 60_000 });
    expect((await asked(shard, 'a', 10_000, { alone: 10 })).status).to.equal('IDLE');
    expect((await shard.view()).kept).to.equal('');
  });

  it('leaves that node free for whatever comes: it notes no want of room', async () => {
    const shard = await givenBack(['a'], { after: 60_000 });
    await asked(shard, 'a', 200);
    expect(await shard.view()).to.deep.include({ idle: { a: 3_200 }, rooms: {} });
  });

  it('counts among the 64 that a call steps over, and the caller then asks on behind them', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'front', numbered(63)));
    await shard.run(put(shard, 'front', [{ id: 'large', tokens: 5_000 }]));
    await shard.run(put(shard, 'other', ['y'], { at: 1 }));
    await asked(shard, 'a', 100, { limit: 63 });
    const held = await Promise.all(numbered(63).map(({ id }) => shard.held(`front|${id}`)));
    await shard.run(pushBack(shard, 'a', held, { at: 100, how: { after: 7_000 } }));
    const first = await asked(shard, 'a', 200, { total: 1_000 });
    // when one may be taken is said though the search is not over
    expect(first).to.deep.equal({ status: 'IDLE', ids: [], again: 6_900, on: 2 });
    expect((await asked(shard, 'a', 200, { total: 1_000, askOn: 2 })).ids).to.deep.equal(['y']);
  });

  describe('and left to others', () => {
    const how = { after: 100, elsewhere: true };

    it('is not taken by that node while another living engine can hold it', async () => {
      const shard = await givenBack(['a'], how);
      expect(await pauses(shard)).to.equal('/200 1ea');
      for (const at of [150, 200, 100_000])
        expect(await asked(shard, 'a', at, { elsewhere: 128 })).to.deep.include({ ids: [], again: -1 });
    });

    it('is taken after its time if none can', async () => {
      const shard = await givenBack(['a'], how);
      expect(await asked(shard, 'a', 199, { elsewhere: 127 })).to.deep.include({ ids: [], again: 1 });
      expect((await asked(shard, 'a', 200, { elsewhere: 127 })).ids).to.deep.equal(['x']);
    });

    it('is taken after its time once another has had it: two broken engines do not wait for each other', async () => {
      const shard = await givenBack(['a', 'b'], how);
      expect((await asked(shard, 'a', 199, { elsewhere: 5_000 })).ids).to.deep.equal([]);
      expect((await asked(shard, 'b', 250, { elsewhere: 5_000 })).ids).to.deep.equal([]);
      expect((await asked(shard, 'a', 250, { elsewhere: 5_000 })).ids).to.deep.equal(['x']);
    });

    it('also with no time of its own', async () => {
      const shard = await givenBack(['a'], { after: 0, elsewhere: true });
      expect((await asked(shard, 'a', 100, { elsewhere: 128 })).ids).to.deep.equal([]);
      expect((await asked(shard, 'a', 100)).ids).to.deep.equal(['x']);
    });
  });

  describe('has another rung', () => {
    it('by a node that may not take it, but none that gave it back as well', async () => {
      const shard = await givenBack(['a', 'b', 'c'], { after: 60_000 });
      await areIdle(shard, 'a', 'b', 'd', 'c');
      await asked(shard, 'a', 300);
      expect(await wakeUps()).to.deep.equal(['d: claim 0 0']);
      await asked(shard, 'b', 301);
      // `d` has been rung, and nobody else can take it: the ring ends
      expect(await wakeUps()).to.deep.equal([]);
    });

    it('that has room for it', async () => {
      const shard = await givenBack(['a'], { after: 60_000 });
      await asked(shard, 'b', 200, { alone: 100 });
      await wakeUps();
      await asked(shard, 'a', 300);
      expect(await wakeUps()).to.deep.equal([]);
    });

    it('its idle owner first, unless that gave it back', async () => {
      for (const [node, rung] of [
        ['b', 'front'],
        ['front', 'c'],
      ] as const) {
        const shard = await givenBack([node, 'a'], { after: 60_000 });
        await areIdle(shard, 'c', 'front');
        await asked(shard, 'a', 300);
        expect(await wakeUps()).to.deep.equal([`${rung}: claim 0 0`]);
      }
    });

    it('beside whoever is rung for what is left behind it, when the call is full', async () => {
      const shard = await givenBack(['front'], { after: 60_000 });
      await shard.run(put(shard, 'front', ['y', 'z'], { at: 100 }));
      await areIdle(shard, 'c', 'd');
      await wakeUps();
      expect((await asked(shard, 'front', 300, { limit: 1 })).ids).to.deep.equal(['y']);
      expect((await wakeUps()).sort()).to.deep.equal(['c: claim 0 0', 'd: claim 0 0']);
    });
  });

  describe('for a try', () => {
    const how = { after: 1_000, counted: true, reason: 'the engine is gone' };

    it('has one fewer, and its next attempt is the next one', async () => {
      const shard = await givenBack([], {});
      await asked(shard, 'a', 100);
      shard.at = 100;
      await shard.row(pushBack(shard, 'a', [await shard.held('front|x')], { how }), {
        reply: ['OK', 'OK'],
        repeat: ['OK', 'LOST'],
        changes: {
          waiting: ['front|x@0'],
          head: { front: 0 },
          load: { front: 1 },
          request: { 'front|x': '@0 128/900000/2/1/9 /1100 1-a ~the engine is gone' },
          due: { 'front|x@0': 900_000 },
        },
      });
      const [again] = parseClaims((await shard.run(claim(shard, 'b', {}, { at: 160 })))[2]!);
      expect(again).to.include({ triesLeft: 2, triesSpent: 1 });
    });

    it('ends as failed with the reason when none is left, kept among the dead; others of the call go back', async () => {
      const shard = new TestShard();
      await shard.run(put(shard, 'front', [{ id: 'x', triesLeft: 1, triesSpent: 2 }, 'y']));
      await asked(shard, 'a', 100);
      shard.at = 100;
      const held = [await shard.held('front|x'), await shard.held('front|y')];
      await shard.row(pushBack(shard, 'a', held, { how }), {
        reply: ['OK', 'FAILED OK'],
        repeat: ['OK', 'LOST LOST'],
        rings: ['front: results 0 0'],
        changes: {
          waiting: ['front|y@1'],
          head: { front: 1 },
          load: { front: 1 },
          request: { 'front|x': undefined, 'front|y': '@1 128/900000/2/1/9 /1100 1-a ~the engine is gone' },
          body: { 'front|x': undefined },
          due: { 'front|x@0': undefined, 'front|y@1': 900_000 },
          out: [
            '100003: front|x@0 a- failed no tries left: 3 runners lost it or gave it up: the engine is gone',
          ],
          dead: ['front|x@0 lost "the engine is gone" 3 [a] 9 "body of x"'],
        },
      });
    });
  });
});
