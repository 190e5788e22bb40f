// src/redis/verdicts.ts: every error reply of Redis and Valkey, as a server words it, and what becomes of the call.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { withoutArguments } from '../../src/base/bare.ts';
import { SchedulerError } from '../../src/index.ts';
import { ERR_REPLIES, REPLIES, verdictOf, type Verdict } from '../../src/redis/verdicts.ts';
import {
  all,
  ended,
  endings,
  idsOf,
  rejection,
  request,
  requests,
  serve,
  useFleet,
} from '../support/fleet.ts';
import { runsScript, useLyingProxy, type LyingProxy } from '../support/lying-proxy.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { redisUrl, waitUntil } from '../support/server.ts';

const OLD = 'ERR Error running script (call to f_0f): @user_script:9: @user_script: 9:';
const NEW = ' script: 0f, on @user_script:9.';

/** What servers say; of the same kind, Redis 6.2 in a script, and Redis 7 and 8 and Valkey there. */
const SAMPLES: readonly string[] = [
  'LOADING Redis is loading the dataset in memory',
  'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
  'TRYAGAIN Multiple keys request during rehashing of slot',
  'CLUSTERDOWN Hash slot not served',
  'MOVED 3999 127.0.0.1:6381',
  'ASK 3999 127.0.0.1:6381',
  "READONLY You can't write against a read only replica.",
  `READONLY You can't write against a read only replica.${NEW}`,
  `${OLD} -READONLY You can't write against a read only replica. `,
  "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  `NOREPLICAS Not enough good replicas to write.${NEW}`,
  `${OLD} -NOREPLICAS Not enough good replicas to write. `,
  `MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.${NEW}`,
  'MISCONF Errors writing to the AOF file: No space left on device',
  `${OLD} -MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk. `,
  'NOAUTH Authentication required.',
  'WRONGPASS invalid username-password pair or user is disabled.',
  'DENIED Redis is running in protected mode because protected mode is enabled',
  `OOM command not allowed when used memory > 'maxmemory'.${NEW}`,
  `${OLD} -OOM command not allowed when used memory > 'maxmemory'. `,
  'NOSCRIPT No matching script. Please use EVAL.',
  "NOPERM this user has no permissions to run the 'evalsha' command",
  "CROSSSLOT Keys in request don't hash to the same slot",
  `WRONGTYPE Operation against a key holding the wrong kind of value${NEW}`,
  'EXECABORT Transaction discarded because of previous errors.',
  'UNKILLABLE Sorry the script already executed write commands against the dataset.',
  'NOGOODSLAVE No suitable replica to promote',
  'ERR max number of clients reached',
  'ERR max number of clients + cluster connections reached',
  'ERR Protocol error: invalid bulk length',
  "ERR unknown command 'EVALSHA', with args beginning with: ",
];

describe('an error reply', function () {
  this.timeout(30_000);
  const fleet = useFleet();
  const held = useLyingProxy(() => Number(new URL(redisUrl()).port));

  it('of every kind of the table has a sample here', () => {
    const words = [...Object.keys(REPLIES), ...ERR_REPLIES.map(([beginning]) => beginning)];
    expect(words.filter((word) => !SAMPLES.some((text) => text.startsWith(word)))).to.deep.equal([]);
  });

  /** The next `times` puts are answered so; later ones reach Redis. Answers how many were. */
  const answerPuts = (proxy: LyingProxy, text: string, times: number): (() => number) => {
    let told = 0;
    proxy.fate = (words) => {
      if (!runsScript(words, 'the-put') || told >= times) return 'pass';
      told += 1;
      return `-${text}`;
    };
    return () => told;
  };

  /** How a client that is for one server alone takes it. */
  const verdictAlone = (text: string): Verdict =>
    /^(MOVED|ASK) /.test(text) ? 'refuse' : verdictOf(new Error(text));

  for (const text of SAMPLES.filter((sample) => !sample.startsWith('NOSCRIPT'))) {
    const verdict = verdictAlone(text);
    it(`${text.slice(0, 100)}: ${verdict}`, async () => {
      const { proxy } = held;
      const node = await fleet.start('a', { redis: proxy.url });
      const before = proxy.connections;
      const told = answerPuts(proxy, text, 2);
      const [outcome] = await node.putRequests([request('the-put')]);
      if (verdict === 'refuse') {
        expect(outcome!.error).to.have.property('code', 'REDIS');
        expect(outcome!.error!.message).to.include(withoutArguments(text).split(' ').slice(0, 4).join(' '));
        expect([told(), proxy.connections - before, await fleet.loads()]).to.deep.equal([1, 0, {}]);
        return;
      }
      expect([outcome, told(), await fleet.loads()]).to.deep.equal([{ id: 'the-put' }, 2, { a: 1 }]);
      if (verdict === 'reconnect') expect(proxy.connections).to.be.greaterThan(before);
      // what was in flight when two connections broke goes over one of its own
      else expect(proxy.connections - before).to.equal(verdict === 'broken' ? 1 : 0);
    });
  }
});

describe('a server', function () {
  this.timeout(60_000);
  const redis = useOwnRedis(['--save', '3600 1000000', '--enable-protected-configs', 'yes']);
  const fleet = useFleet(() => redis.url);
  const held = useLyingProxy(() => Number(new URL(redis.url).port));

  it('that cannot save (MISCONF) is waited for: what runs goes on, and is executed once', async () => {
    const [owner, runner] = [await fleet.start('owner'), await fleet.start('runner', { minLoadScore: 1 })];
    const executed = serve(runner, 300);
    await owner.putRequests([request('before')]);
    await waitUntil(() => executed.length === 1, 'it runs');
    const [, folder] = (await redis.admin.config('GET', 'dir')) as [string, string];
    const obstacle = join(folder, 'obstacle.rdb');
    // a file cannot be renamed onto a folder
    mkdirSync(obstacle);
    const saved = async (word: string): Promise<boolean> =>
      (await redis.admin.info('persistence')).includes(`rdb_last_bgsave_status:${word}`);
    try {
      await redis.admin.config('SET', 'dbfilename', 'obstacle.rdb');
      await redis.admin.bgsave();
      await waitUntil(() => saved('err'), 'it could not save');
      const list = requests('meanwhile', 5);
      const put = owner.putRequests(list);
      const some = performance.now() + 1_000;
      await waitUntil(() => performance.now() > some, 'some time has passed');
      rmSync(obstacle, { recursive: true });
      await redis.admin.bgsave();
      await waitUntil(() => saved('ok'), 'it has saved');
      expect(await put).to.deep.equal(idsOf(list).map((id) => ({ id })));
      const ends = endings(await ended(owner, ['before', ...idsOf(list)]));
      expect(ends).to.deep.equal({ before: 'finished', ...all(list, 'finished') });
      expect(executed.map(({ id }) => id).sort()).to.deep.equal(['before', ...idsOf(list)].sort());
    } finally {
      rmSync(obstacle, { recursive: true, force: true });
    }
  });

  it('that has no connection left refuses no call: it waits, and so does a start', async () => {
    const { proxy } = held;
    const node = await fleet.start('a', { redis: proxy.url });
    proxy.greeting = '-ERR max number of clients reached';
    proxy.cut();
    const before = proxy.connections;
    const put = node.putRequests([request('r')]);
    const start = fleet.start('b', { redis: proxy.url });
    start.catch(() => undefined);
    await waitUntil(() => proxy.connections > before + 8, 'they tried in vain');
    proxy.greeting = undefined;
    expect(await put).to.deep.equal([{ id: 'r' }]);
    expect((await start).node).to.equal('b');
  });

  it('whose password was changed is waited for; at the start it is told at once', async () => {
    const { proxy } = held;
    const node = await fleet.start('a', { redis: proxy.url });
    await redis.admin.config('SET', 'requirepass', 'new');
    try {
      proxy.cut();
      const before = proxy.connections;
      const put = node.putRequests([request('r')]);
      await waitUntil(() => proxy.connections > before + 4, 'it tried in vain');
      const refused = await rejection(fleet.start('b', { redis: proxy.url, commandTimeout: 600_000 }));
      expect(refused).to.be.instanceOf(SchedulerError).with.property('message').that.includes('NOAUTH');
      await redis.admin.config('SET', 'requirepass', '');
      expect(await put).to.deep.equal([{ id: 'r' }]);
    } finally {
      await redis.admin.config('SET', 'requirepass', '');
    }
  });
});
