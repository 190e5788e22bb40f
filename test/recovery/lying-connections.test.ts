// Connections that lie: they stay open and lead nowhere, answer for a server that cannot, are slow, or break on one call.
import { expect } from 'chai';
import { all, ended, endings, idsOf, request, requests, serve, useFleet } from '../support/fleet.ts';
import { useLyingProxy } from '../support/lying-proxy.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';

const portOf = ({ url }: { url: string }): number => Number(new URL(url).port);

const QUICK_SYNC = ['--repl-diskless-sync-delay', '0'];

describe('a failover behind one address, while open connections stay with the old master,', function () {
  this.timeout(60_000);
  const old = useOwnRedis(QUICK_SYNC);
  const heir = useOwnRedis(QUICK_SYNC);
  const fleet = useFleet(() => heir.url);
  const held = useLyingProxy(() => portOf(old));

  it('is followed: calls go on at the new master once, and so do wake-ups', async () => {
    await heir.admin.replicaof('127.0.0.1', portOf(old));
    await waitUntil(
      async () => (await heir.admin.info('replication')).includes('master_link_status:up'),
      'the replica is in step',
      20_000,
    );
    const options = { redis: held.proxy.url, pollMs: 60_000 };
    const [owner, runner] = [await fleet.start('owner', options), await fleet.start('runner', options)];
    const executed = serve(runner);
    await owner.putRequests([request('before')]);
    await ended(owner, ['before']);

    await heir.admin.replicaof('NO', 'ONE');
    held.proxy.target = portOf(heir);
    // it hears of nothing that is published at the new master, and answers every PING
    await old.admin.replicaof('127.0.0.1', '1');
    const after = requests('after', 10);
    for (const one of after) expect(await owner.putRequests([one])).to.deep.equal([{ id: one.request_id }]);
    expect(endings(await ended(owner, idsOf(after)))).to.deep.equal(all(after, 'finished'));
    expect(executed.map(({ id }) => id).sort()).to.deep.equal(['before', ...idsOf(after)].sort());
  });
});
