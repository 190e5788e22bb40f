import { expect } from 'chai';
import { claim, put } from './calls.ts';
import { TestShard, connections, tickAt, type Options } from './support.ts';
import { parseClaims, type ClaimBounds, type PutItem } from './wire.ts';

interface Line {
  owner: string;
  /** ms after START. */
  at: number;
  items: (string | PutItem)[];
}

async function seeded(defaults: Options, lines: readonly Line[]): Promise<TestShard> {
  const shard = new TestShard(defaults);
  for (const { owner, at, items } of lines) await shard.run(put(shard, owner, items, { at }));
  return shard;
}

async function claimed(
  shard: TestShard,
  node: string,
  at: number,
  bounds: Partial<ClaimBounds> = {},
  options: Options = {},
): Promise<string[]> {
  const reply = await shard.run(claim(shard, node, bounds, { at, ...options }));
  return parseClaims(reply[2]!).map(({ ticket }) => `${ticket.split('|')[0]!}${ticket.slice(39)}`);
}

describe('the policy oldest', () => {
  connections();
  const oldest: Options = { policy: 'oldest' };

  const rows: { title: string; lines: Line[]; at: number; bounds?: Partial<ClaimBounds>; taken: string[] }[] =
    [
      {
        title: 'takes own tickets before a peer’s that are older by no more than steal_after',
        lines: [
          { owner: 'b', at: 0, items: ['1', '2', '3'] },
          { owner: 'a', at: 50, items: ['1'] },
        ],
        at: 100,
        taken: ['a1', 'b1', 'b2', 'b3'],
      },
      {
        title: 'takes a peer’s ticket first if it is older by more than steal_after',
        lines: [
          { owner: 'b', at: 0, items: ['1', '2', '3'] },
          { owner: 'a', at: 51, items: ['1'] },
        ],
        at: 100,
        taken: ['b1', 'b2', 'b3', 'a1'],
      },
      {
        title: 'goes from the least head to the least head over all peers',
        lines: [
          { owner: 'b', at: 0, items: ['1'] },
          { owner: 'c', at: 1, items: ['1'] },
          { owner: 'b', at: 2, items: ['2'] },
          { owner: 'd', at: 3, items: ['1'] },
          { owner: 'c', at: 4, items: ['2'] },
        ],
        at: 100,
        taken: ['b1', 'c1', 'b2', 'd1', 'c2'],
      },
      {
        title: 'leaves a young line of fewer than min_load alone',
        lines: [
          { owner: 'b', at: 60, items: ['1', '2'] },
          { owner: 'c', at: 70, items: ['1', '2', '3'] },
        ],
        at: 100,
        taken: ['c1'],
      },
      {
        title: 'takes only what is of age of a line of fewer than min_load',
        lines: [
          { owner: 'b', at: 0, items: ['1'] },
          { owner: 'b', at: 90, items: ['2'] },
        ],
        at: 100,
        taken: ['b1'],
      },
      {
        title: 'counts a head start as age',
        lines: [
          { owner: 'c', at: 0, items: ['1'] },
          { owner: 'b', at: 90, items: [{ id: '1', headStart: 1_000 }] },
        ],
        at: 100,
        taken: ['b1', 'c1'],
      },
      {
        title: 'steps over what does not fit, and goes on in the order of the heads',
        lines: [
          { owner: 'b', at: 0, items: ['1', { id: '2', tokens: 1_000 }, '3'] },
          { owner: 'c', at: 1, items: ['1', '2'] },
        ],
        at: 100,
        bounds: { sum: 999 },
        taken: ['b1', 'b3', 'c1', 'c2'],
      },
      {
        title: 'goes on with peers when nothing more of the own line fits',
        lines: [
          { owner: 'a', at: 0, items: ['1', { id: '2', tokens: 1_000 }] },
          { owner: 'c', at: 1, items: ['1'] },
        ],
        at: 100,
        bounds: { sum: 999 },
        taken: ['a1', 'c1'],
      },
    ];
  for (const { title, lines, at, bounds = {}, taken } of rows) {
    it(title, async () => {
      const shard = await seeded(oldest, lines);
      expect(await claimed(shard, 'a', at, bounds)).to.deep.equal(taken);
    });
  }

  it('merges forty lines exactly in the order of their puts', async () => {
    const lines = Array.from({ length: 40 }, (_, i) => ({
      owner: `n${(i * 7) % 40}`,
      at: i,
      items: ['1', '2'],
    }));
    const shard = await seeded(oldest, lines);
    const expected = lines.flatMap(({ owner, items }) => items.map((id) => `${owner}${id}`));
    const taken = await shard.run(claim(shard, 'a', { limit: 128 }, { at: 1_000 }));
    const tickets = parseClaims(taken[2]!).map(({ ticket }) => ticket.split('|'));
    expect(tickets.map((parts) => `${parts[0]!}${parts[4]!}`)).to.deep.equal(expected);
  });
});

describe('the policy lucky', () => {
  connections();
  const lucky: Options = { policy: 'lucky', stealAfter: 30_000 };

  it('steals only when the own queue gave nothing', async () => {
    const shard = await seeded(lucky, [
      { owner: 'b', at: 0, items: ['1', '2', '3', '4'] },
      { owner: 'a', at: 1, items: ['1', '2'] },
    ]);
    expect(await claimed(shard, 'a', 100)).to.deep.equal(['a1', 'a2']);
    expect(await claimed(shard, 'a', 100)).to.deep.equal(['b1', 'b2', 'b3', 'b4']);
  });

  it('steals when nothing of the own queue fits', async () => {
    const shard = await seeded(lucky, [
      { owner: 'b', at: 0, items: ['1', '2', '3', '4'] },
      { owner: 'a', at: 1, items: [{ id: '1', tokens: 1_000 }] },
    ]);
    expect(await claimed(shard, 'a', 100, { alone: 999 })).to.deep.equal(['b1', 'b2', 'b3', 'b4']);
  });

  for (const [limit, half] of [
    [1, 1],
    [2, 1],
    [3, 2],
    [8, 4],
  ] as const) {
    it(`steals ${half} for a batch of ${limit}: half of it, rounded up`, async () => {
      const shard = await seeded(lucky, [
        { owner: 'b', at: 0, items: ['1', '2', '3', '4', '5', '6', '7', '8'] },
      ]);
      expect(await claimed(shard, 'a', 100, { limit })).to.have.length(half);
    });
  }

  it('leaves a peer with fewer than min_load alone until its head is steal_after old', async () => {
    const shard = await seeded(lucky, [{ owner: 'b', at: 0, items: ['1', '2'] }]);
    expect(await claimed(shard, 'a', 29_999)).to.deep.equal([]);
    expect(await claimed(shard, 'a', 30_000)).to.deep.equal(['b1', 'b2']);
  });

  it('takes from one peer only, chosen by the entropy, so that every peer gets its turn', async () => {
    const owners = ['b', 'c', 'd', 'e'];
    const items = Array.from({ length: 30 }, (_, i) => `${i}`);
    const shard = await seeded(
      lucky,
      owners.map((owner) => ({ owner, at: 0, items })),
    );
    const chosen = new Map<string, number>();
    for (let entropy = 0; entropy < 40; entropy += 1) {
      const taken = await claimed(shard, 'a', 100, { limit: 2, entropy: entropy * 7_919 });
      expect(taken).to.have.length(1);
      chosen.set(taken[0]![0]!, (chosen.get(taken[0]![0]!) ?? 0) + 1);
    }
    expect([...chosen.keys()].sort()).to.deep.equal(owners);
  });

  it('chooses among the fifty most loaded', async () => {
    const line = (owner: string, size: number): Line => ({
      owner,
      at: 0,
      items: Array.from({ length: size }, (_, i) => `.${i}`),
    });
    const light = Array.from({ length: 10 }, (_, i) => line(`light${i}`, 3));
    const heavy = Array.from({ length: 50 }, (_, i) => line(`heavy${i}`, 20));
    const shard = await seeded(lucky, [...light, ...heavy]);
    for (let entropy = 0; entropy < 30; entropy += 1) {
      // also when the lighter ones could be stolen from by their age
      const stealAfter = entropy % 2 === 0 ? 30_000 : 50;
      const bounds = { limit: 1, entropy: entropy * 104_729 };
      const [taken] = await claimed(shard, 'a', 100, bounds, { stealAfter });
      expect(taken).to.match(/^heavy/);
    }
  });

  it('tries another peer when nothing of the chosen one fits', async () => {
    const big = Array.from({ length: 3 }, (_, i) => ({ id: `${i}`, tokens: 1_000 }));
    const shard = await seeded(lucky, [
      ...['b', 'c', 'd', 'e'].map((owner) => ({ owner, at: 0, items: big })),
      { owner: 'f', at: 0, items: ['1', '2', '3'] },
    ]);
    for (const entropy of [1, 2, 3]) {
      const taken = await claimed(shard, 'a', 100, { limit: 2, alone: 999, entropy }, { minLoad: 1 });
      expect(taken).to.deep.equal([`f${entropy}`]);
    }
  });

  it('is the same in a resend, whatever the entropy of the first run', async () => {
    const shard = await seeded(lucky, [{ owner: 'b', at: 0, items: ['1', '2', '3'] }]);
    await shard.row(claim(shard, 'a', { limit: 1, entropy: 123_456_789 }, { at: 10 }), {
      reply: ['OK', 'b|1@0 #10001 3/0 b', 'again -1 due 30000', 'body of 1'],
      changes: {
        waiting: ['b|2@1', 'b|3@2'],
        head: { b: 1 },
        load: { b: 2 },
        request: { 'b|1': '@0 128/900000/3/0/9 a#10001' },
        due: { 'b|1@0': 30_010 },
        node: { a: 30_010 },
        epochs: { a: 1 },
        state: { visited: 10 },
      },
    });
  });
});

describe('the policy none', () => {
  connections();

  it('takes own tickets only, and never steals', async () => {
    const shard = await seeded({ policy: 'none' }, [
      { owner: 'b', at: 0, items: ['1', '2', '3'] },
      { owner: 'a', at: 0, items: ['1'] },
    ]);
    expect(await claimed(shard, 'a', 1_000)).to.deep.equal(['a1']);
    expect(await claimed(shard, 'a', 1_000)).to.deep.equal([]);
    expect(await claimed(shard, 'b', 1_000, { since: tickAt(0) })).to.deep.equal(['b1', 'b2', 'b3']);
  });
});
