import { expect } from 'chai';
import { ConfigError, type StealPolicy } from '../../src/index.ts';
import { PATIENT, bringEngine, rejection, requests, room, useFleet } from '../support/fleet.ts';

describe('the load unit', () => {
  const fleet = useFleet();
  const inTokens = { loadUnit: 'tokens', stealAfterMs: 60_000 } as const;

  async function mismatch(start: Promise<unknown>): Promise<string> {
    const error = await rejection(start);
    expect(error).to.be.instanceOf(ConfigError);
    return error.message;
  }

  for (const policy of ['oldest', 'lucky'] satisfies StealPolicy[]) {
    it(`tokens lets ${policy} steal what is long, and by default from 3,465 tokens on`, async () => {
      const options = { ...inTokens, policy };
      const [many, one] = [await fleet.start('many', options), await fleet.start('one', options)];
      for (const node of [many, one]) await bringEngine(node);
      const thief = await fleet.start('thief', options);
      await many.putRequests(requests('short', 30, 100));
      expect(await thief.getRequests(room(), { waitMs: 0 })).to.deep.equal([]);
      await one.putRequests(requests('long', 1, 3_465));
      expect(await fleet.loads()).to.deep.equal({ many: 3_000, one: 3_465 });
      const claims = await thief.getRequests(room(), PATIENT);
      expect(claims.map(({ id }) => id)).to.deep.equal(['long0']);
      await fleet.verify();
    });
  }

  it('is refused while a node of the topic is registered that uses another; the error names both', async () => {
    await fleet.start('old');
    expect(await mismatch(fleet.start('new', inTokens))).to.equal(
      `loadUnit is "tokens"; allowed is "requests", the unit of topic ${fleet.topic}: node old uses it`,
    );
    expect(await mismatch(fleet.start('old', { ...inTokens, takeover: true }))).to.match(/node old uses it$/);
  });

  it('is refused while a request waits that was counted in another, and then changes', async () => {
    const old = await fleet.start('old', { loadShards: 2 });
    await old.putRequests(requests('r', 2));
    await old.close();
    expect(await mismatch(fleet.start('new', inTokens))).to.match(/2 requests wait in shard [01]$/);

    const heir = await fleet.start('old', { loadShards: 2, takeover: true });
    await heir.reset();
    await heir.close();
    const changed = await fleet.start('new', { ...inTokens, loadShards: 2 });
    await changed.putRequests(requests('t', 1, 700));
    expect(await fleet.loads()).to.deep.equal({ new: 700 });
    expect(await mismatch(fleet.start('late'))).to.match(/^loadUnit is "requests"; allowed is "tokens", /);
  });
});
