// The reference's own acceptance list, docs/reference.md#5-acceptance-list, on a real Redis. Its items that do not apply here:
// 10, `_load_table_name(slot=3)` = load.(3 % shards): our key names are made in src/base/keys.ts and tested here; mark and
//    unmark of stolen requests are unused in the reference's live path: a claim carries its owner in the ticket.
// test_scheduler_storage.py: it mocks redis-py, and tests the path for old servers and the combinations of ttl and
//    rem_amount of single commands; our scripts have neither (test/lua tests every script on the real thing).
// test_scheduler_config.py: a threshold of 0 means 4 % of max_model_len there; here a budget says what it means, and the
//    engine, which knows its model, does the sum. PING without an answer: test/scheduler/start.test.ts.
// test_workers.py: it tests a pool of threads. What it wants of it holds for lanes and loops: order (item 1), no duplicate
//    ids (item 1), waits end in time (item 5), an error in the work kills no loop (test/scheduler/run.test.ts), nothing to
//    do is no error (below), closing twice is none either (below).
import { expect } from 'chai';
import { ConfigError, type Budget, type SchedulerOptions } from '../../src/index.ts';
import { requiredBlocks } from '../../src/base/budget.ts';
import { settle } from '../../src/base/settle.ts';
import { SHARD_TABLES, shardKeys, shardOf } from '../../src/base/keys.ts';
import { commandsDuring } from '../support/commands.ts';
import { PATIENT, ended, finish, request, requests, room, take, told, useFleet } from '../support/fleet.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';

/** As the reference's tests have it: chunked prefill with one partial prefill, none of them long. */
const chunked: Budget = room(4, {
  chunkedPrefill: { maxPartialPrefills: 1, maxLongPartialPrefills: 0, longPrefillTokenThreshold: 4 },
});

describe('the reference’s acceptance list', () => {
  const redis = useOwnRedis();
  const fleet = useFleet(() => redis.url);
  const options: SchedulerOptions = { loadShards: 2, minLoadScore: 1 };
  const start = (node: string) => fleet.start(node, options as object);

  it('1: the same id twice in one put is accepted once, and the load is 1', async () => {
    const node = await start('a');
    const outcomes = await node.putRequests([request('req-1'), request('req-1')]);
    expect(outcomes.map(({ id, error }) => [id, error?.message])).to.deep.equal([
      ['req-1', undefined],
      ['req-1', 'duplicate request_id "req-1": it has not ended'],
    ]);
    expect(await fleet.redis.zcard(fleet.key('waiting', node.shard))).to.equal(1);
    expect(await fleet.loads()).to.deep.equal({ a: 1 });
  });

  it('2: a node with an empty queue steals from a loaded peer, whose load falls', async () => {
    const [self, peer] = [await start('self'), await start('peer')];
    await peer.putRequests(requests('r', 2));
    const claims = await take(self, 1, room(2));
    expect(claims.map(({ id, owner }) => [id, owner])).to.deep.equal([['r0', 'peer']]);
    expect(await fleet.loads()).to.deep.equal({ peer: 1 });
    const record = await fleet.redis.hget(fleet.key('request', peer.shard), 'peer|r0');
    expect(record!.endsWith('|self'), 'the claim is known to Redis').to.equal(true);
  });

  it('3: with chunked prefill the short prompt is taken, and the long one stays at the head, byte for byte', async () => {
    const node = await start('a');
    await node.putRequests([request('short', 2), request('long', 10)]);
    const body = (): Promise<Buffer | null> =>
      fleet.redis.hgetBuffer(fleet.key('body', node.shard), 'a|long');
    const { waiting } = await fleet.snapshot(node.shard);
    const [before, ticket] = [await body(), waiting.find((one) => one.endsWith('|long'))];
    expect((await node.getRequests(chunked, PATIENT)).map(({ id }) => id)).to.deep.equal(['short']);
    expect(await node.getRequests(chunked, { waitMs: 0 })).to.deep.equal([]);
    const after = await fleet.snapshot(node.shard);
    expect(after.waiting).to.deep.equal([ticket]);
    expect(await body()).to.deep.equal(before);
  });

  it('4: without blocks beyond the reserve nothing is asked of Redis', async () => {
    const node = await start('a');
    await node.putRequests([request('r')]);
    const sent = await commandsDuring(redis.admin, async () => {
      expect(await node.getRequests(room(4, { availableBlocks: 0 }))).to.deep.equal([]);
      expect(await node.getRequests(room(4, { availableBlocks: 1, reservedOutputBlocks: 1 }))).to.deep.equal(
        [],
      );
      expect(await node.getRequests(room(0))).to.deep.equal([]);
    });
    expect(sent.filter(({ command }) => command === 'claim')).to.deep.equal([]);
  });

  it('5: a call that waits gets a request that is put meanwhile, and [] when its time is over', async () => {
    const node = await start('a');
    expect(await node.getRequests(room(), { waitMs: 30 })).to.deep.equal([]);
    const waiting = node.getRequests(room(), { waitMs: 10_000 });
    const idle = async (): Promise<boolean> => (await fleet.redis.zcard(fleet.key('idle', node.shard))) === 1;
    await waitUntil(idle, 'it waits');
    await node.putRequests([request('r')]);
    expect((await waiting).map(({ id }) => id)).to.deep.equal(['r']);
  });

  it('6: a result of an own request is there for getResults; one of a stolen request goes to its owner', async () => {
    const [self, peer] = [await start('self'), await start('peer')];
    await self.putRequests([request('local')]);
    await finish(self, await take(self, 1));
    await peer.putRequests([request('stolen')]);
    await finish(self, await take(self, 1));
    expect(Object.fromEntries(told(self.getResults()))).to.deep.equal({
      local: [{ kind: 'finished', output: 'local' }],
    });
    expect(Object.fromEntries(await ended(peer, ['stolen']))).to.deep.equal({
      stolen: [{ kind: 'finished', output: 'stolen' }],
    });
    for (const table of ['request', 'body', 'due'] as const)
      expect(await fleet.redis.exists(fleet.key(table, peer.shard))).to.equal(0);
  });

  it('7: an unfinished result of a stolen request is forwarded, and the claim stands', async () => {
    const [self, peer] = [await start('self'), await start('peer')];
    await peer.putRequests([request('r')]);
    const [claim] = await take(self, 1);
    expect(await self.putResults([{ claim: claim!.claim, output: 'part' }])).to.deep.equal(['ok']);
    let news = peer.getResults();
    await waitUntil(() => (news = news.size > 0 ? news : peer.getResults()).size > 0, 'the owner has it');
    expect(news.get('r')).to.deep.equal([{ kind: 'chunk', output: 'part' }]);
    await finish(self, [claim!]);
    expect((await ended(peer, ['r'])).get('r')).to.deep.equal([{ kind: 'finished', output: 'r' }]);
  });

  it('8: getResults returns 64 results at once, and their id may be put again after the last', async () => {
    const node = await start('a');
    await node.putRequests([request('r')]);
    const [claim] = await take(node, 1);
    const outputs = Array.from({ length: 64 }, (_, i) => i);
    await node.putResults(
      outputs.map((output) => ({ claim: claim!.claim, output, finished: output === 63 })),
    );
    const results = node.getResults().get('r')!;
    expect(results.map(({ output }) => output)).to.deep.equal(outputs);
    expect(results.map(({ kind }) => kind)).to.deep.equal(
      outputs.map((i) => (i === 63 ? 'finished' : 'chunk')),
    );
    expect(await node.putRequests([request('r')])).to.deep.equal([{ id: 'r' }]);
  });

  it('9: reset empties queue, mailbox and load; updateConfig moves the home shard', async () => {
    const [node, runner] = [await start('a'), await start('b')];
    await node.putRequests(requests('r', 3));
    const [claim] = await take(runner, 1);
    await runner.putResults([{ claim: claim!.claim, output: 'part' }]);
    expect((await node.reset()).sort()).to.deep.equal(['r0', 'r1', 'r2']);
    for (const table of ['waiting', 'head', 'load', 'request', 'body', 'due', 'out'] as const)
      expect(await fleet.redis.exists(fleet.key(table, node.shard)), table).to.equal(0);
    expect(node.getResults().size).to.equal(0);

    await node.updateConfig({ loadShards: 3, reallocate: true });
    expect(node.shard).to.equal(shardOf('a', 3));
    await node.putRequests([request('moved')]);
    expect(await fleet.redis.zscore(fleet.key('load', shardOf('a', 3)), 'a')).to.equal('1');
  });

  it('10: required blocks are rounded up, and a shard’s keys are twelve with one hash tag', () => {
    expect(requiredBlocks(17, { blockSize: 4, reservedOutputBlocks: 0 })).to.equal(5);
    expect(shardKeys('topic', 3)).to.deep.equal(SHARD_TABLES.map((table) => `{topic.356}:${table}`));
  });

  it('configuration: the defaults are the reference’s, and what its check() refuses is refused', () => {
    expect(settle({})).to.include({
      topic: 'default',
      ttlMs: 900_000,
      minLoadScore: 3,
      loadShards: 1,
      loadLookup: 5,
    });
    expect(settle({}).keepAliveMs).to.equal(30_000);
    for (const [option, value] of [
      ['ttlMs', -1],
      ['minLoadScore', 0],
      ['loadShards', 0],
    ] as const)
      expect(() => settle({ [option]: value })).to.throw(ConfigError, `${option} is ${value}; allowed is `);
    expect(() => settle({ localScheduler: 1 } as object)).to.throw(ConfigError, 'localScheduler');
  });

  it('workers: nothing to do is no error, and neither is closing twice', async () => {
    const node = await start('a');
    expect(await node.putRequests([])).to.deep.equal([]);
    expect(await node.putResults([])).to.deep.equal([]);
    await Promise.all([node.close(), node.close()]);
    await node.close();
  });
});
