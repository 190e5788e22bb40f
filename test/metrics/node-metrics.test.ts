// `metrics(scheduler, registry)` on a real Redis: what a scrape says is what happened.
import { expect } from 'chai';
import { Counter, Registry } from 'prom-client';
import { Retry, SchedulerEvents } from '../../src/index.ts';
import { metrics } from '../../src/metrics/index.ts';
import { NODE_METRICS } from '../../src/metrics/node-metrics.ts';
import { ended, finish, request, requests, room, take, useFleet } from '../support/fleet.ts';
import { DURABLE, useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';

/** The value of a series by its name and some of its labels; undefined: there is none. */
async function valueOf(
  registry: Registry,
  series: string,
  labels: Record<string, string> = {},
): Promise<number | undefined> {
  const name = series.replace(/_(count|sum)$/, '') as keyof typeof NODE_METRICS;
  const metric = registry.getSingleMetric(name in NODE_METRICS ? name : series);
  const { values } = (await metric!.get()) as {
    values: { metricName?: string; labels: Record<string, string | number>; value: number }[];
  };
  return values.find(
    (one) =>
      (one.metricName ?? series) === series &&
      Object.entries(labels).every(([label, value]) => String(one.labels[label]) === value),
  )?.value;
}

describe('the metrics of a scheduler', function () {
  this.timeout(120_000);
  const redis = useOwnRedis(DURABLE);
  const fleet = useFleet(() => redis.url);

  it('count requests from their put to their end, at owner and runner, in one registry', async () => {
    const registry = new Registry();
    const events = new SchedulerEvents();
    const owner = await fleet.start('owner', { events });
    const runner = await fleet.start('runner', { events });
    for (const node of [owner, runner]) metrics(node, registry);
    const value = (series: string, labels?: Record<string, string>) => valueOf(registry, series, labels);
    const at = { node: 'owner' };
    expect(await value('sched_lua_requests_accepted_total', at)).to.equal(0);

    await owner.putRequests([...requests('r', 3), request('r0')]);
    expect(await value('sched_lua_pending_requests', at)).to.equal(3);
    expect(await value('sched_lua_pending_bytes', at)).to.equal(3 * JSON.stringify(request('r0')).length);
    expect(await value('sched_lua_requests_refused_total', { ...at, code: 'DUPLICATE' })).to.equal(1);
    const [first, second, third] = await take(runner, 3);
    expect(await value('sched_lua_running_requests', { node: 'runner' })).to.equal(3);
    const steals = { from: 'owner', to: 'runner', topic: fleet.topic };
    expect(await value('sched_lua_steals_total', steals)).to.equal(3);
    await runner.putResults([{ claim: first!.claim, output: 'part' }]);
    await runner.putResults([{ claim: second!.claim, failed: 'why' }]);
    await third!.giveBack();
    await finish(runner, [first!]);
    await finish(owner, await take(owner, 1));
    await ended(owner, ['r0', 'r1', 'r2']);

    const told = registry.metrics.bind(registry);
    expect(await value('sched_lua_requests_ended_total', { ...at, outcome: 'finished' })).to.equal(2);
    expect(await value('sched_lua_requests_ended_total', { ...at, outcome: 'failed' })).to.equal(1);
    for (const what of ['', '_queue', '_run']) {
      const series = `sched_lua_request${what}_duration_seconds_count`;
      expect(await value(series, { ...at, outcome: 'finished' }), series).to.equal(2);
    }
    const chunks = { node: 'runner', kind: 'chunk', answer: 'ok' };
    expect(await value('sched_lua_results_total', chunks)).to.equal(1);
    expect(await value('sched_lua_claims_given_back_total', { node: 'runner' })).to.equal(1);
    expect(await value('sched_lua_claims_total', at)).to.equal(1);
    const claims = owner.stats().scripts['claim']!.calls;
    const script = 'sched_lua_script_duration_seconds_count';
    expect(await value(script, { ...at, script: 'claim' })).to.equal(claims);
    expect(await value('sched_lua_connection_up', { ...at, connection: 'commands' })).to.equal(1);
    expect(await value('sched_lua_ready', at)).to.equal(1);
    expect(await value('sched_lua_circuit_open', at), 'it has no breaker').to.equal(undefined);

    // each series once, of a metric that is known
    const lines = (await told()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const names = lines.map((line) => /^(.*?\}|\w+) /.exec(line)![1]!);
    expect(new Set(names).size).to.equal(names.length);
    const types = [...(await told()).matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => [
      name,
      type,
    ]);
    expect(types).to.deep.equal(Object.entries(NODE_METRICS).map(([name, { type }]) => [name, type]));
  });

  it('show a connection that is down, and that it broke', async () => {
    const registry = new Registry();
    const node = await fleet.start('node', { commandTimeout: 60_000 });
    metrics(node, registry);
    await redis.restart(1_000);
    const up = { connection: 'commands' };
    const isDown = async (): Promise<boolean> =>
      (await valueOf(registry, 'sched_lua_connection_up', up)) === 0;
    await waitUntil(isDown, 'it is down');
    expect(await valueOf(registry, 'sched_lua_ready')).to.equal(0);
    await waitUntil(async () => (await valueOf(registry, 'sched_lua_ready')) === 1, 'it is back', 60_000);
    expect(await valueOf(registry, 'sched_lua_connections_lost_total', up)).to.be.at.least(1);
  });

  it('show an open circuit, and tries that a failing engine used', async () => {
    const registry = new Registry();
    const node = await fleet.start('node');
    metrics(node, registry);
    let isDown = true;
    const handler = ({ id }: { id: string }): string => {
      if (isDown) throw new Retry('down', { afterMs: 0 });
      return id;
    };
    void node.run(handler, { budget: room(1), breaker: { failures: 2, pauseMs: 50, maxPauseMs: 50 } });
    await node.putRequests([request('r')]);
    const isOpen = async (): Promise<boolean> => (await valueOf(registry, 'sched_lua_circuit_open')) === 1;
    await waitUntil(isOpen, 'it is open');
    isDown = false;
    await ended(node, ['r']);
    expect(await valueOf(registry, 'sched_lua_circuit_open')).to.equal(0);
    expect(await valueOf(registry, 'sched_lua_tries_lost_total')).to.equal(2);
  });

  it('leave the registry when the scheduler is over, or is taken out', async () => {
    const registry = new Registry();
    const [one, two] = [await fleet.start('one'), await fleet.start('two')];
    const [, out] = [metrics(one, registry), metrics(two, registry)];
    metrics(one, registry);
    expect(await valueOf(registry, 'sched_lua_ready', { node: 'one' })).to.equal(1);
    const listeners = two.events.listenerCount('answered');
    out();
    expect(two.events.listenerCount('answered')).to.equal(listeners - 1);
    expect(await registry.metrics())
      .to.contain('node="one"')
      .and.not.contain('node="two"');
    await one.close();
    expect(await registry.metrics()).to.equal('\n');
    metrics(two, registry);
    expect(await registry.metrics())
      .to.contain('node="two"')
      .and.not.contain('node="one"');
  });

  it('do not take the place of a metric that is somebody else’s', async () => {
    const registry = new Registry();
    new Counter({ name: 'sched_lua_claims_total', help: 'mine', registers: [registry] });
    const node = await fleet.start('node');
    expect(() => metrics(node, registry)).to.throw(/sched_lua_claims_total has already been registered/);
  });
});
