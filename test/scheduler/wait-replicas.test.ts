// The option `waitReplicas`, on a master and a replica of the suite's own.
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { request, requests, room, take, finish, ended, endings, useFleet } from '../support/fleet.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';

const REPLICATION = ['--repl-diskless-sync', 'yes', '--repl-diskless-sync-delay', '0'];
/** Long enough for a busy machine; a wait that is met does not take it. */
const PATIENT = { replicas: 1, timeoutMs: 8_000 };

describe('waitReplicas', function () {
  this.timeout(60_000);
  const master = useOwnRedis(REPLICATION);
  const replica = useOwnRedis(REPLICATION);
  const fleet = useFleet(() => master.url);
  const patient = { waitReplicas: PATIENT, commandTimeout: 30_000 };

  before(async function () {
    if (!master.isReachable) this.skip();
    const { hostname, port } = new URL(master.url);
    await replica.admin.replicaof(hostname, Number(port));
    const inSync = async (): Promise<boolean> => /state=online/.test(await master.admin.info('replication'));
    await waitUntil(inSync, 'the replica is in sync', 30_000);
  });

  const connections = async (of: Redis): Promise<string[]> =>
    String(await of.client('LIST'))
      .split('\n')
      .filter((line) => line !== '' && !/ flags=S/.test(line));

  it('met: the put says so, and the replica has the requests when it resolves', async () => {
    const node = await fleet.start('node', patient);
    const outcomes = await node.putRequests(requests('r', 3));
    expect(outcomes).to.deep.equal(['r0', 'r1', 'r2'].map((id) => ({ id, replicated: true })));
    expect((await replica.admin.hkeys(fleet.key('request'))).sort()).to.deep.equal(
      ['r0', 'r1', 'r2'].map((id) => `node|${id}`),
    );
  });

  it('unmet: the put says so after timeoutMs, and the request is accepted all the same', async () => {
    const node = await fleet.start('node', { waitReplicas: { replicas: 2, timeoutMs: 50 } });
    expect(await node.putRequests([request('r')])).to.deep.equal([{ id: 'r', replicated: false }]);
    await finish(node, await take(node, 1));
    expect(endings(await ended(node, ['r']))).to.deep.equal({ r: 'finished' });
  });

  it('a refused request says nothing of replicas', async () => {
    const node = await fleet.start('node', { ...patient, maxWaiting: 1 });
    const [first, second] = await node.putRequests(requests('r', 2));
    expect(first).to.deep.equal({ id: 'r0', replicated: true });
    expect(second).to.have.nested.property('error.code', 'FULL');
    expect(second).not.to.have.property('replicated');
  });

  it('a wait holds up no claim, result or refresh: puts have a connection of their own', async () => {
    const node = await fleet.start('node');
    await node.putRequests([request('ready')]);
    const slow = await fleet.start('slow', {
      ...{ waitReplicas: { replicas: 2, timeoutMs: 9_000 }, commandTimeout: 30_000, minLoadScore: 1 },
    });
    let put = false;
    const waiting = slow.putRequests([request('slow')]).then(() => (put = true));
    const waiter = async (): Promise<string | undefined> =>
      (await connections(fleet.redis)).find((line) => / cmd=wait /.test(line));
    await waitUntil(async () => (await waiter()) !== undefined, 'the put waits for replicas', 10_000);
    await finish(slow, await take(slow, 2, room(2)));
    expect(put, 'the put still waits').to.equal(false);
    // as if its time were over
    await fleet.redis.client('UNBLOCK', /id=(\d+)/.exec((await waiter())!)![1]!);
    await waiting;
  });

  it('a connection that breaks during the wait: the request is in Redis once, and the put says how it went', async () => {
    const node = await fleet.start('node', {
      ...{ waitReplicas: { replicas: 2, timeoutMs: 1_500 }, commandTimeout: 30_000 },
    });
    const put = node.putRequests([request('r')]);
    let cut = 0;
    const cutIt = async (): Promise<boolean> => {
      const line = (await connections(fleet.redis)).find((client) => / cmd=wait /.test(client));
      if (line) cut += Number(await fleet.redis.client('KILL', 'ID', /id=(\d+)/.exec(line)![1]!));
      return cut > 0;
    };
    await waitUntil(cutIt, 'the connection was cut during the wait', 10_000);
    expect(await put).to.deep.equal([{ id: 'r', replicated: false }]);
    expect(await fleet.loads()).to.deep.equal({ node: 1 });
  });

  it('a flushed script cache: the wait comes behind the put all the same', async () => {
    const node = await fleet.start('node', patient);
    await node.putRequests([request('a')]);
    await master.admin.script('FLUSH');
    expect(await node.putRequests([request('b')])).to.deep.equal([{ id: 'b', replicated: true }]);
    expect(await replica.admin.hexists(fleet.key('request'), 'node|b')).to.equal(1);
  });

  it('after SCRIPT FLUSH with scripts: preloaded the put is refused, naming the script', async () => {
    const node = await fleet.start('node', patient);
    await node.putRequests([request('a')]);
    const bare = await fleet.start('bare', { ...patient, scripts: 'preloaded' });
    await master.admin.script('FLUSH');
    const [outcome] = await bare.putRequests([request('b')]);
    expect(outcome!.error).to.have.property('code', 'SCRIPT');
  });

  it('without the option nothing changes: two connections a node, and no word of replicas', async () => {
    const before = (await connections(fleet.redis)).length;
    const node = await fleet.start('node');
    expect(await node.putRequests([request('r')])).to.deep.equal([{ id: 'r' }]);
    expect(await connections(fleet.redis)).to.have.length(before + 2);
    await node.close();
    const gone = async (): Promise<boolean> => (await connections(fleet.redis)).length === before;
    await waitUntil(gone, 'its connections are closed', 10_000);
    const patientNode = await fleet.start('patient', patient);
    await patientNode.putRequests([request('s')]);
    expect(await connections(fleet.redis)).to.have.length(before + 3);
    await patientNode.close();
    await waitUntil(gone, 'all three are closed', 10_000);
  });
});
