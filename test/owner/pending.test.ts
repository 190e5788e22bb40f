import { expect } from 'chai';
import { monotonic } from '../../src/base/clock.ts';
import { Backlog } from '../../src/owner/backlog.ts';
import { Attempts } from '../../src/owner/attempts.ts';
import { PendingTable, itemOf, type Pending } from '../../src/owner/pending.ts';
import type { Shard } from '../../src/protocol/shard.ts';
import { waitUntil } from '../support/server.ts';

const SHARD = { number: 0 } as unknown as Shard;
const OTHER = { number: 1 } as unknown as Shard;

function pendingOf(id: string, more: Partial<Pending<unknown>> = {}): Pending<unknown> {
  return {
    ...{
      id,
      shard: SHARD,
      promptTokens: 7,
      headStartMs: 5,
      onOwnerLoss: 'abort',
      putAt: 0,
      deadlineAt: Infinity,
    },
    ...{ attempts: new Attempts(), payload: id, triesLeft: 3, triesSpent: 1, abandoned: false },
    sink: { deliver: () => undefined, backlog: new Backlog(), fail: () => undefined },
    ...more,
  };
}

describe('the table of pending requests', () => {
  it('finds a request by its id and by its latest ticket, until it is removed', () => {
    const table = new PendingTable<unknown>();
    const a = pendingOf('a');
    table.add(a);
    expect([table.withId('a'), table.ticketsIn(SHARD), a.ticket]).to.deep.equal([a, [], undefined]);
    table.setTicket(a, 't1');
    table.setTicket(a, 't2');
    expect([table.withTicket('t1'), table.withTicket('t2'), a.ticket]).to.deep.equal([undefined, a, 't2']);
    table.remove(a);
    expect([table.withId('a'), table.withTicket('t2'), [...table.all()]]).to.deep.equal([
      undefined,
      undefined,
      [],
    ]);
  });

  it('does not lose a later request of the same id with the earlier one', () => {
    const table = new PendingTable<unknown>();
    const [first, second] = [pendingOf('a'), pendingOf('a')];
    table.add(first);
    table.setTicket(first, 't1');
    table.add(second);
    table.remove(first);
    expect([table.withId('a'), table.withTicket('t1')]).to.deep.equal([second, undefined]);
  });

  it('lists tickets and shards of what has a ticket, and all the rest too', () => {
    const table = new PendingTable<unknown>();
    const [a, b, c, d] = [pendingOf('a'), pendingOf('b', { shard: OTHER }), pendingOf('c'), pendingOf('d')];
    for (const one of [a, b, c]) table.add(one);
    table.setTicket(a, 'ta');
    table.setTicket(b, 'tb');
    // a predecessor's has no entry by id
    table.setTicket(d, 'td');
    expect(table.ticketsIn(SHARD)).to.have.members(['ta', 'td']);
    expect(table.ticketsIn(OTHER)).to.deep.equal(['tb']);
    expect([...table.shards()]).to.have.members([SHARD, OTHER]);
    expect([...table.all()]).to.have.members([a, b, c, d]);
    table.clear();
    expect([[...table.all()], table.ticketsIn(SHARD)]).to.deep.equal([[], []]);
  });

  it('tells of an end once it is no longer pending, and the request last', () => {
    const told: string[] = [];
    const table: PendingTable<unknown> = new PendingTable(({ id }, { kind, node = '' }) => {
      told.push(`table: ${id} ${kind} "${node}" ${table.withId(id) === undefined}`);
    });
    const sink = {
      deliver: ({ kind }: { kind: string }) => void told.push(`sink: ${kind}`),
      backlog: new Backlog(),
      fail: () => undefined,
    };
    for (const ran of [{ node: 'r' }, {}]) {
      const a = pendingOf('a', { sink });
      table.add(a);
      table.end(a, { kind: 'finished', ...ran });
    }
    expect(told).to.deep.equal([
      ...['table: a finished "r" true', 'sink: finished'],
      ...['table: a finished "" true', 'sink: finished'],
    ]);
  });

  it('knows a ticket that was pending for the time that it was told, and for twice of it at most', async () => {
    const ms = 40;
    const from = monotonic();
    const table = new PendingTable<unknown>(undefined, ms);
    const a = pendingOf('a');
    table.setTicket(a, 't1');
    expect(table.wasPending('t1'), 'it still is').to.equal(false);
    table.remove(a);
    while (monotonic() - from < ms) expect(table.wasPending('t1')).to.equal(true);
    // it forgets as others come
    let n = 1;
    const another = (): void => {
      const b = pendingOf('b');
      table.setTicket(b, `b${(n += 1)}`);
      table.remove(b);
    };
    await waitUntil(() => {
      another();
      return !table.wasPending('t1');
    }, 'the ticket is forgotten');
    expect(monotonic() - from).to.be.at.least(2 * ms);
    expect(table.wasPending(`b${n}`)).to.equal(true);
    table.setTicket(pendingOf('b'), `b${n}`);
    expect(table.wasPending(`b${n}`), 'pending again').to.equal(false);
  });

  it('remembers nothing unless it is told for how long', () => {
    const table = new PendingTable<unknown>();
    const a = pendingOf('a');
    table.setTicket(a, 't1');
    table.remove(a);
    expect(table.wasPending('t1')).to.equal(false);
  });

  it('tells an end once, though more than one comes while it is put again', () => {
    const ended: string[] = [];
    const table = new PendingTable<unknown>((_, { kind }) => ended.push(kind));
    const a = pendingOf('a');
    table.add(a);
    table.end(a, { kind: 'cancelled' });
    table.end(a, { kind: 'expired' });
    expect(ended).to.deep.equal(['cancelled']);
  });

  it('knows which requests were accepted, and which of them are being put again', () => {
    const table = new PendingTable<unknown>();
    const [waits, again, unanswered, over] = [pendingOf('a'), pendingOf('b'), pendingOf('c'), pendingOf('d')];
    for (const one of [waits, again, unanswered, over]) table.add(one);
    for (const one of [waits, again, over]) table.setTicket(one, `t${one.id}`);
    for (const one of [again, over]) table.clearTicket(one);
    over.abandoned = true;
    expect([waits, again, unanswered, over].filter((one) => table.isPutAgain(one))).to.deep.equal([again]);
    expect([...table.accepted()]).to.deep.equal([waits, again]);
  });

  it('hands over a put whose caller gave up to a new one of the same bytes', () => {
    const table = new PendingTable<unknown>();
    const a = pendingOf('a', { payload: 'text', abandoned: true });
    table.add(a);
    expect(table.adoptable('a', Buffer.from('text'))).to.equal(a);
    expect(table.adoptable('a', 'text')).to.equal(a);
    expect(table.adoptable('a', 'else')).to.equal(undefined);
    expect(table.adoptable('a', 'longer text')).to.equal(undefined);
    expect(table.adoptable('b', 'text')).to.equal(undefined);
    a.abandoned = false;
    expect(table.adoptable('a', 'text')).to.equal(undefined);
    a.abandoned = true;
    delete a.payload;
    expect(table.adoptable('a', 'text')).to.equal(undefined);
  });

  it('puts with what is left of the deadline, and of the tries', () => {
    const { deadlineMs, ...rest } = itemOf(pendingOf('a', { deadlineAt: monotonic() + 1_000 }));
    expect(rest).to.deep.equal({
      ...{ id: 'a', promptTokens: 7, headStartMs: 5, onOwnerLoss: 'abort', payload: 'a' },
      ...{ triesLeft: 3, triesSpent: 1 },
    });
    expect(deadlineMs).to.be.within(1, 1_000);
    expect(itemOf(pendingOf('a', { deadlineAt: monotonic() - 1_000 })).deadlineMs).to.equal(0);
  });
});
