// Which ends of a request are kept in `dead`, by the wish of its owner, and what an entry says.
import { expect } from 'chai';
import { cancel, claim, pushBack, put, putResults, refresh, type Final } from './calls.ts';
import { TestShard, connections, type Call } from './support.ts';
import type { Held, ResultItem, Wish } from './wire.ts';

const LEASE = 30_000;

describe('dead', () => {
  connections();

  /** A request of `a`, claimed by `b`. */
  async function claimed(wish: Partial<Wish>, triesLeft = 1): Promise<{ shard: TestShard; held: Held }> {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', [{ id: 'x', triesLeft, deadline: 50_000 }], wish));
    await shard.run(claim(shard, 'b', {}, { at: 60 }));
    shard.at = 100;
    return { shard, held: await shard.held('a|x') };
  }

  /** Somebody looks at the shard meanwhile: no silence of half a lease opens a grace. */
  async function visits(shard: TestShard): Promise<void> {
    for (const at of [14_000, 28_000]) await shard.run(refresh(shard, 'd', {}, { at }));
  }

  const failed = (held: Held, more: Partial<ResultItem> = {}): ResultItem => ({
    ...{ ...held, number: 1, kind: 'failed', payload: 'boom', ...more },
  });

  /** How a request ends, by whom, and the kind of its entry; undefined: none of it is kept, whatever its owner wants. */
  const ENDS: [name: string, kind: string | undefined, end: (shard: TestShard, held: Held) => Call][] = [
    ['lost with its runner', 'lost', (shard) => refresh(shard, 'c', {}, { at: 200 + LEASE })],
    [
      'given up with its last try',
      'lost',
      (shard, held) => pushBack(shard, 'b', [held], { how: { counted: true, reason: 'gone' } }),
    ],
    ['undecodable', 'undecodable', (shard, held) => putResults(shard, 'b', [failed(held, { dead: true })])],
    ['failed by its handler', 'failed', (shard, held) => putResults(shard, 'b', [failed(held)])],
    [
      'a chunk too many',
      'failed',
      (shard, held) => putResults(shard, 'b', [failed(held, { kind: 'chunk' })], { maxResults: 0 }),
    ],
    ['failed by its owner', 'failed', (shard, { ticket }) => end(shard, ticket, 'failed')],
    [
      'past its deadline, by its owner’s clock',
      'expired',
      (shard, { ticket }) => end(shard, ticket, 'expired'),
    ],
    ['past its deadline, by a reap', 'expired', (shard) => refresh(shard, 'c', {}, { at: 50_001 })],
    [
      'past its deadline, by its runner',
      'expired',
      (shard, held) => refresh(shard, 'b', { held: [held] }, { at: 50_001 }),
    ],
    ['cancelled', undefined, (shard, { ticket }) => end(shard, ticket, 'cancelled')],
    ['finished', undefined, (shard, held) => putResults(shard, 'b', [failed(held, { kind: 'finished' })])],
    [
      'finished without an output',
      undefined,
      (shard, held) => putResults(shard, 'b', [failed(held, { kind: 'done' })]),
    ],
  ];
  const end = (shard: TestShard, ticket: string, final: Final): Call =>
    cancel(shard, 'a', [ticket], { final, reason: final === 'failed' ? 'unread' : '' });
  const KEPT: Record<Wish['dead'], string[]> = {
    lost: ['lost', 'undecodable'],
    failed: ['lost', 'undecodable', 'failed'],
    all: ['lost', 'undecodable', 'failed', 'expired'],
  };

  for (const wish of ['lost', 'failed', 'all'] as const) {
    it(`has of an owner that wants ${wish}: ${KEPT[wish].join(', ')}, once, in the script that ends it`, async () => {
      for (const [name, kind, how] of ENDS) {
        const { shard, held } = await claimed({ dead: wish });
        await visits(shard);
        const call = how(shard, held);
        await shard.run(call);
        await shard.run(call);
        const { dead, request, expires } = await shard.view();
        expect(request, name).to.deep.equal({});
        expect(expires, `${name}: every table expires`).to.have.length(1);
        const kinds = dead.map((entry) => entry.split(' ')[1]);
        expect(kinds, name).to.deep.equal(KEPT[wish].includes(kind!) ? [kind] : []);
      }
    });
  }

  it('has of an own result what it has of any other', async () => {
    for (const [dead, count] of [
      ['lost', 0],
      ['failed', 1],
    ] as const) {
      const shard = new TestShard();
      await shard.run(put(shard, 'a', ['x'], { dead }));
      await shard.run(claim(shard, 'a'));
      const held = await shard.held('a|x');
      await shard.run(putResults(shard, 'a', [failed(held)]));
      const view = await shard.view();
      expect([view.dead.length, view.out], dead).to.deep.equal([count, []]);
    }
  });

  it('has what expired in line, met by a claim or reaped, with the tries that were spent', async () => {
    for (const visit of ['claim', 'refresh'] as const) {
      const shard = new TestShard();
      const items = Array.from({ length: 17 }, (_, i) => ({ id: `${i}`, deadline: 1_000, triesSpent: 2 }));
      await shard.run(put(shard, 'a', items, { dead: 'all' }));
      const [late] = [{ at: 1_001 }];
      await shard.run(visit === 'claim' ? claim(shard, 'b', {}, late) : refresh(shard, 'b', {}, late));
      const { dead } = await shard.view();
      expect(dead, visit).to.have.length(17);
      expect(dead[16]).to.equal('a|16@16 expired "" 2 [] 10 "body of 16"');
    }
  });

  it('names every node that had the request, in their order, and the last error', async () => {
    const { shard } = await claimed({ dead: 'all' }, 3);
    const give = async (node: string, at: number, after: number): Promise<void> => {
      const how = { after, counted: true, reason: `${node} is out of memory` };
      await shard.run(pushBack(shard, node, [await shard.held('a|x')], { how, at }));
    };
    await give('b', 200, 10);
    await shard.run(claim(shard, 'c', {}, { at: 300 }));
    // c is lost with it; d has it, and then b again
    await visits(shard);
    await shard.run(refresh(shard, 'd', {}, { at: 30_400 }));
    await shard.run(claim(shard, 'd', {}, { at: 30_500 }));
    expect((await shard.view()).request['a|x']).to.match(/ \/210 1-b \/0 0lc ~b is out of memory$/);
    await shard.run(pushBack(shard, 'd', [await shard.held('a|x')], { how: { after: 1 }, at: 30_600 }));
    await shard.run(claim(shard, 'b', {}, { at: 30_700 }));
    await give('b', 30_800, 0);
    expect((await shard.view()).dead).to.deep.equal([
      'a|x@0 lost "b is out of memory" 3 [c d b] 9 "body of x"',
    ]);
  });

  describe('has why it was last given back, should it end without another word', () => {
    const odd = 'b: 5/6 blocks | ~ left /0000000000000001-x';
    const LATER = { at: 200 };

    for (const [name, how] of [
      ['at once', { after: 0 }],
      ['with a pause', { after: 10 }],
      ['for a try', { after: 0, counted: true }],
    ] as const)
      it(`${name}: past its deadline, in line or at a runner that said nothing`, async () => {
        for (const runs of [false, true]) {
          const { shard, held } = await claimed({ dead: 'all' }, 3);
          await shard.run(pushBack(shard, 'b', [held], { how: { ...how, reason: odd } }));
          if (runs) {
            await shard.run(claim(shard, 'c', {}, LATER));
            // one that says nothing changes nothing
            await shard.run(pushBack(shard, 'c', [await shard.held('a|x')], LATER));
            await shard.run(claim(shard, 'd', {}, LATER));
          }
          await shard.run(refresh(shard, 'e', {}, { at: 50_001 }));
          const [entry] = (await shard.view()).dead;
          expect(entry, `${runs}`).to.include(`a|x@0 expired ${JSON.stringify(odd)} `);
          expect(entry, `${runs}`).to.match(
            runs ? / \[(b )?d\] 9 / : how.after === 0 && name === 'at once' ? / \[\] 9 / : / \[b\] 9 /,
          );
        }
      });

    it('lost with a runner that said nothing; the last who said something counts, 200 bytes of it', async () => {
      const { shard, held } = await claimed({}, 2);
      await shard.run(pushBack(shard, 'b', [held], { how: { reason: 'first' } }));
      await shard.run(claim(shard, 'c', {}, LATER));
      const how = { counted: true, reason: 'r'.repeat(201) };
      await shard.run(pushBack(shard, 'c', [await shard.held('a|x')], { how, ...LATER }));
      await shard.run(claim(shard, 'd', {}, LATER));
      await visits(shard);
      await shard.run(refresh(shard, 'e', {}, { at: 300 + LEASE }));
      const view = await shard.view();
      expect(view.dead).to.deep.equal([`a|x@0 lost "${'r'.repeat(200)}" 2 [c d] 9 "body of x"`]);
      expect(view.out, 'its owner is told by whom it was lost').to.have.length(1);
      expect(view.out[0]).to.match(/ failed no tries left: 2 runners lost it$/);
    });
  });

  it('names a node that gave a try up without a pause, which keeps nobody from taking it', async () => {
    const { shard, held } = await claimed({}, 2);
    await shard.run(pushBack(shard, 'b', [held], { how: { counted: true, after: 0 } }));
    expect((await shard.view()).request['a|x']).to.match(/ \/0 0lb$/);
    await shard.run(claim(shard, 'b', {}, { at: 100 }));
    expect((await shard.view()).request['a|x']).to.match(/ b#\d+ \/0 0lb$/);
  });

  it('a node that is lost does not end what another left to others: it gave nothing back', async () => {
    const { shard, held } = await claimed({}, 3);
    await shard.run(pushBack(shard, 'b', [held], { how: { elsewhere: true } }));
    await shard.run(claim(shard, 'c', {}, { at: 200 }));
    await visits(shard);
    await shard.run(refresh(shard, 'd', {}, { at: 30_400 }));
    await shard.run(claim(shard, 'b', { elsewhere: 1_000 }, { at: 30_500 }));
    expect((await shard.view()).request['a|x']).to.match(/ \/100 1eb \/0 0lc$/);
  });

  it('has a body up to the size that the owner wants, and the size of any', async () => {
    for (const [deadBytes, kept] of [
      [9, '"body of x"'],
      [8, '""'],
      [0, '""'],
    ] as const) {
      const { shard, held } = await claimed({ dead: 'failed', deadBytes });
      await shard.run(putResults(shard, 'b', [failed(held)]));
      expect((await shard.view()).dead, `${deadBytes}`).to.deep.equal([
        `a|x@0 failed "boom" 1 [b] 9 ${kept}`,
      ]);
    }
    const { shard, held } = await claimed({ dead: 'failed', deadBytes: 0 });
    await shard.run(putResults(shard, 'b', [failed(held, { payload: 'e'.repeat(5_000) })]));
    expect((await shard.view()).dead[0]).to.match(/ failed "e{4096}" 1 /);
  });

  it('goes by each request’s own owner', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x'], { dead: 'failed' }));
    await shard.run(put(shard, 'c', ['y'], { dead: 'lost' }));
    await shard.run(claim(shard, 'b', {}, { at: 60 }));
    const both = [await shard.held('a|x'), await shard.held('c|y')];
    await shard.run(
      putResults(
        shard,
        'b',
        both.map((held) => failed(held)),
        { at: 60 },
      ),
    );
    expect((await shard.view()).dead).to.deep.equal(['a|x@0 failed "boom" 1 [b] 9 "body of x"']);
  });
});
