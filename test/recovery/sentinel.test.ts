// Sentinel promotes a replica when the master dies: calls wait, go on at the new master, and every request ends once.
import { expect } from 'chai';
import { Scheduler } from '../../src/index.ts';
import { findServer, startBinary } from '../../src/testing/redis/binary.ts';
import type { PrivateRedis } from '../../src/testing/redis/server.ts';
import { sleep } from '../../src/base/clock.ts';
import { QUICK, ended, endings, requests, room, type Node, type Prompt } from '../support/fleet.ts';
import { Sentinel } from '../support/sentinel.ts';
import { freshTopic, waitUntil } from '../support/server.ts';

const portOf = ({ url }: PrivateRedis): number => Number(new URL(url).port);

describe('a failover by Sentinel', function () {
  this.timeout(90_000);
  const servers: PrivateRedis[] = [];
  const nodes: Node[] = [];
  let sentinel: Sentinel | undefined;

  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.close({ drainMs: 0 })));
    await sentinel?.stop();
    await Promise.all(servers.splice(0).map((server) => server.stop()));
  });

  it('is waited out: what was accepted before and after it ends once', async function () {
    if (findServer() === undefined) this.skip();
    const master = await startBinary([]);
    servers.push(master);
    const replica = await startBinary(['--replicaof', '127.0.0.1', String(portOf(master))]);
    servers.push(replica);
    const watch = await Sentinel.start(portOf(master));
    sentinel = watch;
    await waitUntil(() => watch.knowsReplica(), 'Sentinel knows the replica', 30_000);

    const topic = freshTopic();
    const redis = { sentinels: [{ host: '127.0.0.1', port: watch.port }], name: watch.name };
    const options = { redis, topic, ...QUICK, leaseMs: 4_000, onWarning: () => undefined };
    const owner = await Scheduler.start<Prompt>({ ...options, node: 'owner', commandTimeout: 30_000 });
    const runner = await Scheduler.start<Prompt>({ ...options, node: 'runner', minLoadScore: 1 });
    nodes.push(owner, runner);
    void runner.run(({ signal }) => sleep(50, signal), { budget: room(2) });

    const before = requests('before', 30);
    await owner.putRequests(before);
    const { pid } = master;
    if (pid === undefined) throw new Error('the master is no process of ours');
    process.kill(pid, 'SIGKILL');
    const after = requests('after', 10);
    for (const { error } of await owner.putRequests(after)) expect(error).to.equal(undefined);
    expect(await watch.masterPort(), 'the replica is the master now').to.equal(portOf(replica));

    const ids = [...before, ...after].map(({ request_id }) => request_id);
    const ends = endings(await ended(owner, ids, 40_000));
    expect(ends).to.deep.equal(Object.fromEntries(ids.map((id) => [id, 'finished'])));
  });
});
