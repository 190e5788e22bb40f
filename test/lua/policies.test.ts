import { expect } from 'chai';
import { cancel, claim, put } from './calls.ts';
import { TestShard, connection, connections, tickAt, wakeUps, type Options } from './support.ts';
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

  describe('in one claim of eight looks first at what waits longest', () => {
    /** Of eight claims one looks: by its entropy. */
    const LOOKS = 8;
    /** The engine `a` never runs out of requests of its own; a front has one that waits. */
    const busy = (front: readonly (string | PutItem)[] = ['1', '2', '3', '4']): Promise<TestShard> =>
      seeded(lucky, [
        { owner: 'b', at: 0, items: [...front] },
        { owner: 'a', at: 1, items: ['1', '2'] },
      ]);
    const looking = { entropy: LOOKS };

    it('and takes one of it before the own line, if it has waited for the patience', async () => {
      const shard = await busy();
      expect(await claimed(shard, 'a', 1_999, { ...looking, limit: 1 })).to.deep.equal(['a1']);
      expect(await claimed(shard, 'a', 2_000, looking)).to.deep.equal(['b1', 'a2']);
      const more = await busy();
      expect(await claimed(more, 'a', 9_000, looking)).to.deep.equal(['b1', 'a1', 'a2']);
    });

    it('and in no other', async () => {
      const shard = await busy();
      const taken: string[] = [];
      for (let entropy = LOOKS + 1; entropy < 2 * LOOKS; entropy += 1) {
        await shard.run(put(shard, 'a', [`more${entropy}`], { at: 2_000 }));
        taken.push(...(await claimed(shard, 'a', 2_001, { entropy })));
      }
      expect(taken.filter((one) => one.startsWith('b'))).to.deep.equal([]);
    });

    it('unless the own line has an older one, or its owner keeps it', async () => {
      const shard = await seeded(lucky, [
        { owner: 'a', at: 0, items: ['1'] },
        { owner: 'b', at: 1, items: ['1', '2', '3'] },
      ]);
      expect(await claimed(shard, 'a', 9_000, { ...looking, limit: 1 })).to.deep.equal(['a1']);
      const few = await busy(['1', '2']);
      expect(await claimed(few, 'a', 29_999, { ...looking, limit: 1 })).to.deep.equal(['a1']);
      expect(await claimed(few, 'a', 30_000, { ...looking, limit: 1 })).to.deep.equal(['b1']);
      const announced = await seeded({ ...lucky, stealAfter: 2_000 }, [{ owner: 'a', at: 10, items: ['1'] }]);
      await announced.run(put(announced, 'b', ['1'], { at: 0, claimsIn: 9_000 }));
      expect(await claimed(announced, 'a', 8_999, looking)).to.deep.equal(['a1']);
    });

    it('by the time since its arrival, while the shard’s ticks are ahead of its clock', async () => {
      const shard = new TestShard(lucky);
      await shard.run(put(shard, 'a', ['0']));
      await connection().hset(shard.key('shard'), 'tick', tickAt(3_600_000_000));
      await shard.run(put(shard, 'b', ['1', '2', '3'], { at: 100 }));
      await shard.run(put(shard, 'a', ['1', '2'], { at: 101 }));
      expect(await claimed(shard, 'a', 110, { limit: 1 })).to.deep.equal(['a0']);
      expect(await claimed(shard, 'a', 2_099, { ...looking, limit: 1 })).to.deep.equal(['a1']);
      expect(await claimed(shard, 'a', 2_100, looking)).to.deep.equal(['b1', 'a2']);
    });

    it('behind what it can never hold and what has expired, which it looks at once in a call', async () => {
      const shard = await seeded({ policy: 'lucky' }, [
        { owner: 'b', at: 0, items: [{ id: 'huge', tokens: 1_000 }] },
        { owner: 'c', at: 1, items: [{ id: 'late', deadline: 1_999 }, '1'] },
        { owner: 'a', at: 2, items: ['1'] },
      ]);
      // more are due than a claim reaps
      const late = Array.from({ length: 16 }, (_, i) => ({ id: `late${i}`, deadline: 10 }));
      await shard.run(put(shard, 'd', late));
      expect(await claimed(shard, 'a', 3_000, { ...looking, total: 999 })).to.deep.equal(['c1', 'a1']);
      const { out, waiting } = await shard.view();
      expect(out.filter((line) => line.includes('expired'))).to.have.length(17);
      expect(waiting).to.deep.equal(['b|huge@0']);
    });

    it('and a line that it looked through is not looked through again when it is drawn', async () => {
      const big = Array.from({ length: 3 }, (_, i) => ({ id: `${i}`, tokens: 1_000 }));
      const shard = await seeded(lucky, [{ owner: 'b', at: 0, items: [...big, { id: 'x', deadline: 10 }] }]);
      const late = Array.from({ length: 16 }, (_, i) => ({ id: `late${i}`, deadline: 9 }));
      await shard.run(put(shard, 'c', late));
      expect(await claimed(shard, 'a', 3_000, { ...looking, total: 999 })).to.deep.equal([]);
      const { out, waiting } = await shard.view();
      expect([out.filter((line) => line.includes('expired')).length, waiting.length]).to.deep.equal([17, 3]);
    });

    it('among eight tickets, so that its own are taken in every call', async () => {
      const big = Array.from({ length: 64 }, (_, i) => ({ id: `${i}`, tokens: 1_000 }));
      const shard = await busy(big);
      expect(await claimed(shard, 'a', 3_000, { ...looking, total: 999 })).to.deep.equal(['a1', 'a2']);
    });

    it('and at no other once it keeps room for one: no need of others is known to it', async () => {
      const shard = new TestShard(lucky);
      await shard.run(put(shard, 'gone', [{ id: 'huge', tokens: 10_000 }]));
      await claimed(shard, 'idle', 1, { total: 200 }, { minLoad: 1 });
      await shard.run(cancel(shard, 'gone', [await shard.ticket('gone|huge')]));
      expect((await shard.view()).rooms).to.deep.equal({ idle: 200 });
      await shard.run(put(shard, 'b', [{ id: 'big', tokens: 1_000 }], { at: 2 }));
      await shard.run(put(shard, 'c', ['1', '2'], { at: 3 }));
      await wakeUps();
      expect((await shard.view()).idle).to.have.property('idle');
      const options = { minLoad: 1 };
      expect(await claimed(shard, 'a', 2_100, { ...looking, alone: 999 }, options)).to.deep.equal([]);
      expect((await shard.view()).kept).to.equal('a 6100 b|big@2000');
      expect(await wakeUps()).to.deep.equal([]);
    });

    it('and keeps room for it, if it is large, or leaves it to its keeper', async () => {
      const shard = await busy([{ id: 'big', tokens: 1_000 }, '2', '3']);
      expect(await claimed(shard, 'a', 2_000, { ...looking, alone: 999 })).to.deep.equal([]);
      expect((await shard.view()).kept).to.equal('a 6000 b|big@0');
      await shard.run(put(shard, 'e', ['1'], { at: 2_001 }));
      const bounds = { ...looking, alone: 999, limit: 2 };
      expect(await claimed(shard, 'e', 2_002, bounds), 'and goes on behind it').to.deep.equal(['b2', 'e1']);
      expect(await claimed(shard, 'a', 2_003, {}), 'it fits').to.deep.equal(['bbig', 'a1', 'a2']);
    });
  });

  it('looks at none more where it has taken what it kept room for', async () => {
    const shard = await seeded(lucky, [
      { owner: 'b', at: 0, items: [{ id: 'big', tokens: 1_000 }, '2', '3'] },
      { owner: 'c', at: 1, items: ['1', '2', '3'] },
      { owner: 'a', at: 2, items: ['1', '2'] },
    ]);
    expect(await claimed(shard, 'a', 2_010, { entropy: 8, alone: 999 })).to.deep.equal([]);
    expect(await claimed(shard, 'a', 2_100, { entropy: 8 })).to.deep.equal(['bbig', 'a1', 'a2']);
  });

  it('finds one of ten peers always, though each may be stolen from by its load and by its age', async () => {
    const big = Array.from({ length: 3 }, (_, i) => ({ id: `${i}`, tokens: 1_000 }));
    const shard = await seeded({ policy: 'lucky', stealAfter: 50, minLoad: 3 }, [
      ...Array.from({ length: 9 }, (_, i) => ({ owner: `big${i}`, at: 0, items: big })),
      { owner: 'f', at: 0, items: Array.from({ length: 33 }, (_, i) => `${i}`) },
    ]);
    for (let entropy = 1; entropy <= 30; entropy += 1)
      expect(await claimed(shard, 'a', 100, { limit: 1, total: 999, entropy })).to.have.length(1);
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
    expect(await claimed(shard, 'a', 9_000, { entropy: 8 }), 'however long it has waited').to.deep.equal([]);
    expect(await claimed(shard, 'b', 9_000, { since: tickAt(0) })).to.deep.equal(['b1', 'b2', 'b3']);
  });
});
