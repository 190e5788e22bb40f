// The ways in which the Redis of a chaos run dies: what it comes back with, and what it says that it had.
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { now } from '../../../scripts/lib/harness/history.ts';
import { findLaunch } from '../../../scripts/chaos/launch.ts';
import { ChaosRedis } from '../../../scripts/chaos/mortal-redis.ts';
import { sleep } from '../../../src/base/clock.ts';

/** The file is looked at every 50 ms. */
const MARKED_MS = 500;
const BEHIND_MS = 3_600_000;
/** An answer may be so late. */
const SLOW_MS = 60_000;
const START_MS = 300_000;

describe('the Redis of a chaos run', function () {
  this.timeout(60_000);
  this.slow(10_000);
  let redis: ChaosRedis;
  let client: Redis;

  before(async function () {
    this.timeout(START_MS);
    redis = await ChaosRedis.open(await findLaunch(() => undefined));
    client = new Redis(redis.url, { retryStrategy: () => 20 });
    client.on('error', () => undefined);
  });

  after(async () => {
    client.disconnect();
    await redis.close();
  });

  const read = async (url: string): Promise<Record<string, string | null>> => {
    const other = new Redis(url);
    try {
      return { first: await other.get('first'), second: await other.get('second') };
    } finally {
      other.disconnect();
    }
  };

  beforeEach(async () => {
    await client.flushall();
    await client.set('first', '1');
  });

  it('comes back with all that it had answered', async () => {
    await client.set('second', '1');
    await redis.restart(0);
    expect(await read(redis.url)).to.deep.equal({ first: '1', second: '1' });
  });

  it('comes back with a clock that is behind, where there is a C compiler', async function () {
    const behindMs = async (): Promise<number> => {
      const [seconds, us] = await client.time();
      return Date.now() - Number(seconds) * 1000 - Number(us) / 1000;
    };
    try {
      await redis.restart(0, BEHIND_MS);
    } catch (error) {
      expect(String(error)).to.match(/clock/);
      this.skip();
    }
    expect(await behindMs()).to.be.within(BEHIND_MS - 5, BEHIND_MS + SLOW_MS);
    await redis.restart(0);
    expect(await behindMs()).to.be.within(BEHIND_MS - 5, BEHIND_MS + SLOW_MS);
    await redis.restart(0, 0);
    expect(await behindMs()).to.be.within(-5, SLOW_MS);
  });

  it('comes back empty', async () => {
    const { had, has } = await redis.restartEmpty(0, read);
    expect(had).to.deep.equal({ first: '1', second: null });
    expect(has).to.deep.equal({ first: null, second: null });
    expect(await read(redis.url)).to.deep.equal(has);
  });

  it('comes back as it was a while before', async () => {
    await sleep(MARKED_MS);
    const before = now();
    await client.set('second', '1');
    const { had, has } = await redis.rollBack(now() - before, read);
    expect(had).to.deep.equal({ first: '1', second: '1' });
    expect(has).to.deep.equal({ first: '1', second: null });
    expect(await read(redis.url)).to.deep.equal(has);
  });

  it('is replaced by a replica that lags', async () => {
    const over = new AbortController();
    const writing = (async () => {
      while (!over.signal.aborted) await client.incr('second').catch(() => undefined);
    })();
    const { had, has } = await redis.failOver(MARKED_MS, read).finally(() => over.abort());
    await writing;
    expect([had.first, has.first]).to.deep.equal(['1', '1']);
    expect(Number(has.second)).to.be.lessThan(Number(had.second));
    expect(Number((await read(redis.url)).second)).to.be.at.least(Number(has.second));
  });
});
