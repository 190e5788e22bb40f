// A Redis Cluster of masters on loopback, each of which can be stopped, continued and killed.
import { Cluster, Redis } from 'ioredis';
import { findServer, freePort, startBinary } from '../../src/testing/redis/binary.ts';
import type { PrivateRedis } from '../../src/testing/redis/server.ts';
import { waitUntil } from './server.ts';

const SLOTS = 16_384;

interface Master {
  server: PrivateRedis;
  port: number;
  busPort: number;
  admin: Redis;
}

export class TestCluster {
  readonly #masters: Master[] = [];

  static get isPossible(): boolean {
    return findServer() !== undefined;
  }

  /** The slots are shared out in the order of the masters; one that is down costs no other its slots. */
  async open(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) this.#masters.push(await startMaster());
    for (const [i, { admin }] of this.#masters.entries()) {
      await admin.call('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1));
      const range = [i, i + 1].map((n) => Math.ceil((n * SLOTS) / count));
      await admin.call('CLUSTER', 'ADDSLOTSRANGE', String(range[0]), String(range[1]! - 1));
    }
    const [first, ...others] = this.#masters;
    for (const { port, busPort } of others)
      await first!.admin.call('CLUSTER', 'MEET', '127.0.0.1', String(port), String(busPort));
    const isUp = async ({ admin }: Master): Promise<boolean> => {
      const info = String(await admin.call('CLUSTER', 'INFO'));
      return info.includes('cluster_state:ok') && info.includes(`cluster_size:${count}`);
    };
    for (const master of this.#masters)
      await waitUntil(() => isUp(master), `port ${master.port} knows the cluster`, 30_000);
  }

  /** A client to be given to schedulers, which duplicate it. */
  client(): Cluster {
    const nodes = this.#masters.map(({ port }) => ({ host: '127.0.0.1', port }));
    const client = new Cluster(nodes, { lazyConnect: true });
    client.on('error', () => undefined);
    return client;
  }

  masterOf(slot: number): number {
    return Math.floor((slot * this.#masters.length) / SLOTS);
  }

  /** Nobody's wake-ups come by way of this master any more: whoever subscribed there subscribes elsewhere. */
  async freeOfSubscribers(master: number): Promise<void> {
    const { admin } = this.#masters[master]!;
    const isFree = async (): Promise<boolean> => {
      await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      return String(await admin.call('CLIENT', 'LIST', 'TYPE', 'pubsub')).trim() === '';
    };
    await waitUntil(async () => (await isFree()) && (await isFree()), 'no subscriber is there', 20_000);
  }

  /** Connections to all masters, other than ours. */
  async sockets(): Promise<number> {
    const lists = this.#masters.map(async ({ admin }) =>
      String(await admin.client('LIST'))
        .trim()
        .split('\n'),
    );
    return (await Promise.all(lists)).flat().length - this.#masters.length;
  }

  /** Every subscriber loses its connection. */
  async cutSubscribers(): Promise<void> {
    for (const { admin } of this.#masters) await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  }

  signal(master: number, signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    const { pid } = this.#masters[master]!.server;
    if (pid === undefined) throw new Error('it is no process of ours');
    process.kill(pid, signal);
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#masters.splice(0).map(async ({ server, admin }) => {
        admin.disconnect();
        await server.stop();
      }),
    );
  }
}

async function startMaster(): Promise<Master> {
  const busPort = await freePort();
  const server = await startBinary([
    ...['--cluster-enabled', 'yes', '--cluster-port', String(busPort)],
    ...['--cluster-require-full-coverage', 'no', '--cluster-node-timeout', '2000'],
  ]);
  const admin = new Redis(server.url, { maxRetriesPerRequest: null, retryStrategy: () => 50 });
  admin.on('error', () => undefined);
  return { server, port: Number(new URL(server.url).port), busPort, admin };
}
