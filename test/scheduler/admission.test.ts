import { expect } from 'chai';
import type { Budget } from '../../src/index.ts';
import { PATIENT, finish, request, requests, room, useFleet, type Node } from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';

const engine = (availableBlocks: number, more: Partial<Budget> = {}): Budget =>
  room(8, { availableBlocks, ...more });

describe('admission', () => {
  const fleet = useFleet();
  let owner: Node;

  // no poll helps out
  beforeEach(async () => (owner = await fleet.start('owner', { pollMs: 60_000 })));

  const put = (tokens: readonly number[]): Promise<unknown> =>
    owner.putRequests(tokens.map((count, i) => request(`r${i}`, count)));
  const line = async (): Promise<string[]> =>
    (await fleet.snapshot()).waiting.map((ticket) => ticket.split('|').at(-1)!);
  const get = async (budget: Budget): Promise<string[]> =>
    (await owner.getRequests(budget, { waitMs: 0 })).map(({ id }) => id);

  it('takes from the front what the blocks have room for, and leaves the rest in its order', async () => {
    await put([32, 32, 32, 32, 32]);
    // 3 blocks each
    expect(await get(engine(7))).to.deep.equal(['r0', 'r1']);
    expect(await line()).to.deep.equal(['r2', 'r3', 'r4']);
    expect((await fleet.loads()).owner).to.equal(3);
    await fleet.verify();
  });

  it('gives back what came with a claim and does not fit, to its exact place', async () => {
    await put([10, 100, 100, 10, 10]);
    const chunkedPrefill = {
      maxPartialPrefills: 4,
      maxLongPartialPrefills: 1,
      longPrefillTokenThreshold: 50,
    };
    expect(await get(room(8, { chunkedPrefill }))).to.deep.equal(['r0', 'r1']);
    // nobody waits for the give-back
    await waitUntil(async () => (await line()).length === 3, 'two are given back');
    expect(await line()).to.deep.equal(['r2', 'r3', 'r4']);
    await fleet.verify();
  });

  it('counts no attempt for what was given back', async () => {
    await put([100, 100, 100]);
    const chunkedPrefill = {
      maxPartialPrefills: 4,
      maxLongPartialPrefills: 1,
      longPrefillTokenThreshold: 50,
    };
    for (let i = 0; i < 3; i += 1) {
      const claims = await owner.getRequests(room(8, { chunkedPrefill }), PATIENT);
      expect(claims.map(({ id, attempt }) => `${id} ${attempt}`)).to.deep.equal([`r${i} 1`]);
      await waitUntil(async () => (await line()).length === 2 - i, 'the rest is given back');
    }
  });

  it('lets those that fit pass one that does not, which keeps its place', async () => {
    await put([16, 320, 16, 16]);
    expect(await get(engine(10))).to.deep.equal(['r0', 'r2', 'r3']);
    expect(await get(engine(9))).to.deep.equal([]);
    expect(await line()).to.deep.equal(['r1']);
    await owner.putRequests([request('later', 16)]);
    expect(await get(engine(30))).to.deep.equal(['r1', 'later']);
  });

  it('asks again as soon as the budget has grown, and not before', async () => {
    await put([320]);
    const claims = async (): Promise<number> => {
      const text = String(await fleet.redis.hget(fleet.key('calls'), 'owner|claim'));
      return parseInt(text.slice(0, 12), 16);
    };
    expect(await get(engine(10))).to.deep.equal([]);
    const before = await claims();
    for (let i = 0; i < 50; i += 1) expect(await get(engine(10 - (i % 5)))).to.deep.equal([]);
    expect(await claims()).to.equal(before);
    expect(await get(engine(21))).to.deep.equal(['r0']);
  });

  it('goes on at once with what was given back behind admitted ones', async () => {
    await put([10, 10, 10]);
    const chunkedPrefill = { maxPartialPrefills: 4, maxLongPartialPrefills: 1, longPrefillTokenThreshold: 5 };
    const order: string[] = [];
    for (let i = 0; i < 3; i += 1) order.push(...(await get(room(8, { chunkedPrefill }))));
    expect(order).to.deep.equal(['r0', 'r1', 'r2']);
  });

  it('takes from others when nothing of an owner fits', async () => {
    const [large, small] = [await fleet.start('large'), await fleet.start('small')];
    await large.putRequests(requests('large', 4, 500));
    await small.putRequests(requests('small', 4, 16));
    const thief = await fleet.start('thief', { minLoadScore: 1 });
    const claims = await thief.getRequests(engine(20), PATIENT);
    expect(claims.map(({ id }) => id)).to.deep.equal(['small0', 'small1', 'small2', 'small3']);
    expect(await fleet.loads()).to.deep.equal({ large: 4 });
  });

  it('takes requests in their order however often they are given back, without patience', async () => {
    const strict = { minLoadScore: 1, patienceMs: 0 };
    owner = await fleet.start('strict', { ...strict, pollMs: 60_000 });
    const tokens = Array.from({ length: 60 }, (_, i) => 8 + ((i * 37) % 90));
    await put(tokens);
    const thief = await fleet.start('thief', strict);
    const order: string[] = [];
    for (let i = 0; order.length < tokens.length; i += 1) {
      const node = i % 3 === 0 ? owner : thief;
      const claims = await node.getRequests(room(1 + (i % 7), { availableBlocks: 8 + ((i * 5) % 9) }));
      const kept = claims.slice(0, 1 + (i % 4));
      await Promise.all(claims.slice(kept.length).map((claim) => claim.giveBack({ afterMs: 0 })));
      order.push(...kept.map(({ id }) => id));
      await finish(node, kept);
    }
    expect(order).to.deep.equal(tokens.map((_, i) => `r${i}`));
    await fleet.verify();
  });

  it('wakes an idle peer for what the own engine refused', async () => {
    const peer = await fleet.start('peer', { pollMs: 60_000 });
    const idle = (name: string) => async (): Promise<boolean> =>
      (await fleet.redis.zscore(fleet.key('idle'), name)) !== null;
    const noLong = { maxPartialPrefills: 4, maxLongPartialPrefills: 0, longPrefillTokenThreshold: 50 };
    const refusing = owner.getRequests(room(8, { chunkedPrefill: noLong }), { waitMs: 60_000 });
    await waitUntil(idle('owner'), 'the owner waits');
    const waiting = peer.getRequests(room(), { waitMs: 60_000 });
    await waitUntil(idle('peer'), 'the peer waits');
    await put([100]);
    // a minute before any call's time is over: nothing but the wake-up ends the peer's
    expect((await waiting).map(({ id }) => id)).to.deep.equal(['r0']);
    await owner.close();
    expect(await refusing).to.deep.equal([]);
  });
});
