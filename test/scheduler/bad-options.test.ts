// lua/README.md#bad-days, a bad option: a ConfigError before anything is sent.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { OPTIONS, type Option } from '../../src/base/option-table.ts';
import { settle } from '../../src/base/settle.ts';
import { ConfigError, Scheduler } from '../../src/index.ts';
import { CHOICES, completed, optionsOf } from '../base/extremes.ts';
import { rejection } from '../support/fleet.ts';

/** Option, bad values, and what the error says is allowed. */
const BAD_OPTIONS: readonly [option: string, values: readonly unknown[], allowed: RegExp][] = [
  ['topic', ['', 'a.b', 'a b', '{a}', 'ä', 'x'.repeat(129), 7], /1 to 128 characters of A-Z a-z 0-9 _ : -$/],
  ['node', ['', 'a|b', 'a b', 'a}', 'ä', 'x'.repeat(129), 7], /1 to 128 characters of A-Z a-z 0-9 \. _ : -$/],
  ['takeover', ['yes', 1], /true or false/],
  ['policy', ['random', '', 1], /one of oldest, lucky, none/],
  ['onRestart', ['ignore', 0], /one of restart, fail/],
  ['onOwnerLoss', ['cancel', true], /one of finish, abort/],
  ['deadLetter', ['none', true], /one of lost, failed, all/],
  ['waitReplicas', [1, true], /an object with replicas and timeoutMs/],
  ['scripts', ['eval', true], /one of auto, preloaded/],
  ['loadShards', [0, -1, 1.5, NaN, '2', 65_537], /an integer from 1 to 65536/],
  ['loadLookup', [-1, 0.5, '1'], /an integer from 0 to 65536/],
  ['loadUnit', ['blocks', 3], /one of requests, tokens/],
  ['minLoadScore', [0, -3, NaN, '3'], /an integer from 1 to /],
  ['stealAfterMs', [-1, Infinity, '50'], /an integer from 0 to /],
  ['leaseMs', [0, 99, 1e12, '30000', NaN], /an integer from 100 to /],
  ['keepAliveMs', [0, -1, Infinity], /an integer from 100 to /],
  ['ttlMs', [0, 199, -1, 'forever'], /an integer from 200 to /],
  ['pollMs', [0, -1, NaN], /an integer from 10 to /],
  ['commandTimeout', [0, -1, Infinity], /an integer from 1 to /],
  ['tries', [0, 256, 1.5], /an integer from 1 to 255/],
  ['maxWaiting', [0, -1, '9'], /an integer from 1 to /],
  ['maxResults', [0, -1, NaN], /an integer from 1 to /],
  ['maxUnread', [0, -1, NaN], /an integer from 1 to /],
  ['maxUnreadBytes', [0, 2 ** 40], /an integer from 1 to 536870912/],
  ['readTimeoutMs', [0, -1, Infinity], /an integer from 1 to /],
  ['maxBodyBytes', [0, 2 ** 40], /an integer from 1 to 536870912/],
  ['maxResultBytes', [0, 2 ** 40], /an integer from 1 to 536870912/],
  [
    'codec',
    [{}, 'token', 'JSON', { encode: () => '' }],
    /one of json, tokens, or an object with the functions encode and decode$/,
  ],
  [
    'outputCodec',
    [{}, 'bytes', '', { decode: () => 1 }],
    /one of json, tokens, or an object with the functions encode and decode$/,
  ],
  ['idOf', ['id', {}], /a function/],
  ['promptTokensOf', [3, 'length'], /a function/],
  ['events', ['all', {}, { on: () => 1 }], /a SchedulerEvents/],
  ['onWarning', ['console', true], /a function/],
];

const TABLE = Object.entries<Option<unknown>>(OPTIONS);

/** A value of every type, none of which is the right one of its type for every option. */
const VALUES = ['a b', 0.5, 7n, true, Symbol('7'), {}, () => 1] as const;
/** Said by the connection, which is not open yet. */
const REDIS_ALLOWED = 'a redis:// URL, ioredis options, nodes of a Cluster, or an ioredis client';

/** The types of the values that an option may have: the type of its default, where that is the only one. */
function typesOf(option: string): string[] {
  if (option === 'redis') return ['string', 'object'];
  if (option === 'waitReplicas') return ['object'];
  return [typeof settle({})[option as 'topic']];
}

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

  /** Refused by name, with its value and the words `allowed`. */
  async function refused(option: string, value: unknown, allowed: string): Promise<void> {
    const error = await rejection(Scheduler.start({ redis, [option]: value }));
    const said = `${option}: ${String(value)}`;
    expect(error, said).to.be.instanceOf(ConfigError);
    expect(error, said).to.deep.include({ code: 'CONFIG', option, value });
    expect(error.message.startsWith(`${option} is `), said).to.equal(true);
    expect(error.message.endsWith(`; allowed is ${allowed}`), error.message).to.equal(true);
  }

  for (const [option, { kind }] of TABLE) {
    it(`${option}: every value of a wrong type is refused, and null, and the name misspelt`, async () => {
      const wrong = VALUES.filter((value) => !typesOf(option).includes(typeof value));
      expect(wrong.length).to.be.at.least(VALUES.length - 2);
      for (const value of wrong)
        await refused(option, value, option === 'redis' ? REDIS_ALLOWED : kind.allowed);
      await refused(option, null, 'a value, or nothing for the default');
      for (const name of [`${option}s`, option.toUpperCase(), ` ${option}`]) {
        const error = await rejection(Scheduler.start({ redis, [name]: settle({})[option as 'topic'] }));
        expect(error, name).to.be.instanceOf(ConfigError);
        expect(error, name).to.deep.include({ code: 'CONFIG', option: name, value: undefined });
        const shown = name.startsWith(' ') ? JSON.stringify(name) : name;
        expect(error.message).to.equal(`${shown} is no option of Scheduler.start; did you mean ${option}?`);
      }
    });

    if (kind.range === undefined) continue;
    const [least, most] = kind.range;
    it(`${option}: ${least} and ${most} are taken, what is below, above or between two integers is not`, async () => {
      // beside other options with which it may stand
      for (const choice of CHOICES.flat().filter((one) => one.option === option))
        expect(settle(optionsOf(completed([choice])!))).to.include({ [option]: choice.value });
      for (const value of [least - 1, least - 0.5, -Infinity, most + 1, most + 0.5, Infinity, NaN])
        await refused(option, value, `an integer from ${least} to ${most}`);
    });
  }

  it('a name that no option has nearly is refused, and what is there in vain is not shown', async () => {
    for (const options of [
      { frobnicate: 's3cr3t' },
      { ['s3cr3t '.repeat(30)]: 1 },
      ['s3cr3t'],
      's3cr3t',
      null,
    ]) {
      const error = await rejection(Scheduler.start(options as never));
      expect(error).to.be.instanceOf(ConfigError);
      expect(error.message).to.match(
        /(is no option of Scheduler.start; docs|^options of Scheduler.start: allowed is)/,
      );
      if (!Object.keys(options ?? {})[0]?.startsWith('s3')) expect(inspect(error)).not.to.include('s3cr3t');
    }
    const misspelt = await rejection(Scheduler.start({ rediss: 'redis://:s3cr3t@h' } as never));
    expect(misspelt.message).to.match(/; did you mean redis\?$/);
    expect(inspect(misspelt)).not.to.include('s3cr3t');
  });

  const badWaits: [unknown, RegExp][] = [
    [{ replica: 1, timeoutMs: 100 }, /^replica is no option of waitReplicas; did you mean replicas\?$/],
    [{ timeoutMs: 100 }, /^waitReplicas.replicas is NaN; allowed is an integer from 1 to 1000$/],
    [{ replicas: 0, timeoutMs: 100 }, /^waitReplicas.replicas is 0; /],
    [{ replicas: 1 }, /^waitReplicas.timeoutMs is NaN; /],
    [{ replicas: 1, timeoutMs: 0 }, /^waitReplicas.timeoutMs is 0; /],
    [
      { replicas: 1, timeoutMs: 3334 },
      /^waitReplicas.timeoutMs is 3334; allowed is at most commandTimeout \/ 3, and commandTimeout is 10000: /,
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
