import { expect } from 'chai';
import { Redis } from 'ioredis';
import { allScripts } from '../../src/redis/run-script.ts';
import { commandsDuring, counts } from '../support/commands.ts';
import {
  ended,
  endings,
  finish,
  rejection,
  request,
  requests,
  room,
  take,
  useFleet,
  type Claimed,
} from '../support/fleet.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';

describe('scripts: preloaded, for a user who may EVALSHA but not EVAL', () => {
  const redis = useOwnRedis();
  const appUrl = (): string => redis.url.replace('redis://', 'redis://app:word@');
  const fleet = useFleet(() => redis.url);
  const options = () => ({ redis: appUrl(), scripts: 'preloaded' as const, commandTimeout: 2_000 });

  before(async () => {
    const rules = [
      'on',
      '>word',
      '~{test-*',
      '&{test-*',
      '+@all',
      '-@scripting',
      '-@dangerous',
      '+evalsha',
      '+info',
    ];
    await redis.admin.call('ACL', 'SETUSER', 'app', ...rules);
  });
  beforeEach(() => redis.admin.script('FLUSH'));

  const load = async (): Promise<void> => {
    for (const { text, sha1 } of Object.values(allScripts()))
      expect(await redis.admin.script('LOAD', text)).to.equal(sha1);
  };

  it('every call works once the scripts are loaded, and nothing but EVALSHA is sent', async () => {
    await load();
    const sent = await commandsDuring(redis.admin, async () => {
      const [owner, runner] = [await fleet.start('owner', options()), await fleet.start('runner', options())];
      const list = requests('r', 8);
      await owner.putRequests(list);
      const cancelled = owner.submit(request('cancelled'));
      await cancelled.cancel();
      const [first] = await take(runner, 1);
      await runner.putResults([{ claim: first!.claim, output: 'part' }]);
      await first!.giveBack();
      await finish(runner, await take(runner, 8));
      const ids = list.map(({ request_id }) => request_id);
      expect(endings(await ended(owner, ids))).to.deep.equal(
        Object.fromEntries(ids.map((id) => [id, 'finished'])),
      );
      await owner.putRequests(requests('s', 3));
      expect((await owner.reset()).sort()).to.deep.equal(['s0', 's1', 's2']);
      await owner.updateConfig({ loadShards: 2, reallocate: true });
      await Promise.all([owner.close(), runner.close()]);
    });
    const commands = counts(sent);
    for (const never of ['EVAL', 'SCRIPT', 'EVALSHA_RO']) expect(commands).to.not.have.property(never);
    const called = [
      'register',
      'put_requests',
      'claim',
      'push_back',
      'put_results',
      'take_results',
      'refresh',
      'cancel',
      'reset',
    ];
    expect(commands).to.include.keys(...called);
  });

  it('without the scripts it says at start which is missing and what to do', async () => {
    const error = await rejection(fleet.start('a', options()));
    expect(error.code).to.equal('SCRIPT');
    expect(error.message).to.match(
      /script register \([0-9a-f]{40}\) is not on the server; run "sched-lua load"/,
    );
  });

  it('when the cache is flushed later, calls fail with that error, and go on once the scripts are back', async () => {
    await load();
    const node = await fleet.start('a', options());
    await node.putRequests([request('r')]);
    await redis.admin.script('FLUSH');
    const [outcome] = await node.putRequests([request('s')]);
    expect(outcome!.error).to.include({ code: 'SCRIPT' });
    expect(await rejection(node.getRequests(room()))).to.have.property('code', 'SCRIPT');
    await load();
    expect(await node.putRequests([request('s')])).to.deep.equal([{ id: 's' }]);
    expect((await take(node, 2)).map(({ id }) => id)).to.deep.equal(['r', 's']);
  });

  it('a result that was refused for want of its script may be sent again: the claim stands', async () => {
    await load();
    const [owner, runner] = [await fleet.start('owner', options()), await fleet.start('runner', options())];
    await owner.putRequests([request('r')]);
    const { claim } = (await take(runner, 1))[0]!;
    const items = [
      { claim, output: 1 },
      { claim, output: 2, finished: true },
    ];
    await redis.admin.script('FLUSH');
    expect(await rejection(runner.putResults(items))).to.have.property('code', 'SCRIPT');
    await load();
    expect(await runner.putResults(items)).to.deep.equal(['ok', 'ok']);
    expect((await ended(owner, ['r'])).get('r')).to.deep.equal([
      { kind: 'chunk', output: 1 },
      { kind: 'finished', output: 2 },
    ]);
  });

  it('a request whose final result was refused in run is executed again', async () => {
    await load();
    const [owner, runner] = [await fleet.start('owner', options()), await fleet.start('runner', options())];
    await owner.putRequests([request('r')]);
    const attempts: number[] = [];
    const handler = async ({ attempt }: Claimed): Promise<void> => {
      attempts.push(attempt);
      if (attempts.length === 1) await redis.admin.script('FLUSH');
    };
    void runner.run(handler, { budget: room() });
    const refused = (): boolean => fleet.warnings.some((line) => line.includes('is not on the server'));
    await waitUntil(() => attempts.length === 1 && refused(), 'the result has been refused');
    await load();
    expect((await ended(owner, ['r'])).get('r')).to.deep.equal([{ kind: 'finished' }]);
    expect(attempts).to.have.length(2);
  });

  it('the mode auto needs EVAL: its refusal names the command', async () => {
    const error = await rejection(fleet.start('a', { ...options(), scripts: 'auto' }));
    expect(error).to.have.property('code', 'REDIS');
    expect(error.message).to.match(/NOPERM.*'eval'/);
  });

  it('this user may indeed not EVAL', async () => {
    const client = new Redis(appUrl());
    const refused: unknown = await client.eval('return 1', 0).catch((reason: unknown) => reason);
    client.disconnect();
    expect(String(refused)).to.match(/NOPERM/);
  });
});
