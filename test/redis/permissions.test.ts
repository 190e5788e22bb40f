// A Redis user who may not do everything: what scripts cannot do without is refused at the start, and a wake-up that may not
// be sent fails no script.
import { expect } from 'chai';
import { HARMLESS } from '../../src/redis/permissions.ts';
import { sources } from '../../scripts/lib/lua/sources.ts';
import { ended, rejection, request, requests, room, useFleet } from '../support/fleet.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';

const { scripts: scriptSources, helpers: helperSources } = sources();

describe('a Redis user', () => {
  const redis = useOwnRedis();
  const fleet = useFleet(() => redis.url);
  const options = () => ({
    redis: redis.url.replace('redis://', 'redis://app:word@'),
    commandTimeout: 5_000,
  });

  async function allow(...rules: string[]): Promise<void> {
    const everything = ['reset', 'on', '>word', '~{test-*', '+@all', '-@dangerous', '+info'];
    await redis.admin.call('ACL', 'SETUSER', 'app', ...everything, ...rules);
  }

  it('is asked for every command that a script uses on a table', () => {
    const used = [...Object.values(scriptSources), ...Object.values(helperSources)].flatMap((source) =>
      [...source.matchAll(/\bcall\('([A-Z]+)', (?:tables|names|key\b|KEYS|fresh)/g)].map(([, name]) => name!),
    );
    expect([...new Set(used)].sort()).to.deep.equal(Object.keys(HARMLESS).sort());
  });

  for (const command of Object.keys(HARMLESS)) {
    it(`who may not ${command} is told so at the start, and nothing is written`, async () => {
      await allow('allchannels', `-${command.toLowerCase()}`);
      const before = await redis.admin.dbsize();
      const { code, message } = await rejection(fleet.start('a', options()));
      expect(code).to.equal('CONFIG');
      expect(message).to.include(`may not ${command} on the keys {${fleet.topic}.???}:*`);
      expect(await redis.admin.dbsize()).to.equal(before);
    });
  }

  it('who may do what is asked starts without a warning of it', async () => {
    await allow(`&{${fleet.topic}}:wake:*`);
    await fleet.start('a', options());
    expect(fleet.warnings.filter((message) => message.includes('may not'))).to.deep.equal([]);
  });

  for (const [what, ...rules] of [
    ['SUBSCRIBE', 'allchannels', '-subscribe'],
    ['the channel', 'resetchannels'],
  ] as const) {
    it(`who may not use ${what} is told so at the start, with the channel and a code`, async () => {
      await allow(...rules);
      const { code, message, operation } = await rejection(fleet.start('a', options()));
      expect([code, operation]).to.deep.equal(['CONFIG', 'subscribe']);
      const [channel, channels] = [`{${fleet.topic}}:wake:a`, `{${fleet.topic}}:wake:*`];
      expect(message).to.equal(
        `the Redis user may not subscribe to ${channel}; allow the channels ${channels} and the command SUBSCRIBE`,
      );
    });
  }

  it('who may subscribe no more is warned of once, and subscribes again as soon as it may', async () => {
    await allow(`&{${fleet.topic}}:wake:*`);
    const node = await fleet.start('a', { ...options(), pollMs: 60_000, leaseMs: 1_500 });
    void node.run(({ id }) => id, { budget: room() });
    const warned = () => fleet.warnings.filter((message) => message.includes('may not subscribe'));
    await redis.admin.call('ACL', 'SETUSER', 'app', '-subscribe');
    await redis.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await waitUntil(() => warned().length > 0, 'it is warned');
    expect(warned()).to.have.length(1);
    expect(warned()[0]).to.match(/: work and results are found late$/);
    await redis.admin.call('ACL', 'SETUSER', 'app', '+subscribe');
    const channel = `{${fleet.topic}}:wake:a`;
    await waitUntil(async () => {
      const [, count] = (await redis.admin.pubsub('NUMSUB', channel)) as [string, number];
      return count === 1;
    }, 'it has subscribed again');
    expect(warned()).to.have.length(1);
  });

  it('who may wake nobody is warned, and is served all the same: no script stops half-way', async () => {
    await allow('resetchannels', `&{${fleet.topic}}:wake:front`);
    const engine = await fleet.start('engine', { pollMs: 100 });
    void engine.run(({ id }) => id, { budget: room() });
    const front = await fleet.start('front', { ...options(), pollMs: 100 });
    expect(fleet.warnings.join('\n')).to.match(/may not publish.*allow the channels \{test-.*\}:wake:\*/);
    const ids = ['r0', 'r1', 'r2'];
    for (const put of await front.putRequests(requests('r', 3))) expect(put.error).to.equal(undefined);
    const all = await ended(front, ids);
    for (const id of ids) expect(all.get(id)!.map(({ kind }) => kind)).to.deep.equal(['finished']);
    const [again] = await front.putRequests([request('r0')]);
    expect(again!.error, 'the id is free again').to.equal(undefined);
    await ended(front, ['r0']);
  });
});
