// `scheduler.stats()`: what it says is what happened, as the events told it, and docs/stats.md has a row for each field.
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { Retry, type SchedulerStats } from '../../src/index.ts';
import { ended, finish, request, requests, room, take, useFleet, type Node } from '../support/fleet.ts';
import { listen, type Heard } from '../support/heard.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';

/** `a.b.c` of all that is no object; of each script as `<script>`. */
function fieldsOf(value: object, path = ''): string[] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    const at = path + (path === 'scripts.' ? '<script>' : key);
    const isLeaf =
      typeof inner !== 'object' || inner === null || Array.isArray(inner) || at === 'connections';
    return isLeaf ? [at] : fieldsOf(inner, `${at}.`);
  });
}

function documented(): string[] {
  const text = readFileSync(new URL('../../docs/stats.md', import.meta.url), 'utf8');
  const cells = [...text.matchAll(/^\| (`.*?`) +\|/gm)].map(([, cell]) => cell!);
  return cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!));
}

/** What was counted is what was told. */
function compare(node: Node, heard: Heard): void {
  const { totals, scripts } = node.stats();
  const taken = (answer: string): boolean => ['OK', 'ORPHAN'].includes(answer);
  expect(totals).to.deep.include({
    refused: heard.refused.length,
    putAgain: heard.putAgain.length,
    claimed: heard.claimed.length,
    stolen: heard.stolen.length,
    givenBack: heard.givenBack.length,
    lost: heard.lost.length,
    resultsSent: heard.resultSent.filter(({ answer }) => taken(answer)).length,
    resultsRefused: heard.resultSent.filter(({ answer }) => !taken(answer)).length,
    resultsTaken: heard.resultTaken.length,
  });
  for (const kind of ['finished', 'failed', 'cancelled', 'expired'] as const)
    expect(totals.ended[kind], kind).to.equal(heard.ended.filter((one) => one.kind === kind).length);
  for (const [name, { calls, meanMs, maxMs }] of Object.entries(scripts)) {
    const times = heard.answered.filter(({ script }) => script === name).map(({ ms }) => ms);
    expect(calls, name).to.equal(times.length);
    expect(maxMs, name).to.equal(Math.max(...times));
    expect(meanMs, name).to.be.closeTo(times.reduce((sum, ms) => sum + ms, 0) / calls, 1e-6);
  }
  expect(Object.keys(scripts)).to.have.members([...new Set(heard.answered.map(({ script }) => script))]);
}

describe('the stats of a scheduler', function () {
  this.timeout(60_000);
  const redis = useOwnRedis();
  const fleet = useFleet(() => redis.url);

  it('count what happens to requests from their put to their end, at owner and runner', async () => {
    const [own, other] = [listen(), listen()];
    const owner = await fleet.start('owner', { events: own.events });
    const runner = await fleet.start('runner', { events: other.events });
    expect(owner.stats().totals).to.deep.include({ put: 0, accepted: 0, claimed: 0 });
    const outcomes = await owner.putRequests([...requests('r', 4), request('r0'), request('')]);
    expect(outcomes.filter(({ error }) => error)).to.have.length(2);
    const submission = owner.submit(request('s'));
    await waitUntil(() => owner.stats().requests.pending === 5, 'it is accepted');
    expect(owner.stats().totals).to.deep.include({ put: 7, accepted: 5, refused: 2 });
    expect(owner.stats().requests).to.deep.equal({
      unanswered: 0,
      pending: 5,
      pendingBytes: 5 * JSON.stringify(request('r0')).length - 1,
      puttingAgain: 0,
      unread: 0,
      unreadBytes: 0,
      news: 0,
    });

    const [first, second, third, ...rest] = await take(runner, 5);
    expect(runner.stats().claims).to.deep.equal({ held: 5, ending: 0, running: 0, unanswered: 0 });
    await runner.putResults([
      { claim: first!.claim, output: 'part' },
      { claim: rest[1]!.claim, output: 'part' },
    ]);
    await waitUntil(() => owner.stats().requests.unread === 2, 'two results are unread');
    // each is "part" in JSON
    expect(owner.stats().requests.unreadBytes).to.equal(12);
    expect(owner.stats().requests.news).to.equal(1);
    await owner.cancel(second!.id);
    await waitUntil(() => runner.stats().totals.lost === 1, 'the runner knows');
    await runner.putResults([{ claim: third!.claim, failed: 'why' }]);
    await rest[0]!.giveBack();
    expect(runner.stats().claims.held).to.equal(2);
    await finish(runner, [first!, rest[1]!]);
    await finish(owner, await take(owner, 1));
    expect(await submission.result()).to.equal('s');
    await ended(owner, ['r0', 'r1', 'r2', 'r3']);

    expect(owner.stats().totals.ended).to.deep.equal({ finished: 3, failed: 1, cancelled: 1, expired: 0 });
    expect(owner.stats().requests).to.deep.include({ pending: 0, news: 0 });
    expect(owner.stats().totals).to.deep.include({ claimed: 1, stolen: 0, resultsSent: 1 });
    expect(runner.stats().totals).to.deep.include({ claimed: 5, stolen: 5, givenBack: 1, lost: 1, put: 0 });
    compare(owner, own.heard);
    compare(runner, other.heard);
    const now = runner.stats();
    expect(JSON.parse(JSON.stringify(now))).to.deep.equal(now);
  });

  it('say what is unanswered, on its way, and in trouble while Redis does not answer', async () => {
    const { events, heard } = listen();
    const node = await fleet.start('node', { events, commandTimeout: 30_000, leaseMs: 30_000 });
    await node.putRequests([request('r')]);
    const [claim] = await take(node, 1);
    expect(node.stats().connections).to.deep.equal({ commands: 'up', 'wake-ups': 'up' });
    expect(node.stats().shards).to.deep.equal({ home: 0, inUse: 1, slow: [], troubles: [] });
    await redis.hang(5_000);
    const put = node.putRequests([request('s')]);
    const sent = node.putResults([{ claim: claim!.claim, output: 1, finished: true }]);
    const claimed = node.getRequests(room(), { waitMs: 10_000 });
    // the two have clocks of their own
    const isKnown = ({ slow, troubles }: SchedulerStats['shards']): boolean =>
      slow.length === 1 && troubles.length === 1;
    await waitUntil(() => isKnown(node.stats().shards), 'the shard is slow, and in trouble');
    const { requests: of, claims, shards } = node.stats();
    expect(of).to.deep.include({ unanswered: 1, pending: 1 });
    expect(claims).to.deep.equal({ held: 1, ending: 1, running: 0, unanswered: 1 });
    expect(shards.slow).to.deep.equal([0]);
    expect(shards.troubles.join()).to.match(/^shard 0 \(slot \d+\): no answer to \w+ for \d\.\d s/);
    expect([(await put)[0]!.error, await sent]).to.deep.equal([undefined, ['ok']]);
    await claimed;
    expect(node.stats().claims.unanswered).to.equal(0);
    compare(node, heard);
  });

  it('say that Redis lost requests, and that they are put again', async () => {
    const { events, heard } = listen();
    const node = await fleet.start('node', { events, leaseMs: 600 });
    await node.putRequests(requests('r', 3));
    await redis.admin.flushall();
    await waitUntil(() => node.stats().totals.putAgain === 3, 'they are put again', 10_000);
    await waitUntil(() => node.stats().requests.puttingAgain === 0, 'they are in line again');
    expect(node.stats().requests.pending).to.equal(3);
    expect(node.stats().totals.accepted, 'of requests').to.equal(3);
    compare(node, heard);
  });

  it('say how the engine of run is, with a row for each field in docs/stats.md', async () => {
    const node = await fleet.start('node');
    expect(node.stats().breaker).to.equal(null);
    let isDown = true;
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const handler = async ({ id }: { id: string }): Promise<string> => {
      if (isDown) throw new Retry('down', { afterMs: 0 });
      await released;
      return id;
    };
    void node.run(handler, { budget: room(1), breaker: { failures: 2, pauseMs: 100, maxPauseMs: 100 } });
    expect(node.stats().breaker).to.deep.equal({ state: 'closed', failures: 0, pauseMs: null });
    await node.putRequests([request('r')]);
    await waitUntil(() => node.stats().breaker!.state === 'open', 'it is open');
    const { breaker } = node.stats();
    expect(breaker!.failures).to.be.at.least(2);
    expect(breaker!.pauseMs).to.equal(100);
    isDown = false;
    await waitUntil(() => node.stats().claims.running === 1 && !isDown, 'it runs');
    const fields = [...new Set(fieldsOf(node.stats()))];
    expect([...fields, 'breaker'].sort()).to.deep.equal(documented().sort());
    release();
    await ended(node, ['r']);
    expect(node.stats().breaker!.state).to.equal('closed');
  });
});
