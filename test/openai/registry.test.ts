// Which models a fleet serves: said by workers, read by gateways, gone when nobody says it any more; and topics of their
// names.
import { expect } from 'chai';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { checkTopic } from '../../src/base/keys.ts';
import {
  KEY_TTL_MS,
  MAX_NAME,
  announce,
  checkFleet,
  modelsKey,
  readModels,
  topicOf,
  withdraw,
} from '../../src/openai/registry.ts';
import { freshTopic, redisUrl } from '../support/server.ts';

describe('the registry of models', () => {
  let redis: Redis;
  let fleet: string;
  before(() => (redis = new Redis(redisUrl())));
  after(() => redis.quit());
  beforeEach(() => (fleet = freshTopic()));

  const one = { model: 'org/one', kind: 'vllm', worker: 'w1', maxModelLen: 4096 };

  it('is empty before a worker came', async () => {
    expect([...(await readModels(redis, fleet))]).to.deep.equal([]);
    expect(await redis.exists(modelsKey(fleet))).to.equal(0);
  });

  it('says of each model its topic, its engines and its workers', async () => {
    await announce(redis, fleet, [one, { model: 'two', kind: 'openai', worker: 'w1' }]);
    await announce(redis, fleet, [{ model: 'org/one', kind: 'sglang', worker: 'w2', maxModelLen: 8192 }]);
    const models = await readModels(redis, fleet);
    const { until, ...said } = models.get('org/one')!;
    expect(said).to.deep.equal({
      name: 'org/one',
      topic: `${fleet}:org_2fone`,
      kinds: ['sglang', 'vllm'],
      workers: ['w1', 'w2'],
      maxModelLen: 8192,
    });
    expect(until).to.be.above(Date.now() - 60_000);
    expect(models.get('two')).not.to.have.property('maxModelLen');
    expect([...models.keys()]).to.deep.equal(['org/one', 'two']);
  });

  it('has each model of a worker once, however often that is said', async () => {
    for (let i = 0; i < 3; i += 1) await announce(redis, fleet, [one]);
    expect(await redis.zcard(modelsKey(fleet))).to.equal(1);
  });

  it('forgets what is not said again, and the key expires', async () => {
    await announce(redis, fleet, [one]);
    const [member] = await redis.zrange(modelsKey(fleet), 0, '-1');
    await redis.zadd(modelsKey(fleet), '1', member!);
    expect((await readModels(redis, fleet)).size).to.equal(0);
    await announce(redis, fleet, [{ ...one, worker: 'w2' }]);
    expect((await readModels(redis, fleet)).get('org/one')!.workers).to.deep.equal(['w2']);
    expect(await redis.zcard(modelsKey(fleet))).to.equal(1);
    expect(await redis.pttl(modelsKey(fleet))).to.be.within(1, KEY_TTL_MS);
  });

  it('does not take back what was said later', async () => {
    await announce(redis, fleet, [one]);
    const [member, until] = await redis.zrange(modelsKey(fleet), 0, '-1', 'WITHSCORES');
    await redis.zadd(modelsKey(fleet), 'GT', String(Number(until) - 5_000), member!);
    expect(await redis.zscore(modelsKey(fleet), member!)).to.equal(until);
  });

  it('forgets at once what a worker withdraws', async () => {
    await announce(redis, fleet, [one, { ...one, worker: 'w2' }]);
    await withdraw(redis, fleet, [one]);
    expect((await readModels(redis, fleet)).get('org/one')!.workers).to.deep.equal(['w2']);
  });

  it('leaves out entries that it cannot read', async () => {
    await announce(redis, fleet, [one]);
    for (const member of [
      'x',
      '[]',
      '[2,"m","k","w",0]',
      '[1,"","k","w",0]',
      '[1,"m","k","w"]',
      '{"a":1}',
      '[1,5,"k","w",0]',
    ])
      await redis.zadd(modelsKey(fleet), String(Date.now() + 60_000), member);
    expect([...(await readModels(redis, fleet)).keys()]).to.deep.equal(['org/one']);
  });

  it('refuses names of models and fleets that no topic can have', async () => {
    for (const model of ['', 'x'.repeat(MAX_NAME + 1), '\ud800']) {
      const refused = await announce(redis, fleet, [{ ...one, model }]).catch((error: unknown) => error);
      expect(refused).to.include({ code: 'CONFIG' });
    }
    for (const name of ['', 'a:b', 'a.b', 'x'.repeat(49), '{a}', undefined])
      expect(() => checkFleet(name)).to.throw('fleet is');
  });
});

describe('the topic of a model', () => {
  const names = fc.string({ unit: 'grapheme', minLength: 1, maxLength: MAX_NAME });

  it('is a topic, whatever the name', () => {
    fc.assert(fc.property(names, (name) => void checkTopic(topicOf('f'.repeat(48), name))));
    expect(checkTopic(topicOf('f', '☃'.repeat(MAX_NAME)))).to.have.length.below(129);
  });

  it('is another for another name', () => {
    fc.assert(fc.property(names, names, (a, b) => (topicOf('f', a) === topicOf('f', b)) === (a === b)));
    const alike = ['a/b', 'a_2fb', 'a-b', 'a.b', 'A/b', 'a/b ', `${'a'.repeat(80)}b`, `${'a'.repeat(80)}c`];
    expect(new Set(alike.map((name) => topicOf('f', name))).size).to.equal(alike.length);
  });
});
