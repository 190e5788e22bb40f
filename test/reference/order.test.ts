// docs/reference.md#34-order-fairness-liveness: order, fairness and liveness.
import { expect } from 'chai';
import { ConfigError } from '../../src/index.ts';
import {
  PATIENT,
  bringEngine,
  ended,
  finish,
  idsOf,
  request,
  requests,
  room,
  serve,
  take,
  useFleet,
  type Claimed,
} from '../support/fleet.ts';
import { commandsDuring, counts } from '../support/commands.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';

const blocks = (availableBlocks: number): Partial<ReturnType<typeof room>> => ({
  availableBlocks,
  reservedOutputBlocks: 0,
});

describe('order and liveness', () => {
  const fleet = useFleet();

  it('d03, d35: what does not fit goes back to its exact place, at the own node and at the one stolen from', async () => {
    const [owner, thief] = [await fleet.start('owner'), await fleet.start('thief', { minLoadScore: 1 })];
    const list = requests('r', 8, 16);
    await owner.putRequests(list);
    for (const node of [owner, thief]) {
      const claims = await take(node, 6);
      // chunked prefill is judged by the client: the claim brings more than it admits
      const back = claims.slice(2);
      await Promise.all(back.map((claim) => claim.giveBack()));
      const { waiting } = await fleet.snapshot();
      const first = node === owner ? 2 : 4;
      expect(waiting.map((ticket) => ticket.split('|').at(-1))).to.deep.equal(idsOf(list).slice(first));
      await finish(node, claims.slice(0, 2));
    }
  });

  it('d03: admission itself keeps the order of what it refuses', async () => {
    const owner = await fleet.start('owner');
    const tokens = [16, 16, 16, 100, 100, 16, 100, 16];
    await owner.putRequests(tokens.map((count, i) => request(`r${i}`, count)));
    const chunkedPrefill = {
      maxPartialPrefills: 8,
      maxLongPartialPrefills: 1,
      longPrefillTokenThreshold: 50,
    };
    const served: string[] = [];
    while (served.length < 8) {
      const claims = await owner.getRequests(room(8, { chunkedPrefill }), { waitMs: 1_000 });
      served.push(...claims.map(({ id }) => id));
      expect(claims.every(({ attempt }) => attempt === 1)).to.equal(true);
      await finish(owner, claims);
    }
    expect(served).to.deep.equal(tokens.map((_, i) => `r${i}`));
  });

  it('d34: under a backlog requests are served in the order they came, none is overtaken', async () => {
    const owner = await fleet.start('owner');
    const list = requests('r', 120, 32);
    await owner.putRequests(list);
    const served: string[] = [];
    while (served.length < list.length) {
      // batch 8, of which 3 fit
      const claims = await owner.getRequests(room(8, blocks(6)), PATIENT);
      expect(claims).to.have.length(3);
      served.push(...claims.map(({ id }) => id));
      await finish(owner, claims);
    }
    expect(served).to.deep.equal(idsOf(list));
  });

  it('d05: a request that never fits is refused at put when the size of the engine is known', async () => {
    const owner = await fleet.start('owner');
    await owner.getRequests(room(4, { totalBlocks: 100_000, ...blocks(10) }), { waitMs: 0 });
    const [huge, fits] = await owner.putRequests([request('huge', 1_600_001), request('fits')]);
    expect(huge!.error).to.include({ code: 'TOO_LARGE', tokens: 1_600_001, largest: 1_600_000 });
    expect(huge!.error!.message).to.match(
      /its 1600001 prompt tokens fit no living engine .* largest holds 1600000/,
    );
    expect(fits).to.deep.equal({ id: 'fits' });
  });

  it('d14: a steal takes what is over minLoadScore, and the rest only once its owner was slow to take it', async () => {
    const owner = await fleet.start('owner');
    await bringEngine(owner);
    const thief = await fleet.start('thief', { stealAfterMs: 800 });
    await owner.putRequests(requests('r', 5));
    const claims = await thief.getRequests(room(64), PATIENT);
    expect(claims.map(({ id }) => id)).to.deep.equal(['r0', 'r1', 'r2']);
    expect(await thief.getRequests(room(64), { waitMs: 0 })).to.deep.equal([]);
    expect((await take(thief, 2)).map(({ id }) => id)).to.deep.equal(['r3', 'r4']);
  });

  it('d14: with the policy lucky a steal takes at most half of the batch, rounded up', async () => {
    const owner = await fleet.start('owner');
    const thief = await fleet.start('thief', { policy: 'lucky' });
    await owner.putRequests(requests('r', 20));
    expect(await thief.getRequests(room(7), PATIENT)).to.have.length(4);
  });

  it('steal latency: an idle peer is woken when a node becomes loaded, long before its next poll', async () => {
    const owner = await fleet.start('owner');
    const thief = await fleet.start('thief', { pollMs: 60_000 });
    for (const prefix of ['a', 'b']) {
      const waiting = thief.getRequests(room(), { waitMs: 60_000 });
      const idle = async (): Promise<boolean> =>
        (await fleet.redis.zscore(fleet.key('idle'), 'thief')) !== null;
      await waitUntil(idle, 'the thief waits');
      // two are below minLoadScore: their age makes them eligible, after stealAfterMs
      await owner.putRequests(requests(prefix, 2));
      const claims: Claimed[] = await waiting;
      // the call and the poll end a minute later, when the test has timed out
      expect(claims).to.not.be.empty;
      await finish(thief, [...claims, ...(await take(thief, 2 - claims.length))]);
    }
  });

  it('d06: a prompt over maxNumBatchedTokens runs, alone; with chunked prefill the limit is not looked at', async () => {
    const owner = await fleet.start('owner');
    await owner.putRequests([
      ...requests('small', 2, 500),
      request('large', 1_001),
      ...requests('more', 2, 500),
    ]);
    const batches: string[][] = [];
    for (const served of [2, 1, 2]) {
      const claims = await owner.getRequests(room(8, { maxNumBatchedTokens: 1_000 }), PATIENT);
      expect(claims).to.have.length(served);
      batches.push(claims.map(({ id }) => id));
      await finish(owner, claims);
    }
    expect(batches).to.deep.equal([['small0', 'small1'], ['large'], ['more0', 'more1']]);

    await owner.putRequests(requests('chunked', 4, 500));
    const chunkedPrefill = {
      maxPartialPrefills: 4,
      maxLongPartialPrefills: 4,
      longPrefillTokenThreshold: 2_000,
    };
    const claims = await owner.getRequests(room(8, { maxNumBatchedTokens: 100, chunkedPrefill }), PATIENT);
    expect(claims).to.have.length(4);
  });

  it('a budget that makes no sense is refused by name, not waited for', async () => {
    const owner = await fleet.start('owner');
    const error: unknown = await owner.getRequests(room(-1)).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(ConfigError).with.property('option', 'budget.batch');
  });
});

describe('a request that does not fit', () => {
  const redis = useOwnRedis();
  const fleet = useFleet(() => redis.url);

  it('d05: makes nobody spin, delays none behind it, and goes to a peer with more room', async () => {
    const owner = await fleet.start('owner', { pollMs: 600 });
    await owner.putRequests([request('large', 161), ...requests('small', 3)]);
    const served = serve(owner, 0, room(4, blocks(10)));
    const began = performance.now();
    const sent = await commandsDuring(redis.admin, () =>
      waitUntil(() => performance.now() - began > 1_200, 'some polls have passed'),
    );
    // one for each poll, and those that took the small ones
    expect(counts(sent).claim).to.be.within(1, 8);
    expect(served.map(({ id }) => id)).to.deep.equal(['small0', 'small1', 'small2']);

    const peer = await fleet.start('peer');
    await finish(peer, await take(peer, 1));
    await ended(owner, ['large', 'small0', 'small1', 'small2']);
    expect(served, 'not the large one').to.have.length(3);
  });
});
