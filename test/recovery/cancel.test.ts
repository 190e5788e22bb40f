// lua/README.md#promises: results that cross a cancel are delivered or refused, never half.
import { expect } from 'chai';
import type { Result, SchedulerError } from '../../src/index.ts';
import { sleep } from '../../src/base/clock.ts';
import { request, room, useFleet } from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';

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
