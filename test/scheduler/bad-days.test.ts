// lua/README.md#bad-days, the bad days: Redis goes away, forgets its scripts, cuts connections, has no memory left.
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import {
  all,
  ended,
  endings,
  finish,
  idsOf,
  rejection,
  request,
  requests,
  room,
  serve,
  take,
  useFleet,
  type Node,
  type Prompt,
} from '../support/fleet.ts';
import { DURABLE, useOwnRedis } from '../support/own-redis.ts';
import { sooner, waitUntil } from '../support/server.ts';

/** A commandTimeout within which a busy machine connects, and for how much longer Redis is away here: as long as that is busy. */
const SHORT_MS = 2_000;
const AWAY_MS = 5_000;
/** Within which what waits for it is done. */
const BACK_MS = AWAY_MS + 15_000;

/** How many scripts the server has run. */
async function scriptsRun(admin: Redis): Promise<number> {
  const stats = await admin.info('commandstats');
  const counts = [...stats.matchAll(/^cmdstat_eval(?:sha)?:calls=(\d+)/gm)].map(([, count]) => Number(count));
  return counts.reduce((sum, count) => sum + count, 0);
}

describe('when Redis is down', () => {
  const redis = useOwnRedis(DURABLE);
  const fleet = useFleet(() => redis.url);

  it('calls wait, and go on in their order when it is back with what it had on disk', async () => {
    const [owner, runner] = [await fleet.start('owner'), await fleet.start('runner', { minLoadScore: 1 })];
    const before = requests('before', 3);
    await owner.putRequests(before);
    await redis.restart(700);
    const meanwhile = requests('meanwhile', 30);
    const puts = meanwhile.map((one) => owner.putRequests([one]));
    const outcomes = (await Promise.all(puts)).flat();
    expect(outcomes).to.deep.equal(idsOf(meanwhile).map((id) => ({ id })));
    const claims = await take(runner, 33, room(64));
    expect(claims.map(({ id }) => id)).to.deep.equal(idsOf([...before, ...meanwhile]));
    await finish(runner, claims);
    expect(endings(await ended(owner, idsOf([...before, ...meanwhile])))).to.deep.equal(
      all([...before, ...meanwhile], 'finished'),
    );
    await fleet.verify();
  });

  it('each call rejects after commandTimeout, naming itself and the reason', async () => {
    const node = await fleet.start('a', { commandTimeout: SHORT_MS });
    await node.putRequests([request('r')]);
    const [claim] = await take(node, 1);
    const other = node.submit(request('s'));
    await waitUntil(async () => (await fleet.loads()).a === 1, 'it waits');
    await redis.restart(AWAY_MS);
    const calls: Record<string, Promise<unknown>> = {
      putRequests: node.putRequests([request('t')]),
      getRequests: node.getRequests(room(), { waitMs: 5_000 }),
      putResults: node.putResults([{ claim: claim!.claim, finished: true }]),
      cancel: other.cancel(),
      reset: node.reset(),
      updateConfig: node.updateConfig({ loadShards: 2 }),
    };
    const errors = await Promise.all(
      Object.entries(calls).map(async ([name, call]) => [name, await rejection(call)] as const),
    );
    for (const [name, { code, operation, message }] of errors) {
      expect([code, operation], name).to.deep.equal(['TIMEOUT', name]);
      expect(message).to.match(
        new RegExp(`^${name}: Redis did not answer within ${SHORT_MS} ms \\(option commandTimeout\\)`),
      );
      expect(message, 'the reason').to.match(/ECONNREFUSED|ECONNRESET|closed/);
    }
  });

  it('a put that timed out is adopted by its retry, or cancelled: it is never executed behind its caller’s back', async () => {
    const owner = await fleet.start('owner', { commandTimeout: SHORT_MS });
    await redis.restart(AWAY_MS);
    const [retried, given] = await Promise.all(
      ['retried', 'given-up'].map((id) => rejection(owner.putRequests([request(id)]))),
    );
    expect([retried!.code, given!.code]).to.deep.equal(['TIMEOUT', 'TIMEOUT']);
    const again = async (): Promise<boolean> => {
      const outcome = await owner.putRequests([request('retried')]).catch(() => undefined);
      expect(outcome?.[0]!.error?.code, 'the retry is no duplicate').to.equal(undefined);
      return outcome !== undefined;
    };
    await waitUntil(again, 'the retry has been accepted', BACK_MS);
    const cancelled = async (): Promise<boolean> => (await fleet.redis.hlen(fleet.key('request'))) === 1;
    await waitUntil(cancelled, 'the other has been cancelled');
    const executed = serve(owner);
    await ended(owner, ['retried']);
    expect(executed.map(({ id }) => id)).to.deep.equal(['retried']);
  });

  it('a claim that nobody waits for any more is given back', async () => {
    const owner = await fleet.start('owner');
    const impatient = await fleet.start('impatient', { commandTimeout: SHORT_MS, minLoadScore: 1 });
    await owner.putRequests(requests('r', 4));
    await redis.hang(AWAY_MS);
    const given = impatient.getRequests(room(), { waitMs: 60_000 });
    expect(await rejection(given)).to.have.property('code', 'TIMEOUT');
    const claimed = async (): Promise<boolean> =>
      (await fleet.redis.hexists(fleet.key('calls'), 'impatient|claim')) === 1;
    await waitUntil(claimed, 'the claim has been executed', BACK_MS);
    const claims = await take(owner, 4);
    expect(claims.map(({ attempt }) => attempt)).to.deep.equal([1, 1, 1, 1]);
  });

  it('a node can be closed all the same: it waits no longer than commandTimeout, and what is pending rejects', async () => {
    // its heartbeat is caught in the middle
    const node = await fleet.start('a', { commandTimeout: SHORT_MS, leaseMs: 150 });
    const pending = node.submit(request('r'));
    const run = node.run(() => 1, { budget: room(0) });
    await waitUntil(async () => (await fleet.loads()).a === 1, 'it waits');
    await redis.restart(2 * AWAY_MS);
    const late = await rejection(node.getRequests(room(), { waitMs: 60_000 }));
    await sooner(AWAY_MS, 'it was closed while Redis is away', node.close());
    expect(await rejection(pending.result())).to.have.property('code', 'CLOSED');
    expect(late).to.have.property('code', 'TIMEOUT');
    await run;
    expect(fleet.warnings.some((line) => line.startsWith('close: '))).to.equal(true);
  });

  it('a fleet that is serving loses nothing and does nothing twice, though it restarts twice', async () => {
    const nodes = await Promise.all(['a', 'b', 'c'].map((name) => fleet.start(name, { leaseMs: 5_000 })));
    const executed = nodes.map((node) => serve(node, 5, room(4)));
    const lists = nodes.map((node) => requests(node.node, 80));
    const put = async (node: Node, list: readonly Prompt[]): Promise<void> => {
      for (const one of list) expect(await node.putRequests([one])).to.deep.equal([{ id: one.request_id }]);
    };
    const puts = nodes.map((node, i) => put(node, lists[i]!));
    for (let times = 0; times < 2; times += 1) {
      const done = executed.flat().length;
      await waitUntil(() => executed.flat().length > done + 30, 'they are serving');
      await redis.restart(200);
    }
    await Promise.all(puts);
    for (const [i, node] of nodes.entries())
      expect(endings(await ended(node, idsOf(lists[i]!)))).to.deep.equal(all(lists[i]!, 'finished'));
    const ids = executed.flat().map(({ id }) => id);
    expect(ids.sort()).to.deep.equal(lists.flatMap(idsOf).sort());
    await fleet.verify();
  });
});

describe('when Redis', () => {
  const redis = useOwnRedis();
  const fleet = useFleet(() => redis.url);

  afterEach(() => redis.admin.config('SET', 'maxmemory', '0'));

  it('has its script cache flushed, every call succeeds all the same', async () => {
    const [owner, runner] = [await fleet.start('owner'), await fleet.start('runner')];
    const flush = (): Promise<unknown> => redis.admin.script('FLUSH');
    await owner.putRequests(requests('r', 3));
    await flush();
    await owner.putRequests([request('s')]);
    await flush();
    const claims = await take(runner, 4);
    await flush();
    await finish(runner, claims);
    await flush();
    await ended(owner, ['r0', 'r1', 'r2', 's']);
    await flush();
    expect(await owner.reset()).to.deep.equal([]);
  });

  it('loses what it had and has no memory left, what was accepted is put again when there is some', async () => {
    const owner = await fleet.start('owner', { leaseMs: 400 });
    const list = requests('r', 3);
    await owner.putRequests(list);
    const unwanted = owner.submit(request('unwanted'));
    await waitUntil(async () => (await fleet.loads()).owner === 4, 'all wait');
    await redis.admin.config('SET', 'maxmemory', '1');
    await redis.admin.flushall();
    const refused = (): boolean => fleet.warnings.some((line) => line.startsWith('put again: '));
    await waitUntil(refused, 'a put was refused');
    const cancelled = unwanted.cancel();
    await redis.admin.config('SET', 'maxmemory', '0');
    await cancelled;
    expect(await rejection(unwanted.result())).to.have.property('code', 'CANCELLED');
    const runner = await fleet.start('runner', { minLoadScore: 1 });
    await finish(runner, await take(runner, 3));
    expect(endings(await ended(owner, idsOf(list)))).to.deep.equal(all(list, 'finished'));
  });

  it('cuts every connection again and again, each request is accepted, executed and ended once', async () => {
    // no lease ends because a busy machine lets no call through for long: such a request may run again
    const nodes = await Promise.all(['a', 'b'].map((name) => fleet.start(name, { leaseMs: 12_000 })));
    const executed = nodes.map((node) => serve(node, 1, room(8)));
    const lists = nodes.map((node) => requests(node.node, 150));
    const cut = new AbortController();
    const cutting = (async () => {
      for (let i = 0; !cut.signal.aborted; i += 1) {
        await redis.admin.call('CLIENT', 'KILL', 'TYPE', i % 4 === 3 ? 'pubsub' : 'normal', 'SKIPME', 'yes');
        const [next, before] = [performance.now() + 25, await scriptsRun(redis.admin)];
        // on a busy machine, to connect again may take longer than any moment: something gets through between two cuts
        const isTime = async (): Promise<boolean> =>
          cut.signal.aborted || (performance.now() > next && (await scriptsRun(redis.admin)) > before);
        await waitUntil(isTime, 'a moment has passed, and a script has run', 50_000);
      }
    })();
    const accepted = await Promise.all(
      nodes.map(async (node, i) => {
        for (const one of lists[i]!)
          expect(await node.putRequests([one])).to.deep.equal([{ id: one.request_id }]);
      }),
    );
    expect(accepted).to.have.length(2);
    for (const [i, node] of nodes.entries())
      expect(endings(await ended(node, idsOf(lists[i]!), 15_000))).to.deep.equal(all(lists[i]!, 'finished'));
    cut.abort();
    await cutting;
    // a claim whose answer was lost is given back: no attempt, no second execution
    expect(
      executed
        .flat()
        .map(({ id }) => id)
        .sort(),
    ).to.deep.equal(lists.flatMap(idsOf).sort());
    await fleet.redis.ping();
    await fleet.verify();
  });

  it('cuts the wake-ups of a waiting node, it asks once when it hears again: a ring may have been lost', async () => {
    const [owner, runner] = [await fleet.start('owner'), await fleet.start('runner', { pollMs: 60_000 })];
    // it waits, and polls, for longer than the test may take
    const waiting = runner.getRequests(room(), { waitMs: 60_000 });
    await waitUntil(async () => (await fleet.redis.zcard(fleet.key('idle'))) === 1, 'it waits');
    const cut = redis.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await Promise.all([cut, owner.putRequests(requests('r', 3))]);
    expect(await waiting).to.not.deep.equal([]);
  });

  it('is no master for a while, as in a failover, calls wait and succeed once', async () => {
    const node = await fleet.start('a');
    await node.putRequests(requests('before', 3));
    const held = await take(node, 1);
    await redis.admin.replicaof('127.0.0.1', '1');
    const list = requests('meanwhile', 20);
    const put = Promise.all(list.map((one) => node.putRequests([one])));
    const results = node.putResults(held.map(({ claim }) => ({ claim, finished: true })));
    const claims = node.getRequests(room(2), { waitMs: 60_000 });
    const later = performance.now() + 300;
    await waitUntil(() => performance.now() > later, 'some time has passed');
    await redis.admin.replicaof('NO', 'ONE');
    expect((await put).flat()).to.deep.equal(idsOf(list).map((id) => ({ id })));
    expect(await results).to.deep.equal(['ok']);
    expect((await claims).map(({ id, attempt }) => [id, attempt])).to.deep.equal([
      ['before1', 1],
      ['before2', 1],
    ]);
    expect(await fleet.loads()).to.deep.equal({ a: 20 });
    await fleet.verify();
  });

  it('has no memory left, puts fail whole with the reason, while claims and results go on', async () => {
    const [owner, runner] = [await fleet.start('owner'), await fleet.start('runner')];
    await owner.putRequests(requests('r', 5));
    await redis.admin.config('SET', 'maxmemory', '1');
    const outcomes = await owner.putRequests(requests('s', 2));
    for (const { error } of outcomes) {
      expect(error).to.have.property('code', 'REDIS');
      expect(error!.message).to.match(/^Redis refused put_requests: .*OOM/);
    }
    await finish(runner, await take(runner, 5));
    await ended(owner, idsOf(requests('r', 5)));
    await redis.admin.config('SET', 'maxmemory', '0');
    expect(await owner.putRequests(requests('s', 2))).to.deep.equal([{ id: 's0' }, { id: 's1' }]);
    await fleet.verify();
  });

  it('answers with an error, the call rejects with it instead of trying for ever', async () => {
    const node = await fleet.start('a');
    await redis.admin.set(fleet.key('request'), 'not ours', 'EX', 60);
    const [outcome] = await node.putRequests([request('r')]);
    expect(outcome!.error).to.have.property('code', 'REDIS');
    expect(outcome!.error!.message).to.match(
      /^Redis refused put_requests: .*WRONGTYPE.*user_script:\d+ \(lua\/put_requests\.lua:\d+\)/,
    );
    await redis.admin.del(fleet.key('request'));
    expect(await node.putRequests([request('r')])).to.deep.equal([{ id: 'r' }]);
  });
});
