import { expect } from 'chai';
import { checkInvariants } from '../../src/inspect/invariants.ts';
import { SHARD_TABLES } from '../../src/base/keys.ts';
import { cancel, claim, pushBack, put, putResults, refresh, reset, takeResults } from './calls.ts';
import { TestShard, connection, connections, type Options } from './support.ts';
import { parseClaims } from './wire.ts';

/** What an owner, a runner and a visitor do in turn; nothing of it may fail, whatever is missing. */
async function goOn(shard: TestShard): Promise<void> {
  for (const node of ['a', 'b', 'c', 'a', 'b', 'c']) {
    const claims = parseClaims((await shard.run(claim(shard, node)))[2]!);
    const [given, ...kept] = claims;
    if (given) await shard.run(pushBack(shard, node, [given]));
    const finals = kept.map((one) => ({ ...one, number: 1, kind: 'finished' as const, payload: '' }));
    if (finals.length > 0) await shard.run(putResults(shard, node, finals));
    await shard.run(refresh(shard, node, { pending: claims.map(({ ticket }) => ticket) }));
    await shard.run(put(shard, node, [`new of ${node} at ${shard.at}`, 'x']));
    await shard.run(takeResults(shard, node));
    shard.at += 1_000;
  }
}

/** Time passes until every deadline is over and everybody has been forgotten but the visitor. */
async function drain(shard: TestShard): Promise<void> {
  for (let i = 0; i < 40; i += 1) {
    shard.at += 60_000;
    await shard.run(refresh(shard, 'v', { reapLimit: 1_000 }));
    await shard.run(claim(shard, 'v', { limit: 128 }));
    for (const one of (await shard.requests()).values()) await shard.run(pushBack(shard, 'v', [one]));
  }
}

for (const policy of ['oldest', 'lucky'] as const) {
  describe(`a shard that lost a table, under the policy ${policy}`, () => {
    connections();
    const defaults: Options = { policy, ttl: 600_000, stealAfter: 50, minLoad: 1 };

    /** Waiting and claimed requests of three owners, results on their way, an idle runner. */
    async function populated(): Promise<TestShard> {
      const shard = new TestShard(defaults);
      await shard.run(claim(shard, 'idle'));
      for (const node of ['a', 'b', 'c']) await shard.run(put(shard, node, ['v', 'w', 'x', 'y', 'z']));
      shard.at = 60;
      await shard.run(claim(shard, 'b', { limit: 4 }));
      await shard.run(claim(shard, 'c', { limit: 2 }));
      const requests = [...(await shard.requests()).values()].filter(({ fence }) => !/^0+$/.test(fence));
      const chunks = requests
        .slice(0, 2)
        .map((one) => ({ ...one, number: 1, kind: 'chunk' as const, payload: '' }));
      await shard.run(putResults(shard, 'b', chunks));
      return shard;
    }

    for (const table of SHARD_TABLES) {
      it(`goes on without ${table}, and is sound again when what was there has run out`, async () => {
        const shard = await populated();
        await connection().unlink(shard.key(table));
        await goOn(shard);
        await drain(shard);
        const snapshot = await shard.snapshot();
        // nobody remembers that a node which never came back was there
        const forgotten = table === 'node' ? /^calls names idle/ : /^$/;
        const violations = checkInvariants(snapshot, { refreshed: true }).filter(
          ({ message }) => !forgotten.test(message),
        );
        expect(violations).to.deep.equal([]);
        const sizes = {
          waiting: snapshot.waiting.length,
          load: snapshot.load.size,
          head: snapshot.head.size,
        };
        expect(sizes).to.deep.equal({ waiting: 0, load: 0, head: 0 });
        expect([snapshot.request.size, snapshot.body.size]).to.deep.equal([0, 0]);
      });
    }

    it('passes over tickets without a record in bounded steps, and reaches what lies behind them', async () => {
      const shard = new TestShard(defaults);
      for (let i = 0; i < 80; i += 1) {
        await shard.run(
          put(
            shard,
            'a',
            Array.from({ length: 125 }, (_, k) => `${i}.${k}`),
          ),
        );
      }
      await connection().unlink(shard.key('request'));
      shard.at = 60;
      await shard.run(put(shard, 'a', ['behind']));
      let claims = 0;
      let status = 'IDLE';
      while (status === 'IDLE' && claims < 200) {
        const reply = await shard.run(claim(shard, 'b', { limit: 128 }));
        [status, claims] = [String(reply[0]), claims + 1];
        if (status === 'IDLE') expect(String(reply[5]), 'it goes on at once').to.equal('0');
      }
      expect([status, claims]).to.deep.equal(['OK', Math.ceil(10_001 / 228)]);
      expect((await shard.view()).waiting).to.deep.equal([]);
    });

    it('drops an owner that is listed and has nothing in line, so that nobody comes again for it', async () => {
      const shard = await populated();
      await connection().unlink(shard.key('waiting'));
      const answers: string[] = [];
      for (let i = 0; i < 4; i += 1)
        answers.push(String((await shard.run(claim(shard, 'd', {}, { at: 200 })))[3]));
      expect(answers.at(-1)).to.equal('-1');
      const { head, load } = await shard.view();
      expect({ head, load }).to.deep.equal({ head: {}, load: {} });
    });

    it('does not have an owner that is listed and has nothing in line come again for itself', async () => {
      const shard = new TestShard(defaults);
      await shard.run(put(shard, 'a', ['x']));
      await connection().unlink(shard.key('waiting'));
      expect(String((await shard.run(claim(shard, 'a', {}, { at: 200 })))[3])).to.equal('-1');
    });

    it('resets an owner whose records are gone, and comes to an end', async () => {
      const shard = await populated();
      await connection().unlink(shard.key('request'));
      const more: string[] = [];
      for (let i = 0; i < 4; i += 1)
        more.push(String((await shard.run(reset(shard, 'a', [], { slice: 2 })))[2]));
      expect(more.at(-1)).to.equal('0');
      expect((await shard.view()).load).not.to.have.property('a');
    });

    it('does not take a ticket for a later request that has its id', async () => {
      const shard = new TestShard(defaults);
      await shard.run(put(shard, 'a', ['x']));
      const first = await shard.ticket('a|x');
      await connection().hdel(shard.key('request'), 'a|x');
      await shard.run(put(shard, 'a', ['x']));
      const claims = parseClaims((await shard.run(claim(shard, 'b', {}, { at: 60 })))[2]!);
      expect(claims.map(({ ticket }) => ticket)).to.deep.equal([await shard.ticket('a|x')]);
      expect(claims[0]!.ticket).not.to.equal(first);
      await shard.run(cancel(shard, 'a', [first]));
      expect((await shard.view()).request).to.have.property('a|x');
    });

    it('leaves the later request alone when the time of the lost one has come', async () => {
      const shard = new TestShard(defaults);
      await shard.run(put(shard, 'a', [{ id: 'x', deadline: 1_000 }]));
      await connection().hdel(shard.key('request'), 'a|x');
      await shard.run(put(shard, 'a', ['x']));
      await shard.run(claim(shard, 'b', {}, { at: 60 }));
      const held = [await shard.held('a|x')];
      await shard.run(refresh(shard, 'b', { held }, { at: 1_000 }));
      expect(checkInvariants(await shard.snapshot())).to.deep.equal([]);
    });
  });
}
