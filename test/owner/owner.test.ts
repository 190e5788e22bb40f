import { expect } from 'chai';
import { SchedulerError } from '../../src/base/errors.ts';
import { MAX_ITEMS } from '../../src/protocol/wire.ts';
import { rejection } from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';
import { OwnerWorld, REFUSED, TIMEOUT, mailOf, ticketOf, turn } from './owner-world.ts';

const ok = (id: string, order = 1) => ({ status: 'OK' as const, ticket: ticketOf(id, order) });
const DUPLICATE = { status: 'DUPLICATE' as const, ticket: ticketOf('x', 9), same: true };

describe('an owner', () => {
  let world: OwnerWorld;
  beforeEach(() => (world = new OwnerWorld()));
  afterEach(() => world.owner.close(new SchedulerError('CLOSED', 'close', 'the test is over')));

  describe('puts', () => {
    it('into its home shard, and knows the request by its ticket from then on', async () => {
      world.home = 1;
      const put = world.put('x');
      await world.shards[1]!.answer(ok('x'));
      expect(await put).to.include({ id: 'x', ticket: ticketOf('x'), abandoned: false });
      expect([...world.owner.shardsInUse()]).to.deep.equal([world.shards[1]]);
      expect(world.owner.payloadOf(ticketOf('x'))).to.equal('x');
      expect(world.owner.payloadOf(ticketOf('y'))).to.equal(undefined);
      expect(world.events).to.deep.equal(['accepted x']);
    });

    for (const [answer, code] of [
      [{ status: 'EXPIRED' as const }, 'EXPIRED'],
      [{ status: 'FULL' as const, retryAfterMs: 7 }, 'FULL'],
      [DUPLICATE, 'DUPLICATE'],
      [REFUSED, 'REDIS'],
    ] as const)
      it(`and rejects with ${code}; the id is free again`, async () => {
        const refused = rejection(world.put('x'));
        await world.shard.answer(answer);
        const error = await refused;
        expect(error.code).to.equal(code);
        if (code === 'FULL') expect(error.retryAfterMs).to.equal(7);
        const put = world.put('x');
        await world.shard.answer(ok('x'));
        await put;
        expect(world.events).to.deep.equal(['accepted x']);
      });

    it('nothing that no engine can hold: its id is free, and none was put', async () => {
      world.largest = 0;
      expect(await rejection(world.put('x'))).to.include({ code: 'TOO_LARGE', tokens: 1, largest: 0 });
      expect(world.shard.puts).to.deep.equal([]);
      world.largest = 1;
      const put = world.put('x');
      await world.shard.answer(ok('x'));
      await put;
    });

    it('and says when all that has begun is answered, also before it is sent: a close waits for it', async () => {
      world.largest = 0;
      const refused = rejection(world.put('large'));
      world.largest = 1;
      let isAnswered = false;
      const answered = world.owner.putsAnswered().then(() => (isAnswered = true));
      const put = world.put('small');
      await refused;
      await turn();
      expect(isAnswered, 'one is on its way').to.equal(false);
      await world.shard.answer(ok('small'));
      await Promise.all([put, answered]);
      await world.owner.putsAnswered();
    });

    it('no id twice that has not ended: the second is refused here', async () => {
      const first = world.put('x');
      expect((await rejection(world.put('x'))).code).to.equal('DUPLICATE');
      await world.shard.answer(ok('x'));
      await first;
      expect((await rejection(world.put('x'))).code).to.equal('DUPLICATE');
      expect(world.shard.puts.length).to.equal(1);
      world.deliver(mailOf(ticketOf('x'), 'finished'));
      const again = world.put('x');
      await world.shard.answer(ok('x', 2));
      await again;
    });

    it('and takes what stands for its own when the epoch changed meanwhile; other refusals stay', async () => {
      const put = world.put('x');
      await turn();
      world.epoch = 'e2';
      await world.shard.answer(DUPLICATE);
      expect((await put).ticket).to.equal(DUPLICATE.ticket);
      const late = rejection(world.put('y'));
      await turn();
      world.epoch = 'e3';
      await world.shard.answer({ status: 'EXPIRED' });
      expect((await late).code).to.equal('EXPIRED');
    });

    it('and says whether replicas have it, if that was asked for', async () => {
      const put = world.put('x');
      await world.shard.answer({ ...ok('x'), replicated: false });
      expect((await put).replicated).to.equal(false);
      expect('replicated' in (await world.accepted('y'))).to.equal(false);
    });

    it('and delivers what overtakes the answer', async () => {
      const put = world.put('x');
      await turn();
      world.deliver(mailOf(ticketOf('x'), 'finished'));
      await world.shard.answer(ok('x'));
      await put;
      expect(world.told).to.deep.equal({ x: ['finished'] });
    });
  });

  describe('when the caller of a put gave up', () => {
    const giveUp = async (): Promise<void> => {
      world.impatient = true;
      expect(await rejection(world.put('x'))).to.equal(TIMEOUT);
      world.impatient = false;
      await turn();
    };

    it('cancels it when it is accepted after all, and tells nothing of it', async () => {
      await giveUp();
      await world.shard.answer(ok('x'));
      expect(world.shard.cancelled).to.deep.equal([ticketOf('x')]);
      expect(world.owner.pendingIn(world.here)).to.deep.equal([]);
      world.deliver(mailOf(ticketOf('x'), 'cancelled'));
      expect([world.told, world.events]).to.deep.equal([{ x: [] }, []]);
      // the id is free
      const put = world.put('x');
      await world.shard.answer(ok('x', 2));
      await put;
    });

    it('takes it back if it has not left yet: it is as if it had never been put', async () => {
      world.shard.canWithdraw = true;
      await giveUp();
      const put = world.put('x', 'other');
      await world.shard.answer(ok('x'));
      await put;
      expect([world.shard.puts.length, world.shard.cancelled]).to.deep.equal([2, []]);
    });

    it('hands it to a new put of the same id and content, and refuses another content', async () => {
      await giveUp();
      expect((await rejection(world.put('x', 'other'))).code).to.equal('DUPLICATE');
      const put = world.put('x');
      await world.shard.answer(ok('x'));
      expect((await put).abandoned).to.equal(false);
      expect([world.shard.puts.length, world.shard.cancelled.length]).to.deep.equal([1, 0]);
      world.deliver(mailOf(ticketOf('x'), 'finished'));
      expect(world.told).to.deep.equal({ x: ['finished'] });
    });

    it('warns if the cancel fails, unless the node is over', async () => {
      world.shard.cancelFails = REFUSED;
      await giveUp();
      await world.shard.answer(ok('x'));
      expect(world.warnings).to.deep.equal(['owner: OOM']);
      await giveUp();
      world.over.abort();
      await world.shard.answer(ok('x', 2));
      expect(world.warnings.length).to.equal(1);
    });
  });

  describe('cancels', () => {
    it('a request in Redis and empties its mailbox, where the final is', async () => {
      const pending = await world.accepted('x');
      world.shard.mails = [mailOf(ticketOf('x'), 'cancelled')];
      await world.owner.cancel(pending);
      expect(world.shard.cancelled).to.deep.equal([ticketOf('x')]);
      expect(world.told).to.deep.equal({ x: ['cancelled'] });
      await world.owner.cancel(pending);
      expect(world.shard.cancelled.length, 'it has ended').to.equal(1);
    });

    it('what is being put when that is answered', async () => {
      const { pending } = await world.accepted('y').then(() => ({ pending: world.put('x') }));
      let placed: unknown;
      void pending.then((one) => (placed = one));
      await turn();
      await world.shard.answer(ok('x'));
      await world.owner.cancel(placed as never);
      expect(world.shard.cancelled).to.deep.equal([ticketOf('x')]);
    });

    it('all at the end, also if one cannot be', async () => {
      await world.accepted('x');
      await world.accepted('y');
      await world.owner.cancelIn(world.shards[1] as never);
      expect(world.shard.cancelled, 'they are elsewhere').to.deep.equal([]);
      world.shard.cancelFails = REFUSED;
      await world.owner.cancelIn(world.here);
      expect(world.shard.cancelled).to.have.members([ticketOf('x'), ticketOf('y')]);
    });
  });

  describe('when it is over', () => {
    it('tells every request why, and forgets them', async () => {
      await world.accepted('x');
      world.owner.close(new SchedulerError('CLOSED', 'close', 'closed'));
      expect(world.told).to.deep.equal({ x: ['CLOSED'] });
      expect(world.owner.pendingIn(world.here)).to.deep.equal([]);
    });
  });

  it('has one mailbox per shard', () => {
    expect(world.owner.mailbox(world.here)).to.equal(world.owner.mailbox(world.here));
  });

  describe('resets', () => {
    it('its home shard and every shard where it has something, and tells each request', async () => {
      await world.accepted('x');
      world.home = 1;
      expect(await world.owner.reset()).to.deep.equal(['x']);
      expect(world.shard.resets).to.deep.equal([[ticketOf('x')]]);
      expect(world.shards[1]!.resets).to.deep.equal([[]]);
      expect(world.told).to.deep.equal({ x: ['cancelled: reset'] });
    });

    it('as long as there is more, names what it knows in parts, and ends also what Redis does not know', async () => {
      const ids = Array.from({ length: MAX_ITEMS + 1 }, (_, i) => `x${i}`);
      for (const id of ids) await world.accepted(id);
      world.shard.resetAnswers = [
        { more: false, dropped: [ticketOf('x0')] },
        { more: true, dropped: [ticketOf('another process put it')] },
      ];
      expect(await world.owner.reset()).to.have.members([...ids, 'another process put it']);
      expect(world.told).to.deep.equal(Object.fromEntries(ids.map((id) => [id, ['cancelled: reset']])));
      expect(world.shard.resets.map(({ length }) => length)).to.deep.equal([MAX_ITEMS, 1, 0]);
    });
  });

  describe('mends a request whose results were lost', () => {
    const gap = (): void => world.deliver(mailOf(ticketOf('x'), 'chunk', 5, 2));

    it('cancels what stands and puts it again with one try less, and takes no result of what stood', async () => {
      await world.accepted('x');
      gap();
      expect(world.owner.pendingIn(world.here)).to.deep.equal([]);
      await world.shard.answer({ status: 'DUPLICATE', ticket: ticketOf('x'), same: true });
      expect(world.shard.cancelled).to.deep.equal([ticketOf('x')]);
      await waitUntil(() => world.shard.puts.length === 3, 'it is put again');
      expect(world.shard.puts[1]).to.include({ id: 'x', payload: 'x', triesLeft: 2, triesSpent: 1 });
      world.deliver(mailOf(ticketOf('x'), 'chunk', 5, 1), mailOf(ticketOf('x'), 'cancelled', 5, 3));
      await world.shard.answer(ok('x', 2));
      world.deliver(mailOf(ticketOf('x'), 'finished', 5, 4));
      expect(world.told).to.deep.equal({ x: [] });
      world.deliver(mailOf(ticketOf('x', 2), 'finished', 6, 1));
      expect(world.told).to.deep.equal({ x: ['finished'] });
      expect(world.events).to.deep.equal(['accepted x', 'putAgain x', 'accepted x', 'ended x']);
    });

    it('takes none of them for a predecessor’s either, whenever they come', async () => {
      world = new OwnerWorld({ successor: true });
      await world.accepted('x');
      gap();
      await world.shard.answer(ok('x', 2));
      world.deliver(mailOf(ticketOf('x'), 'chunk', 5, 1), mailOf(ticketOf('x'), 'cancelled', 5, 2));
      expect(world.told).to.deep.equal({ x: [] });
    });

    it('takes none of a put that Redis lost before it answered for a predecessor’s', async () => {
      world = new OwnerWorld({ successor: true });
      const put = world.put('x');
      world.deliver(mailOf(ticketOf('x'), 'chunk', 5, 1), mailOf(ticketOf('x'), 'finished', 5, 2));
      await world.shard.answer(ok('x', 2));
      await put;
      world.deliver(mailOf(ticketOf('x', 2), 'finished', 6, 1));
      expect(world.told).to.deep.equal({ x: ['finished'] });
    });

    it('until its tries are used up: then it has failed, in Redis too', async () => {
      world = new OwnerWorld({ tries: 1 });
      await world.accepted('x');
      gap();
      expect(world.told).to.deep.equal({ x: ['failed: results were lost'] });
      expect(world.shard.failed).to.deep.equal([[ticketOf('x'), 'results were lost']]);
      world.deliver(mailOf(ticketOf('x'), 'cancelled'));
      await turn();
      expect([world.told['x']!.length, world.shard.puts.length]).to.deep.equal([1, 1]);
    });

    it('fails a predecessor’s, whose payload it has not', () => {
      world = new OwnerWorld({ successor: true });
      world.deliver(mailOf(ticketOf('x'), 'chunk', 5, 1), mailOf(ticketOf('x'), 'chunk', 5, 3));
      expect(world.told).to.deep.equal({ x: ['chunk', 'failed: results were lost'] });
      expect(world.shard.failed).to.deep.equal([[ticketOf('x'), 'results were lost']]);
    });

    it('warns if it cannot cancel', async () => {
      await world.accepted('x');
      world.shard.cancelFails = REFUSED;
      gap();
      await world.shard.answer({ status: 'DUPLICATE', ticket: ticketOf('x'), same: true });
      expect(world.warnings).to.deep.equal(['owner: OOM']);
    });
  });

  describe('puts again what its shard does not know any more', () => {
    const lose = (...ids: string[]): Promise<void> =>
      world.owner.unknown(
        world.here,
        ids.map((id) => ticketOf(id)),
      );

    it('under a new ticket, the first in line first, and no result of the old one is its own', async () => {
      await world.accepted('x');
      await world.accepted('y');
      await lose('y', 'x', 'never heard of');
      await waitUntil(() => world.shard.puts.length === 4, 'both are put again');
      expect(world.shard.puts.slice(2).map(({ id }) => id)).to.deep.equal(['x', 'y']);
      expect(world.shard.puts[2]).to.include({ triesLeft: 3, triesSpent: 0 });
      expect(world.owner.pendingIn(world.here)).to.deep.equal([]);
      world.deliver(mailOf(ticketOf('x'), 'finished'));
      await world.shard.answer(ok('x', 2));
      await world.shard.answer(ok('y', 2));
      expect(world.told).to.deep.equal({ x: [], y: [] });
      expect(world.owner.pendingIn(world.here)).to.have.members([ticketOf('x', 2), ticketOf('y', 2)]);
    });

    it('unless its mailbox ends it', async () => {
      await world.accepted('x');
      world.shard.mails = [mailOf(ticketOf('x'), 'finished')];
      await lose('x');
      expect([world.told, world.shard.puts.length]).to.deep.equal([{ x: ['finished'] }, 1]);
    });

    it('but not a predecessor’s, whose payload it has not', async () => {
      world = new OwnerWorld({ successor: true });
      world.deliver(mailOf(ticketOf('x'), 'chunk'));
      await lose('x');
      expect(world.told).to.deep.equal({ x: ['chunk', 'failed: Redis lost the request of a predecessor'] });
      expect(world.shard.puts).to.deep.equal([]);
    });

    it('and takes what stands under the same ticket: an answer was lost', async () => {
      await world.accepted('x');
      await lose('x');
      await world.shard.answer({ status: 'DUPLICATE', ticket: ticketOf('x'), same: true });
      expect(world.owner.pendingIn(world.here)).to.deep.equal([ticketOf('x')]);
      expect(world.shard.cancelled).to.deep.equal([]);
    });

    it('and cancels what stands under another, a request that had ended, and takes no result of it', async () => {
      world = new OwnerWorld({ successor: true });
      await world.accepted('x');
      await lose('x');
      await world.shard.answer(DUPLICATE);
      expect(world.shard.cancelled).to.deep.equal([DUPLICATE.ticket]);
      await world.shard.answer(ok('x', 2));
      world.deliver(mailOf(DUPLICATE.ticket, 'chunk'), mailOf(DUPLICATE.ticket, 'cancelled'));
      expect(world.told).to.deep.equal({ x: [] });
      expect(world.owner.pendingIn(world.here)).to.deep.equal([ticketOf('x', 2)]);
    });

    it('as often as Redis refuses it, with one warning, and later and later', async () => {
      await world.accepted('x');
      await lose('x');
      const from = performance.now();
      for (let i = 0; i < 4; i += 1) await world.shard.answer(REFUSED);
      await world.shard.answer(ok('x', 2));
      // 10, 20, 40 and 80 ms, a quarter less at most
      expect(performance.now() - from).to.be.at.least(110);
      expect(world.warnings).to.deep.equal(['put again: OOM']);
      expect(world.owner.pendingIn(world.here)).to.deep.equal([ticketOf('x', 2)]);
    });

    it('after as long as a full line says', async () => {
      await world.accepted('x');
      await lose('x');
      const from = performance.now();
      await world.shard.answer({ status: 'FULL', retryAfterMs: 60 });
      await world.shard.answer(ok('x', 2));
      expect(performance.now() - from).to.be.at.least(59);
      expect([world.warnings, world.told]).to.deep.equal([[], { x: [] }]);
    });

    it('until its deadline has passed, by the word of Redis or by its own clock', async () => {
      await world.accepted('x');
      await lose('x');
      await world.shard.answer({ status: 'EXPIRED' });
      await world.accepted('y', 1);
      await lose('y');
      await waitUntil(() => world.shard.unanswered === 1, 'it is put again');
      const from = performance.now();
      await waitUntil(() => performance.now() - from > 1, 'its deadline has passed');
      await world.shard.answer(REFUSED);
      expect(world.told).to.deep.equal({ x: ['expired'], y: ['expired'] });
      expect([world.shard.puts.length, world.warnings]).to.deep.equal([4, []]);
    });

    it('and says nothing more when the node is over', async () => {
      await world.accepted('x');
      await lose('x');
      await waitUntil(() => world.shard.unanswered === 1, 'it is put again');
      world.over.abort();
      await world.shard.answer(REFUSED);
      await turn();
      expect([world.warnings, world.shard.puts.length]).to.deep.equal([[], 2]);
    });

    it('and a cancel meanwhile waits for the new ticket', async () => {
      const pending = await world.accepted('x');
      await lose('x');
      await waitUntil(() => world.shard.unanswered === 1, 'it is put again');
      const cancelled = world.owner.cancel(pending);
      await turn();
      expect(world.shard.cancelled).to.deep.equal([]);
      await world.shard.answer(ok('x', 2));
      await cancelled;
      expect(world.shard.cancelled).to.deep.equal([ticketOf('x', 2)]);
    });
  });

  it('fails a request at once whose result it cannot decode, and takes no other final for it', async () => {
    await world.accepted('x');
    world.deliver({ ...mailOf(ticketOf('x'), 'finished'), bare: false, payload: Buffer.from('{') });
    expect(world.told['x']!.length).to.equal(1);
    expect(world.told['x']![0]).to.match(/^failed: a result could not be decoded/);
    expect(world.shard.failed.map(([ticket]) => ticket)).to.deep.equal([ticketOf('x')]);
    expect(`failed: ${world.shard.failed[0]![1]}`).to.equal(world.told['x']![0]);
    world.deliver(mailOf(ticketOf('x'), 'cancelled'));
    expect(world.told['x']!.length).to.equal(1);
  });
});
