// What a worker does when its engine, another worker or the time fails.
import { expect } from 'chai';
import { counted } from '../../src/testing/counting/counting.ts';
import { useCountingEngines } from '../support/counting/engines.ts';
import { waitUntil } from '../support/server.ts';
import { ask, bytesOf, contentComes, contentOf, useWorkerFleet, type Front, type Heard } from './support.ts';

const LONG = {
  model: 'counting',
  stream: true,
  messages: [{ role: 'user', content: 'go' }],
  max_tokens: 900,
};
const WHOLE = { model: 'counting', messages: [{ role: 'user', content: 'go' }], max_tokens: 5 };

describe('a worker whose engine fails', () => {
  const fleet = useWorkerFleet();
  const engine = useCountingEngines();

  /** Two workers; whichever engine gets the request first has the fault. */
  async function two(): Promise<{ engines: Awaited<ReturnType<typeof engine>>[]; front: Front }> {
    const engines = await Promise.all([engine(), engine()]);
    await Promise.all(engines.map(({ url }) => fleet.worker(url)));
    return { engines, front: await fleet.front() };
  }

  const seenBy = (engines: readonly { seen: unknown[] }[]): number[] =>
    engines.map(({ seen }) => seen.length);

  async function ended(heard: Heard): Promise<void> {
    await heard.ended;
    expect(heard.final).to.equal('finished');
  }

  it('before it answers leaves the request to another worker, and no try is used', async () => {
    // it accepts no connection, and is believed to be up
    const dead = await engine();
    const worker = await fleet.worker(dead.url, { probeMs: 600_000 });
    await dead.kill();
    const front = await fleet.front();
    const heard = ask(front);
    await waitUntil(() => heard.claims.length > 0, 'the worker beside the dead engine has taken it');
    await fleet.worker((await engine()).url);
    await ended(heard);
    expect(contentOf(heard)).to.equal(counted(20));
    expect(heard.claims.at(-1)!.attempt).to.equal(1);
    expect(heard.claims.at(-1)!.worker).not.to.equal(worker.node);
  });

  for (const stream of [true, false]) {
    it(`with an error of its own has one more try elsewhere (${stream ? 'stream' : 'whole'})`, async () => {
      const { engines, front } = await two();
      for (const one of engines) one.fail({ status: 500 });
      const [first] = engines;
      const heard = ask(front, { stream, body: { ...WHOLE, stream } });
      await waitUntil(() => seenBy(engines).reduce((a, b) => a + b) >= 2, 'it was tried twice');
      await ended(heard);
      if (stream) expect(contentOf(heard)).to.equal(counted(5));
      // without a stream the second answer stands, whatever it is
      else expect(heard.heads[0]?.status).to.equal(500);
      expect(first!.seen.length).to.be.above(0);
    });
  }

  it('with an error of its own twice, and no other engine, passes that on', async () => {
    const one = await engine();
    one.fail({ status: 500 }, { status: 502 });
    await fleet.worker(one.url);
    const heard = ask(await fleet.front());
    await ended(heard);
    expect(heard.heads.map(({ status }) => status)).to.deep.equal([502]);
    expect(one.seen).to.have.length(2);
  });

  it('as it has too much is left alone for a while, and the request goes elsewhere', async () => {
    const { engines, front } = await two();
    for (const one of engines) one.fail({ status: 503, retryAfter: '1' });
    const heard = ask(front, { stream: false, body: WHOLE });
    await ended(heard);
    expect(heard.heads[0]?.status).to.equal(200);
    expect(seenBy(engines)).to.include.members([2]);
    expect(heard.claims.map(({ attempt }) => attempt).at(-1)).to.equal(1);
  });

  it('in the middle of a stream says so behind what came, and never runs it again', async () => {
    const { engines, front } = await two();
    for (const one of engines) one.fail({ dieAfter: 7 });
    const heard = ask(front, { body: LONG });
    await ended(heard);
    expect(contentOf(heard)).to.equal(counted(7));
    expect(heard.interrupted?.reason).to.equal('engine');
    expect(seenBy(engines).sort()).to.deep.equal([0, 1]);
    expect(String(bytesOf(heard))).not.to.contain('[DONE]');
  });

  it('while it thinks uses a try, so that a request that breaks engines ends', async () => {
    const { engines, front } = await two();
    for (const one of engines) one.fail(...Array.from({ length: 10 }, () => ({ reset: true as const })));
    const heard = ask(front, { stream: false, body: WHOLE });
    await heard.ended;
    expect(heard.final).to.equal('failed');
    // a connection that was idle may have been closed by the engine at that moment: such a one is tried again at once
    expect(seenBy(engines).reduce((a, b) => a + b)).to.be.within(3, 6);
  });

  it('is left alone after three failures, tried again, and trusted once it works', async () => {
    const one = await engine();
    const worker = await fleet.worker(one.url, { probeMs: 600_000 });
    const port = one.port;
    await one.kill();
    const front = await fleet.front();
    const all = Array.from({ length: 6 }, () => ask(front, { stream: false, body: WHOLE }));
    await waitUntil(() => worker.figures.models[0]!.isBreakerOpen, 'the breaker is open');
    await one.start(port);
    await Promise.all(all.map(ended));
    for (const { heads } of all) expect(heads[0]?.status).to.equal(200);
    await waitUntil(() => !worker.figures.models[0]!.isBreakerOpen, 'the breaker is closed');
  });

  it('takes nothing while the engine says that it is ill, and goes on when it is well', async () => {
    const one = await engine();
    const worker = await fleet.worker(one.url);
    one.health = 503;
    await waitUntil(() => worker.unready.includes('engine'), 'it has noticed');
    const front = await fleet.front();
    const heard = ask(front, { stream: false, body: WHOLE });
    await waitUntil(() => front.stats().requests.pending === 1, 'it waits in line');
    expect(heard.claims).to.deep.equal([]);
    one.health = 200;
    await ended(heard);
    expect(worker.unready).to.deep.equal([]);
    expect(fleet.warnings.filter((line) => line.startsWith('the engine is'))).to.have.length(2);
  });

  it('whose worker is killed in the middle of a stream: another cuts it off instead of running it again', async () => {
    const [one, other] = await Promise.all([engine({ tokenMs: 5 }), engine()]);
    const killed = await fleet.process(one.url);
    const front = await fleet.front();
    const heard = ask(front, { body: LONG });
    await contentComes(heard, counted(3));
    const survivor = await fleet.worker(other.url);
    await killed.kill();
    await waitUntil(() => one.aborted === 1, 'the engine of the dead worker stops');
    await ended(heard);
    expect(heard.interrupted).to.deep.include({ reason: 'attempt' });
    expect(heard.restarts).to.equal(1);
    expect(heard.claims.map(({ worker }) => worker)).to.deep.equal([killed.node, survivor.node]);
    expect(other.seen).to.have.length(0);
  });
});

describe('a worker that is told to stop', () => {
  const fleet = useWorkerFleet();
  const engine = useCountingEngines();

  it('lets what runs end, and takes nothing more', async () => {
    const one = await engine({ tokenMs: 10 });
    const worker = await fleet.worker(one.url);
    const front = await fleet.front();
    const heard = ask(front, { body: { ...LONG, max_tokens: 60 } });
    await contentComes(heard, counted(2));
    const closed = worker.close();
    expect(worker.unready).to.include('draining');
    const later = ask(front, { stream: false, body: WHOLE });
    await heard.ended;
    expect(contentOf(heard)).to.equal(counted(60));
    await closed;
    expect(later.claims).to.deep.equal([]);
    expect(one.seen).to.have.length(1);
    await fleet.worker(one.url);
    await later.ended;
    expect(later.heads[0]?.status).to.equal(200);
  });

  it('cuts off what has begun to answer when its time is over, and gives the rest back', async () => {
    const one = await engine({ slots: 1, tokenMs: 10 });
    const worker = await fleet.worker(one.url, { slots: 2 });
    const front = await fleet.front();
    const heard = ask(front, { body: LONG });
    await contentComes(heard, counted(2));
    const waiting = ask(front, { stream: false, body: WHOLE });
    await waitUntil(() => one.waiting === 1, 'the second waits in the engine');
    await worker.close({ drainMs: 0 });
    await heard.ended;
    expect(heard.interrupted?.reason).to.equal('drain');
    expect(counted(900).startsWith(contentOf(heard))).to.equal(true);
    await waitUntil(() => one.running === 0, 'the engine has stopped');
    await fleet.worker(one.url);
    await waiting.ended;
    expect(waiting.heads[0]?.status).to.equal(200);
    expect(waiting.claims.at(-1)!.attempt).to.equal(1);
  });
});

describe('the room of an engine', () => {
  const fleet = useWorkerFleet();
  const engine = useCountingEngines();

  it('is never exceeded, in requests and in blocks', async () => {
    // 40 tokens kept for each request: 3 blocks and one for its prompt
    const one = await engine({ slots: 6, blocks: 20, tokenMs: 2 });
    const worker = await fleet.worker(one.url, { slots: 6, reserveOutput: 40 });
    const front = await fleet.front();
    const all = Array.from({ length: 30 }, () => ask(front, { body: { ...LONG, max_tokens: 36 } }));
    await Promise.all(all.map(({ ended }) => ended));
    for (const heard of all) expect(contentOf(heard)).to.equal(counted(36));
    expect(one.peak.waiting).to.equal(0);
    expect(one.peak.running).to.be.within(2, 5);
    expect(one.peak.blocks).to.be.at.most(20);
    await waitUntil(() => worker.figures.room.blocks.own === 0, 'the account is empty again');
  });

  it('is shared by the models of one engine', async () => {
    const one = await engine({ slots: 2, tokenMs: 2 });
    const names = ['counting', 'other'];
    await fleet.worker(one.url, {
      slots: 2,
      models: names.map((name) => ({ name, servedName: 'counting' })),
    });
    const fronts = await Promise.all(names.map((name) => fleet.front(name)));
    const all = fronts.flatMap((front, i) =>
      Array.from({ length: 10 }, () =>
        ask(front, { model: names[i]!, body: { ...LONG, model: names[i], max_tokens: 10 } }),
      ),
    );
    await Promise.all(all.map(({ ended }) => ended));
    for (const heard of all) expect(contentOf(heard)).to.equal(counted(10));
    expect(one.peak.waiting).to.equal(0);
    expect(one.peak.running).to.equal(2);
  });
});
