// What a chaos run says of the keyspace when everything has ended: it must be able to complain.
import { expect } from 'chai';
import { Keyspace } from '../../../scripts/lib/checker/keyspace.ts';
import { registryKeys } from '../../../src/base/keys.ts';
import { finish, request, take, useFleet, type Node } from '../../support/fleet.ts';
import { exemptFromTtlCheck, redisUrl } from '../../support/server.ts';

describe('the chaos run, of what is left in Redis,', () => {
  const fleet = useFleet();
  let keyspace: Keyspace;
  let node: Node;

  beforeEach(async () => {
    node = await fleet.start('a');
    await node.putRequests([request('r')]);
    keyspace = new Keyspace(redisUrl(), fleet.topic, 1);
  });

  afterEach(() => keyspace.close());

  const complaints = async (): Promise<string> => (await keyspace.leftovers()).complaints.join('\n');

  it('complains of a request, a claim and a result, and not when all has ended', async () => {
    expect(await keyspace.isEmpty()).to.equal(false);
    expect((await keyspace.leftovers()).records).to.deep.equal(new Set(['a|r']));
    expect(await complaints()).to.contain('waiting of shard 0 has a|');
    expect((await keyspace.holding()).records).to.deep.equal(new Map([['r', undefined]]));

    const [claim] = await take(node, 1);
    const fence = claim!.claim.split('.')[1];
    expect((await keyspace.holding()).records).to.deep.equal(new Map([['r', fence]]));
    expect(await complaints())
      .to.contain('request of shard 0 has a|r')
      .and.not.contain('waiting of');

    await finish(node, [claim!]);
    await node.close();
    expect(await keyspace.isEmpty()).to.equal(true);
    expect(await complaints()).to.equal('');
    expect((await keyspace.holding()).records.size).to.equal(0);
  });

  it('sees what a shard holds when the registry is lost', async () => {
    await fleet.redis.unlink(...registryKeys(fleet.topic));
    expect((await keyspace.holding()).records).to.deep.equal(new Map([['r', undefined]]));
    expect(await keyspace.isEmpty()).to.equal(false);
  });

  it('complains of a broken invariant', async () => {
    await fleet.redis.zincrby(fleet.key('load'), 1, 'a');
    expect((await keyspace.violations()).join()).to.contain('invariant 1 is broken');
    await fleet.redis.zincrby(fleet.key('load'), -1, 'a');
    expect(await keyspace.violations()).to.deep.equal([]);
  });

  it('complains of a key that should not be, and of one that never expires', async () => {
    exemptFromTtlCheck(fleet.topic);
    const stray = fleet.key('waiting').replace('waiting', 'stray');
    await fleet.redis.set(stray, '', 'EX', 60);
    expect(await complaints()).to.contain(`${stray} is left`);
    await fleet.redis.unlink(stray);
    await fleet.redis.persist(fleet.key('calls'));
    expect(await complaints()).to.contain(`${fleet.key('calls')} never expires`);
    const expireAt = await fleet.redis.pexpiretime(fleet.key('shard'));
    await fleet.redis.pexpireat(fleet.key('calls'), expireAt);
  });
});
