// `flushMs`: chunks wait for others to go to Redis with them; ends do not. A wait of minutes never ends by itself in a test.
import { expect } from 'chai';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { SchedulerError } from '../../src/index.ts';
import { InProcessRedis } from '../../src/testing/index.ts';
import {
  request,
  requests,
  room,
  take,
  useFleet,
  type Claimed,
  type Node,
  type NodeOptions,
} from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';

const MINUTE = 60_000;
/** Nothing but what a test does speaks to Redis, and no wait ends. */
const LONG = {
  leaseMs: 10 * MINUTE,
  keepAliveMs: 10 * MINUTE,
  ttlMs: 40 * MINUTE,
  pollMs: MINUTE,
  commandTimeout: 5 * MINUTE,
} as const;
const WAITS = { ...LONG, flushMs: 2 * MINUTE, minLoadScore: 1 } as const;
/** As many chunks as one call takes. */
const CALL = 128;

const PLACES: readonly [place: string, more: () => NodeOptions][] = [
  ['Redis', () => ({})],
  ['memory', () => ({ redis: new InProcessRedis() })],
];

/** What its reader has got so far; the outputs of chunks, and how it ended. */
function read(owner: Node, id: string): { came: unknown[]; over: Promise<void> } {
  const came: unknown[] = [];
  const over = (async () => {
    for await (const { kind, output } of owner.submit(request(id)))
      came.push(kind === 'chunk' ? output : kind);
  })();
  return { came, over };
}

/** Calls of the script that carries results. */
const calls = (node: Node): number => node.stats().scripts['put_results']?.calls ?? 0;

async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i += 1) await nextTurn();
}

for (const [place, more] of PLACES)
  describe(`chunks that wait for others, in ${place}`, () => {
    const fleet = useFleet();
    let options: NodeOptions;
    let owner: Node;
    let runner: Node;

    beforeEach(async () => {
      options = more();
      owner = await fleet.start('owner', { ...LONG, ...options });
      runner = await fleet.start('runner', { ...WAITS, ...options });
    });

    const claimed = async (...ids: string[]): Promise<[Claimed[], ReturnType<typeof read>[]]> => {
      const readers = ids.map((id) => read(owner, id));
      const claims = await take(runner, ids.length);
      return [ids.map((id) => claims.find((one) => one.id === id)!), readers];
    };

    it('leave in one call with the end of one of them, in order; the end is prompt', async () => {
      const [[a, b], [of_a, of_b]] = (await claimed('a', 'b')) as [
        [Claimed, Claimed],
        ReturnType<typeof read>[],
      ];
      const sent: Promise<unknown>[] = [];
      for (let i = 0; i < 20; i += 1) {
        sent.push(
          runner.putResults([{ claim: a.claim, output: i }]),
          runner.putResults([{ claim: b.claim, output: 100 + i }]),
        );
        await nextTurn();
      }
      await turns();
      expect(calls(runner), 'none has left').to.equal(0);
      expect(await runner.putResults([{ claim: a.claim, output: 'end', finished: true }])).to.deep.equal([
        'ok',
      ]);
      expect(calls(runner), 'all have').to.equal(1);
      for (const one of sent) expect(await one).to.deep.equal(['ok']);
      await of_a!.over;
      expect(of_a!.came).to.deep.equal([...Array.from({ length: 20 }, (_, i) => i), 'finished']);
      await waitUntil(() => of_b!.came.length === 20, 'the chunks of the other one are there');
      expect(of_b!.came).to.deep.equal(Array.from({ length: 20 }, (_, i) => 100 + i));
      const last = runner.putResults([{ claim: b.claim, output: 20 }]);
      expect(await runner.putResults([{ claim: b.claim, failed: 'why' }])).to.deep.equal(['ok']);
      expect(await last).to.deep.equal(['ok']);
      await of_b!.over;
      expect(of_b!.came.slice(20)).to.deep.equal([20, 'failed']);
      expect(calls(runner)).to.equal(2);
    });

    it('leave when they fill a call', async () => {
      const [[a], [of_a]] = (await claimed('a')) as [[Claimed], [ReturnType<typeof read>]];
      for (let i = 0; i < CALL; i += 1) {
        expect(calls(runner)).to.equal(0);
        void runner.putResults([{ claim: a.claim, output: i }]);
        await nextTurn();
      }
      await waitUntil(() => of_a.came.length === CALL, 'all are there');
      expect(calls(runner)).to.equal(1);
      await owner.cancel('a');
      await of_a.over;
    });

    it('leave when they are flushed, when their claim is given back, and when the node closes', async () => {
      const [[a, b, c], [of_a, of_b, of_c]] = await claimed('a', 'b', 'c');
      const put = async ({ claim }: Claimed, output: number): Promise<string> =>
        (await runner.putResults([{ claim, output }]))[0]!;
      const first = put(a!, 1);
      await turns();
      runner.flush();
      expect(await first).to.equal('ok');
      const second = put(b!, 2);
      await turns();
      await b!.giveBack();
      expect(await second).to.equal('ok');
      const third = put(c!, 3);
      await turns();
      await runner.close({ drainMs: 0 });
      expect(await third).to.equal('ok');
      for (const [i, of] of [of_a!, of_b!, of_c!].entries()) {
        await waitUntil(() => of.came.length === 1, `chunk ${i + 1} is there`);
        expect(of.came).to.deep.equal([i + 1]);
      }
      for (const id of ['a', 'b', 'c']) await owner.cancel(id);
      await Promise.all([of_a, of_b, of_c].map((of) => of!.over));
    });

    it('leave when their time is over', async () => {
      const node = await fleet.start('other', { ...WAITS, ...options, flushMs: 5 });
      const { came, over } = read(owner, 'a');
      const [a] = await take(node, 1);
      for (let i = 0; i < 3; i += 1) {
        expect(await node.putResults([{ claim: a!.claim, output: i }])).to.deep.equal(['ok']);
        await waitUntil(() => came.length === i + 1, `chunk ${i} is there`);
      }
      await owner.cancel('a');
      await over;
      expect(came).to.deep.equal([0, 1, 2, 'cancelled']);
    });

    it('of run leave in one call with what it returns', async () => {
      let go = (): void => undefined;
      const gone = new Promise<void>((resolve) => (go = resolve));
      const served = runner.run(
        async function* () {
          for (let i = 0; i < 10; i += 1) {
            yield i;
            await nextTurn();
          }
          await gone;
          return 'end';
        },
        { budget: room(1) },
      );
      const { came, over } = read(owner, 'a');
      await waitUntil(() => runner.stats().claims.unanswered === 10, 'its chunks wait');
      expect(calls(runner)).to.equal(0);
      go();
      await over;
      expect(came).to.deep.equal([...Array.from({ length: 10 }, (_, i) => i), 'finished']);
      expect(calls(runner)).to.equal(1);
      await runner.close();
      await served;
    });

    it('of a node that is over are answered at once, and leave no timer', async () => {
      await owner.putRequests(requests('r', 1));
      const [a] = await take(runner, 1);
      const sent = runner.putResults([{ claim: a!.claim, output: 1 }]).catch((error: unknown) => error);
      await turns();
      const successor = await fleet.start('runner', { ...WAITS, ...options, takeover: true });
      // a renewal, which is half of keepAliveMs away, or any other call tells it
      void runner.getRequests(room(), { waitMs: 0 }).catch(() => undefined);
      await owner.cancel('r0');
      await runner.close();
      expect(await sent).to.satisfy((said: unknown) => said instanceof SchedulerError || Array.isArray(said));
      await successor.close();
    });
  });

describe('chunks that wait for others, as Redis counts them', () => {
  const fleet = useFleet();

  /** Scripts that this server has run for clients. */
  const scripts = async (): Promise<number> => {
    const text = await fleet.redis.info('commandstats');
    let sum = 0;
    for (const [, calls] of text.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)) sum += Number(calls);
    return sum;
  };

  it('are one call for 64 of 8 streams, and 64 calls without flushMs', async () => {
    const owner = await fleet.start('owner', { ...LONG, pollMs: 10 * MINUTE });
    const counted: number[] = [];
    for (const [name, flushMs] of [
      ['at-once', 0],
      ['waits', 2 * MINUTE],
    ] as const) {
      const runner = await fleet.start(name, { ...WAITS, flushMs });
      const heard: { number: number; answer: string }[] = [];
      runner.events.on('resultSent', (event) => heard.push(event));
      await owner.putRequests(requests(name, 8));
      const claims = await take(runner, 8);
      const before = calls(runner);
      const ofServer = await scripts();
      for (let i = 0; i < 8; i += 1)
        for (const { claim } of claims) {
          const sent = runner.putResults([{ claim, output: i }]);
          if (flushMs === 0) await sent;
          else await nextTurn();
        }
      runner.flush();
      await waitUntil(() => heard.length === 64, 'all are answered');
      expect(heard.every(({ answer }) => answer === 'OK')).to.equal(true);
      counted.push(calls(runner) - before);
      // and what the owner took meanwhile
      const more = (await scripts()) - ofServer;
      expect(more, `${name}: of the server`).to.be.at.least(counted.at(-1)!);
      if (flushMs > 0) expect(more, `${name}: of the server`).to.be.below(32);
      for (const id of requests(name, 8).map(({ request_id }) => request_id)) await owner.cancel(id);
      await runner.close();
    }
    expect(counted).to.deep.equal([64, 1]);
  });
});
