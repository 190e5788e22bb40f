// A Redis Cluster on loopback, masters and if wanted replicas, each of which can be stopped, continued and killed.
import { Cluster, Redis } from 'ioredis';
import { findServer, freePort, startBinary } from '../../src/testing/redis/binary.ts';
import type { PrivateRedis } from '../../src/testing/redis/server.ts';
import { UNTIMED } from './own-redis.ts';
import { waitUntil } from './server.ts';

const SLOTS = 16_384;

interface Member {
  server: PrivateRedis;
  port: number;
  tlsPort: number;
  busPort: number;
  admin: Redis;
}

export interface ClusterRules {
  /** Of each master. */
  replicas?: number;
  /** Arguments for each server. */
  args?: string[];
  /** Each server has a port for TLS beside its own. */
  tls?: boolean;
}

/** Where one of its servers listens. */
export interface Place {
  host: string;
  port: number;
}

export class TestCluster {
  /** The masters, then the replicas. */
  readonly #members: Member[] = [];
  #count = 0;

  static get isPossible(): boolean {
    return findServer() !== undefined;
  }

  /** The slots are shared out in the order of the masters; one that is down costs no other its slots. */
  async open(count: number, { replicas = 0, args = [], tls = false }: ClusterRules = {}): Promise<void> {
    this.#count = count;
    for (let i = 0; i < count * (1 + replicas); i += 1) this.#members.push(await startMember(args, tls));
    for (const [i, { admin }] of this.#masters.entries()) {
      await admin.call('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1));
      const range = [i, i + 1].map((n) => Math.ceil((n * SLOTS) / count));
      await admin.call('CLUSTER', 'ADDSLOTSRANGE', String(range[0]), String(range[1]! - 1));
    }
    const [first, ...others] = this.#members;
    for (const { port, tlsPort, busPort } of others)
      await first!.admin.call('CLUSTER', 'MEET', '127.0.0.1', String(tls ? tlsPort : port), String(busPort));
    const isUp = async ({ admin }: Member): Promise<boolean> => {
      const info = String(await admin.call('CLUSTER', 'INFO'));
      const known = `cluster_known_nodes:${this.#members.length}\r`;
      return ['cluster_state:ok', `cluster_size:${count}\r`, known].every((line) => info.includes(line));
    };
    for (const member of this.#members)
      await waitUntil(() => isUp(member), `port ${member.port} knows the cluster`, 30_000);
    await this.#replicate();
  }

  async #replicate(): Promise<void> {
    const replicas = this.#members.slice(this.#count);
    for (const [i, { admin }] of replicas.entries()) {
      const master = String(await this.#members[i % this.#count]!.admin.call('CLUSTER', 'MYID'));
      await admin.call('CLUSTER', 'REPLICATE', master);
    }
    const slaves = async ({ admin }: Member): Promise<number> =>
      String(await admin.call('CLUSTER', 'NODES')).match(/ (myself,)?slave /g)?.length ?? 0;
    for (const { admin } of replicas)
      await waitUntil(
        async () => ((await admin.role()) as string[])[3] === 'connected',
        'it replicates',
        30_000,
      );
    for (const member of this.#members)
      await waitUntil(
        async () => (await slaves(member)) === replicas.length,
        'all know the replicas',
        30_000,
      );
    // CLUSTER SLOTS leaves out a replica of which it was not heard yet that it has data
    const served = async ({ admin }: Member): Promise<number> =>
      ((await admin.cluster('SLOTS')) as unknown[][]).reduce((sum, range) => sum + range.length - 3, 0);
    for (const member of this.#members)
      await waitUntil(async () => (await served(member)) === replicas.length, 'replicas have data', 30_000);
  }

  get #masters(): Member[] {
    return this.#members.slice(0, this.#count);
  }

  /** Of the masters, then of the replicas. */
  get places(): Place[] {
    return this.#members.map(({ port }) => ({ host: '127.0.0.1', port }));
  }

  /** The same over TLS. */
  get tlsPlaces(): Place[] {
    return this.#members.map(({ tlsPort }) => ({ host: '127.0.0.1', port: tlsPort }));
  }

  /** To one of its servers, for questions. */
  admin(member: number): Redis {
    return this.#members[member]!.admin;
  }

  /** A connection to each master, in the order of their slots. */
  get admins(): Redis[] {
    return this.#masters.map(({ admin }) => admin);
  }

  /**
   * A client to be given to schedulers, which duplicate it.
   * @param redisOptions of its connections
   */
  client(redisOptions: { username?: string; password?: string } = {}): Cluster {
    const client = new Cluster(this.places, { lazyConnect: true, redisOptions });
    client.on('error', () => undefined);
    return client;
  }

  masterOf(slot: number): number {
    return Math.floor((slot * this.#count) / SLOTS);
  }

  /** The keys of a slot go from a master to another, which answers for them only to who asks it to: until `end`. */
  async beginMove(slot: number, from: number, to: number): Promise<{ end: () => Promise<void> }> {
    const [source, target] = [this.#masters[from]!, this.#masters[to]!];
    const [sourceId, targetId] = await Promise.all(
      [source, target].map(async ({ admin }) => String(await admin.call('CLUSTER', 'MYID'))),
    );
    await target.admin.call('CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', sourceId!);
    await source.admin.call('CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', targetId!);
    const keys = (await source.admin.call('CLUSTER', 'GETKEYSINSLOT', String(slot), '1000')) as string[];
    const where = ['127.0.0.1', String(target.port), '', '0', '5000', 'KEYS'];
    if (keys.length > 0) await source.admin.call('MIGRATE', ...where, ...keys);
    const end = async (): Promise<void> => {
      for (const { admin } of [target, source, ...this.#masters])
        await admin.call('CLUSTER', 'SETSLOT', String(slot), 'NODE', targetId!);
    };
    return { end };
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

  /** Connections to all servers, other than ours and those between them. */
  async sockets(): Promise<number> {
    const lists = this.#members.map(async ({ admin }) =>
      String(await admin.client('LIST'))
        .trim()
        .split('\n')
        .filter((line) => !/ flags=[MS] /.test(line)),
    );
    return (await Promise.all(lists)).flat().length - this.#members.length;
  }

  /** Which of its servers has a subscriber to the channel. */
  async subscribedAt(channel: string): Promise<number> {
    for (const [i, { admin }] of this.#members.entries()) {
      const found = (await admin.pubsub('CHANNELS', channel)) as string[];
      if (found.length > 0) return i;
    }
    return -1;
  }

  /** Every subscriber loses its connection. */
  async cutSubscribers(): Promise<void> {
    for (const { admin } of this.#masters) await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  }

  signal(member: number, signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    const { pid } = this.#members[member]!.server;
    if (pid === undefined) throw new Error('it is no process of ours');
    process.kill(pid, signal);
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#members.splice(0).map(async ({ server, admin }) => {
        admin.disconnect();
        await server.stop();
      }),
    );
  }
}

async function startMember(args: readonly string[], tls: boolean): Promise<Member> {
  const [busPort, tlsPort] = [await freePort(), tls ? await freePort() : 0];
  const server = await startBinary([
    ...['--cluster-enabled', 'yes', '--cluster-port', String(busPort)],
    ...['--cluster-require-full-coverage', 'no', '--cluster-node-timeout', '2000'],
    ...['--repl-diskless-sync-delay', '0', '--cluster-replica-validity-factor', '0'],
    ...(tls ? ['--tls-port', String(tlsPort), '--tls-cluster', 'yes', '--tls-replication', 'yes'] : []),
    ...UNTIMED,
    ...args,
  ]);
  const admin = new Redis(server.url, { maxRetriesPerRequest: null, retryStrategy: () => 50 });
  admin.on('error', () => undefined);
  return { server, port: Number(new URL(server.url).port), tlsPort, busPort, admin };
}
