import { expect } from 'chai';
import { monotonic } from '../../src/base/clock.ts';
import { SchedulerError } from '../../src/base/errors.ts';
import { PATIENCE_MS } from '../../src/owner/deadlines.ts';
import { MAX_ITEMS } from '../../src/protocol/wire.ts';
import { rejection } from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';
import { OwnerWorld, REFUSED, WAITED, mailOf, ticketOf, turn, type WorldOptions } from './owner-world.ts';

const ok = (id: string, order = 1) => ({ status: 'OK' as const, ticket: ticketOf(id, order) });
const stands = (id: string) => ({ status: 'DUPLICATE' as const, ticket: ticketOf(id), same: true });

describe('an owner ends a request', () => {
  let world: OwnerWorld;
  const end = (): void => world.owner.close(new SchedulerError('CLOSED', 'close', 'the test is over'));
  const begin = (options: WorldOptions): void => {
    end();
    world = new OwnerWorld(options);
  };
  beforeEach(() => (world = new OwnerWorld()));
  afterEach(end);

  /** The ticket of its former request stands in Redis when it is put anew: it is cancelled, and no reason to refuse. */
  async function putAnew(id: string): Promise<void> {
    const put = world.put(id);
    await world.shard.answer(stands(id));
    expect(world.shard.cancelled).to.deep.equal([ticketOf(id)]);
    await world.shard.answer(ok(id, 2));
    await put;
    world.deliver(mailOf(ticketOf(id), 'finished'));
    expect(world.owner.pendingIn(world.here)).to.deep.equal([ticketOf(id, 2)]);
  }

  describe('whose deadline has passed', () => {
    it('as Redis says, which was asked to end it', async () => {
      // a final that is there by then still counts
      world.shard.mails = [mailOf(ticketOf('x'), 'finished')];
      await world.accepted('x', 200);
      await waitUntil(() => world.told['x']!.length > 0, 'it has ended');
      expect(world.told).to.deep.equal({ x: ['finished'] });
      expect([world.shard.expired, world.shard.cancelled]).to.deep.equal([[ticketOf('x')], []]);
    });

    it('by itself if Redis does not say how, and takes nothing of it later', async () => {
      await world.accepted('x', 200);
      await waitUntil(() => world.told['x']!.length > 0, 'it has ended');
      expect(world.told).to.deep.equal({ x: ['expired'] });
      world.deliver(mailOf(ticketOf('x'), 'finished'));
      expect(world.told).to.deep.equal({ x: ['expired'] });
      await putAnew('x');
    });

    it('while it is put: its caller is told soon after, and it is cancelled if it is accepted', async () => {
      for (const deadlineMs of [1, 300]) {
        const from = monotonic();
        const error = await rejection(world.put('x', 'x', deadlineMs));
        expect(error.code).to.equal('EXPIRED');
        // a timer may be a ms early
        expect(monotonic() - from).to.be.at.least(PATIENCE_MS + deadlineMs - 2);
        await world.shard.answer(ok('x'));
        expect(world.shard.cancelled.splice(0)).to.deep.equal([ticketOf('x')]);
      }
    });
  });

  it('by its id, if it is pending here', async () => {
    const pending = await world.accepted('x');
    expect(await world.owner.cancelId('y')).to.equal(false);
    expect(await world.owner.cancelId('x')).to.equal(true);
    expect(world.shard.cancelled).to.deep.equal([ticketOf('x')]);
    pending.abandoned = true;
    expect(await world.owner.cancelId('x'), 'its caller has gone').to.equal(false);
    expect(world.shard.cancelled.length).to.equal(1);
  });

  describe('that is put again', () => {
    it('by a reset, which Redis has no ticket of', async () => {
      await world.accepted('x');
      world.deliver(mailOf(ticketOf('x'), 'lost'));
      await waitUntil(() => world.shard.puts.length === 2, 'it is put again');
      expect(await world.owner.reset()).to.deep.equal(['x']);
      expect(world.told).to.deep.equal({ x: ['cancelled: reset'] });
      await world.shard.answer(ok('x', 2));
    });

    it('at once when it is cancelled, and cancels what the put brings', async () => {
      const pending = await world.accepted('x');
      world.deliver(mailOf(ticketOf('x'), 'lost'));
      const cancelled = world.owner.cancel(pending);
      expect(world.told).to.deep.equal({ x: ['cancelled'] });
      await world.shard.answer(ok('x', 2));
      await cancelled;
      expect(world.shard.cancelled).to.deep.equal([ticketOf('x', 2)]);
      expect(world.told).to.deep.equal({ x: ['cancelled'] });
    });

    it('as its results were lost, and knows what is left of it in Redis', async () => {
      const pending = await world.accepted('x');
      world.deliver(mailOf(ticketOf('x'), 'chunk', 5, 2));
      const cancelled = world.owner.cancel(pending);
      await world.shard.answer(REFUSED);
      await cancelled;
      expect([world.told, world.shard.cancelled]).to.deep.equal([{ x: ['cancelled'] }, []]);
      await putAnew('x');
    });

    it('not if its mailbox is closed: nobody has looked whether its final is there', async () => {
      await world.accepted('x');
      await world.owner.leave(world.here);
      await world.owner.unknown(world.here, [ticketOf('x')]);
      await turn();
      expect(world.shard.puts.length).to.equal(1);
    });
  });

  it('whose reader has no room for a chunk, but always for those of one call', async () => {
    for (const maxResults of [1, MAX_ITEMS + 5]) {
      begin({ maxResults });
      await world.accepted('x');
      for (let i = 1; i < Math.max(maxResults, MAX_ITEMS); i += 1) world.backlog.add(1);
      world.deliver(mailOf(ticketOf('x'), 'chunk', 5, 1));
      world.backlog.add(1);
      world.deliver(mailOf(ticketOf('x'), 'chunk', 5, 2));
      expect(world.told['x']!.map((told) => told.split(':')[0])).to.deep.equal(['chunk', 'failed']);
    }
  });

  it('and tells who ran it, if anybody did, and how long it took, if it was put here', async () => {
    begin({ successor: true });
    const ended: unknown[] = [];
    world.emitter.on('ended', ({ id, kind, ranOn, afterMs }) => {
      ended.push([id, kind, ranOn, afterMs === undefined ? afterMs : afterMs >= 0]);
    });
    await world.accepted('x');
    await world.accepted('y');
    world.deliver(
      mailOf(ticketOf('x'), 'finished'),
      { ...mailOf(ticketOf('y'), 'cancelled'), story: WAITED },
      mailOf(ticketOf('z'), 'failed'),
    );
    expect(ended).to.deep.equal([
      ['x', 'finished', 'r', true],
      ['y', 'cancelled', undefined, true],
      ['z', 'failed', 'r', undefined],
    ]);
  });

  it('and takes no result of it for a predecessor’s, as long as Redis may bring one back', async () => {
    const ttlMs = 40;
    begin({ successor: true, ttlMs });
    const toEnd = async (id: string): Promise<void> => {
      await world.accepted(id);
      world.deliver(mailOf(ticketOf(id), 'cancelled'));
    };
    await toEnd('x');
    const from = monotonic();
    let n = 0;
    await waitUntil(async () => {
      await toEnd(`y${(n += 1)}`);
      world.deliver(mailOf(ticketOf('x'), 'chunk'));
      return world.told['x']!.length > 1;
    }, 'it is forgotten');
    expect(monotonic() - from).to.be.at.least(ttlMs);
  });
});
