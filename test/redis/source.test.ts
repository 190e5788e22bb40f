// Where Redis is, as users give it: clients of any copy of ioredis serve, and nothing else is taken for options.
import { EventEmitter } from 'node:events';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { ConfigError, Scheduler, type RedisSource } from '../../src/index.ts';
import { copyIoredis, type OtherIoredis } from '../support/other-ioredis.ts';
import { rejection, request, room, useFleet } from '../support/fleet.ts';

const SECRET = 's3cr3t';

/** A client of another library, which has a few names in common with one of ioredis. */
class OtherClient extends EventEmitter {
  readonly options = { url: `redis://:${SECRET}@h` };
  readonly status = 'ready';
  duplicate(): OtherClient {
    return new OtherClient();
  }
}

describe('the option redis', () => {
  const fleet = useFleet();
  let other: OtherIoredis;
  before(() => (other = copyIoredis()));
  after(() => other.remove());

  /** A request goes from one node to the other, in chunks. */
  async function serves(redis: RedisSource): Promise<void> {
    const [front, engine] = [await fleet.start('front', { redis }), await fleet.start('engine', { redis })];
    void engine.run(
      // eslint-disable-next-line @typescript-eslint/require-await -- it has nothing to wait for
      async function* ({ owner }) {
        yield 'part';
        return owner;
      },
      { budget: room() },
    );
    const results = [];
    for await (const { kind, output } of front.submit(request('r'))) results.push([kind, output]);
    expect(results).to.deep.equal([
      ['chunk', 'part'],
      ['finished', 'front'],
    ]);
  }

  it('takes a client of another copy of ioredis', async () => {
    const { Redis: Other } = other.load();
    expect(Other).not.to.equal(Redis);
    const client = new Other(fleet.url, { lazyConnect: true });
    expect(client).not.to.be.instanceOf(Redis);
    await serves(client);
    expect(client.status, 'it was not used itself').to.equal('wait');
  });

  it('takes a client that answers in another way than ours', async () => {
    await serves(new Redis(fleet.url, { lazyConnect: true, replyMapping: 'resp3', stringNumbers: true }));
  });

  for (const [what, prototype] of Object.entries({
    options: Object.prototype,
    'a record without a prototype': null,
  })) {
    it(`takes ${what}`, async () => {
      const { hostname: host, port } = new URL(fleet.url);
      await serves(Object.assign(Object.create(prototype) as object, { host, port: Number(port) }));
    });
  }

  const odd: readonly [what: string, source: () => unknown][] = [
    ['a client of another library', () => new OtherClient()],
    ['a URL object', () => new URL(`redis://:${SECRET}@h`)],
    ['a promise of a client', () => Promise.resolve(SECRET)],
    ['a map', () => new Map([['host', SECRET]])],
    ['bytes', () => Buffer.from(SECRET)],
    ['a function', () => () => SECRET],
    ['a class of ioredis', () => Redis],
    ['a signal', () => new AbortController().signal],
  ];
  for (const [what, source] of odd) {
    it(`refuses ${what}, and shows nothing of it`, async () => {
      const error = await rejection(Scheduler.start({ redis: source() as RedisSource }));
      expect(error).to.be.instanceOf(ConfigError).with.property('option', 'redis');
      expect(error.message).to.match(
        /allowed is a redis:\/\/ URL, ioredis options, nodes of a Cluster, or an ioredis client$/,
      );
      if (what !== 'a function') expect(inspect(error, { depth: Infinity })).not.to.include(SECRET);
    });
  }

  for (const [name, value] of Object.entries({
    url: `redis://:${SECRET}@h`,
    socket: { host: SECRET },
    database: 3,
  })) {
    it(`refuses options with ${name}, which ioredis would overlook`, async () => {
      const error = await rejection(Scheduler.start({ redis: { [name]: value } as RedisSource }));
      expect(error).to.be.instanceOf(ConfigError).with.property('option', `redis.${name}`);
      expect(error.message).to.match(new RegExp(`^redis\\.${name} is no option of ioredis; `));
      expect(inspect(error, { depth: Infinity })).not.to.include(SECRET);
    });
  }

  it('says what ioredis itself refuses', async () => {
    const source = {
      host: 'h',
      port: 1,
      get tls(): never {
        throw new Error('no tls today');
      },
    };
    const error = await rejection(Scheduler.start({ redis: source }));
    expect(error).to.be.instanceOf(ConfigError);
    expect(error.message).to.equal('redis: ioredis refuses it: no tls today');
  });
});
