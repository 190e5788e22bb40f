// Back-pressure: the runner of a stream that nobody reads waits, and nobody else does.
import { expect } from 'chai';
import type { Result } from '../../src/index.ts';
import { sleep } from '../../src/base/clock.ts';
import { plain, request, room, useFleet, type Claimed, type Node } from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';

const CHUNKS = 300;
const MARK = 20;
/** A halt lasts 2.5 times as long: it does not lapse on a busy machine. */
const SELDOM = { pollMs: 5_000 } as const;

describe('a stream that nobody reads', function () {
  this.timeout(60_000);
  const fleet = useFleet();
  let runner: Node;
  /** Chunks that the handler was asked for, by request. */
  const asked = new Map<string, number>();
  const signals = new Map<string, AbortSignal>();
  const halts: boolean[] = [];

  /** Slow enough that a halt comes before all has been asked for. */
  async function* handler({
    id,
    signal,
    request: { prompt_token_ids },
  }: Claimed): AsyncGenerator<string, string> {
    signals.set(id, signal);
    for (let i = 0; i < prompt_token_ids.length; i += 1) {
      asked.set(id, i + 1);
      await sleep(2);
      yield 'x'.repeat(100);
    }
    return 'end';
  }

  async function read(results: AsyncIterable<Result>): Promise<Record<string, number>> {
    const kinds: Record<string, number> = {};
    for await (const { kind } of results) kinds[kind] = (kinds[kind] ?? 0) + 1;
    return kinds;
  }

  /** It is asked for no more chunks. Answers how many it was. */
  async function standsStill(id: string): Promise<number> {
    await waitUntil(() => halts.at(-1) === true, 'its runner was asked to wait');
    // what was being made
    await sleep(50);
    const count = asked.get(id)!;
    await sleep(300);
    expect(asked.get(id), 'it stands still').to.equal(count);
    return count;
  }

  beforeEach(async () => {
    asked.clear();
    halts.length = 0;
    runner = await fleet.start('runner', { ...SELDOM, maxUnread: MARK });
    runner.events.on('halted', ({ isHalted }) => halts.push(isHalted));
    void runner.run(handler, { budget: room(4) });
  });

  for (const [what, options] of [
    ['results', { maxUnread: MARK }],
    ['bytes', { maxUnreadBytes: 100 * MARK }],
  ] as const)
    it(`stops its handler at so many ${what}, and no other; it goes on when it is read, and all of it comes`, async () => {
      const owner = await fleet.start('owner', { ...SELDOM, ...options });
      const stream = owner.submit(request('slow', CHUNKS));
      expect(await standsStill('slow')).to.be.within(MARK, CHUNKS - 1);
      // in the same mailbox, by the same runner
      expect(await owner.submit(request('other', MARK - 1)).result()).to.equal('end');
      expect(await read(stream)).to.deep.equal({ chunk: CHUNKS, finished: 1 });
      expect(halts.slice(0, 2)).to.deep.equal([true, false]);
    });

  it('of getResults does so, too', async () => {
    const owner = await fleet.start('owner', { ...SELDOM, maxUnread: MARK });
    await owner.putRequests([request('slow', CHUNKS)]);
    await standsStill('slow');
    const all: Result[] = [];
    const isOver = (): boolean => {
      all.push(...(owner.getResults().get('slow') ?? []));
      return all.at(-1)?.kind === 'finished';
    };
    await waitUntil(isOver, 'it ends', 20_000);
    expect([all.length, plain(all.at(-1)!)]).to.deep.equal([CHUNKS + 1, { kind: 'finished', output: 'end' }]);
  });

  it('of a request that its owner runs itself does so, too', async () => {
    const stream = runner.submit(request('own', CHUNKS));
    await standsStill('own');
    expect(await read(stream)).to.deep.equal({ chunk: CHUNKS, finished: 1 });
  });

  it('goes on for result(), which reads no chunks', async () => {
    const owner = await fleet.start('owner', { ...SELDOM, maxUnread: MARK });
    const stream = owner.submit(request('slow', CHUNKS));
    await standsStill('slow');
    expect(await stream.result()).to.equal('end');
  });

  it('ends as failed when nothing of it is read for too long, and its runner is free', async () => {
    const owner = await fleet.start('owner', { maxUnread: MARK, readTimeoutMs: 500 });
    const stream = owner.submit(request('slow', CHUNKS));
    await waitUntil(() => signals.get('slow')?.aborted === true, 'its runner was told', 20_000);
    const { reason } = stream.final!;
    expect(reason).to.equal('nobody has read any of its results for 500 ms (option readTimeoutMs)');
    const kinds = await read(stream);
    expect([kinds['failed'], kinds['chunk']! < CHUNKS]).to.deep.equal([1, true]);
  });
});
