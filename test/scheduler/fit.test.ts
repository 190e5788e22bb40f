import { expect } from 'chai';
import { sleep } from '../../src/base/clock.ts';
import type { Budget } from '../../src/index.ts';
import { request, requests, room, useFleet, type Claimed, type Node } from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';

/** No poll comes while a test runs: only a ring, or room, leads to a claim. */
const NO_POLL = { pollMs: 60_000 } as const;
/** 1,600 tokens in all. */
const TIGHT: Budget = room(64, { availableBlocks: 100, reservedOutputBlocks: 0 });

describe('a request that does not fit', () => {
  const fleet = useFleet();
  let engine: Node;
  let front: Node;
  let other: Node;

  const started = async (options: object = NO_POLL): Promise<void> => {
    [engine, front, other] = (await Promise.all(
      ['engine', 'front', 'other'].map((name) => fleet.start(name, options)),
    )) as [Node, Node, Node];
  };
  const isIdle = async (node: string): Promise<boolean> => (await fleet.snapshot()).idle.has(node);
  /** Ends when the test says so, if it is called `held…`. */
  const holding = (): { run: (one: Claimed) => Promise<string>; release: () => void } => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const run = async ({ id }: Claimed): Promise<string> => {
      if (id.startsWith('held')) await released;
      return id;
    };
    return { run, release: () => release() };
  };
  const served = (node: Node, id: string, tokens = 1): Promise<unknown> =>
    node.submit(request(id, tokens)).result();

  it('ever delays none behind it, at a front without an engine', async () => {
    await started();
    const { run, release } = holding();
    void engine.run(run, { budget: TIGHT });
    await waitUntil(() => isIdle('engine'), 'the engine waits');
    await front.putRequests([request('huge', 20_000)]);
    expect(await Promise.all([1, 2, 3].map((n) => served(front, `s${n}`)))).to.deep.equal(['s1', 's2', 's3']);
    expect(await served(other, 'o')).to.equal('o');
    release();
  });

  it('ever delays none, though more than fifty fronts have one', async function () {
    this.timeout(120_000);
    const patient = { ...NO_POLL, leaseMs: 30_000, keepAliveMs: 30_000, commandTimeout: 60_000 };
    await started(patient);
    for (let i = 0; i < 52; i += 1) {
      const one = await fleet.start(`f${i}`, patient);
      await one.putRequests([request(`huge${i}`, 20_000)]);
    }
    void engine.run(({ id }) => id, { budget: TIGHT });
    expect(await served(other, 'o')).to.equal('o');
  });

  it('now delays none that fits: of peers, and of the engine’s own', async () => {
    await started({ ...NO_POLL, patienceMs: 1_000_000 });
    const { run, release } = holding();
    void engine.run(run, { budget: TIGHT });
    const held = served(front, 'held', 600);
    await waitUntil(async () => (await fleet.snapshot()).waiting.length === 0, 'the engine is in part full');
    const large = served(front, 'large', 1_500);
    await waitUntil(async () => (await fleet.snapshot()).calls.has('engine|room'), 'the engine has met it');
    for (const n of [1, 2, 3]) {
      expect(await served(other, `o${n}`)).to.equal(`o${n}`);
      expect(await served(engine, `e${n}`)).to.equal(`e${n}`);
      expect(await served(front, `f${n}`)).to.equal(`f${n}`);
    }
    release();
    expect(await Promise.all([held, large])).to.deep.equal(['held', 'large']);
  });

  for (const policy of ['oldest', 'lucky'] as const) {
    it(`now is served while smaller ones never cease to come (${policy})`, async () => {
      await started({ policy, stealAfterMs: 20, patienceMs: 200 });
      const run = async ({ id }: Claimed): Promise<string> => {
        await sleep(20 + Math.random() * 20);
        return id;
      };
      void engine.run(run, { budget: TIGHT });
      let isOver = false;
      const feeds = Array.from({ length: 6 }, async (_, feed) => {
        for (let i = 0; !isOver; i += 1) await served(front, `s${feed}.${i}`, 300);
      });
      expect(await Promise.all([served(other, 'large', 1_500), served(engine, 'mine', 1_400)])).to.deep.equal(
        [...['large', 'mine']],
      );
      isOver = true;
      await Promise.all(feeds);
    });
  }

  for (const tokens of [300, 1_500]) {
    it(`now, or that does, is served beside an engine whose own line never empties (lucky, ${tokens} tokens)`, async function () {
      this.timeout(60_000);
      await started({ policy: 'lucky', stealAfterMs: 20, patienceMs: 200 });
      const run = async ({ id }: Claimed): Promise<string> => {
        await sleep(20 + Math.random() * 20);
        return id;
      };
      void engine.run(run, { budget: TIGHT });
      let [own, isOver] = [0, false];
      const feeds = Array.from({ length: 30 }, async (_, feed) => {
        for (let i = 0; i < 20 && !isOver; i += 1) {
          await served(engine, `s${feed}.${i}`, 300);
          own += 1;
        }
      });
      await waitUntil(async () => (await fleet.snapshot()).waiting.length > 15, 'the line is long');
      expect(await served(other, 'o', tokens)).to.equal('o');
      expect(own, 'of its own').to.be.below(30 * 19);
      isOver = true;
      await Promise.all(feeds);
    });
  }

  it('is never here to an engine that runs nothing, though its budget does not say how large it is', async () => {
    await started({ ...NO_POLL, patienceMs: 0 });
    void engine.run(({ id }) => id, { budget: () => TIGHT });
    await front.putRequests([request('huge', 20_000)]);
    expect(await served(front, 's')).to.equal('s');
    expect((await fleet.snapshot()).state.get('kept') ?? '').to.equal('');
  });

  it('takes no room from others when a handler gives it back: the engine is still idle for them', async () => {
    await started();
    const given = new Promise<void>((resolve) => {
      void engine.run(
        async (one) => {
          if (one.id !== 'given') return one.id;
          await waitUntil(() => isIdle('engine'), 'the engine waits for more');
          await one.giveBack();
          resolve();
          return '';
        },
        { budget: TIGHT },
      );
    });
    await front.putRequests([request('given')]);
    await given;
    expect(await isIdle('engine')).to.equal(true);
    expect(await served(other, 'o')).to.equal('o');
  });

  it('is found behind hundreds that have expired', async () => {
    await started();
    await engine.putRequests(requests('late', 600), { deadlineMs: 300 });
    const found = served(engine, 'found');
    await sleep(310);
    void engine.run(({ id }) => id, { budget: TIGHT });
    expect(await found).to.equal('found');
  });
});
