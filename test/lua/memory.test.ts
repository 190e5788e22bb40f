import { expect } from 'chai';
import { registryKeys } from '../../src/base/keys.ts';
import { runScript } from '../../src/redis/run-script.ts';
import { findRedis, type RedisServer } from '../../scripts/lib/redis/find.ts';
import { cancel, claim, pushBack, put, putResults, refresh, reset, takeResults } from './calls.ts';
import { TestShard, connection, connections } from './support.ts';
import { START } from './view.ts';

describe('a server without memory', () => {
  let server: RedisServer;
  before(async function () {
    this.timeout(60_000);
    const prefer = process.env.SCHED_LUA_TEST_REDIS === 'container' ? 'container' : 'binary';
    server = await findRedis({ prefer });
  });
  connections(() => server.url);
  after(() => server.stop());

  async function refusal(run: Promise<unknown>): Promise<string> {
    return run.then(
      () => 'none',
      (error: unknown) => (error as Error).message,
    );
  }

  it('refuses a new put whole: not one of its requests, nor its caller, is known', async () => {
    const shard = new TestShard();
    await shard.run(claim(shard, 'b', { idleFor: 100_000 }));
    const before = await shard.snapshot();
    shard.starved = true;
    const call = put(shard, 'a', ['x', 'y']);
    expect(await refusal(shard.run(call))).to.include('OOM');
    const after = await shard.snapshot();
    expect(after).to.deep.equal({ ...before, now: after.now });
    shard.starved = false;
    expect(String((await shard.run(call))[2]), 'the same number, once there is memory').to.match(
      /^OK \S+,OK \S+$/,
    );
  });

  it('refuses the first put of a higher epoch whole too, and the lanes of the lower one are still there', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    const before = await shard.snapshot();
    shard.starved = true;
    expect(await refusal(shard.run(put(shard, 'a', ['y'], { epoch: 2 })))).to.include('OOM');
    const after = await shard.snapshot();
    expect(after).to.deep.equal({ ...before, now: after.now });
  });

  it('remembers the answer of a put that was accepted, and refuses a number that it has not seen', async () => {
    const shard = new TestShard();
    const call = put(shard, 'a', ['x']);
    const reply = await shard.run(call);
    shard.starved = true;
    expect((await shard.run(call))[2]).to.deep.equal(reply[2]);
    expect(await refusal(shard.run(put(shard, 'a', ['x'])))).to.include('OOM');
  });

  it('still evicts', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x'], { epoch: 2 }));
    shard.starved = true;
    await shard.row(put(shard, 'a', ['y'], { epoch: 1 }), { reply: ['EVICTED', '00000000000002'] });
    await shard.row(put(shard, 'a', ['y'], { epoch: 2, lane: 0 }), { reply: ['STALE', '000000000001'] });
  });

  it('goes on with claims, results and their delivery: that is what makes room', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    shard.starved = true;
    shard.at = 60;
    await shard.row(claim(shard, 'b'), {
      reply: ['OK', 'a|x@0 #60001 3/0 b', 'again -1 due 30000', 'body of x'],
      changes: {
        waiting: [],
        head: { a: undefined },
        load: { a: undefined },
        request: { 'a|x': '@0 128/900000/3/0/9 b#60001' },
        due: { 'a|x@0': 30_060 },
        node: { b: 30_060 },
        epochs: { b: 1 },
        state: { visited: 60 },
      },
    });
    const x = await shard.held('a|x');
    await shard.row(putResults(shard, 'b', [{ ...x, number: 1, kind: 'finished', payload: 'done' }]), {
      reply: ['OK', 'OK'],
      rings: ['a: results 0 0'],
      changes: {
        request: { 'a|x': undefined },
        body: { 'a|x': undefined },
        due: { 'a|x@0': undefined },
        out: ['60002: a|x@0 b#60001.1 finished done'],
      },
    });
    await shard.row(takeResults(shard, 'a'), {
      reply: ['OK', 'more 0', '60002: a|x@0 b#60001.1 finished done'],
    });
    await shard.row(claim(shard, 'b'), {
      reply: ['IDLE', 'again -1 due -1'],
      changes: { idle: { b: 3_060 } },
    });
  });

  it('goes on with refreshes, push-backs, cancels and resets', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['w', 'x', 'y', 'z']));
    await shard.run(claim(shard, 'b', { limit: 3 }, { at: 60 }));
    const [w, x] = [await shard.held('a|w'), await shard.held('a|x')];
    shard.starved = true;
    shard.at = 10_000;
    const second = (reply: Buffer[]): string => String(reply[2]);
    expect(second(await shard.run(refresh(shard, 'b', { held: [w, x] })))).to.equal('');
    expect(second(await shard.run(pushBack(shard, 'b', [w])))).to.equal('OK');
    expect(second(await shard.run(cancel(shard, 'a', [w.ticket, x.ticket])))).to.equal('WAITING CLAIMED');
    expect(second(await shard.run(reset(shard, 'a')))[0]).to.equal('0');
    expect((await shard.view()).expires).to.deep.equal([930_000]);
    await shard.run(refresh(shard, 'v', {}, { at: 40_000 }));
    await shard.run(refresh(shard, 'v', {}, { at: 80_000 }));
    expect((await shard.view()).waiting, 'reaped').to.deep.equal(['a|y@2']);
  });

  it('lets a node claim in a shard that has no key yet', async () => {
    const shard = new TestShard();
    shard.starved = true;
    expect(String((await shard.run(claim(shard, 'a')))[0])).to.equal('IDLE');
  });

  it('lets nodes take, renew and leave their names', async () => {
    const keys = registryKeys(new TestShard().topic);
    const register = async (action: string, instance: string, epoch = ''): Promise<string[]> => {
      const rest = [String(START), '30000', '900000', '0'.repeat(14), epoch, '1', 'requests'];
      const args = [action, instance, ...rest, '', '', '', '{"host":"h"}', 'n', '0'];
      return (await runScript(connection(), 'auto', 'register', keys, args)).map(String);
    };
    await connection().config('SET', 'maxmemory', '1');
    const [status, , epoch] = await register('take', 'i1');
    expect(status).to.equal('OK');
    expect((await register('renew', 'i1', epoch))[0]).to.equal('OK');
    expect((await register('over', 'i2'))[0]).to.equal('OK');
    expect((await register('leave', 'i2'))[0]).to.equal('OK');
    await connection().config('SET', 'maxmemory', '0');
  });
});
