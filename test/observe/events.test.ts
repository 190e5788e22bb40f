import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { EVENT_NAMES, SchedulerEvents, type EventOf } from '../../src/index.ts';
import { sleep } from '../../src/base/clock.ts';
import { Teller } from '../../src/observe/events.ts';
import {
  ended,
  finish,
  idsOf,
  request,
  requests,
  room,
  take,
  useFleet,
  type Node,
} from '../support/fleet.ts';
import { listen, type Heard } from '../support/heard.ts';
import { useOwnRedis } from '../support/own-redis.ts';
import { waitUntil } from '../support/server.ts';

/** What `docs/events.md` says that each event tells. */
function documented(): Map<string, string[]> {
  const text = readFileSync(new URL('../../docs/events.md', import.meta.url), 'utf8');
  const rows = [...text.matchAll(/^\| `(\w+)` +\|.*\|(.*)\|$/gm)];
  // values in brackets are no fields
  const fieldsOf = (cell: string): string[] =>
    [...cell.replace(/\([^)]*\)/g, '').matchAll(/`(\w+)`/g)].map(([, field]) => field!);
  return new Map(rows.map(([, name, cell]) => [name!, fieldsOf(cell!)]));
}

describe('the events of a scheduler', function () {
  this.timeout(120_000);
  const redis = useOwnRedis();
  const fleet = useFleet(() => redis.url);
  const rows = documented();

  async function pair(): Promise<{ owner: Node; runner: Node; told: Heard; ran: Heard }> {
    const [one, two] = [listen(), listen()];
    const owner = await fleet.start('owner', { events: one.events, stealAfterMs: 0 });
    const runner = await fleet.start('runner', { events: two.events, stealAfterMs: 0 });
    return { owner, runner, told: one.heard, ran: two.heard };
  }

  /** Every event has the fields that its row in docs/events.md names, and no others. */
  function check(...all: Heard[]): void {
    for (const heard of all) {
      for (const name of EVENT_NAMES) {
        for (const event of heard[name])
          expect(event, name).to.have.all.keys('topic', 'node', ...rows.get(name)!);
      }
    }
  }

  it('tell a request from its put over its theft and its results to its end', async () => {
    const { owner, runner, told, ran } = await pair();
    await owner.putRequests([request('r', 7)]);
    const [claim] = await take(runner, 1);
    await runner.putResults([{ claim: claim!.claim, output: 'half' }]);
    await finish(runner, [claim!]);
    await ended(owner, ['r']);

    const { ticket } = told.placed[0]!;
    const { fence } = ran.claimed[0]!;
    const at = { topic: fleet.topic, id: 'r', ticket, shard: 0 };
    expect(told.placed).to.deep.equal([{ ...at, node: 'owner', stands: false }]);
    expect(told.accepted).to.deep.equal([{ ...at, node: 'owner', promptTokens: 7, replicated: undefined }]);
    const held = { ...at, node: 'runner', fence, owner: 'owner' };
    const { queuedMs: waitedMs } = ran.claimed[0]!;
    expect(waitedMs).to.be.above(0);
    expect(ran.claimed).to.deep.equal([{ ...held, triesSpent: 0, queuedMs: waitedMs }]);
    expect(ran.stolen).to.deep.equal([{ ...held, reason: 'waited', queuedMs: waitedMs }]);
    expect(ran.resultSent).to.deep.equal([
      { ...held, number: 1, kind: 'chunk', bytes: 6, answer: 'OK' },
      { ...held, number: 2, kind: 'finished', bytes: 3, answer: 'OK' },
    ]);
    const taken = { ...at, node: 'owner', fence };
    expect(told.resultTaken).to.deep.equal([
      { ...taken, number: 1, kind: 'chunk', bytes: 6 },
      { ...taken, number: 2, kind: 'finished', bytes: 3 },
    ]);
    const [{ afterMs, queuedMs, ranMs, ...end } = {} as Partial<EventOf<'ended'>>] = told.ended;
    expect(end).to.deep.equal({
      ...{ ...at, node: 'owner', kind: 'finished', reason: undefined, ranOn: 'runner' },
      attempt: 1,
    });
    for (const ms of [queuedMs, ranMs]) expect(ms).to.be.within(0.001, afterMs! + 1_000);
    expect(told.news.map(({ id }) => id)).to.deep.equal(['r', 'r']);
    expect(told.ring.map(({ what }) => what)).to.include('results');
    expect(told.connectionUp.map(({ connection }) => connection)).to.have.members(['commands', 'wake-ups']);
    check(told, ran);
  });

  it('tell that a request ran at its own node', async () => {
    const { owner, told } = await pair();
    await owner.putRequests([request('r')]);
    await finish(owner, await take(owner, 1));
    await ended(owner, ['r']);
    expect(told.ended.map(({ ranOn }) => ranOn)).to.deep.equal(['owner']);
    expect(told.stolen).to.deep.equal([]);
    check(told);
  });

  it('tell of no give-back when an idle node puts what it claims: it has the body, and needs one claim', async () => {
    // put and claim leave in one write, and their answers come in one read: the put must be dealt with first
    const { owner, told } = await pair();
    for (let i = 0; i < 10; i += 1) {
      const claimed = owner.getRequests(room(1), { waitMs: 5_000 });
      await sleep(20);
      await owner.putRequests([request(`r${i}`)]);
      await finish(owner, await claimed);
    }
    expect(told.givenBack).to.deep.equal([]);
    expect(told.claimed).to.have.lengthOf(10);
    check(told);
  });

  it('tell what was refused, and by which code', async () => {
    const { owner, told } = await pair();
    await owner.putRequests([request('r'), request('r'), request('')]);
    await owner
      .submit(request('r'))
      .result()
      .catch(() => undefined);
    expect(told.refused.map(({ id, code }) => [id, code])).to.deep.equal([
      ['', 'BAD_ID'],
      ['r', 'DUPLICATE'],
      ['r', 'DUPLICATE'],
    ]);
    check(told);
  });

  it('tell what a node gives back, and what it lost', async () => {
    const { owner, runner, ran } = await pair();
    await owner.putRequests(requests('r', 2));
    const [back, lost] = await take(runner, 2);
    await back!.giveBack();
    expect(ran.givenBack.map(({ id }) => id)).to.deep.equal([back!.id]);
    expect(ran.lost).to.deep.equal([]);
    await owner.reset();
    expect(await runner.putResults([{ claim: lost!.claim, finished: true }])).to.deep.equal(['lost']);
    expect(ran.lost.map(({ id }) => id)).to.deep.equal([lost!.id]);
    expect(ran.resultSent.filter(({ answer }) => answer === 'LOST').length).to.be.at.most(1);
    check(ran);
  });

  it('tell what Redis lost and the owner put again', async () => {
    const { owner, told } = await pair();
    await owner.putRequests(requests('r', 3));
    await redis.admin.flushall();
    await waitUntil(() => told.putAgain.length === 3, 'all are put again', 20_000);
    await waitUntil(() => told.accepted.length === 6, 'all are accepted again');
    expect(told.putAgain.map(({ id }) => id)).to.have.members(idsOf(requests('r', 3)));
    check(told);
  });

  it('tell when a connection breaks and is back', async () => {
    const { told } = await pair();
    told.connectionUp.length = 0;
    await redis.admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await waitUntil(() => told.connectionDown.length > 0, 'it is told that the connection broke');
    await waitUntil(() => told.connectionUp.length > 0, 'it is told that it is back');
    expect(told.connectionDown[0]!.connection).to.equal('commands');
    check(told);
  });

  it('tell of a shard that answers late', async () => {
    const { events, heard: told } = listen();
    // a connection that is silent for a third of the lease is given up
    const owner = await fleet.start('owner', { events, commandTimeout: 30_000, leaseMs: 30_000 });
    await redis.hang(5_000);
    await owner.putRequests([request('r')]);
    const slow = told.slowShard.find(({ script }) => script === 'put_requests');
    expect(slow).to.include({ shard: 0, reason: undefined, isAnswered: true });
    expect(slow!.ms).to.be.above(1_000);
    const answers = told.answered.filter(({ script }) => script === 'put_requests');
    expect(answers).to.deep.equal([
      { topic: fleet.topic, node: 'owner', shard: 0, script: 'put_requests', ms: slow!.ms },
    ]);
    check(told);
  });

  it('tell what onWarning is told, and so does a warning at the start', async () => {
    await redis.admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    try {
      const { events, heard } = listen();
      await fleet.start('owner', { events });
      expect(heard.warning.map(({ message }) => message).join()).to.match(/maxmemory-policy is allkeys-lru/);
      expect(heard.warning.map(({ message }) => message)).to.deep.equal(fleet.warnings);
      check(heard);
    } finally {
      await redis.admin.config('SET', 'maxmemory-policy', 'noeviction');
    }
  });

  it('tell why a request was stolen', async () => {
    const { events, heard } = listen();
    const front = await fleet.start('front');
    const patient = { events, stealAfterMs: 60_000, leaseMs: 2_000 };
    const runner = await fleet.start('runner', patient);
    // a front's may be taken at once
    await front.putRequests([request('r')]);
    const [claim] = await take(runner, 1);
    await claim!.giveBack({ countTry: true, afterMs: 0 });
    await finish(runner, await take(runner, 1));
    await ended(front, ['r']);
    expect(heard.stolen.map(({ reason }) => reason)).to.deep.equal(['free', 'lost']);
    check(heard);
  });

  it('tell that a scheduler is over, and who ended it', async () => {
    const { owner, told } = await pair();
    const { events, heard } = listen();
    const successor = await fleet.start('owner', { events, takeover: true });
    await waitUntil(() => told.over.length > 0, 'it is told that it is over', 20_000);
    expect(told.over.map(({ code, reason }) => [code, reason])).to.deep.equal([
      ['EVICTED', 'another instance took the name owner'],
    ]);
    await owner.close();
    expect(told.over).to.have.lengthOf(1);
    await successor.close();
    expect(heard.over.map(({ code }) => code)).to.deep.equal(['CLOSED']);
    check(told, heard);
  });

  it('harm nothing when a listener throws or rejects: a warning names the event', async () => {
    const { events, heard } = listen();
    events.on('accepted', () => {
      throw new Error('no disk');
    });
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- what a user may well do
    events.on('claimed', () => Promise.reject(new Error('no network')));
    const node = await fleet.start('node', { events });
    await node.putRequests([request('r')]);
    await finish(node, await take(node, 1));
    await ended(node, ['r']);
    expect(heard.accepted, 'the other listeners hear it all the same').to.have.lengthOf(1);
    expect(fleet.warnings).to.include('a listener of the event "accepted" threw: no disk');
    expect(fleet.warnings).to.include('a listener of the event "claimed" threw: no network');
  });

  it('have a row each in docs/events.md', () => {
    expect([...rows.keys()]).to.deep.equal(EVENT_NAMES);
  });
});

describe('a teller', () => {
  const origin = (): { topic: string; node: string } => ({ topic: 't', node: 'n' });

  it('computes nothing for an event that nobody hears', () => {
    const events = new SchedulerEvents();
    const teller = new Teller(events, origin, () => undefined);
    let computed = 0;
    const event = (): { id: string } => ({ id: String((computed += 1)) });
    teller.heard('news')?.(event());
    expect(computed).to.equal(0);
    const ids: string[] = [];
    events.once('news', ({ id, topic, node }) => ids.push(`${topic}/${node}/${id}`));
    teller.heard('news')?.(event());
    teller.heard('news')?.(event());
    expect(ids).to.deep.equal(['t/n/1']);
    expect(computed, 'the listener of once has gone').to.equal(1);
  });

  it('tells an emitter of its own, too, which hears it alone', () => {
    const [shared, own] = [new SchedulerEvents(), new SchedulerEvents()];
    const teller = new Teller(shared, origin, () => undefined, own);
    const other = new Teller(shared, origin, () => undefined);
    const told: string[] = [];
    expect(teller.heard('news')).to.equal(undefined);
    own.on('news', ({ id }) => told.push(`own ${id}`));
    teller.heard('news')?.({ id: '1' });
    expect(other.heard('news')).to.equal(undefined);
    shared.on('news', ({ id }) => told.push(`shared ${id}`));
    teller.heard('news')?.({ id: '2' });
    other.heard('news')?.({ id: '3' });
    expect(told).to.deep.equal(['own 1', 'own 2', 'shared 2', 'shared 3']);
  });
});
