import { expect } from 'chai';
import { monotonic, sleep } from '../../src/base/clock.ts';
import type { Claim } from '../../src/runner/claim.ts';
import { waitUntil } from '../support/server.ts';
import { HeartbeatWorld } from './heartbeat-world.ts';

/** Several of the periods that are a few ms here: what has not come by then does not. */
const SEVERAL_MS = 80;
/** Until a visit for what is due at once has come. */
const DUE_MS = 700;
const CLAIM = { key: 'a claim' } as unknown as Claim;

describe('a heartbeat', () => {
  let world: HeartbeatWorld;
  afterEach(() => world.end());

  describe('by its clock', () => {
    it('renews the registration, and says when the node is evicted', async () => {
      world = new HeartbeatWorld({ keepAliveMs: 8 });
      const from = monotonic();
      world.heartbeat.start();
      await waitUntil(() => world.renewals > 3, 'it is renewed again and again');
      expect(monotonic() - from).to.be.at.least(4 * 4 * 0.75 * 0.8 - 4);
      expect(world.evictions).to.equal(0);
      world.renew = () => Promise.resolve(false);
      await waitUntil(() => world.evictions > 0, 'it is evicted');
    });

    it('refreshes its home shard, those where it has something, and the others in rotation', async () => {
      world = new HeartbeatWorld({ leaseMs: 12 }, 8);
      [world.home, world.pending, world.held] = [2, { 4: ['t'] }, { 6: [CLAIM] }];
      world.heartbeat.start();
      await waitUntil(() => new Set(world.visited).size === 8, 'every shard is visited');
      expect(world.visited.slice(0, 8)).to.deep.equal([2, 4, 6, 3, 2, 4, 6, 2]);
    });

    it('refreshes the only shard of a topic', async () => {
      world = new HeartbeatWorld({ leaseMs: 12 });
      world.heartbeat.start();
      await waitUntil(() => world.visits.length > 2, 'it is visited again and again');
      expect([new Set(world.visited), world.warnings]).to.deep.equal([new Set([0]), []]);
    });

    it('adds no visit where one has not come back', async () => {
      world = new HeartbeatWorld({ leaseMs: 12 }, 2);
      const answers: (() => void)[] = [];
      world.refresh = (shard) =>
        shard === 1 ? Promise.resolve({}) : new Promise((resolve) => answers.push(() => resolve({})));
      const visits = (number: number): number => world.visited.filter((one) => one === number).length;
      world.heartbeat.start();
      await waitUntil(() => visits(1) > 3, 'the other shard is visited again and again');
      expect(visits(0)).to.equal(1);
      const asked = world.heartbeat.refresh(world.shard(0));
      answers[0]!();
      await waitUntil(() => visits(0) === 2, 'one that was asked for follows');
      const before = visits(1);
      await waitUntil(() => visits(1) > before + 3, 'the other shard is visited again and again');
      expect(visits(0)).to.equal(2);
      world.refresh = () => Promise.resolve({});
      answers[1]!();
      await asked;
      await new Promise((resolve) => setImmediate(resolve));
      expect(visits(0), 'none has waited for it').to.be.at.most(3);
      await waitUntil(() => visits(0) > 3, 'it is visited again and again');
    });

    it('takes results where requests are pending, and everywhere after a takeover', async () => {
      for (const [takeover, shards] of [
        [false, [1]],
        [true, [0, 1, 2]],
      ] as const) {
        world = new HeartbeatWorld({ pollMs: 4, takeover }, 3);
        world.pending = { 1: ['t'] };
        world.heartbeat.start();
        await waitUntil(() => world.emptied.length > 5, 'they are taken again and again');
        await world.end();
        expect(new Set(world.emptied)).to.deep.equal(new Set(shards));
      }
    });

    const failing = (end: () => Promise<unknown>): HeartbeatWorld => {
      world = new HeartbeatWorld({ keepAliveMs: 8, leaseMs: 12, pollMs: 4 });
      world.pending = { 0: ['t'] };
      const fail = (why: string) => () => end().then(() => Promise.reject(new Error(why)));
      world.renew = fail('no renewal');
      world.take = fail('no results');
      world.refresh = fail('no refresh');
      world.heartbeat.start();
      return world;
    };

    it('tells what fails, and goes on', async () => {
      const texts = ['heartbeat: no renewal', 'refresh: no refresh', 'take_results: no results'];
      const { warnings } = failing(() => Promise.resolve());
      const told = (text: string): number => warnings.filter((warning) => warning === text).length;
      await waitUntil(() => texts.every((text) => told(text) > 1), 'each is told again and again');
      expect(new Set(warnings)).to.deep.equal(new Set(texts));
    });

    it('tells nothing of what fails as the node is over', async () => {
      let underWay = 0;
      const { warnings } = failing(() => {
        underWay += 1;
        return sleep(600_000, world.over.signal);
      });
      await waitUntil(() => world.renewals + world.visits.length >= 2 && underWay > 2, 'all are under way');
      await world.end();
      expect(warnings).to.deep.equal([]);
    });

    it('ends with the node', async () => {
      world = new HeartbeatWorld({ keepAliveMs: 8, leaseMs: 12, pollMs: 4 });
      world.pending = { 0: ['t'] };
      world.heartbeat.start();
      await waitUntil(() => world.renewals > 0 && world.visits.length > 0, 'it goes');
      world.over.abort();
      const before = [world.renewals, world.visits.length, world.emptied.length];
      await sleep(SEVERAL_MS);
      expect([world.renewals, world.visits.length, world.emptied.length]).to.deep.equal(before);
    });

    it('is stopped once no renewal is under way, and has ended once no visit is', async () => {
      world = new HeartbeatWorld({ keepAliveMs: 8 });
      let renewed: (() => void) | undefined;
      let refreshed: (() => void) | undefined;
      world.renew = () => new Promise((resolve) => (renewed = () => resolve(true)));
      world.refresh = () => new Promise((resolve) => (refreshed = () => resolve({})));
      world.heartbeat.start();
      await waitUntil(() => renewed !== undefined, 'a renewal is under way');
      const visit = world.heartbeat.refresh(world.shard(0));
      const order: string[] = [];
      const stopped = world.heartbeat.stop().then(() => order.push('stopped'));
      const ended = world.heartbeat.ended().then(() => order.push('ended'));
      await sleep(5);
      expect(order).to.deep.equal([]);
      renewed!();
      await stopped;
      await sleep(5);
      expect(order).to.deep.equal(['stopped']);
      refreshed!();
      await Promise.all([visit, ended]);
      await sleep(SEVERAL_MS);
      expect(world.renewals).to.equal(1);
    });

    it('has ended by itself, without a word to stop before', async () => {
      world = new HeartbeatWorld({ leaseMs: 12 });
      world.heartbeat.start();
      await world.heartbeat.ended();
      const before = world.visits.length;
      await sleep(SEVERAL_MS);
      expect(world.visits.length).to.equal(before);
    });
  });

  describe('that visits a shard', () => {
    it('names all that it has there, in parts', async () => {
      world = new HeartbeatWorld();
      const tickets = Array.from({ length: 1_000 }, (_, i) => `t${i}`);
      world.pending = { 0: tickets };
      world.held = { 0: Array.from({ length: 501 }, () => CLAIM) };
      await world.heartbeat.refresh(world.shard(0));
      expect(world.visits.map(({ held, pending }) => [held, pending.length])).to.deep.equal([
        [500, 500],
        [1, 500],
      ]);
      expect(world.visits.flatMap(({ pending }) => pending)).to.deep.equal(tickets);
      world.pending = {};
      await world.heartbeat.refresh(world.shard(0));
      expect(world.visits.slice(2).map(({ held, pending }) => [held, pending.length])).to.deep.equal([
        [500, 0],
        [1, 0],
      ]);
      [world.pending, world.held] = [{ 0: tickets.slice(0, 501) }, {}];
      await world.heartbeat.refresh(world.shard(0));
      expect(world.visits.slice(4).map(({ pending }) => pending.length)).to.deep.equal([500, 1]);
    });

    it('loses what it no longer holds, and asks for what is not known there, at the end of it', async () => {
      world = new HeartbeatWorld();
      const answers = [
        { lost: [CLAIM], unknown: ['t1'], more: true },
        { unknown: ['t2'] },
        { lost: [CLAIM, CLAIM] },
      ];
      world.refresh = () => Promise.resolve(answers.shift()!);
      await world.heartbeat.refresh(world.shard(0));
      expect([world.lost.length, world.unknown, world.visits.length]).to.deep.equal([1, [['t1', 't2']], 2]);
      await world.heartbeat.refresh(world.shard(0));
      expect([world.lost.length, world.unknown.length]).to.deep.equal([3, 1]);
    });

    it('does not lose what is ending by then: the answer to its end decides', async () => {
      world = new HeartbeatWorld();
      const claim = { key: 'another', ending: true } as unknown as Claim;
      world.refresh = () => Promise.resolve({ lost: [claim, CLAIM] });
      await world.heartbeat.refresh(world.shard(0));
      expect(world.lost).to.deep.equal([CLAIM]);
    });

    it('does not ask for what is ending by then: its end may be in Redis, and the answer to that be lost', async () => {
      world = new HeartbeatWorld();
      world.refresh = () => {
        // the end was sent after the refresh, and ran before it
        world.ending = ['t1'];
        return Promise.resolve({ unknown: ['t1', 't2'] });
      };
      await world.heartbeat.refresh(world.shard(0));
      expect(world.unknown).to.deep.equal([['t2']]);
      world.refresh = () => Promise.resolve({ unknown: ['t1'] });
      await world.heartbeat.refresh(world.shard(0));
      expect(world.unknown).to.deep.equal([['t2']]);
      world.ending = [];
      await world.heartbeat.refresh(world.shard(0));
      expect(world.unknown).to.deep.equal([['t2'], ['t1']]);
    });

    it('does so once at a time, and once more for all that ask meanwhile, whether or not one fails', async () => {
      world = new HeartbeatWorld();
      const ends: ((error?: Error) => void)[] = [];
      world.refresh = () =>
        new Promise((resolve, reject) => ends.push((error) => (error ? reject(error) : resolve({}))));
      const ask = (): Promise<unknown> => world.heartbeat.refresh(world.shard(0)).catch(String);
      const asked: Promise<unknown>[] = [];
      for (const error of [undefined, new Error('no answer'), undefined]) {
        if (asked.length === 0) asked.push(ask());
        await waitUntil(() => ends.length > 0, 'it is visited');
        // the owner of hundreds of claims cancels them all: each is a ring
        if (asked.length < 200) asked.push(...Array.from({ length: asked.length === 1 ? 100 : 200 }, ask));
        await sleep(2);
        expect(ends.length).to.equal(1);
        ends.shift()!(error);
      }
      const outcomes = await Promise.all(asked);
      expect(outcomes[0]).to.equal(undefined);
      expect(new Set(outcomes.slice(1, 101))).to.deep.equal(new Set(['Error: no answer']));
      expect(new Set(outcomes.slice(101))).to.deep.equal(new Set([undefined]));
      expect(world.visits.length).to.equal(3);
    });
  });

  describe('for what is due', () => {
    it('visits the shard once soon after, but not for what is further off than the next round', async () => {
      world = new HeartbeatWorld({ leaseMs: 300 }, 2);
      world.heartbeat.due(world.shard(1), 101);
      const from = monotonic();
      for (const dueMs of [40, 20, 30]) world.heartbeat.due(world.shard(0), dueMs);
      await waitUntil(() => world.visits.length > 0, 'it is visited');
      expect(monotonic() - from).to.be.at.least(19);
      await sleep(DUE_MS);
      expect(world.visited).to.deep.equal([0]);
    });

    it('also if a visit says so, with its last answer', async () => {
      world = new HeartbeatWorld();
      const answers = [{ more: true, dueMs: 0 }, {}, { dueMs: 0 }, {}];
      world.refresh = () => Promise.resolve(answers.shift()!);
      await world.heartbeat.refresh(world.shard(0));
      await sleep(DUE_MS);
      expect(world.visits.length).to.equal(2);
      await world.heartbeat.refresh(world.shard(0));
      await waitUntil(() => world.visits.length === 4, 'it is visited again');
    });

    it('also for an owner that only an answer before the last one spoke of', async () => {
      world = new HeartbeatWorld();
      world.held = { 0: Array.from({ length: 501 }, () => CLAIM) };
      const answers = [{ dueMs: 0 }, { dueMs: 3_600_000 }];
      world.refresh = () => Promise.resolve(answers.shift() ?? {});
      await world.heartbeat.refresh(world.shard(0));
      await waitUntil(() => world.visits.length === 4, 'it is visited again');
    });

    it('visits none once it has stopped', async () => {
      world = new HeartbeatWorld();
      world.heartbeat.due(world.shard(0), 0);
      await world.heartbeat.stop();
      world.heartbeat.due(world.shard(0), 0);
      await sleep(DUE_MS);
      expect(world.visits).to.deep.equal([]);
    });
  });

  describe('before a claim', () => {
    it('refreshes what it holds if it has not for half a lease', async () => {
      world = new HeartbeatWorld({ leaseMs: 100 });
      const before = async (): Promise<number> => {
        await world.heartbeat.beforeClaim(world.shard(0));
        return world.visits.length;
      };
      world.held = { 0: [CLAIM] };
      expect(await before(), 'it was never here').to.equal(0);
      world.held = {};
      await world.heartbeat.refresh(world.shard(0));
      const from = monotonic();
      world.held = { 0: [CLAIM] };
      const visits = await before();
      if (monotonic() - from < 50) expect(visits, 'it was just here').to.equal(1);
      world.held = {};
      await sleep(60);
      expect(await before(), 'it holds nothing').to.equal(visits);
      world.held = { 0: [CLAIM] };
      expect(await before()).to.equal(visits + 1);
    });
  });
});
