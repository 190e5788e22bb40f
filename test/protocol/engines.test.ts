// How often the registry is read for what engines can hold: a put that fits what is remembered costs Redis nothing.
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { registryKeys } from '../../src/base/keys.ts';
import { MAX_TOKENS } from '../../src/base/ticket.ts';
import { Engines } from '../../src/protocol/engines.ts';
import { openClient } from '../../src/redis/connection.ts';
import type { Client } from '../../src/redis/run-script.ts';
import { exemptFromTtlCheck, freshTopic, redisUrl, waitUntil } from '../support/server.ts';

const NO_POLL = 60_000;

describe('what engines can hold', () => {
  let client: Client;
  let topic: string;
  let reads: number;
  /** Of this node; undefined: it has none. */
  let engine: number | undefined;

  beforeEach(() => {
    [topic, reads, engine] = [freshTopic(), 0, undefined];
    exemptFromTtlCheck(topic);
    client = openClient(new Redis(redisUrl(), { lazyConnect: true }));
  });
  afterEach(async () => {
    await client.del(...registryKeys(topic));
    client.disconnect();
  });

  /** @param breaker of its engine: `failures|pause in ms|reason` while it is open */
  const registered = (name: string, tokens: string, ms = 60_000, breaker = ''): Promise<unknown> =>
    client.hset(
      registryKeys(topic)[0],
      name,
      `instance|${'0'.repeat(14)}|${Date.now() + ms}|0|${tokens}|${breaker}`,
    );
  /** @param answered default: what Redis answers */
  const engines = (pollMs = NO_POLL, answered = <T>(read: () => Promise<T>): Promise<T> => read()): Engines =>
    new Engines(
      client,
      { topic, policy: 'oldest', pollMs },
      {
        name: 'me',
        get engine() {
          return engine;
        },
        answered: (_operation, send) => {
          reads += 1;
          return answered(() => send(false));
        },
      },
    );

  it('is read once for a thousand puts that fit, and once for a thousand that are refused together', async () => {
    await registered('other', '100');
    const asked = engines();
    await asked.read();
    for (let i = 0; i < 1_000; i += 1) expect(asked.mayHold(100)).to.equal(true);
    expect(reads).to.equal(1);
    expect(asked.mayHold(101)).to.equal(false);
    const refusals = await Promise.all(Array.from({ length: 1_000 }, () => asked.refusal(101, 10_000)));
    expect(new Set(refusals)).to.deep.equal(new Set([100]));
    expect(reads).to.equal(2);
  });

  it('is never read for what the own engine can hold', () => {
    engine = 100;
    const asked = engines();
    for (let i = 0; i < 1_000; i += 1) expect(asked.mayHold(100)).to.equal(true);
    expect(reads).to.equal(0);
  });

  it('is read again while puts come, without one that waits', async () => {
    await registered('other', '200');
    const asked = engines(1);
    await asked.read();
    await registered('other', '100');
    await waitUntil(() => !asked.mayHold(150), 'it has been read again');
  });

  it('is waited for while no engine is known, and not by every put', async () => {
    const asked = engines();
    expect(asked.mayHold(1)).to.equal(false);
    expect(await asked.refusal(1, 10_000)).to.equal(undefined);
    for (let i = 0; i < 1_000; i += 1) asked.mayHold(1);
    expect(reads).to.equal(1);
    await registered('other', '100');
    await waitUntil(() => !asked.mayHold(101), 'it asks again');
    expect(await asked.refusal(101, 10_000)).to.equal(100);
  });

  it('counts those that live: not who has left, is silent or is this node itself', async () => {
    await registered('other', '100');
    await registered('silent', '300', -1);
    await registered('me', '300');
    await client.hset(registryKeys(topic)[0], 'left', `|${'0'.repeat(14)}|${Date.now() + 60_000}|0|300`);
    const asked = engines();
    expect(await asked.refusal(300, 10_000)).to.equal(100);
    await registered('unsaid', String(MAX_TOKENS));
    expect(await asked.refusal(MAX_TOKENS, 10_000)).to.equal(undefined);
  });

  it('is neither known nor waited for when the registry is silent', async function () {
    this.timeout(60_000);
    let answer = (): void => undefined;
    const silent = new Promise<void>((resolve) => (answer = resolve));
    await registered('other', '100');
    const asked = engines(NO_POLL, (read) => silent.then(read));
    expect(await asked.refusal(101, 1)).to.equal(undefined);
    expect(asked.mayHold(101), 'a short deadline does not make it slow').to.equal(false);
    expect(await asked.refusal(101, 10_000)).to.equal(undefined);
    expect(asked.mayHold(101)).to.equal(true);
    answer();
    await waitUntil(() => !asked.mayHold(101), 'it has answered');
    expect(await asked.refusal(101, 10_000)).to.equal(100);
    expect(reads).to.equal(2);
  });

  it('of others is what they hold: remembered, read afresh if that is asked for, or after a poll', async () => {
    engine = 500;
    const asked = engines();
    expect(await asked.ofOthers(false)).to.equal(-1);
    await registered('other', '100');
    expect(await asked.ofOthers(false), 'remembered for a while').to.equal(-1);
    expect([await asked.ofOthers(true), await asked.ofOthers(false)]).to.deep.equal([100, 100]);
    expect(reads).to.equal(2);
    const polled = engines(1);
    await polled.read();
    await registered('other', '200');
    await waitUntil(async () => (await polled.ofOthers(false)) === 200, 'it has been read again');
  });

  it('of others is what those hold that are not down; those that are refuse nobody, as they may come back', async () => {
    await registered('up', '100');
    await registered('down', '200', 60_000, '3|1000|gone');
    const asked = engines();
    expect(await asked.ofOthers(true)).to.equal(100);
    expect([asked.mayHold(200), asked.mayHold(201)]).to.deep.equal([true, false]);
    await registered('up', '100', 60_000, '3|1000|gone');
    expect(await asked.ofOthers(true)).to.equal(-1);
    expect(asked.mayHold(200)).to.equal(true);
  });

  it('of others holds no claim up when the registry is silent', async () => {
    await registered('other', '100');
    const asked = engines(NO_POLL, (read) => (reads > 1 ? new Promise(() => undefined) : read()));
    await asked.read();
    expect(await asked.ofOthers(true)).to.equal(100);
  });

  it('refuses nobody when Redis answers with an error', async () => {
    await registered('other', '100');
    let fails = true;
    const asked = engines(NO_POLL, (read) => (fails ? Promise.reject(new Error('no')) : read()));
    expect(await asked.refusal(101, 10_000)).to.equal(undefined);
    fails = false;
    expect(await asked.refusal(101, 10_000)).to.equal(100);
  });
});
