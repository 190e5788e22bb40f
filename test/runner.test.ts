import { expect } from 'chai';
import { Agenda } from '../src/agenda.ts';
import type { Claims } from '../src/claims.ts';
import type { Membership } from '../src/membership.ts';
import type { ClaimAnswer } from '../src/messages.ts';
import type { Rules } from '../src/options.ts';
import { Runner } from '../src/runner.ts';
import type { Shard } from '../src/shard.ts';
import type { Shards } from '../src/shards.ts';
import { room } from './support/fleet.ts';

const POLL_MS = 60_000;

describe('the runner', () => {
  it('claims behind the puts of every shard that leave in the same turn', async () => {
    const asked: number[] = [];
    const shard = (number: number): Shard =>
      ({
        number,
        claim: () => {
          asked.push(number);
          return Promise.resolve<ClaimAnswer>({ status: 'IDLE', claims: [], remembered: false });
        },
      }) as unknown as Shard;
    const membership = {
      over: new AbortController().signal,
      within: (_: string, promise: Promise<unknown>) => promise,
    } as unknown as Membership;
    const runner = new Runner(
      { get: shard } as unknown as Shards,
      membership,
      { pollMs: POLL_MS } as Rules,
      {} as unknown as Claims<unknown, unknown>,
      new Agenda({ home: 0, shards: 3, loadLookup: 2, pollMs: POLL_MS }),
    );
    const stop = new AbortController();
    const claimed = runner.getRequests(room(), POLL_MS, stop.signal);
    await new Promise((resolve) => setImmediate(resolve));
    asked.length = 0;
    // it waits: both puts may count on it
    expect([1, 2].map((number) => runner.claimsBehind(number))).to.deep.equal([true, true]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked.sort()).to.deep.equal([1, 2]);
    stop.abort();
    expect(await claimed).to.deep.equal([]);
    expect(runner.claimsBehind(1), 'nobody waits any more').to.equal(false);
  });
});
