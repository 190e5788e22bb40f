import { expect } from 'chai';
import { claim, put, refresh } from './calls.ts';
import { TestShard, connections, wakeUps, type Call, type Options } from './support.ts';

/** The two scripts that reap; the node is one that neither owns nor runs anything. */
const visitors: Record<string, (shard: TestShard, options?: Options) => Call> = {
  claim: (shard, options) => claim(shard, 'v', { limit: 0 }, options),
  refresh: (shard, options) => refresh(shard, 'v', {}, options),
};

/** A shard where `a` waits for x and y, and b runs both, visited often enough that no silence opens a grace. */
async function claimedBy(b: string, items: Parameters<typeof put>[2], at = 20_000): Promise<TestShard> {
  const shard = new TestShard();
  await shard.run(put(shard, 'a', items));
  await shard.run(refresh(shard, 'v', {}, { at: 0 }));
  await shard.run(claim(shard, b, {}, { at: 100 }));
  for (let ms = 10_000; ms <= at; ms += 10_000) await shard.run(refresh(shard, 'v', {}, { at: ms }));
  await wakeUps();
  return shard;
}

for (const [name, visit] of Object.entries(visitors)) {
  describe(`the reap of ${name}`, () => {
    connections();

    it('ends what waits past its deadline as expired, and tells the owner', async () => {
      const shard = new TestShard();
      await shard.run(put(shard, 'a', [{ id: 'x', deadline: 1_000 }, 'y']));
      await shard.run(refresh(shard, 'v'));
      shard.at = 999;
      await shard.run(visit(shard));
      expect((await shard.view()).out).to.deep.equal([]);
      shard.at = 1_000;
      await wakeUps();
      await shard.run(visit(shard));
      expect(await wakeUps()).to.deep.equal(['a: results 0 0']);
      const { waiting, load, head, request, body, due, out } = await shard.view();
      expect({ waiting, load, head, out }).to.deep.equal({
        waiting: ['a|y@1'],
        load: { a: 1 },
        head: { a: 1 },
        out: ['1000001: a|x@0 - expired '],
      });
      expect([request, body, due].map((table) => Object.keys(table).length)).to.deep.equal([1, 1, 1]);
    });

    it('ends a claim past its deadline as expired, and tells owner and runner', async () => {
      const shard = await claimedBy('b', [{ id: 'x', deadline: 25_000 }]);
      await shard.run(visit(shard, { at: 25_000 }));
      expect(await wakeUps()).to.deep.equal(['b: refresh 0 0', 'a: results 0 0']);
      const { out, request, due, waiting } = await shard.view();
      expect({ request, due, waiting }).to.deep.equal({ request: {}, due: {}, waiting: [] });
      expect(out).to.deep.equal(['25000001: a|x@0 b- expired ']);
    });

    it('gives a claim whose lease is over back to its exact place, one try fewer, and rings', async () => {
      const shard = await claimedBy('b', ['x', 'y']);
      await shard.run(put(shard, 'a', ['z'], { at: 20_000 }));
      const before = await shard.view();
      await wakeUps();
      await shard.run(visit(shard, { at: 30_099 }));
      expect((await shard.view()).waiting).to.deep.equal(before.waiting);
      await shard.run(claim(shard, 'i', { idleFor: 60_000 }, { at: 30_099, policy: 'none' }));
      await shard.run(visit(shard, { at: 30_100 }));
      expect(await wakeUps()).to.deep.equal(['i: claim 0 0']);
      const { waiting, load, head, request, due, body } = await shard.view();
      expect({ waiting, load, head, request }).to.deep.equal({
        waiting: ['a|x@0', 'a|y@1', 'a|z@20000001'],
        load: { a: 3 },
        head: { a: 0 },
        request: {
          'a|x': '@0 128/900000/2/1/9 /0 0lb',
          'a|y': '@1 128/900000/2/1/9 /0 0lb',
          'a|z': '@20000001 128/920000/3/0/9',
        },
      });
      expect(due).to.deep.equal({ 'a|x@0': 900_000, 'a|y@1': 900_000, 'a|z@20000001': 920_000 });
      expect(Object.keys(body)).to.have.length(3);
    });

    it('fails a request whose last try was lost, and keeps a copy of it in dead', async () => {
      const shard = await claimedBy('b', [{ id: 'x', triesLeft: 1, triesSpent: 2 }]);
      await shard.run(visit(shard, { at: 30_100 }));
      const { out, dead, request, body, due, waiting, expires } = await shard.view();
      expect({ request, body, due, waiting }).to.deep.equal({ request: {}, body: {}, due: {}, waiting: [] });
      expect(out.map((line) => line.replace(/^\d+/, 'n'))).to.deep.equal([
        'n: a|x@0 b- failed no tries left: 3 runners lost it',
      ]);
      expect(dead).to.deep.equal(['a|x@0 lost "" 3 [b] 9 "body of x"']);
      expect(expires).to.have.length(1);
      expect(await wakeUps()).to.deep.equal(['b: refresh 0 0', 'a: results 0 0']);
    });

    it('keeps a body over 64 KiB out of dead, and its size in', async () => {
      const items = [
        { id: 'x', triesLeft: 1, body: 'x'.repeat(65_536) },
        { id: 'y', triesLeft: 1, body: 'y'.repeat(65_537) },
      ];
      const shard = await claimedBy('b', items);
      await shard.run(visit(shard, { at: 30_100 }));
      const { dead } = await shard.view();
      expect(dead.map((entry) => entry.replace(/(.)\1{65535}/, '$1 64 KiB'))).to.deep.equal([
        'a|x@0 lost "" 1 [b] 65536 "x 64 KiB"',
        'a|y@1 lost "" 1 [b] 65537 ""',
      ]);
    });

    it('opens a grace of one lease after a silence of more than half a lease: nobody loses work to an outage', async () => {
      const shard = await claimedBy('b', ['x', { id: 'y', deadline: 65_000 }], 10_000);
      await shard.run(visit(shard, { at: 40_000 }));
      let view = await shard.view();
      expect(view.request['a|x']).to.match(/ b#100\d+$/);
      expect(view.due).to.deep.equal({ 'a|x@0': 70_000, 'a|y@1': 65_000 });
      expect(view.state).to.include({ visited: 40_000, grace: 70_000 });

      for (const at of [50_000, 60_000]) await shard.run(visit(shard, { at }));
      await shard.run(visit(shard, { at: 65_000 }));
      expect((await shard.view()).out, 'a deadline knows no grace').to.have.length(1);
      await shard.run(visit(shard, { at: 70_000 }));
      view = await shard.view();
      expect(view.waiting).to.deep.equal(['a|x@0']);
    });

    it('reaps a rarely visited shard too: a silence right after a grace opens no other', async () => {
      const shard = await claimedBy('b', ['x'], 0);
      await shard.run(visit(shard, { at: 40_000 }));
      expect((await shard.view()).waiting).to.deep.equal([]);
      await shard.run(visit(shard, { at: 80_000 }));
      expect((await shard.view()).waiting).to.deep.equal(['a|x@0']);
      await shard.run(claim(shard, 'b', {}, { at: 80_001 }));
      await shard.run(visit(shard, { at: 140_000 }));
      expect((await shard.view()).state['grace']).to.equal(170_000);
    });

    it('does not take a silence of half a lease for an outage', async () => {
      const shard = await claimedBy('b', ['x'], 10_000);
      await shard.run(visit(shard, { at: 25_000 }));
      await shard.run(visit(shard, { at: 40_000 }));
      expect((await shard.view()).waiting).to.deep.equal(['a|x@0']);
    });
  });
}

describe('the reap', () => {
  connections();

  it('looks at no more than reap_limit due tickets, those first that are due longest, and says that there is more', async () => {
    const shard = new TestShard();
    const items = ['x', 'y', 'z'].map((id, i) => ({ id, deadline: 1_000 - i }));
    await shard.run(put(shard, 'a', items));
    const call = refresh(shard, 'v', { reapLimit: 2 }, { at: 1_050 });
    expect((await shard.run(call)).slice(4).map(String)).to.deep.equal(['1', '0']);
    expect((await shard.view()).waiting).to.deep.equal(['a|x@0']);
    expect((await shard.run(call)).slice(4).map(String)).to.deep.equal(['0', '-1']);
    expect((await shard.view()).waiting).to.deep.equal([]);
  });

  it('of a claim looks at sixteen; the claim itself ends the expired ones that it meets, and takes what follows', async () => {
    const shard = new TestShard();
    const late = Array.from({ length: 40 }, (_, i) => ({ id: `late${i}`, deadline: 100 }));
    await shard.run(put(shard, 'a', late));
    await shard.run(put(shard, 'b', [{ id: 'y', deadline: 100 }]));
    await shard.run(put(shard, 'a', ['x']));
    const reply = await shard.run(claim(shard, 'b', {}, { at: 100 }));
    expect([reply[0], reply[6]].map(String)).to.deep.equal(['OK', 'body of x']);
    const { out, waiting, load, request } = await shard.view();
    expect({ out: out.length, waiting, load }).to.deep.equal({ out: 41, waiting: [], load: {} });
    expect(Object.keys(request)).to.deep.equal(['a|x']);
  });

  it('of a claim is bounded: a long expired line is ended over several calls', async () => {
    const shard = new TestShard();
    for (let i = 0; i < 3; i += 1) {
      const late = Array.from({ length: 100 }, (_, k) => ({ id: `${i}.${k}`, deadline: 10 }));
      await shard.run(put(shard, 'a', late));
    }
    const sizes = [];
    for (let i = 0; i < 4; i += 1) {
      await shard.run(claim(shard, 'b', { limit: 1 }, { at: 100 }));
      sizes.push((await shard.view()).waiting.length);
    }
    expect(sizes).to.deep.equal([183, 66, 0, 0]);
  });
});
