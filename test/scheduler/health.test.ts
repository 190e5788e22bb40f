// `scheduler.health()`: a readiness answer that is no while Redis is down or silent, and yes again when it is back.
import { expect } from 'chai';
import { Retry } from '../../src/index.ts';
import { healthOf } from '../../src/node/health.ts';
import { InProcessRedis } from '../../src/testing/index.ts';
import { ended, request, room, useFleet } from '../support/fleet.ts';
import { DURABLE, useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';

/** Long enough that a busy machine is not taken for a Redis that is down. */
const CALM = { leaseMs: 20_000, keepAliveMs: 20_000, commandTimeout: 60_000 };

describe('the health of a scheduler', function () {
  this.timeout(120_000);
  const redis = useOwnRedis(DURABLE);
  const fleet = useFleet(() => redis.url);

  it('is ok from the start, with the last answer of each shard that was asked', async () => {
    const node = await fleet.start('node', { ...CALM, loadShards: 3 });
    const { shards, ...rest } = node.health();
    const connections = { commands: 'up', 'wake-ups': 'up' };
    const home = node.shard;
    const fine = { ok: true, draining: false, over: null, circuit: null, home, connections };
    expect(rest).to.deep.equal(fine);
    expect(shards.map(({ shard }) => shard)).to.include(home);
    for (const { answeredMs } of shards) expect(answeredMs).to.be.within(0, 60_000);
    expect(JSON.parse(JSON.stringify(rest))).to.deep.equal(fine);
  });

  it('is not ok while Redis is down, and ok again when it is back', async () => {
    const node = await fleet.start('node', CALM);
    await redis.restart(1_000);
    await waitUntil(() => !node.health().ok, 'it is not ok');
    expect(node.health().connections.commands).to.equal('down');
    await waitUntil(() => node.health().ok, 'it is ok again', 60_000);
  });

  it('is not ok while Redis is silent', async () => {
    const node = await fleet.start('node', { ...CALM, leaseMs: 3_000 });
    await redis.hang(6_000);
    await waitUntil(() => !node.health().ok, 'it is not ok', 30_000);
    await waitUntil(() => node.health().ok, 'it is ok again', 60_000);
  });

  it('is not ok while it drains, nor when it is over', async () => {
    const node = await fleet.start('node', CALM);
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    void node.run(() => released, { budget: room() });
    await node.putRequests([request('r')]);
    await waitUntil(() => node.stats().claims.running === 1, 'it runs');
    expect(node.health()).to.include({ ok: true, circuit: 'closed' });
    const closed = node.close({ drainMs: Infinity });
    expect(node.health()).to.include({ ok: false, draining: true, over: null });
    release();
    await closed;
    expect(node.health()).to.include({ ok: false, draining: true, over: 'CLOSED' });
  });

  it('says that it was taken over', async () => {
    const node = await fleet.start('node', CALM);
    await fleet.start('node', { ...CALM, takeover: true });
    await node.putRequests([request('r')]).catch(() => undefined);
    await waitUntil(() => node.over.aborted, 'it is over', 60_000);
    expect(node.health()).to.include({ ok: false, over: 'EVICTED' });
  });

  it('says that the circuit is open, and is ok all the same: others run what it accepts', async () => {
    const node = await fleet.start('node', CALM);
    let isDown = true;
    const handler = ({ id }: { id: string }): string => {
      if (isDown) throw new Retry('down', { afterMs: 0, countTry: false });
      return id;
    };
    void node.run(handler, { budget: room(1), breaker: { failures: 1, pauseMs: 50, maxPauseMs: 50 } });
    await node.putRequests([request('r')]);
    await waitUntil(() => node.health().circuit === 'open', 'it is open');
    expect(node.health().ok).to.equal(true);
    isDown = false;
    await ended(node, ['r']);
    expect(node.health().circuit).to.equal('closed');
  });

  it('is the same without Redis, with no connections', async () => {
    const { Scheduler } = await import('../../src/index.ts');
    using memory = new InProcessRedis();
    const node = await Scheduler.start({ redis: memory, node: 'node' });
    expect(node.health()).to.deep.include({ ok: true, connections: {} });
    await node.close();
  });

  it('goes by the home shard, and by half a lease', () => {
    const facts = {
      ...({ draining: false, over: null, circuit: null, home: 1 } as const),
      connections: { commands: 'up' } as const,
      ...{ now: 10_000, leaseMs: 2_000 },
    };
    const ok = (at: [number, number][]): boolean => healthOf({ ...facts, answeredAt: new Map(at) }).ok;
    expect(ok([[1, 9_000]])).to.equal(true);
    expect(ok([[1, 8_999]])).to.equal(false);
    expect(ok([[0, 10_000]])).to.equal(false);
    expect(
      healthOf({
        ...facts,
        answeredAt: new Map([
          [3, 9_990],
          [1, 9_500],
        ]),
      }).shards,
    ).to.deep.equal([
      { shard: 1, answeredMs: 500 },
      { shard: 3, answeredMs: 10 },
    ]);
  });
});
