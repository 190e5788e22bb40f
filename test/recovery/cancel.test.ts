// lua/README.md#promises: results that cross a cancel are delivered or refused, never half.
import { expect } from 'chai';
import { Proxy } from '../../scripts/chaos/proxy.ts';
import type { Result, SchedulerError } from '../../src/index.ts';
import { sleep } from '../../src/base/clock.ts';
import { request, room, useFleet } from '../support/fleet.ts';
import { redisUrl, waitUntil } from '../support/server.ts';

const CHUNKS = 6;

describe('results that cross a cancel', function () {
  this.timeout(60_000);
  const fleet = useFleet();

  for (const [what, end] of [
    ['a cancel', (): object => ({})],
    ['a deadline', (i: number): object => ({ deadlineMs: 5 + 3 * i })],
  ] as const) {
    it(`of ${what}: each request ends once, with whole results in their order up to its end`, async () => {
      const owner = await fleet.start('owner', { policy: 'none' });
      const runner = await fleet.start('runner', { minLoadScore: 1 });
      const running = new Set<string>();
      const aborted = new Set<string>();
      const served = runner.run(
        async function* ({ id, signal }) {
          running.add(id);
          signal.addEventListener('abort', () => aborted.add(id));
          for (let i = 0; i < CHUNKS; i += 1) {
            yield i;
            await sleep(2, signal);
          }
          return 'whole';
        },
        { budget: room(64) },
      );
      const kinds = new Map<string, string>();
      const one = async (i: number): Promise<void> => {
        const submission = owner.submit(request(`r${i}`), end(i));
        const over = new AbortController();
        if (what === 'a cancel') void sleep(i, over.signal).then(() => submission.cancel());
        const results: Result[] = [];
        try {
          for await (const result of submission) results.push(result);
        } catch (error) {
          // on a busy machine a deadline passes before the put's answer has come
          expect([what, (error as SchedulerError).code]).to.deep.equal(['a deadline', 'EXPIRED']);
          return;
        } finally {
          over.abort();
        }
        const chunks = results.slice(0, -1);
        expect(
          chunks.map(({ kind, output }) => [kind, output]),
          `r${i}`,
        ).to.deep.equal(chunks.map((_, number) => ['chunk', number]));
        const { kind, output } = results.at(-1)!;
        kinds.set(submission.id, kind);
        if (kind === 'finished') expect([chunks.length, output]).to.deep.equal([CHUNKS, 'whole']);
        else expect(kind).to.equal(what === 'a cancel' ? 'cancelled' : 'expired');
      };
      await Promise.all(Array.from({ length: 100 }, (_, i) => one(i)));

      const stopped = [...kinds]
        .filter(([id, kind]) => kind !== 'finished' && running.has(id))
        .map(([id]) => id);
      await waitUntil(() => stopped.every((id) => aborted.has(id)), 'their handlers have been told', 15_000);
      const { request: records, body, due, out } = await fleet.snapshot();
      expect([records.size, body.size, due.size]).to.deep.equal([0, 0, 0]);
      const emptied = async (): Promise<boolean> => (await fleet.snapshot()).out.length === 0;
      await waitUntil(emptied, `nothing of ${out.length} results is left`, 15_000);
      await runner.close();
      await served;
    });
  }
});

describe('results that keep coming', function () {
  this.timeout(60_000);
  const fleet = useFleet();
  let link: Proxy;
  beforeEach(async () => {
    link = new Proxy(Number(new URL(redisUrl()).port));
    await link.open();
  });
  afterEach(() => link.close());

  it('keep neither a cancel nor the search for lost requests from its end', async () => {
    const owner = await fleet.start('owner', { policy: 'none', leaseMs: 1_500, redis: link.url });
    const runner = await fleet.start('runner', { minLoadScore: 1 });
    const over = new AbortController();
    const served = runner.run(
      async function* ({ id, signal }) {
        if (id !== 'endless') return id;
        while (!over.signal.aborted) {
          yield 'token';
          await sleep(2, signal);
        }
        return id;
      },
      { budget: room(1) },
    );
    const endless = owner.submit(request('endless'));
    let chunks = 0;
    const read = (async () => {
      for await (const { kind } of endless) if (kind === 'chunk') chunks += 1;
    })();
    await waitUntil(() => chunks > 100, 'it streams', 20_000);

    await owner.putRequests([request('waiting')]);
    const before = chunks;
    // longer than from one result to the next: there is a ring in every round trip
    link.delay(10);
    const putAgain = new Promise((resolve) => owner.events.once('putAgain', resolve));
    await fleet.redis.hdel(fleet.key('request'), 'owner|waiting');
    await putAgain;
    expect(await owner.cancel('waiting')).to.equal(true);
    expect(chunks - before, 'chunks meanwhile').to.be.greaterThan(10);
    expect(endless.final, 'it still streams').to.equal(undefined);
    over.abort();
    await read;
    await owner.close();
    await runner.close();
    await served;
  });
});
