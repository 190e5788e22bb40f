// Whatever table of a shard is lost, or two: one refresh of each owner makes the shard sound again, and nothing that was
// accepted is stranded: it waits, is held, is in its owner's mailbox, or its owner is told to put it again.
import { expect } from 'chai';
import { SHARD_TABLES } from '../../src/base/keys.ts';
import { NO_TICK, type Ticket } from '../../src/base/ticket.ts';
import { checkInvariants } from '../../src/inspect/invariants.ts';
import { cancel, claim, pushBack, put, putResults, refresh } from './calls.ts';
import { TestShard, connection, connections, wakeUps } from './support.ts';
import { START } from './view.ts';
import { parseClaims, parseMail, type LoadUnit } from './wire.ts';

const OWNERS = ['a', 'b', 'c'] as const;

interface Busy {
  shard: TestShard;
  /** Accepted and not ended, by owner. */
  pending: Map<string, Ticket[]>;
}

/** Requests of three owners that wait and run, and some whose results are on their way. */
async function busy(loadUnit: LoadUnit = 'requests'): Promise<Busy> {
  const shard = new TestShard({ minLoad: 1, ttl: 600_000, loadUnit });
  for (const node of OWNERS)
    await shard.run(put(shard, node, [{ id: 'v', tokens: 7 }, 'w', 'x', { id: 'y', tokens: 0 }, 'z']));
  shard.at = 60;
  const claims = parseClaims((await shard.run(claim(shard, 'r', { limit: 6 })))[2]!);
  await shard.run(putResults(shard, 'r', [{ ...claims[0]!, number: 1, kind: 'chunk', payload: 'c' }]));
  await shard.run(putResults(shard, 'r', [{ ...claims[1]!, number: 1, kind: 'finished', payload: 'f' }]));
  const requests = [...(await shard.requests()).entries()];
  const of = (owner: string): Ticket[] =>
    requests.filter(([field]) => field.startsWith(`${owner}|`)).map(([, { ticket }]) => ticket);
  return { shard, pending: new Map(OWNERS.map((owner) => [owner, of(owner)])) };
}

/** Each owner refreshes; answers what it is told to put again, and puts it again. */
async function refreshAll({ shard, pending }: Busy): Promise<void> {
  for (const [owner, tickets] of pending) {
    const [, , , unknown] = await shard.run(refresh(shard, owner, { pending: tickets }));
    const { out } = await shard.snapshot();
    const lost = out.map(parseMail).filter((mail) => mail.owner === owner && mail.kind === 'lost');
    const indexes = String(unknown).split(' ').filter(Boolean).map(Number);
    const gone = [...indexes.map((i) => tickets[i]!), ...lost.map(({ ticket }) => ticket)];
    for (const ticket of new Set(gone)) {
      await shard.run(put(shard, owner, [ticket.slice(ticket.lastIndexOf('|') + 1)]));
      tickets.splice(tickets.indexOf(ticket), 1, await shard.ticket(fieldOf(ticket)));
    }
  }
}

function fieldOf(ticket: Ticket): string {
  return `${ticket.slice(0, ticket.indexOf('|'))}|${ticket.slice(ticket.lastIndexOf('|') + 1)}`;
}

/** Every accepted request has its record, and waits or is held. */
async function expectWhole({ shard, pending }: Busy, options: { loadUnit: LoadUnit }): Promise<void> {
  const snapshot = await shard.snapshot();
  const requests = await shard.requests();
  for (const ticket of [...pending.values()].flat()) {
    const found = requests.get(fieldOf(ticket));
    expect(found?.ticket, ticket).to.equal(ticket);
    if (found!.fence === NO_TICK) expect(snapshot.waiting, ticket).to.include(ticket);
    // in line or held, and its payload is there for whoever runs it
    if (found!.fence === NO_TICK) expect(snapshot.body.get(fieldOf(ticket)), ticket).not.to.equal(undefined);
  }
  const forgotten = /^calls names \w+, which is not in node$/;
  const held = new Set([...requests].filter(([, { fence }]) => fence !== NO_TICK).map(([field]) => field));
  const violations = checkInvariants(snapshot, options).filter(
    ({ message }) =>
      // nobody remembers that a node which did not speak since was there
      !forgotten.test(message) &&
      // a runner has the body of what it runs
      ![...held].some((field) => message === `request ${JSON.stringify(field)} has no body`),
  );
  expect(violations).to.deep.equal([]);
}

describe('a shard that lost tables', function () {
  this.timeout(120_000);
  connections();

  const pairs = SHARD_TABLES.flatMap((one, i) => SHARD_TABLES.slice(i).map((other) => [one, other] as const));
  for (const loadUnit of ['requests', 'tokens'] as const) {
    for (const [one, other] of pairs) {
      // of two tables the load unit makes no difference that it does not make of one
      if (loadUnit === 'tokens' && one !== other) continue;
      const what = one === other ? one : `${one} and ${other}`;
      it(`is whole again after one refresh of each owner without ${what} (${loadUnit})`, async () => {
        const all = await busy(loadUnit);
        await connection().unlink(all.shard.key(one), all.shard.key(other));
        all.shard.at = 120;
        await refreshAll(all);
        await expectWhole(all, { loadUnit });
      });

      it(`strands nothing if nodes claim and put before they refresh, without ${what} (${loadUnit})`, async () => {
        const all = await busy(loadUnit);
        await connection().unlink(all.shard.key(one), all.shard.key(other));
        all.shard.at = 120;
        const claims = parseClaims((await all.shard.run(claim(all.shard, 'r', { limit: 2 })))[2]!);
        await all.shard.run(put(all.shard, 'a', ['new']));
        all.pending.get('a')!.push(await all.shard.ticket('a|new'));
        if (claims[0]) await all.shard.run(pushBack(all.shard, 'r', [claims[0]]));
        await refreshAll(all);
        // the bodies of what was given back may be gone too
        await refreshAll(all);
        await expectWhole(all, { loadUnit });
      });
    }
  }
});

describe('a refresh that mends', () => {
  connections();

  it('puts a record that neither waits nor is held back into its place, and rings for it', async () => {
    const { shard, pending } = await busy();
    const ticket = pending.get('c')!.find((one) => one.endsWith('|z'))!;
    await shard.run(claim(shard, 'idle', { limit: 0 }));
    await connection().zadd(shard.key('idle'), START + 100_000, 'idle');
    await connection().zrem(shard.key('waiting'), ticket);
    await connection().zincrby(shard.key('load'), -1, 'c');
    await wakeUps();
    await shard.run(refresh(shard, 'c', { pending: pending.get('c')! }));
    expect(await wakeUps()).to.deep.equal(['idle: claim 0 0']);
    expect((await shard.snapshot()).waiting).to.include(ticket);
    expect(checkInvariants(await shard.snapshot())).to.deep.equal([]);
  });

  it('finds what no living owner names, a few records a call, and goes on while something is wrong', async () => {
    const shard = new TestShard({ minLoad: 1 });
    for (let i = 0; i < 12; i += 1)
      await shard.run(
        put(
          shard,
          `dead${i % 3}`,
          Array.from({ length: 100 }, (_, k) => `${i}.${k}`),
        ),
      );
    await connection().unlink(shard.key('waiting'), shard.key('due'), shard.key('head'));
    let rounds = 0;
    for (let more = '1'; more === '1' && rounds < 100; rounds += 1)
      more = String((await shard.run(refresh(shard, 'v')))[4]);
    expect(rounds).to.be.within(5, 30);
    for (; rounds < 60; rounds += 1) await shard.run(refresh(shard, 'v'));
    expect(checkInvariants(await shard.snapshot())).to.deep.equal([]);
    expect((await shard.view()).load).to.deep.equal({ dead0: 400, dead1: 400, dead2: 400 });
  });

  it('ends a waiting request without a body as lost, and leaves one that is held to its runner', async () => {
    const { shard, pending } = await busy();
    const before = await shard.requests();
    await connection().unlink(shard.key('body'));
    const reply = await shard.run(refresh(shard, 'b', { pending: pending.get('b')! }));
    expect(String(reply[3]), 'unknown').to.equal('');
    const requests = await shard.requests();
    const held = [...before].filter(([, { fence }]) => fence !== NO_TICK).map(([field]) => field);
    expect(held.filter((field) => field.startsWith('b|'))).to.deep.equal(['b|v']);
    expect([...requests.keys()].filter((field) => field.startsWith('b|'))).to.deep.equal(['b|v']);
    const lost = (await shard.snapshot()).out.map(parseMail).filter(({ kind }) => kind === 'lost');
    expect(lost.filter(({ owner }) => owner === 'b').map(({ ticket }) => fieldOf(ticket))).to.have.members([
      ...['b|w', 'b|x', 'b|y', 'b|z'],
    ]);
  });

  it('puts back at once what its caller names, wherever that is among the records of many', async () => {
    const shard = new TestShard({ minLoad: 1 });
    const ids = (from: number): string[] => Array.from({ length: 500 }, (_, i) => `${from + i}`);
    for (const from of [0, 500]) await shard.run(put(shard, 'b', ids(from)));
    await shard.run(put(shard, 'a', ids(0).slice(0, 20)));
    const pending = [...(await shard.requests())].flatMap(([field, { ticket }]) =>
      field.startsWith('a|') ? [ticket] : [],
    );
    await connection().zrem(shard.key('waiting'), ...pending);
    await shard.run(refresh(shard, 'a', { pending }));
    expect((await shard.snapshot()).waiting).to.include.members(pending);
    expect(checkInvariants(await shard.snapshot())).to.deep.equal([]);
  });

  it('leaves nothing of what it calls unknown: its owner may not put it again', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x', 'y']));
    const pending = [await shard.ticket('a|x'), await shard.ticket('a|y')];
    await connection().unlink(shard.key('request'));
    const reply = await shard.run(refresh(shard, 'a', { pending }));
    expect(String(reply[3])).to.equal('0 1');
    const { waiting, body, due, load } = await shard.snapshot();
    expect([waiting.length, body.size, due.size, load.size]).to.deep.equal([0, 0, 0, 0]);
  });

  it('has what is held due when a lease ends from now, or at its deadline if that is earlier', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['far', { id: 'near', deadline: 5_000 }]));
    await shard.run(claim(shard, 'b', {}, { at: 60 }));
    await connection().unlink(shard.key('due'));
    const pending = [await shard.ticket('a|far'), await shard.ticket('a|near')];
    await shard.run(refresh(shard, 'a', { pending }, { at: 100 }));
    expect(Object.values((await shard.view()).due)).to.have.members([30_100, 5_000]);
  });

  describe('the load of a line of more than a thousand tickets', () => {
    /** Whose load is what it is not. */
    async function long(
      loadUnit: LoadUnit,
      count = 1_003,
    ): Promise<{ shard: TestShard; tickets: readonly Ticket[] }> {
      const shard = new TestShard({ loadUnit });
      const items = Array.from({ length: count }, (_, i) => ({ id: `${i}`, tokens: 2, body: '' }));
      await shard.run(put(shard, 'a', items.slice(0, 1_000)));
      if (count > 1_000) await shard.run(put(shard, 'a', items.slice(1_000)));
      const { waiting } = await shard.snapshot();
      await connection().zadd(shard.key('load'), 5, 'a');
      return { shard, tickets: waiting };
    }
    const loadOf = async (shard: TestShard): Promise<unknown> => (await shard.view()).load;

    it('is set right in requests: counting reads no ticket', async () => {
      const { shard } = await long('requests');
      await shard.run(refresh(shard, 'a'));
      expect(await loadOf(shard)).to.deep.equal({ a: 1_003 });
    });

    it('is set right in tokens where there is a sign that something was lost', async () => {
      const { shard, tickets } = await long('tokens');
      await shard.run(refresh(shard, 'a'));
      expect(await loadOf(shard), 'no sign: nothing is read for it').to.deep.equal({ a: 5 });
      await connection().hdel(shard.key('request'), 'a|7');
      const pending = tickets.filter((ticket) => ticket.endsWith('|7'));
      await shard.run(refresh(shard, 'a', { pending }));
      expect(await loadOf(shard)).to.deep.equal({ a: 2_004 });
      await connection().zrem(shard.key('load'), 'a');
      await shard.run(refresh(shard, 'a'));
      expect(await loadOf(shard), 'it was lost itself').to.deep.equal({ a: 2_004 });
    });

    it('and of a shorter one is set right always', async () => {
      const { shard } = await long('tokens', 1_000);
      await shard.run(refresh(shard, 'a'));
      expect(await loadOf(shard)).to.deep.equal({ a: 2_000 });
    });
  });

  it('ends what a claim meets without a body as lost, tells its owner, and comes again at once for the rest', async () => {
    const shard = new TestShard({ minLoad: 1 });
    await shard.run(put(shard, 'a', ['x', 'y']));
    const [x, y] = [await shard.ticket('a|x'), await shard.ticket('a|y')];
    await connection().hdel(shard.key('body'), 'a|x');
    await wakeUps();
    const reply = await shard.run(claim(shard, 'b', { limit: 1 }));
    expect([String(reply[0]), String(reply[2]), String(reply[3])]).to.deep.equal(['IDLE', NO_TICK, '1']);
    expect(await wakeUps()).to.deep.equal(['a: results 0 0']);
    const [mail] = (await shard.snapshot()).out.map(parseMail);
    expect([mail!.kind, mail!.ticket, mail!.runner]).to.deep.equal(['lost', x, '']);
    expect(checkInvariants(await shard.snapshot())).to.deep.equal([]);
    const [next] = parseClaims((await shard.run(claim(shard, 'b', { limit: 1 })))[2]!);
    expect(next!.ticket).to.equal(y);
    await shard.run(cancel(shard, 'a', [y]));
    expect(checkInvariants(await shard.snapshot())).to.deep.equal([]);
  });

  it('an own request is claimed without its body: its owner has the payload', async () => {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    await connection().unlink(shard.key('body'));
    const reply = await shard.run(claim(shard, 'a', { since: '0'.repeat(14) }));
    expect([String(reply[0]), parseClaims(reply[2]!)[0]!.bodied]).to.deep.equal(['OK', false]);
  });

  it('sends the other bodies of a claim along in their order', async () => {
    const shard = new TestShard({ minLoad: 1 });
    await shard.run(put(shard, 'a', ['u', 'v', 'w', 'x', { id: 'y', body: '' }]));
    await connection().hdel(shard.key('body'), 'a|u', 'a|w');
    const reply = await shard.run(claim(shard, 'b'));
    expect(parseClaims(reply[2]!).map(({ ticket }) => ticket.at(-1))).to.deep.equal(['v', 'x', 'y']);
    expect(reply.slice(6).map(String)).to.deep.equal(['body of v', 'body of x', '']);
    expect((await shard.snapshot()).out.map((mail) => parseMail(mail).ticket.at(-1))).to.deep.equal([
      'u',
      'w',
    ]);
    expect(checkInvariants(await shard.snapshot())).to.deep.equal([]);
  });
});
