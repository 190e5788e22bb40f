// Streams: silent ones, slow readers, readers that go away, and streams whose worker breaks off.
import { expect } from 'chai';
import { CHAT, STREAM, chunk, codeOf, contentOf, useHouse, type Run } from './support.ts';
import { waitUntil } from '../support/server.ts';

const PATH = '/v1/chat/completions';
const never = (): Promise<void> => new Promise(() => undefined);

describe('a stream through the gateway', () => {
  const house = useHouse();
  const metrics = async (): Promise<string> => (await house.operator('/metrics')).body.toString();

  it('gets comments while it waits, between lines only, and its status with the first', async () => {
    await house.start({ keepalive: '40ms' });
    const worker = await house.worker(never);
    const call = house.call(PATH, JSON.stringify(STREAM));
    await waitUntil(() => call.text.length >= 4, 'two comments have come');
    expect(call.text).to.match(/^(:\n)+$/);
    expect(call.status).to.equal(200);
    await waitUntil(() => worker.claims.length === 1, 'it was claimed');
  });

  it('gets no comment within a line', async () => {
    await house.start({ keepalive: '40ms' });
    let go = (): void => undefined;
    const gone = new Promise<void>((resolve) => (go = resolve));
    await house.worker(async (_, run) => {
      await run.events(false);
      await run.body('data: half');
      await gone;
      await run.body(' whole\n\n');
      await never();
    });
    const call = house.call(PATH, JSON.stringify(STREAM));
    await waitUntil(() => call.text.endsWith('data: half'), 'half a line has come');
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(call.text.endsWith('data: half')).to.equal(true);
    go();
    await waitUntil(
      () => /data: half whole\n\n:\n/.test(call.text),
      'the line is whole, and a comment follows',
    );
  });

  for (const [name, body] of [
    ['a stream', STREAM],
    ['an answer that is no stream', CHAT],
  ] as const) {
    it(`of ${name} is cancelled at its worker when the client goes away`, async () => {
      await house.start();
      const worker = await house.worker(never);
      const call = house.call(PATH, JSON.stringify(body));
      await waitUntil(() => worker.claims.length === 1, 'it was claimed');
      call.destroy();
      await waitUntil(() => worker.claims[0]!.signal.aborted, 'the worker was told');
      await waitUntil(
        async () => /http_requests_total\{[^}]*code="499"\} 1/.test(await metrics()),
        'it was counted',
      );
    });
  }

  it('is taken out of the line when its client goes away while it waits', async () => {
    await house.start();
    const worker = await house.worker(never);
    await worker.stop();
    const call = house.call(PATH, JSON.stringify(STREAM));
    await waitUntil(async () => /sched_lua_waiting 1\n/.test(await metrics()), 'it waits');
    call.destroy();
    await waitUntil(async () => /sched_lua_inflight 0\n/.test(await metrics()), 'it is gone');
    const left = await house.redis.keys(`*${house.fleet}*:waiting`);
    expect(left).to.deep.equal([]);
  });

  it('is cut off, and its worker told, when its client reads nothing', async () => {
    await house.start();
    const part = Buffer.alloc(262_144, 'x');
    const worker = await house.worker(async (claimed, run) => {
      await run.events(false);
      while (!claimed.signal.aborted) await run.body(part);
    });
    const raw = house.raw(
      `POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: ${JSON.stringify(STREAM).length}\r\n\r\n${JSON.stringify(STREAM)}`,
    );
    raw.socket.pause();
    await waitUntil(() => worker.claims[0]?.signal.aborted === true, 'the worker was told', 60_000);
    await waitUntil(async () => /sched_lua_inflight 0\n/.test(await metrics()), 'it is gone');
  }).timeout(90_000);
});

describe('a stream whose worker breaks off', () => {
  const house = useHouse();
  const words = ['one', ' two', ' three', ' four'];
  const tail = async (run: Run, id: string): Promise<void> => {
    await run.body(chunk(undefined, { finish_reason: 'stop' }, id));
    await run.body(
      `data: {"id":"${id}","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":2,"total_tokens":14}}\n\n`,
    );
    await run.body('data: [DONE]\n\n');
    await run.end();
  };

  it('goes on with another: one id, no word twice or missing, one finish, the usage of one run', async () => {
    await house.start();
    const worker = await house.worker(async ({ request }, run) => {
      const { resume } = request.head;
      if (!resume) {
        await run.events();
        await run.body(chunk('', { delta: { role: 'assistant', content: '' } }));
        await run.body(chunk(words[0]) + chunk(words[1]) + chunk(words[2]).slice(0, 30));
        await run.interrupt();
        return;
      }
      await run.events(true, 2);
      await run.body(chunk('', { delta: { role: 'assistant', content: '' } }, 'c2'));
      await run.body(chunk(words[2], {}, 'c2') + chunk(words[3], {}, 'c2'));
      await tail(run, 'c2');
    });
    const { body, isComplete } = await house.post({ ...STREAM, stream_options: { include_usage: true } });
    const text = body.toString();
    expect(contentOf(text)).to.equal(words.join(''));
    expect(isComplete).to.equal(true);
    expect(text.match(/"role"/g)).to.have.length(1);
    expect(text.match(/"finish_reason":"stop"/g)).to.have.length(1);
    expect(text.match(/\[DONE\]/g)).to.have.length(1);
    expect(new Set(text.match(/"id":"c\d"/g))).to.deep.equal(new Set(['"id":"c1"']));
    expect(text).to.include('"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}');
    const [first, second] = worker.claims.map(({ request }) => request);
    expect(second!.head.resume).to.deep.equal({ text: 'one two', chunks: 2 });
    expect(second!.head.id).to.equal(`${first!.head.id}.1`);
    expect(second!.body.equals(first!.body)).to.equal(true);
    expect((await house.operator('/metrics')).body.toString()).to.include('migrations_total{model="m"} 1');
  });

  it('goes on when the worker died, and never shows the new run from its beginning', async () => {
    await house.start();
    let dying: (() => Promise<void>) | undefined;
    const first = await house.worker(async (_, run) => {
      await run.events();
      await run.body(chunk('one'));
      dying = () => house.leave(first);
      await never();
    });
    const call = house.call(PATH, JSON.stringify(STREAM));
    await waitUntil(() => call.text.includes('one'), 'the first word has come');
    const second = await house.worker(
      async ({ request }, run) => {
        await run.events(true, 1);
        await run.body(request.head.resume ? chunk(' two') : chunk('one') + chunk(' two'));
        await tail(run, 'c1');
      },
      { worker: 'w2' },
    );
    await dying!();
    const { body } = await call.answer;
    expect(contentOf(body.toString())).to.equal('one two');
    expect(second.claims.at(-1)!.request.head.resume).to.deep.equal({ text: 'one', chunks: 1 });
  }).timeout(60_000);

  it('is not moved once more when a worker gave the moved run back before its engine answered', async () => {
    await house.start({ migrations: '1' });
    const worker = await house.worker(async (claimed, run) => {
      const at = worker.claims.length;
      if (at > 1 && at < 5) {
        await claimed.giveBack({ afterMs: 0, countTry: false });
        return;
      }
      await run.events(true, at === 1 ? undefined : 1);
      await run.body(chunk(at === 1 ? 'one' : ' two'));
      if (at === 1) await run.interrupt();
      else {
        await run.body('data: [DONE]\n\n');
        await run.end();
      }
    });
    const { body } = await house.post(STREAM);
    expect(contentOf(body.toString())).to.equal('one two');
    expect(body.toString()).to.match(/\[DONE\]\n\n$/);
    expect(worker.claims.slice(1).every(({ request }) => request.head.resume?.text === 'one')).to.equal(true);
    expect(worker.claims).to.have.length(5);
  });

  it('begins anew when the client has got nothing, whatever the request is', async () => {
    await house.start();
    const worker = await house.worker(async (_, run) => {
      if (worker.claims.length === 1) {
        await run.head({}, '{"half":');
        await run.interrupt();
        return;
      }
      await run.head({}, '{"whole":1}');
      await run.end();
    });
    const { status, body } = await house.post({ ...CHAT, n: 2 });
    expect([status, body.toString()]).to.deep.equal([200, '{"whole":1}']);
    expect(worker.claims[1]!.request.head).not.to.have.property('resume');
  });

  for (const [name, request, resumable] of [
    ['whose request has stop words', { ...STREAM, stop: ['x'] }, true],
    ['of an engine that cannot continue', STREAM, false],
  ] as const) {
    it(`ends with an error and without [DONE], if it is one ${name}`, async () => {
      await house.start();
      await house.worker(async (_, run) => {
        await run.events(resumable);
        await run.body(chunk('one') + 'data: {"ha');
        await run.interrupt();
      });
      const text = (await house.post(request)).body.toString();
      expect(text.startsWith(chunk('one'))).to.equal(true);
      const last = text.trimEnd().split('\n\n').at(-1)!;
      expect(codeOf({ body: Buffer.from(last.replace(/^data: /, '')) })).to.equal('worker_lost');
      expect(text).not.to.include('[DONE]');
    });
  }

  it('is not continued after a call of a tool', async () => {
    await house.start();
    await house.worker(async (_, run) => {
      await run.events();
      await run.body(chunk(undefined, { delta: { tool_calls: [{ index: 0 }] } }));
      await run.interrupt();
    });
    expect((await house.post(STREAM)).body.toString()).to.include('worker_lost');
  });

  it('is complete if only [DONE] is missing', async () => {
    await house.start();
    await house.worker(async (_, run) => {
      await run.events();
      await run.body(chunk('one') + chunk(undefined, { finish_reason: 'stop' }));
      await run.interrupt();
    });
    const text = (await house.post(STREAM)).body.toString();
    expect(text.endsWith('"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')).to.equal(true);
  });

  it('is given up after --migrations', async () => {
    await house.start({ migrations: 2 });
    const worker = await house.worker(async (_, run) => {
      await run.interrupt();
    });
    const { status, headers, body } = await house.post(CHAT);
    expect([status, codeOf({ body }), headers['x-should-retry']]).to.deep.equal([502, 'poison', 'false']);
    expect(worker.claims.length).to.equal(3);
  });

  it('that a worker failed is told so', async () => {
    await house.start();
    await house.worker((_, run) => run.fail('the engine is broken'));
    const { status, body } = await house.post(STREAM);
    expect([status, codeOf({ body })]).to.deep.equal([502, 'worker_lost']);
  });
});
