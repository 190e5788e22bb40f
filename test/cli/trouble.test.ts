import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import type { RedisServer } from '../../scripts/lib/redis/find.ts';
import { freshTopic, redisUrl } from '../support/server.ts';
import { privateRedis } from '../support/private-server.ts';
import { SELF_SIGNED } from '../support/self-signed.ts';
import { runCli, seedNode, startCli, withClient } from './support.ts';

describe('sched-lua, when Redis is in trouble', () => {
  /** Accepts connections, and never says a word. */
  let silent: Server;
  let silentUrl: string;
  const sockets = new Set<Socket>();

  before(async () => {
    silent = createServer((socket) => {
      sockets.add(socket.on('error', () => undefined));
    }).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    silentUrl = `redis://:s3cr3t@127.0.0.1:${(silent.address() as AddressInfo).port}`;
  });
  after(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((closed) => silent.close(closed));
  });

  it('says within --timeout that Redis is down, with exit code 1, and as one object with --json', async () => {
    const { code, json, stderr } = await runCli(
      ['verify', '--json', '--timeout', '3000'],
      'redis://:s3cr3t@127.0.0.1:1',
    );
    expect(code).to.equal(1);
    expect(stderr).to.match(
      /^waiting for Redis at 127\.0\.0\.1:1, at most 3\.0 s: .*ECONNREFUSED.*\nsched-lua: no connection to Redis at 127\.0\.0\.1:1 within 3000 ms.*ECONNREFUSED.*\nhint: .*\n$/,
    );
    expect(json()).to.have.property('ok', false);
    expect(json().error?.code).to.equal('REDIS');
    expect(stderr + JSON.stringify(json())).not.to.include('s3cr3t');
  });

  it('answers within a few seconds when no --timeout is given', async () => {
    const begin = performance.now();
    const { code, stderr } = await runCli(['load', '--quiet'], 'redis://127.0.0.1:1');
    expect(code).to.equal(1);
    expect(stderr).to.match(/ within 5000 ms/);
    expect(performance.now() - begin).to.be.at.least(5_000);
  });

  it('waits no longer than --timeout for a server that hangs', async () => {
    const { code, stderr } = await runCli(['load', '--timeout', '300', '--quiet'], silentUrl);
    expect(code).to.equal(1);
    expect(stderr).to.match(/^sched-lua: no connection to Redis at 127\.0\.0\.1:\d+ within 300 ms/);
  });

  it('ends with 130 and without a word on Ctrl-C', async () => {
    const child = startCli(['status'], silentUrl);
    const output: string[] = [];
    child.stdout.on('data', (text) => output.push(String(text)));
    child.stderr.on('data', (text) => output.push(String(text)));
    await once(silent, 'connection');
    child.kill('SIGINT');
    const [code] = (await once(child, 'close')) as [number];
    // on a busy machine the signal may come after the word that it waits
    expect(output.join('')).to.match(/^(waiting for Redis at .*: no answer yet\n)?$/);
    expect(code).to.equal(130);
  });

  it('says soon that it waits for a server that says nothing, once, and not with --quiet', async () => {
    for (const [timeout, ...args] of [['4000'], ['1500', '--quiet']]) {
      const { stderr } = await runCli(['load', '--timeout', timeout!, ...args], silentUrl);
      const waits = stderr.match(/^waiting for Redis at 127\.0\.0\.1:\d+, at most 4\.0 s: no answer yet$/gm);
      expect(waits ?? []).to.have.length(args.length === 0 ? 1 : 0);
      expect(stderr).to.match(/^sched-lua: no connection/m);
      expect(stderr.split('\n')).to.have.length(args.length === 0 ? 4 : 3);
    }
  });

  describe('by a listener that is not what the URL says', () => {
    const servers: Server[] = [];
    const listen = async (server: Server): Promise<string> => {
      servers.push(server.listen(0, '127.0.0.1'));
      await once(server, 'listening');
      return `127.0.0.1:${(server.address() as AddressInfo).port}`;
    };
    let [http, tls, redis] = ['', '', ''];
    before(async () => {
      http = await listen(createHttpServer((_, response) => response.end('hello')));
      tls = await listen(createTlsServer(SELF_SIGNED, (socket) => socket.on('error', () => undefined)));
      redis = new URL(redisUrl()).host;
    });
    after(() => Promise.all(servers.map((server) => new Promise((closed) => server.close(closed)))));

    const cases: [what: string, url: () => string, says: RegExp, hint: RegExp][] = [
      ['an HTTP server', () => `redis://${http}`, /an HTTP server answers there/, /port of Redis itself/],
      ['an HTTP server, by TLS', () => `rediss://${http}`, /an HTTP server answers there/, /port of Redis/],
      ['TLS', () => `redis://${tls}`, /the server there speaks TLS/, /rediss:\/\//],
      ['Redis without TLS', () => `rediss://${redis}`, /the server there speaks without TLS/, /redis:\/\//],
      [
        'a self-signed certificate',
        () => `rediss://${tls}`,
        /self-signed certificate/,
        /NODE_EXTRA_CA_CERTS/,
      ],
      ['a database that is not there', () => `redis://${redis}/9999`, /DB index is out of range/, /0 to 15/],
    ];
    for (const [what, url, says, hint] of cases) {
      it(`says of ${what} what it is and what to do, and does not wait`, async () => {
        // an hour would be too long for this test
        const { code, json, stderr } = await runCli(['status', '--json', '--timeout', '3600000'], url());
        expect(code).to.equal(1);
        expect(json().error).to.have.property('code', 'REDIS');
        expect(json().error?.message)
          .to.match(/^no connection to Redis at 127\.0\.0\.1:\d+: /)
          .and.to.match(says);
        expect(json().error?.hint).to.match(hint);
        expect(stderr).not.to.include('within 3600000 ms');
      });
    }
  });

  it('says nothing about a closed pipe, and keeps its exit code', async () => {
    const child = startCli(['load', '--check', '--json'], redisUrl());
    child.stdout.destroy();
    const errors: string[] = [];
    child.stderr.on('data', (text) => errors.push(String(text)));
    const [code] = (await once(child, 'close')) as [number];
    const { code: expected, stderr } = await runCli(['load', '--check', '--json'], redisUrl());
    // on a busy machine either may have had to wait
    const said = (text: string): string => text.replace(/^waiting for Redis .*\n/gm, '');
    expect([code, said(errors.join(''))]).to.deep.equal([expected, said(stderr)]);
  });
});

describe('sched-lua on a server with a password', () => {
  const secret = 's3cr3t@/:?w0rd';
  let server: RedisServer;
  let redis: Redis;
  const urlWith = (password: string, user = '') => {
    const url = new URL(server.url);
    [url.username, url.password] = [user, encodeURIComponent(password)];
    return url.href;
  };

  before(async () => {
    server = await privateRedis();
    redis = new Redis(server.url);
    await redis.config('SET', 'requirepass', secret);
  });
  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  const silentAbout = (text: string): void => {
    for (const part of ['s3cr3t', 'w0rd', encodeURIComponent(secret)]) expect(text).not.to.include(part);
  };

  for (const command of ['load', 'status', 'verify']) {
    it(`${command} takes it from the URL and the environment and never shows it`, async () => {
      for (const args of [['--url', urlWith(secret)], ['--json']]) {
        if (command === 'status')
          await withClient(urlWith(secret), (client) => seedNode(client, 'default', 'a', 1));
        const { code, stdout, stderr } = await runCli(
          [command, ...args],
          args[0] === '--url' ? server.url : urlWith(secret),
        );
        expect(code).to.equal(0);
        silentAbout(stdout + stderr);
      }
    });
  }

  it('says that the password is wrong or missing, and shows neither', async () => {
    for (const [url, says] of [
      [urlWith(`${secret}x`), /WRONGPASS/],
      [urlWith(secret, 'joe'), /WRONGPASS/],
      [server.url, /NOAUTH/],
    ] as const) {
      const { code, stdout, stderr } = await runCli(['status', '--json'], url);
      expect(code).to.equal(1);
      expect(stderr)
        .to.match(says)
        .and.to.match(/hint: give user and password in SCHED_LUA_REDIS_URL/);
      silentAbout(stdout + stderr);
    }
  });

  it('waits no longer than --timeout for a server that stops answering later', async () => {
    const topic = freshTopic();
    await withClient(urlWith(secret), (client) => seedNode(client, topic, 'a', 1));
    // PING goes on, scripts do not
    await redis.call('CLIENT', 'PAUSE', '60000', 'WRITE');
    const { code, stderr } = await runCli(['status', topic, '--timeout', '3000'], urlWith(secret));
    await redis.call('CLIENT', 'UNPAUSE');
    expect(code).to.equal(1);
    expect(stderr).to.match(/^sched-lua: Redis at \S+ gave no answer within 3000 ms\n/);
  });
});
