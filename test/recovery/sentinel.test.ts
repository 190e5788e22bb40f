// Sentinel promotes a replica when the master dies: calls wait, go on at the new master, and every request ends once.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { Scheduler } from '../../src/index.ts';
import { findServer, freePort, startBinary } from '../../src/testing/redis/binary.ts';
import { onProcessEnd } from '../../src/testing/redis/cleanup.ts';
import type { PrivateRedis } from '../../src/testing/redis/server.ts';
import { sleep } from '../../src/base/clock.ts';
import { QUICK, ended, endings, requests, room, type Node, type Prompt } from '../support/fleet.ts';
import { freshTopic, waitUntil } from '../support/server.ts';

const MASTER_NAME = 'fleet';

/** One Sentinel that is enough of them, and quick to act. It rewrites its configuration, so it has a folder. */
class Sentinel {
  readonly #folder = mkdtempSync(join(tmpdir(), 'sched-lua-sentinel-'));
  readonly #forget: () => void;
  readonly #child: ChildProcess;
  readonly port: number;
  readonly client: Redis;

  constructor(program: string, port: number, masterPort: number) {
    const file = join(this.#folder, 'sentinel.conf');
    const rules = [
      `monitor ${MASTER_NAME} 127.0.0.1 ${masterPort} 1`,
      `down-after-milliseconds ${MASTER_NAME} 300`,
      `failover-timeout ${MASTER_NAME} 3000`,
    ];
    writeFileSync(
      file,
      [`port ${port}`, 'bind 127.0.0.1', ...rules.map((rule) => `sentinel ${rule}`), ''].join('\n'),
    );
    this.port = port;
    this.#child = spawn(program, [file, '--sentinel', '--dir', this.#folder], { stdio: 'ignore' });
    this.#forget = onProcessEnd(() => this.#child.kill('SIGKILL'));
    this.client = new Redis({ port, maxRetriesPerRequest: null, retryStrategy: () => 50 });
    this.client.on('error', () => undefined);
  }

  async masterPort(): Promise<number> {
    const [, port] = (await this.client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME)) as string[];
    return Number(port);
  }

  async knowsReplica(): Promise<boolean> {
    return ((await this.client.call('SENTINEL', 'REPLICAS', MASTER_NAME)) as unknown[]).length === 1;
  }

  async stop(): Promise<void> {
    this.client.disconnect();
    const over = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await over;
    this.#forget();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

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
    const program = findServer();
    if (program === undefined) this.skip();
    const master = await startBinary([]);
    servers.push(master);
    const replica = await startBinary(['--replicaof', '127.0.0.1', String(portOf(master))]);
    servers.push(replica);
    const watch = new Sentinel(program, await freePort(), portOf(master));
    sentinel = watch;
    await waitUntil(() => watch.knowsReplica(), 'Sentinel knows the replica', 30_000);

    const topic = freshTopic();
    const redis = { sentinels: [{ host: '127.0.0.1', port: watch.port }], name: MASTER_NAME };
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
