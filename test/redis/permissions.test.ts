// A Redis user who may not do everything: what scripts cannot do without is refused at the start, and a wake-up that may not
// be sent fails no script.
import { expect } from 'chai';
import { HARMLESS } from '../../src/redis/permissions.ts';
import { sources } from '../../scripts/lib/lua/sources.ts';
import { ended, rejection, request, requests, room, useFleet } from '../support/fleet.ts';
import { useOwnRedis } from '../support/own-redis.ts';

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
      expect(message).to.include(`may not ${command} on the keys {${fleet.topic}.*`);
      expect(await redis.admin.dbsize()).to.equal(before);
    });
  }

  it('who may do what is asked starts without a warning of it', async () => {
    await allow(`&{${fleet.topic}}:wake:*`);
    await fleet.start('a', options());
    expect(fleet.warnings.filter((message) => message.includes('may not'))).to.deep.equal([]);
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
