// What a client gets is what the engine sent, byte by byte, however it was cut on the way.
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { CHAT, STREAM, useHouse } from './support.ts';
import { waitUntil } from '../support/server.ts';

const hash = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');

/** A stream with everything that engines send, and that a careless pass-through breaks. */
const FIXTURE = [
  'data: {"id":"c1","created":5,"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n',
  ': a comment\n\n',
  'data: {"choices":[{"index":0,"delta":{"content":"é☃𝄞"},"logprobs":{"content":[{"token":"é","logprob":-0.10}]}}]}\r\n\r\n',
  'data: {"choices":[{"index":0,\ndata: "delta":{"content":"two lines"}}]}\n\n',
  'event: x\nid: 7\ndata:{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\":1}"}}]}}]}\n\n',
  'data: {"choices":[],"usage":{"prompt_tokens":9007199254740993,"completion_tokens":3}}\n\n',
  'data: [DONE]\n\n',
].join('');

describe('the gateway passes through', () => {
  const house = useHouse();

  for (const resumable of [true, false]) {
    it(`a stream cut at every eleventh byte (${resumable ? 'one that may be continued' : 'any other'})`, async () => {
      await house.start();
      const bytes = Buffer.from(FIXTURE);
      await house.worker(async ({ request }, run) => {
        const at =
          Number(request.head.traceparent!.slice(0, 2)) * 100 + Number(request.head.traceparent!.slice(53));
        await run.events(resumable);
        await run.body(bytes.subarray(0, at));
        await run.body(bytes.subarray(at));
        await run.end();
      });
      const cuts = Array.from({ length: Math.ceil(bytes.length / 11) }, (_, i) => 11 * i);
      const digits = (value: number): string => String(value).padStart(2, '0');
      for (let from = 0; from < cuts.length; from += 50) {
        const answers = await Promise.all(
          cuts.slice(from, from + 50).map((at) => {
            const ids = `${'a'.repeat(32)}-${'b'.repeat(16)}`;
            const traceparent = `${digits(Math.floor(at / 100))}-${ids}-${digits(at % 100)}`;
            return house.post(STREAM, { traceparent });
          }),
        );
        for (const { body, status, isComplete } of answers) {
          expect({ status, isComplete }).to.deep.equal({ status: 200, isComplete: true });
          expect(hash(body)).to.equal(hash(bytes));
        }
      }
    }).timeout(120_000);
  }

  it('one byte at a time', async () => {
    await house.start();
    const bytes = Buffer.from(FIXTURE);
    await house.worker(async (_, run) => {
      await run.events();
      await Promise.all(Array.from(bytes, (byte) => run.body(Buffer.of(byte))));
      await run.end();
    });
    expect(hash((await house.post(STREAM)).body)).to.equal(hash(bytes));
  }).timeout(60_000);

  it('the body of a request, of which only an alias of the model is changed', async () => {
    await house.start();
    const worker = await house.worker(async (_, run) => {
      await run.head({}, '{}');
      await run.end();
    });
    const body = '{ "seed":12345678901234567890, "model" : "m","messages":[],"x":"\\u00e9é" }\n';
    await house.post(body);
    expect(worker.claims[0]!.request.body.toString()).to.equal(body);
    expect(worker.claims[0]!.request.head).to.deep.include({
      route: '/v1/chat/completions',
      model: 'm',
      stream: false,
    });
  });

  it('status, type and bytes of an answer that is no stream, with its length', async () => {
    await house.start();
    const bytes = Buffer.from([0, 255, 13, 10, 128]);
    await house.worker(async (_, run) => {
      await run.head({ status: 422, contentType: 'application/x-odd; a=b' });
      await run.body(bytes);
      await run.end();
    });
    const { status, headers, body } = await house.post(CHAT, { 'x-request-id': 'mine' });
    expect(status).to.equal(422);
    expect(headers).to.include({
      'content-type': 'application/x-odd; a=b',
      'content-length': '5',
      'x-request-id': 'mine',
      'x-sched-lua-worker': 'w1',
      'x-sched-lua-attempts': '1',
    });
    expect(body.equals(bytes)).to.equal(true);
  });

  it('an answer that is larger than what is held', async () => {
    await house.start();
    const slice = Buffer.alloc(262_144, 'x');
    await house.worker(async (_, run) => {
      await run.head();
      for (let i = 0; i < 12; i += 1) await run.body(slice);
      await run.end();
    });
    const { body, isComplete } = await house.post(CHAT);
    expect(isComplete).to.equal(true);
    expect(body.length).to.equal(12 * slice.length);
  });

  it('an engine’s refusal of a stream as a status, as long as the client was told none', async () => {
    await house.start();
    await house.worker(async (_, run) => {
      await run.head({ status: 400 }, '{"error":{"message":"too long"}}');
      await run.end();
    });
    const { status, body } = await house.post(STREAM);
    expect({ status, body: body.toString() }).to.deep.equal({
      status: 400,
      body: '{"error":{"message":"too long"}}',
    });
  });

  it('an engine’s refusal as an event once a keepalive has told the client a status, and no [DONE]', async () => {
    await house.start({ keepalive: '50ms' });
    let go = (): void => undefined;
    const gone = new Promise<void>((resolve) => (go = resolve));
    await house.worker(async (_, run) => {
      await gone;
      await run.head({ status: 400 }, '{"error":{"message":"too long"}}');
      await run.end();
    });
    const call = house.call('/v1/chat/completions', JSON.stringify(STREAM));
    await waitUntil(() => call.text.startsWith(':\n'), 'a keepalive has come');
    expect(call.status).to.equal(200);
    go();
    const { body } = await call.answer;
    expect(body.toString().replaceAll(':\n', '')).to.equal('data: {"error":{"message":"too long"}}\n\n');
  });
});
