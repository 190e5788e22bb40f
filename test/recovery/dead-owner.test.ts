// lua/README.md#promises, owner death: what becomes of the requests of a process that was killed.
import { expect } from 'chai';
import type { SchedulerError } from '../../src/index.ts';
import { monotonic } from '../../src/base/clock.ts';
import { ended, request, room, useFleet, type Claimed } from '../support/fleet.ts';
import { useProcesses } from '../support/node-process.ts';
import { waitUntil } from '../support/server.ts';

const KEEP_ALIVE_MS = 5_000;
/** What a loaded machine may add to the time that is promised. */
const SLACK_MS = 5_000;

describe('an owner that was killed', function () {
  this.timeout(60_000);
  const fleet = useFleet();
  const startProcess = useProcesses(fleet);

  it('is known to its runners a second after its keep-alive, and what it said so of ends; its successor is told', async () => {
    const options = { keepAliveMs: KEEP_ALIVE_MS, onOwnerLoss: 'abort' } as const;
    const owner = await startProcess('owner', options);
    const other = await startProcess('other', options);
    const runner = await fleet.start('runner', { keepAliveMs: KEEP_ALIVE_MS });
    const running = new Map<string, Claimed>();
    const signals = new Map<string, number>();
    // no chunk, and no end before it is asked for
    const end = new AbortController();
    const handler = async (claimed: Claimed): Promise<string> => {
      running.set(claimed.id, claimed);
      claimed.signal.addEventListener('abort', () => signals.set(claimed.id, monotonic()));
      const ends = AbortSignal.any([end.signal, claimed.signal]);
      await new Promise((resolve) => ends.addEventListener('abort', resolve));
      return 'done';
    };
    const silent = new Map<string, number>();
    let tellings = 0;
    runner.events.on('ownerSilent', ({ id }) => {
      tellings += 1;
      silent.set(id, monotonic());
    });
    const served = runner.run(handler, { budget: room(3) });

    await owner.put([request('aborts')]);
    await owner.put([request('goes on')], { onOwnerLoss: 'finish' });
    await other.put([request('kept')]);
    await waitUntil(() => running.size === 3, 'all run');
    await owner.put([request('waits')]);
    await other.kill();
    await owner.kill();
    const killedAt = monotonic();
    // in time
    const successor = await fleet.start('other', { takeover: true, keepAliveMs: KEEP_ALIVE_MS });

    await waitUntil(() => silent.size === 2, 'its runner knows', KEEP_ALIVE_MS + 1_000 + SLACK_MS);
    const [knownAt = 0, toldAt = 0] = [signals.get('aborts'), silent.get('goes on')];
    for (const at of [knownAt, toldAt]) {
      // its last word was up to a third of a lease before
      expect(at - killedAt).to.be.within(KEEP_ALIVE_MS - 1_000, KEEP_ALIVE_MS + 1_000 + SLACK_MS);
    }
    console.log(
      `      its runner knew after ${Math.round(knownAt - killedAt)} ms, keep-alive is ${KEEP_ALIVE_MS} ms`,
    );
    const reason = running.get('aborts')!.signal.reason as SchedulerError;
    expect([reason.code, reason.message]).to.deep.equal([
      'CANCELLED',
      'this node no longer holds aborts: its owner owner is silent',
    ]);
    // the engine has room now, and does not begin with what nobody waits for
    const waits = async (): Promise<boolean> => (await fleet.snapshot()).waiting.length > 0;
    await waitUntil(async () => !(await waits()), 'what waited has ended');
    expect([...running.keys()].sort()).to.deep.equal(['aborts', 'goes on', 'kept']);
    expect([...signals.keys()]).to.deep.equal(['aborts']);

    end.abort();
    const next = await fleet.start('owner', { takeover: true });
    const why = 'its owner was silent for too long (option onOwnerLoss)';
    const ends = await ended(next, ['aborts', 'waits', 'goes on']);
    expect(Object.fromEntries(ends)).to.deep.equal({
      aborts: [{ kind: 'cancelled', reason: why }],
      waits: [{ kind: 'cancelled', reason: why }],
      'goes on': [{ kind: 'finished', output: 'done' }],
    });
    expect((await ended(successor, ['kept'])).get('kept')).to.deep.equal([
      { kind: 'finished', output: 'done' },
    ]);
    expect(tellings, 'once of each').to.equal(2);
    await runner.close();
    await served;
  });
});
