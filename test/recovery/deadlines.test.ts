// lua/README.md#promises, ended: the owner is told in time that a deadline has passed, whatever else is down.
import { expect } from 'chai';
import type { Result } from '../../src/index.ts';
import { Proxy } from '../../scripts/chaos/proxy.ts';
import {
  plain,
  rejection,
  request,
  requests,
  room,
  serve,
  take,
  useFleet,
  type Node,
} from '../support/fleet.ts';
import { useProcesses } from '../support/node-process.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';

/** Nobody refreshes by itself, so nobody looks for what is overdue. */
const STILL = { leaseMs: 600_000, keepAliveMs: 600_000, pollMs: 600_000, ttlMs: 3_600_000 };

async function read(results: AsyncIterable<Result>): Promise<Result[]> {
  const all: Result[] = [];
  for await (const result of results) all.push(plain(result));
  return all;
}

describe('a deadline', function () {
  this.timeout(60_000);
  const redis = useOwnRedis();
  const fleet = useFleet(() => redis.url);
  const startProcess = useProcesses(fleet);
  const options = { deadlineMs: 300 };
  let owner: Node;

  beforeEach(async () => (owner = await fleet.start('owner', STILL)));

  const isGone = async (): Promise<boolean> => {
    const { request: records, out } = await fleet.snapshot();
    return records.size === 0 && out.length === 0;
  };
  const isInLine = (): Promise<void> =>
    waitUntil(async () => (await fleet.loads()).owner === 1, 'it is in line');

  it('is told without any worker, and the request is gone from Redis', async () => {
    expect(await read(owner.submit(request('r'), options))).to.deep.equal([{ kind: 'expired' }]);
    await waitUntil(isGone, 'nothing of it is left');
  });

  it('is told for many requests at once, each once', async () => {
    const list = requests('r', 300);
    const told: Result[] = [];
    const outcomes = await owner.putRequests(list, options);
    // on a busy machine the deadline passes before the answer to a put has come, and the put itself says so
    const late = outcomes.filter(({ error }) => error?.code === 'EXPIRED');
    const accepted = list.length - late.length;
    const all = (): boolean => {
      for (const results of owner.getResults().values()) told.push(...results.map(plain));
      return told.length >= accepted;
    };
    await waitUntil(all, 'all are told', 20_000);
    await waitUntil(isGone, 'nothing of them is left');
    expect(told).to.deep.equal(Array.from({ length: accepted }, () => ({ kind: 'expired' })));
    expect(owner.getResults().size).to.equal(0);
  });

  it('is told while its runner stands still, and the runner learns of it', async () => {
    const runner = await startProcess('runner', { ...STILL, minLoadScore: 1 });
    await runner.call('serve', room(1), 600_000, 0);
    const submission = owner.submit(request('r'), { deadlineMs: 3_000 });
    await waitUntil(() => runner.executes.length === 1, 'it is running');
    runner.stop();
    expect(await rejection(submission.result())).to.have.property('code', 'EXPIRED');
    runner.continue();
    await waitUntil(() => runner.aborted.size === 1, 'the runner has been told', 15_000);
    expect(await isGone()).to.equal(true);
  });

  it('is told while Redis does not answer, and the request ends there when it does', async () => {
    const submission = owner.submit(request('r'), options);
    await isInLine();
    await redis.hang(8_000);
    const answered = redis.admin.ping().then(() => 'Redis answered');
    expect(await Promise.race([rejection(submission.result()), answered])).to.have.property(
      'code',
      'EXPIRED',
    );
    await answered;
    await waitUntil(isGone, 'nothing of it is left');
    expect(await rejection(submission.result()), 'it is told once').to.have.property('code', 'EXPIRED');
  });

  it('is told of a put that Redis does not answer, and nothing stays of it', async () => {
    await redis.hang(8_000);
    const answered = redis.admin.ping().then(() => 'Redis answered');
    const refusal = rejection(owner.submit(request('r'), options).result());
    const [outcome] = await owner.putRequests([request('r2')], options);
    expect(outcome!.error).to.include({
      code: 'EXPIRED',
      message: 'the deadline of "r2" passed before Redis answered its put',
    });
    expect(await Promise.race([refusal, answered])).to.have.property('code', 'EXPIRED');
    await answered;
    await waitUntil(isGone, 'nothing of them is left');
    expect(owner.getResults().size).to.equal(0);
  });

  it('does not undo a result that is in the mailbox', async () => {
    const submission = owner.submit(request('r'), { deadlineMs: 1_000 });
    await isInLine();
    // a final whose wake-up was lost
    const [ticket] = (await fleet.snapshot()).waiting;
    const tick = (Date.now() * 1_000).toString(16).padStart(14, '0');
    const length = Buffer.byteLength(ticket!).toString(16).padStart(4, '0');
    const record = `00|00000001|${tick}|${tick}|runner`;
    const story = record.length.toString(16).padStart(4, '0') + record;
    const mail = `owner|${tick}|${length}${ticket!}${tick}00000001f${story}"done"`;
    await redis.admin.zadd(fleet.key('out'), 0, mail);
    expect(await read(submission)).to.deep.equal([{ kind: 'finished', output: 'done' }]);
    await waitUntil(isGone, 'nothing of it is left');
  });

  it('that an owner tells while it is cut off stands: the result that its runner gave is not told', async () => {
    const proxy = new Proxy(Number(new URL(redis.url).port));
    try {
      const cut = await fleet.start('cut', { ...STILL, redis: await proxy.open() });
      const runner = await fleet.start('runner', { ...STILL, minLoadScore: 1 });
      const told: Result[] = [];
      const over = read(cut.submit(request('r'), { deadlineMs: 3_000 })).then((all) => told.push(...all));
      const [claim] = await take(runner, 1);
      // a runner may have the request before its owner has the answer to the put
      await waitUntil(() => cut.stats().requests.unanswered === 0, 'its put has been answered');
      proxy.trap('silence', () => true);
      expect(await runner.putResults([{ claim: claim!.claim, finished: true }])).to.deep.equal(['ok']);
      await over;
      expect(told).to.deep.equal([{ kind: 'expired' }]);
      proxy.calm();
      await waitUntil(isGone, 'its result has been taken', 30_000);
      serve(runner);
      expect(await cut.submit(request('r')).result(), 'its id is free').to.equal('r');
      expect(told).to.have.length(1);
      await cut.close();
    } finally {
      await proxy.close();
    }
  });
});
