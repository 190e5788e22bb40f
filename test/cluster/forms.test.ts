// Every form of the option redis that leads to a Redis Cluster, a socket, TLS or Sentinel serves a request; and what leads to a
// server that cannot be worked with alone is refused at once, by what it is.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Cluster } from 'ioredis';
import { Scheduler, SchedulerError, type RedisSource } from '../../src/index.ts';
import { freePort, startBinary } from '../../src/testing/redis/binary.ts';
import type { PrivateRedis } from '../../src/testing/redis/server.ts';
import { TestCluster, type Place } from '../support/cluster.ts';
import { QUICK, rejection, request, room, type Node, type Prompt } from '../support/fleet.ts';
import { SELF_SIGNED } from '../support/self-signed.ts';
import { Sentinel } from '../support/sentinel.ts';
import { freshTopic, waitUntil } from '../support/server.ts';

const PASSWORD = 'p@ss/w:rd?#%';
const USER = { username: 'app', password: PASSWORD };
const ENCODED = `app:${encodeURIComponent(PASSWORD)}`;
const ACL = ['--user', 'app', 'on', `>${PASSWORD}`, '~*', '&*', '+@all'];
const CA = { ca: SELF_SIGNED.cert };
const TLS = { ...CA, cert: SELF_SIGNED.cert, key: SELF_SIGNED.key };

const at = (places: readonly Place[]): string[] => places.map(({ host, port }) => `${host}:${port}`);

/** Two nodes on several shards, of which one serves what the other accepted. */
async function serves(redis: RedisSource): Promise<void> {
  const topic = freshTopic();
  const options = {
    redis,
    topic,
    ...QUICK,
    loadShards: 4,
    commandTimeout: 20_000,
    onWarning: () => undefined,
  };
  const nodes: Node[] = [];
  try {
    for (const node of ['front', 'engine']) nodes.push(await Scheduler.start<Prompt>({ ...options, node }));
    const [front, engine] = nodes;
    void engine!.run(({ owner }) => owner, { budget: room() });
    expect(await front!.submit(request('r')).result()).to.equal('front');
  } finally {
    await Promise.all(nodes.map((node) => node.close()));
  }
}

async function refusal(redis: RedisSource): Promise<SchedulerError> {
  // no refusal waits for the time to connect
  const error = await rejection(Scheduler.start({ redis, topic: freshTopic(), commandTimeout: 120_000 }));
  expect(error).to.be.instanceOf(SchedulerError).with.property('code', 'REDIS');
  expect(error.message).not.to.include(PASSWORD).and.not.to.include(encodeURIComponent(PASSWORD));
  return error;
}

describe('the option redis, of many machines', function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), 'sched-lua-forms-'));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const certificates = [
    ...['--tls-cert-file', file('cert', SELF_SIGNED.cert), '--tls-key-file', file('key', SELF_SIGNED.key)],
    ...['--tls-ca-cert-file', file('ca', SELF_SIGNED.cert)],
  ];
  after(() => rmSync(folder, { recursive: true }));
  before(function () {
    if (!TestCluster.isPossible) this.skip();
  });

  describe('of a Cluster', () => {
    const cluster = new TestCluster();
    before(() => cluster.open(3, { replicas: 1, args: [...ACL, ...certificates], tls: true }));
    after(() => cluster.close());

    const forms: Readonly<Record<string, () => RedisSource>> = {
      'a URL of one master': () => `redis+cluster://${at(cluster.places)[0]!}`,
      'a URL of a replica alone': () => `redis+cluster://${at(cluster.places)[4]!}`,
      'a URL of all, with a user': () => `redis+cluster://${ENCODED}@${at(cluster.places).join(',')}`,
      'an array of nodes': () => cluster.places,
      'an array of host:port': () => at(cluster.places),
      'an array of URLs': () => at(cluster.places).map((place) => `redis://${ENCODED}@${place}`),
      'an object with nodes, a user and options': () => ({
        cluster: cluster.places,
        ...USER,
        maxRedirections: 3,
      }),
      'TLS by its CA and a client certificate': () => ({ cluster: cluster.tlsPlaces, ...USER, tls: TLS }),
      'TLS by URLs and a CA': () => ({
        cluster: at(cluster.tlsPlaces).map((place) => `rediss://${ENCODED}@${place}`),
        tls: TLS,
      }),
      'a client that would give up, refuse and read from replicas': () =>
        new Cluster(cluster.places, {
          lazyConnect: true,
          enableOfflineQueue: false,
          clusterRetryStrategy: () => null,
          scaleReads: 'slave',
          maxRedirections: 1,
          retryDelayOnFailover: 0,
        }),
    };
    for (const [what, source] of Object.entries(forms))
      it(`takes ${what}`, async () => {
        await serves(source());
        await waitUntil(async () => (await cluster.sockets()) === 0, 'no socket is left');
      });

    it('has a socket for each master and one for wake-ups, whatever nodes were named', async () => {
      const node = await Scheduler.start({
        redis: cluster.places,
        topic: freshTopic(),
        onWarning: () => undefined,
      });
      try {
        await waitUntil(async () => (await cluster.sockets()) === 4, 'four sockets: replicas have none');
      } finally {
        await node.close();
      }
    });

    it('is named by a plain client that meets one of its nodes', async () => {
      const { message } = await refusal(`redis://${ENCODED}@${at(cluster.places)[0]!}`);
      expect(message).to.match(
        /^no connection to Redis at redis:\/\/app@127.0.0.1:\d+: this is a node of a Redis Cluster; give redis\+cluster:\/\/127.0.0.1:\d+, or /,
      );
      expect((await refusal(cluster.places[4]!)).message).to.match(/this is a node of a Redis Cluster/);
    });

    it('that does not know the user says so at once', async () => {
      const { message } = await refusal({ cluster: cluster.places, username: 'app', password: 'wrong' });
      expect(message).to.match(/: WRONGPASS /);
    });

    it('says why no node takes a connection', async () => {
      const redis = { cluster: cluster.tlsPlaces, tls: {} };
      const options = { redis, topic: freshTopic(), commandTimeout: 2_000 };
      const { message } = await rejection(Scheduler.start(options));
      expect(message).to.match(
        /^no connection to Redis at the Cluster of 127.*within 2000 ms: .*(certificate|signed)/,
      );
    });
  });

  describe('of one server', () => {
    const servers: PrivateRedis[] = [];
    const socket = join(folder, 'r.sock');
    let plain = '';
    let secure = 0;
    before(async () => {
      secure = await freePort();
      const args = ['--tls-port', String(secure), '--unixsocket', socket, ...ACL, ...certificates];
      servers.push(await startBinary(args));
      plain = new URL(servers[0]!.url).host;
    });
    after(() => Promise.all(servers.map((server) => server.stop())));

    const forms: Readonly<Record<string, () => RedisSource>> = {
      'a user with any password, and a database': () => `redis://${ENCODED}@${plain}/3`,
      'a socket': () => `unix://${socket}`,
      'a socket with a user and a database': () => `unix://${ENCODED}@${socket}?db=2`,
      'a client certificate': () => ({ host: 'localhost', port: secure, ...USER, tls: TLS }),
    };
    for (const [what, source] of Object.entries(forms)) it(`takes ${what}`, () => serves(source()));

    it('is named by a Cluster client', async () => {
      expect((await refusal(`redis+cluster://${plain}`)).message).to.match(/cluster support disabled/);
    });

    it('refuses a client without a certificate', async () => {
      const options = {
        redis: { host: 'localhost', port: secure, tls: CA },
        topic: freshTopic(),
        commandTimeout: 2_000,
      };
      expect((await rejection(Scheduler.start(options))).message).to.match(
        /certificate required|ECONNRESET|closed/i,
      );
    });
  });

  describe('of Sentinel', () => {
    const servers: PrivateRedis[] = [];
    let sentinel!: Sentinel;
    before(async () => {
      servers.push(await startBinary(ACL));
      sentinel = await Sentinel.start(Number(new URL(servers[0]!.url).port));
    });
    after(async () => {
      await sentinel.stop();
      await Promise.all(servers.map((server) => server.stop()));
    });

    it('takes a URL and an object', async () => {
      await serves(`redis+sentinel://${ENCODED}@127.0.0.1:${sentinel.port}/${sentinel.name}/2`);
      await serves({ sentinels: [{ host: '127.0.0.1', port: sentinel.port }], name: sentinel.name, ...USER });
    });

    it('goes on to the next sentinel when one hangs', async () => {
      const hung = await Sentinel.start(Number(new URL(servers[0]!.url).port));
      hung.signal('SIGSTOP');
      try {
        await serves(`redis+sentinel://127.0.0.1:${hung.port},127.0.0.1:${sentinel.port}/${sentinel.name}`);
      } finally {
        hung.signal('SIGCONT');
        await hung.stop();
      }
    });

    it('is named by a plain client that meets a sentinel', async () => {
      const { message } = await refusal(`redis://127.0.0.1:${sentinel.port}`);
      expect(message).to.match(
        new RegExp(
          `this is a sentinel, which knows ${sentinel.name}; give redis\\+sentinel://127.0.0.1:\\d+/${sentinel.name},`,
        ),
      );
    });

    it('says that no sentinel knows the name', async () => {
      const redis = `redis+sentinel://127.0.0.1:${sentinel.port}/other`;
      const error = await rejection(Scheduler.start({ redis, topic: freshTopic(), commandTimeout: 1_000 }));
      expect(error.message).to.match(/sentinel 127.0.0.1:\d+ knows no master of that name$/);
    });
  });
});
