// DESIGN.md section 8, a bad option: a ConfigError before anything is sent.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { ConfigError, Scheduler } from '../../src/index.ts';
import { rejection } from '../support/fleet.ts';

/** Option, bad values, and what the error says is allowed. */
const BAD_OPTIONS: readonly [option: string, values: readonly unknown[], allowed: RegExp][] = [
  ['topic', ['', 'a.b', 'a b', '{a}', 'ä', 'x'.repeat(129), 7], /1 to 128 characters of A-Z a-z 0-9 _ : -$/],
  ['node', ['', 'a|b', 'a b', 'a}', 'ä', 'x'.repeat(129), 7], /1 to 128 characters of A-Z a-z 0-9 \. _ : -$/],
  ['takeover', ['yes', 1], /true or false/],
  ['policy', ['random', '', 1], /one of oldest, lucky, none/],
  ['onRestart', ['ignore', 0], /one of restart, fail/],
  ['waitReplicas', [1, true], /an object with replicas and timeoutMs/],
  ['scripts', ['eval', true], /one of auto, preloaded/],
  ['loadShards', [0, -1, 1.5, NaN, '2', 65_537], /an integer from 1 to 65536/],
  ['loadLookup', [-1, 0.5, '1'], /an integer from 0 to 65536/],
  ['loadUnit', ['blocks', 3], /one of requests, tokens/],
  ['minLoadScore', [0, -3, NaN, '3'], /an integer from 1 to /],
  ['stealAfterMs', [-1, Infinity, '50'], /an integer from 0 to /],
  ['leaseMs', [0, 99, 1e12, '30000', NaN], /an integer from 100 to /],
  ['keepAliveMs', [0, -1, Infinity], /an integer from 100 to /],
  ['ttlMs', [0, -1, 'forever'], /an integer from 100 to /],
  ['pollMs', [0, -1, NaN], /an integer from 10 to /],
  ['commandTimeout', [0, -1, Infinity], /an integer from 1 to /],
  ['tries', [0, 256, 1.5], /an integer from 1 to 255/],
  ['maxWaiting', [0, -1, '9'], /an integer from 1 to /],
  ['maxResults', [0, -1, NaN], /an integer from 1 to /],
  ['maxBodyBytes', [0, 2 ** 40], /an integer from 1 to 536870912/],
  ['maxResultBytes', [0, 2 ** 40], /an integer from 1 to 536870912/],
  ['codec', [{}, 'json', { encode: () => '' }], /an object with the functions encode and decode/],
  ['outputCodec', [{}, { decode: () => 1 }], /an object with the functions encode and decode/],
  ['idOf', ['id', {}], /a function/],
  ['promptTokensOf', [3, 'length'], /a function/],
  ['onWarning', ['console', true], /a function/],
  ['leaseMS', [30_000], /no option of this name/],
];

describe('bad options of Scheduler.start', () => {
  let listener: Server;
  let connections = 0;
  let redis: string;

  before(async () => {
    listener = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    redis = `redis://127.0.0.1:${(listener.address() as AddressInfo).port}`;
  });
  after(async () => {
    listener.close();
    await once(listener, 'close');
  });
  afterEach(() => expect(connections, 'no connection was made').to.equal(0));

  for (const [option, values, allowed] of BAD_OPTIONS) {
    it(`${option}: is refused by name, with its value and what is allowed, before anything is sent`, async () => {
      for (const value of values) {
        const error = await rejection(Scheduler.start({ redis, [option]: value }));
        expect(error, String(value)).to.be.instanceOf(ConfigError);
        expect(error).to.deep.include({ code: 'CONFIG', option, value });
        expect(error.message).to.match(allowed);
        expect(error.message.startsWith(`${option} is `)).to.equal(true);
      }
    });
  }

  it('null is refused for every option: it is neither a value nor the default', async () => {
    for (const option of [...BAD_OPTIONS.slice(0, -1).map(([name]) => name), 'redis']) {
      const error = await rejection(Scheduler.start({ redis, [option]: null }));
      expect(error).to.be.instanceOf(ConfigError).with.property('option', option);
      expect(error.message).to.equal(`${option} is null; allowed is a value, or nothing for the default`);
    }
  });

  const badWaits: [unknown, RegExp][] = [
    [{ timeoutMs: 100 }, /^waitReplicas.replicas is NaN; allowed is an integer from 1 to 1000$/],
    [{ replicas: 0, timeoutMs: 100 }, /^waitReplicas.replicas is 0; /],
    [{ replicas: 1 }, /^waitReplicas.timeoutMs is NaN; /],
    [{ replicas: 1, timeoutMs: 0 }, /^waitReplicas.timeoutMs is 0; /],
    [
      { replicas: 1, timeoutMs: 3334 },
      /^waitReplicas.timeoutMs is 3334; allowed is an integer from 1 to 3333$/,
    ],
  ];
  for (const [waitReplicas, says] of badWaits) {
    it(`waitReplicas: ${JSON.stringify(waitReplicas)} is refused: a wait is bounded, and by a third of commandTimeout`, async () => {
      const error = await rejection(Scheduler.start({ redis, waitReplicas: waitReplicas as never }));
      expect(error.message).to.match(says);
    });
  }

  it('redis: what is no URL, no options and no client is refused, and no password shown', async () => {
    for (const bad of ['http://h', 'h:6379', 'redis//h', 7, 'x://u:s3cr3t@h']) {
      const error = await rejection(Scheduler.start({ redis: bad as string }));
      expect(error).to.be.instanceOf(ConfigError).with.property('option', 'redis');
      expect(error)
        .to.have.property('value')
        .that.does.not.match(/s3cr3t/);
      expect(error.message).to.not.include('s3cr3t');
    }
  });

  it('redis: a key prefix is refused, in options and in a client', async () => {
    const client = new Redis(redis, { keyPrefix: 'app:', lazyConnect: true });
    for (const source of [{ host: '127.0.0.1', keyPrefix: 'app:' }, client]) {
      const error = await rejection(Scheduler.start({ redis: source }));
      expect(error).to.be.instanceOf(ConfigError).with.property('option', 'redis.keyPrefix');
    }
    client.disconnect();
  });
});
