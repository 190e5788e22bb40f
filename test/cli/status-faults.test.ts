// Faults planted one by one in fleets of real nodes: `status` names each in words, with what mends it, and no longer once it is
// mended.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { registryKeys } from '../../src/base/keys.ts';
import type { StatusFinding, StatusReport } from '../../src/index.ts';
import { request, requests, room, useFleet } from '../support/fleet.ts';
import { useHttpEngines } from '../support/http-engine.ts';
import { useProcesses } from '../support/node-process.ts';
import { privateRedis } from '../support/private-server.ts';
import { redisUrl, waitUntil } from '../support/server.ts';
import { runCli, told as findingsOf } from './support.ts';

const LONG_MS = 60_000;
/** Between two looks at the report. */
const LOOK_MS = 100;

describe('sched-lua status of a fleet with a fault', function () {
  this.timeout(120_000);
  const fleet = useFleet();
  const startProcess = useProcesses(fleet);
  const startEngine = useHttpEngines();

  const report = async (url = redisUrl()): Promise<StatusReport> =>
    (await runCli(['status', '--json', fleet.topic], url)).json() as unknown as StatusReport;
  const of = ({ findings }: StatusReport, kind: string): StatusFinding[] =>
    findings.filter((one) => one.kind === kind);

  /** Asks for the report until it is as wanted; each costs a connection. */
  const seen = (isAsWanted: (now: StatusReport) => boolean, what: string): Promise<void> =>
    waitUntil(async () => isAsWanted(await report()) || sleep(LOOK_MS, false), what, LONG_MS);

  /** Waits until it is named, and answers how. */
  async function named(kind: string): Promise<StatusFinding> {
    let found: StatusFinding[] = [];
    const isNamed = (now: StatusReport): boolean => (found = of(now, kind)).length > 0;
    await seen(isNamed, `${kind} is named`);
    return found[0]!;
  }

  const gone = (kind: string): Promise<void> =>
    seen((now) => of(now, kind).length === 0, `${kind} is named no more`);

  it('shows what each node tells of itself', async () => {
    const front = await fleet.start('front', { codec: 'json' });
    const engine = await fleet.start('engine');
    void engine.run(({ id }) => `answer to ${id}`, { budget: room(4) });
    await Promise.all(requests('r', 5).map((one) => front.submit(one).result()));
    const nodeOf = ({ nodes }: StatusReport, name: string) => nodes.find((one) => one.name === name)!;
    const node = async (name: string) => nodeOf(await report(), name);
    await seen(
      (now) =>
        nodeOf(now, 'engine').card?.totals.results === 5 && nodeOf(now, 'front').card?.totals.finished === 5,
      'their next renewals have told it',
    );
    const [told, own] = [await node('engine'), await node('front')];
    expect(told.card).to.deep.include({
      role: 'engine',
      pid: process.pid,
      policy: 'oldest',
      held: 0,
      running: 0,
    });
    expect(told.card!.room).to.deep.equal({ tokens: (100_000 - 1) * 16, requests: 4 });
    expect(told.card!.totals).to.deep.include({ claimed: 5, stolenIn: 5, accepted: 0, stolenOut: 0 });
    expect(told.card!.totals.resultBytes).to.be.above(0);
    expect(told.card!.lastMinute.ran!.count).to.equal(5);
    expect(own.condition).to.equal('front');
    expect(own.card).to.deep.include({ role: 'front', room: null, pending: 0 });
    expect(own.card!.totals).to.deep.include({ accepted: 5, stolenOut: 5, claimed: 0 });
    expect(own.card!.lastMinute.queued!.count).to.equal(5);
    expect((await report()).findings).to.deep.equal([]);
    const text = await runCli(['status', '--check', fleet.topic], redisUrl());
    expect([text.code, text.stderr, findingsOf(text.stdout)]).to.deep.equal([0, '', 'nothing is wrong']);
    await engine.close();
    await seen((now) => nodeOf(now, 'engine').condition === 'left', 'it has left');
    expect((await node('engine')).card, 'its card went with its name').to.equal(null);
  });

  it('a dead engine behind a living node: its circuit is open, with the reason; mended, it is served again', async () => {
    const http = await startEngine(1);
    const front = await fleet.start('front', { tries: 100 });
    const engine = await fleet.start('gpu-2');
    const handler = async ({ id }: { id: string }): Promise<string> =>
      (await fetch(http.url, { method: 'POST', body: id })).text();
    const options = { budget: room(4), isEngineFailure: (error: unknown) => error instanceof TypeError };
    void engine.run(handler, { ...options, breaker: { pauseMs: 500, maxPauseMs: 2_000 } });
    expect(await front.submit(request('before')).result()).to.equal('before');
    await http.kill();
    const waiting = requests('r', 4).map((one) => front.submit(one).result());
    const circuit = await named('circuit_open');
    expect(circuit.text).to.match(
      /^circuit of gpu-2 open: fetch failed, (next try in .*|a request tries it now|tried again .*) \(\d+ failures in a row\)$/,
    );
    expect(circuit.step).to.match(new RegExp(`^restart the engine behind process ${process.pid} on .`));
    expect((await named('engines_down')).severity).to.equal('broken');
    const text = await runCli(['status', '--check', fleet.topic], redisUrl());
    expect(text.code).to.equal(1);
    expect(text.stderr).to.match(/^sched-lua: \d things? wrong with this topic\n$/);
    expect(findingsOf(text.stdout)).to.match(
      /broken: every living engine is down: .* warning: circuit of gpu-2 open: fetch failed/,
    );
    await http.start();
    expect(await Promise.all(waiting)).to.deep.equal(['r0', 'r1', 'r2', 'r3']);
    await gone('circuit_open');
  });

  it('an oversized head: how many wait behind it; cancelled, they go on', async () => {
    const front = await fleet.start('front-1');
    const large = await fleet.start('large', { keepAliveMs: 1_000, leaseMs: 1_000 });
    const small = { availableBlocks: 64, totalBlocks: 64 };
    await large.getRequests(room(0, { totalBlocks: 100_000 }), { waitMs: 0 });
    await front.putRequests([request('huge', 9_000)]);
    await large.close();
    const engine = await fleet.start('small');
    await engine.getRequests(room(0, small), { waitMs: 0 });
    await front.putRequests(requests('r', 3));
    const head = await named('head_fits_none');
    expect(head.text).to.equal(
      `the head of front-1 in shard 0 (9000 tokens) fits no living engine (largest ${63 * 16}); 3 wait behind it`,
    );
    expect(head.step).to.equal(
      'start an engine that can hold 9000 tokens, or cancel request huge at front-1',
    );
    const [own] = (await report()).nodes.filter(({ name }) => name === 'front-1');
    expect(own).to.deep.include({ waiting: 4 });
    await front.cancel('huge');
    await gone('head_fits_none');
  });

  it('a node that stands still: since when, and when its claims return', async () => {
    const options = { leaseMs: 6_000, keepAliveMs: 6_000 };
    const front = await fleet.start('front', options);
    const stopped = await startProcess('gpu-3', options);
    await stopped.call('serve', room(4), 600_000, 1);
    const waiting = requests('r', 2).map((one) => front.submit(one));
    void Promise.allSettled(waiting.map((one) => one.result()));
    await seen(
      ({ nodes }) => nodes.some(({ name, card }) => name === 'gpu-3' && card?.held === 2),
      'it has told of its claims',
    );
    stopped.stop();
    const found = await named('node_silent');
    expect(found.nodes).to.deep.equal(['gpu-3']);
    expect(found.text).to.match(
      /^gpu-3 has been silent for \S+ s; its 2 claims (return in \S+ m?s|have returned)$/,
    );
    expect(found.step).to.match(
      /^look at process \d+ on \S+; if it is gone, start its successor: node gpu-3, /,
    );
    expect((await report()).nodes.find(({ name }) => name === 'gpu-3')!.condition).to.equal('silent');
    expect((await named('no_engine')).text).to.match(/^no living node has an engine: 1 node accepts, /);
    stopped.continue();
    await gone('node_silent');
    await stopped.kill();
  });

  it('fronts without an engine, until one comes', async () => {
    const front = await fleet.start('front');
    expect((await named('no_engine')).severity).to.equal('warning');
    await front.putRequests(requests('r', 2));
    expect(await named('no_engine')).to.deep.include({
      severity: 'broken',
      text: 'no living node has an engine: 1 node accepts, 2 requests wait',
      step: 'start a node with an engine, one that calls run or getRequests, in this topic',
    });
    const engine = await fleet.start('engine');
    void engine.run(({ id }) => id, { budget: room() });
    await gone('no_engine');
  });

  it('mixed versions and policies', async () => {
    const [a] = await Promise.all([fleet.start('a'), fleet.start('b', { policy: 'lucky' })]);
    void a.run(() => 1, { budget: room() });
    expect((await named('mixed_policies')).text).to.equal(
      'nodes differ in their policy: lucky (b), oldest (a)',
    );
    expect(of(await report(), 'mixed_versions')).to.deep.equal([]);
    const [, , cards] = registryKeys(fleet.topic);
    // as a node of that version writes it, which renews no more
    const keepAliveMs = LONG_MS;
    await fleet.start('c', { keepAliveMs });
    const { card } = (await report()).nodes.find(({ name }) => name === 'c')!;
    await fleet.redis.hset(cards, 'c', JSON.stringify({ ...card, version: '99.0.0' }));
    expect((await named('mixed_versions')).text).to.match(
      /^nodes differ in their version: \S+ \(a b\), 99\.0\.0 \(c\)$/,
    );
  });

  it('a node that drains, and what still runs there', async () => {
    const engine = await fleet.start('engine', { keepAliveMs: 12_000 });
    const front = await fleet.start('front');
    const held: (() => void)[] = [];
    void engine.run(() => new Promise<string>((resolve) => held.push(() => resolve('done'))), {
      budget: room(),
    });
    const answer = front.submit(request('r')).result();
    await waitUntil(() => held.length === 1, 'it runs');
    const closed = engine.close();
    expect(await named('draining')).to.deep.include({
      ...{
        severity: 'note',
        nodes: ['engine'],
        text: 'engine drains: 1 request still ran there when it last said',
      },
    });
    expect((await runCli(['status', '--check', fleet.topic], redisUrl())).code).to.equal(
      (await report()).findings.some(({ severity }) => severity !== 'note') ? 1 : 0,
    );
    held[0]!();
    expect(await answer).to.equal('done');
    await closed;
    await gone('draining');
  });

  it('a server that is full', async () => {
    const server = await privateRedis();
    const client = new Redis(server.url);
    try {
      const node = await fleet.start('engine', { redis: server.url });
      void node.run(() => 1, { budget: room() });
      await client.config('SET', 'maxmemory', '1000000');
      const [found] = (await report(server.url)).findings.filter(({ kind }) => kind === 'memory_full');
      expect(found!.text).to.match(/^Redis is out of memory \(\S+ of 1\.0 MiB\): puts are refused$/);
      const [, setting] = /CONFIG SET maxmemory (\d+)/.exec(found!.step)!;
      expect(setting).to.equal('2000000');
      await client.config('SET', 'maxmemory', '0');
      expect(
        (await report(server.url)).findings.filter(({ kind }) => kind.startsWith('memory')),
      ).to.deep.equal([]);
      await node.close();
    } finally {
      client.disconnect();
      await server.stop();
    }
  });
});
