// A worker on a real Redis, beside an engine that counts.
import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { readModels } from '../../src/openai/registry.ts';
import { counted } from '../../src/testing/counting/counting.ts';
import { useCountingEngines } from '../support/counting/engines.ts';
import { waitUntil } from '../support/server.ts';
import { ask, bytesOf, contentComes, contentOf, useWorkerFleet, type Heard } from './support.ts';

describe('a worker', () => {
  const fleet = useWorkerFleet();
  const engine = useCountingEngines();

  it('passes on a stream of its engine, with the claim first and the head before the bytes', async () => {
    const counting = await engine();
    const worker = await fleet.worker(counting.url);
    const heard = ask(await fleet.front(), { traceparent: '00-ab-cd-01' });
    await heard.ended;
    expect(contentOf(heard)).to.equal(counted(20));
    expect(String(bytesOf(heard)).endsWith('data: [DONE]\n\n')).to.equal(true);
    expect(heard.final).to.equal('finished');
    expect(heard.claims).to.have.length(1);
    expect(heard.claims[0]).to.include({ worker: worker.node, attempt: 1 });
    expect(heard.heads).to.deep.equal([
      { status: 200, contentType: 'text/event-stream; charset=utf-8', resumable: true },
    ]);
    const { headers } = counting.seen[0]!;
    expect(headers).to.include({ 'x-request-id': heard.id, traceparent: '00-ab-cd-01' });
    expect(headers.authorization).to.equal(undefined);
  });

  it('gives the engine the bytes of the client, and the client those of the engine', async () => {
    const counting = await engine();
    await fleet.worker(counting.url);
    const body = Buffer.from(
      '{ "model":"counting","seed": 9007199254740993123,\r\n"prompt":"\\u0020 7","max_tokens":3}',
    );
    const heard = ask(await fleet.front(), { body, route: '/v1/completions', stream: false });
    await heard.ended;
    expect(hash(counting.seen[0]!.body)).to.equal(hash(body));
    const { choices, usage } = JSON.parse(String(bytesOf(heard))) as {
      choices: { text: string }[];
      usage: object;
    };
    expect(choices[0]!.text).to.equal(' 8 9 10');
    expect(usage).to.include({ completion_tokens: 3 });
    expect(heard.heads).to.deep.equal([{ status: 200, contentType: 'application/json' }]);
  });

  it('passes on an error that is about the request, and is not marked by it', async () => {
    const counting = await engine();
    const worker = await fleet.worker(counting.url);
    const front = await fleet.front();
    for (let i = 0; i < 5; i += 1) {
      const heard = ask(front, {
        body: { model: 'counting', messages: [], max_tokens: 99_999 },
        stream: false,
      });
      await heard.ended;
      expect(heard.heads[0]?.status).to.equal(400);
      expect(String(bytesOf(heard))).to.contain('maximum context length');
    }
    expect(worker.figures.models).to.deep.equal([{ name: 'counting', isBreakerOpen: false }]);
  });

  it('says its models to the fleet, and takes them back when it leaves', async () => {
    const counting = await engine({ maxModelLen: 512 });
    const worker = await fleet.worker(counting.url, {
      models: [{ name: 'counting' }, { name: 'count/er', servedName: 'counting' }],
    });
    const models = await readModels(fleet.redis, fleet.name);
    expect([...models.keys()]).to.deep.equal(['count/er', 'counting']);
    expect(models.get('counting')).to.include({ maxModelLen: 512 });
    expect(models.get('counting')).to.deep.include({ kinds: ['vllm'], workers: [worker.node] });
    await worker.close();
    expect([...(await readModels(fleet.redis, fleet.name)).keys()]).to.deep.equal([]);
  });

  it('calls a model as its engine does, and changes nothing else of the body', async () => {
    const counting = await engine();
    await fleet.worker(counting.url, { models: [{ name: 'alias', servedName: 'counting' }] });
    const body = Buffer.from('{"seed":12345678901234567890, "model" : "alias","prompt":" 4","max_tokens":1}');
    const heard = ask(await fleet.front('alias'), {
      body,
      model: 'alias',
      route: '/v1/completions',
      stream: false,
    });
    await heard.ended;
    const expected = '{"seed":12345678901234567890, "model" : "counting","prompt":" 4","max_tokens":1}';
    expect(String(counting.seen[0]!.body)).to.equal(expected);
    expect(String(bytesOf(heard))).to.contain('" 5"');
  });

  it('continues a stream behind what was emitted, and counts it with the tokenizer of the engine', async () => {
    const counting = await engine();
    await fleet.worker(counting.url);
    const resume = { text: counted(7), chunks: 3 };
    const heard = ask(await fleet.front(), { resume });
    await heard.ended;
    expect(contentOf(heard)).to.equal(counted(13, 7));
    expect(heard.heads[0]).to.include({ resumable: true, resumedTokens: 7 });
    const sent = JSON.parse(String(counting.seen[0]!.body)) as Record<string, unknown>;
    expect(sent).to.include({ max_tokens: 13, continue_final_message: true, add_generation_prompt: false });
  });

  it('ends a stream of which nothing is left: with a finish, the usage that was asked for, and [DONE]', async () => {
    const counting = await engine();
    await fleet.worker(counting.url);
    const front = await fleet.front();
    const resume = { text: counted(20), chunks: 20 };
    const plain = ask(front, { resume });
    await plain.ended;
    expect(counting.seen).to.have.length(0);
    expect(plain.heads).to.deep.equal([
      { status: 200, contentType: 'text/event-stream; charset=utf-8', resumable: true, resumedTokens: 20 },
    ]);
    expect(eventsOf(plain)).to.deep.equal([{ choices: [{ ...CHOICE, delta: {} }] }]);
    const body = {
      ...{ model: 'counting', stream: true, stream_options: { include_usage: true } },
      ...{ messages: [{ role: 'user', content: 'go' }], max_tokens: 20, min_tokens: 5 },
    };
    const counted20 = ask(front, { resume, body });
    await counted20.ended;
    // "go" and a newline are 3 tokens; a run that continues has the emitted text in its prompt
    const usage = { prompt_tokens: 23, completion_tokens: 0, total_tokens: 23 };
    expect(eventsOf(counted20)).to.deep.equal([
      { choices: [{ ...CHOICE, delta: {} }] },
      { choices: [], usage },
    ]);
    expect(String(bytesOf(counted20)).endsWith('data: [DONE]\n\n')).to.equal(true);
    const asked = JSON.parse(String(counting.seen[0]!.body)) as Record<string, unknown>;
    expect(asked).to.include({ max_tokens: 1, min_tokens: 0, stream: false, stream_options: null });
  });

  it('serves many at once, each token-exact, and joins what comes faster than Redis takes it', async () => {
    const counting = await engine({ slots: 32, tokenMs: 0 });
    const worker = await fleet.worker(counting.url);
    const front = await fleet.front();
    const body = {
      model: 'counting',
      stream: true,
      messages: [{ role: 'user', content: 'go' }],
      max_tokens: 300,
    };
    const all = Array.from({ length: 32 }, () => ask(front, { body }));
    await Promise.all(all.map(({ ended }) => ended));
    for (const heard of all) expect(contentOf(heard)).to.equal(counted(300));
    expect(worker.figures.tally.results).to.be.below(32 * 300);
  });

  it('closes the socket to the engine when the client cancels, whatever the request is at', async () => {
    const counting = await engine({ slots: 1, tokenMs: 5 });
    await fleet.worker(counting.url, { slots: 2 });
    const front = await fleet.front();
    const body = { model: 'counting', messages: [{ role: 'user', content: 'go' }], max_tokens: 900 };
    const streaming = ask(front, { body: { ...body, stream: true } });
    await contentComes(streaming, counted(3));
    const waiting = ask(front, { body, stream: false });
    await waitUntil(() => counting.waiting === 1 || counting.running === 2, 'it waits in the engine');
    for (const heard of [waiting, streaming]) {
      await front.cancel(heard.id);
      await heard.ended;
      expect(heard.final).to.equal('cancelled');
    }
    await waitUntil(() => counting.aborted === 2 && counting.running === 0, 'the engine stops both');
  });

  it('cancels also an engine that says nothing', async () => {
    const counting = await engine();
    counting.fail({ stallAfter: 4 });
    await fleet.worker(counting.url);
    const front = await fleet.front();
    const heard = ask(front);
    await contentComes(heard, counted(4));
    await front.cancel(heard.id);
    await waitUntil(() => counting.aborted === 1, 'the engine stops');
  });

  it('stops the engine when the owner is gone', async () => {
    const counting = await engine({ tokenMs: 20 });
    await fleet.worker(counting.url);
    const front = await fleet.front();
    const body = {
      model: 'counting',
      stream: true,
      messages: [{ role: 'user', content: 'go' }],
      max_tokens: 900,
    };
    const heard = ask(front, { body });
    await contentComes(heard, counted(2));
    heard.ended.catch(() => undefined);
    await front.close({ drainMs: 0, pending: 'cancel' });
    await waitUntil(() => counting.aborted === 1, 'the engine stops');
  });

  const CHOICE = { index: 0, logprobs: null, finish_reason: 'length' };

  /** Without what names the answer. */
  function eventsOf(heard: Heard): object[] {
    const events = String(bytesOf(heard))
      .split('\n\n')
      .filter((event) => event.startsWith('data: {'));
    return events.map((event) => {
      const { choices, usage } = JSON.parse(event.slice(6)) as { choices: object[]; usage?: object };
      return { choices, ...(usage ? { usage } : {}) };
    });
  }

  function hash(bytes: Buffer): string {
    return createHash('sha256').update(bytes).digest('hex');
  }
});
