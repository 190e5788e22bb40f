import { expect } from 'chai';
import { monotonic, sleep } from '../../src/base/clock.ts';
import { Backlog } from '../../src/owner/backlog.ts';
import { Attempts } from '../../src/owner/attempts.ts';
import { Deadlines, PATIENCE_MS } from '../../src/owner/deadlines.ts';
import { PendingTable, type Pending } from '../../src/owner/pending.ts';
import type { Shard } from '../../src/protocol/shard.ts';
import { waitUntil } from '../support/server.ts';

const SHARD = { number: 0 } as unknown as Shard;
const OTHER = { number: 1 } as unknown as Shard;
/** A timer may be so much too early. */
const EARLY_MS = 1;

/** One that counts how often all of its requests are looked at. */
class CountingTable extends PendingTable<unknown> {
  rounds = 0;

  override accepted(): ReturnType<PendingTable<unknown>['accepted']> {
    this.rounds += 1;
    return super.accepted();
  }
}

describe('the clock of the deadlines', () => {
  let table: CountingTable;
  let deadlines: Deadlines<unknown>;
  /** What was asked for, and when. */
  let asked: string[];
  let times: number[];

  beforeEach(() => {
    [asked, times, table] = [[], [], new CountingTable()];
    const note = (what: string): void => void (asked.push(what), times.push(monotonic()));
    deadlines = new Deadlines(table, {
      expire: ({ number }, tickets) => note(`expire ${number}: ${tickets.join(' ')}`),
      giveUp: (pending) => {
        note(`give up ${pending.id}`);
        table.end(pending, { kind: 'expired' });
      },
    });
  });
  afterEach(() => deadlines.stop());

  /** A request that is accepted now. */
  function accepted(id: string, deadlineAt: number, shard = SHARD): Pending<unknown> {
    const pending: Pending<unknown> = {
      ...{ id, shard, promptTokens: 1, headStartMs: 0, onOwnerLoss: 'finish' as const },
      ...{ putAt: 0, deadlineAt, payload: id },
      ...{ attempts: new Attempts(), triesLeft: 3, triesSpent: 0, abandoned: false },
      sink: { deliver: () => undefined, backlog: new Backlog(), fail: () => undefined },
    };
    table.add(pending);
    table.setTicket(pending, `t${id}`);
    deadlines.watch(pending);
    return pending;
  }

  it('asks each shard to end what is over, once, and gives up what has not ended soon after', async () => {
    const at = monotonic() + 30;
    accepted('a', at);
    accepted('b', at, OTHER);
    const d = accepted('d', at);
    accepted('c', at + 600_000);
    await waitUntil(() => asked.length === 2, 'both shards are asked');
    expect(asked).to.deep.equal(['expire 0: ta td', 'expire 1: tb']);
    expect(times[0]).to.be.at.least(at);
    table.end(d, { kind: 'finished' });
    await waitUntil(() => asked.length === 4, 'both are given up');
    expect(asked.slice(2)).to.deep.equal(['give up a', 'give up b']);
    expect(times[2]! - at).to.be.at.least(PATIENCE_MS - EARLY_MS);
    // once for each, and again where a timer was early
    expect(table.rounds).to.be.at.most(7);
  });

  it('minds the next deadline while it waits for Redis', async () => {
    // on a busy machine a timer may be late: of five tries one is in time
    for (let tries = 1; ; tries += 1) {
      const at = monotonic() + 20;
      // the later one is looked at first
      accepted('b', at + 60);
      accepted('a', at);
      await waitUntil(
        () => ['give up a', 'give up b'].every((one) => asked.includes(one)),
        'both are given up',
      );
      const isInTime = asked[1] === 'expire 0: tb' && times[1]! - times[0]! < PATIENCE_MS - 2 * EARLY_MS;
      if (isInTime) break;
      expect(tries).to.be.below(5);
      asked.length = times.length = 0;
    }
  });

  it('minds a nearer one that comes later', async () => {
    accepted('a', monotonic() + 600_000);
    accepted('b', monotonic() + 20);
    await waitUntil(() => asked.length > 0, 'it is over');
    expect(asked).to.deep.equal(['expire 0: tb']);
  });

  it('looks at all of them no more often than every 50 ms', async () => {
    const from = monotonic();
    for (let i = 0; i < 20; i += 1) accepted(`${i}`, from + 10 + 5 * i);
    await waitUntil(() => asked.join(' ').includes('t19'), 'all are over');
    expect(table.rounds).to.be.at.most(1 + Math.ceil((monotonic() - from) / (50 - EARLY_MS)));
  });

  it('asks for nothing after it was stopped', async () => {
    accepted('a', monotonic() + 10);
    deadlines.stop();
    await sleep(30);
    expect([asked, table.rounds]).to.deep.equal([[], 0]);
  });
});
