// A gateway, two workers and two engines that count: whatever is killed, every stream of every client is token-exact. The engines are
// emulated, or with SCHED_LUA_TEST_ENGINE=real those of test/engine/.
import { expect } from 'chai';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { Gateway } from '../../src/gateway/gateway.ts';
import { readGateway } from '../../src/gateway/settings.ts';
import { counted } from '../../src/testing/counting/counting.ts';
import { CountingEngine } from '../../src/testing/counting/engine.ts';
import { RealEngine, wantsRealEngines } from '../support/counting/real.ts';
import { redisUrl, waitUntil } from '../support/server.ts';
import { useWorkerFleet } from './support.ts';

/** At 25 ms each: long enough for everything that is to happen meanwhile. */
const TOKENS = 400;
const CLIENTS = 8;

interface Chunk {
  id: string;
  choices: { delta: { role?: string; content?: string }; finish_reason: string | null }[];
  usage?: { prompt_tokens: number; completion_tokens: number };
}

/** A client's stream so far. */
class Stream {
  #text = '';
  response: IncomingMessage | undefined;
  readonly ended: Promise<void>;

  constructor(port: number, content: string) {
    this.ended = this.#read(port, content);
  }

  async #read(port: number, content: string): Promise<void> {
    const headers = { 'content-type': 'application/json' };
    const path = '/v1/chat/completions';
    const asked = request({ host: '127.0.0.1', port, path, method: 'POST', headers, agent: false });
    asked.end(
      JSON.stringify({
        ...{ model: 'counting', stream: true, stream_options: { include_usage: true } },
        ...{ messages: [{ role: 'user', content }], max_tokens: TOKENS },
      }),
    );
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    this.response = response;
    for await (const part of response) this.#text += String(part);
  }

  get events(): string[] {
    const events = this.#text.split('\n\n').slice(0, -1);
    // a keepalive is a comment in front of an event
    return events.map((event) => event.replace(/^(:.*\n)+/, '').replace(/^data: /, ''));
  }

  get chunks(): Chunk[] {
    return this.events.filter((event) => event.startsWith('{')).map((event) => JSON.parse(event) as Chunk);
  }

  get content(): string {
    return this.chunks.map(({ choices: [choice] }) => choice?.delta.content ?? '').join('');
  }

  /** Fails unless it looks as if one engine had served it whole. */
  verify(promptTokens: number): void {
    expect(this.content).to.equal(counted(TOKENS));
    expect(this.events.at(-1)).to.equal('[DONE]');
    const { chunks } = this;
    expect(new Set(chunks.map(({ id }) => id)).size).to.equal(1);
    const choices = chunks.flatMap((chunk) => chunk.choices);
    expect(choices.filter(({ delta }) => delta.role !== undefined)).to.have.length(1);
    expect(choices.map(({ finish_reason: reason }) => reason).filter(Boolean)).to.deep.equal(['length']);
    const usages = chunks.flatMap(({ usage }) => (usage ? [usage] : []));
    const usage = {
      prompt_tokens: promptTokens,
      completion_tokens: TOKENS,
      total_tokens: promptTokens + TOKENS,
    };
    expect(usages).to.deep.equal([usage]);
  }
}

describe('a fleet of a gateway, two workers and two engines', function () {
  // real engines take their time to start
  this.timeout(240_000);

  const fleet = useWorkerFleet();
  const engines: (CountingEngine | RealEngine)[] = [];
  let gateway: Gateway | undefined;

  afterEach(async () => {
    await gateway?.close(0);
    await Promise.all(engines.splice(0).map((engine) => engine.kill()));
  });

  async function engine(tokenMs: number): Promise<CountingEngine | RealEngine> {
    const one = wantsRealEngines() ? new RealEngine(tokenMs) : new CountingEngine({ tokenMs });
    engines.push(one);
    return one.start();
  }

  async function open(): Promise<number> {
    const flags = { listen: '127.0.0.1:0', metricsListen: '127.0.0.1:0', fleet: fleet.name };
    const settings = readGateway({ flags, env: {} });
    const warn = (line: string): void => void fleet.warnings.push(line);
    gateway = await Gateway.start({ settings, redis: redisUrl(), client: fleet.redis, warn });
    return gateway.address.port;
  }

  /** Of "go", as the engine counts it. */
  async function promptTokensOf({ url }: { url: string }): Promise<number> {
    const body = { model: 'counting', messages: [{ role: 'user', content: 'go' }], max_tokens: 1 };
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    return ((await response.json()) as { usage: { prompt_tokens: number } }).usage.prompt_tokens;
  }

  const all = (streams: readonly Stream[], tokens: number): Promise<void> =>
    waitUntil(
      () => streams.every(({ content }) => content.startsWith(counted(tokens))),
      `${tokens} tokens each`,
      60_000,
    );

  it('keeps every stream token-exact when an engine dies, and then the other one, and a worker', async () => {
    const [one, other] = await Promise.all([engine(25), engine(25)]);
    const mortal = await fleet.process(one.url, { slots: CLIENTS / 2 });
    const worker = await fleet.worker(other.url, { slots: CLIENTS / 2 });
    const port = await open();
    const streams = Array.from({ length: CLIENTS }, () => new Stream(port, 'go'));
    await waitUntil(async () => (await one.runningNow()) === CLIENTS / 2, 'the first engine has its half');
    await waitUntil(async () => (await other.runningNow()) === CLIENTS / 2, 'the other has the rest');
    await all(streams, 5);

    await other.kill();
    await waitUntil(() => worker.unready.includes('engine'), 'it is noticed');
    await other.start();
    await waitUntil(() => worker.unready.length === 0, 'the second engine is believed in again', 60_000);
    await all(streams, 30);

    await mortal.kill();
    await Promise.all(streams.map(({ ended }) => ended));
    for (const stream of streams) {
      stream.verify(await promptTokensOf(other));
      expect(stream.response?.statusCode).to.equal(200);
    }
  });

  it('keeps requests without a stream, whole, when an engine and a worker die', async () => {
    const [one, other] = await Promise.all([engine(25), engine(25)]);
    const mortal = await fleet.process(one.url);
    await fleet.worker(other.url);
    const port = await open();
    const answers = Array.from({ length: CLIENTS }, async () => {
      const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
        method: 'POST',
        body: JSON.stringify({
          model: 'counting',
          messages: [{ role: 'user', content: 'go' }],
          max_tokens: TOKENS,
        }),
        headers: { 'content-type': 'application/json', connection: 'close' },
      });
      return (await response.json()) as { choices: { message: { content: string } }[] };
    });
    await waitUntil(async () => (await one.runningNow()) + (await other.runningNow()) === CLIENTS, 'all run');
    await mortal.kill();
    await waitUntil(async () => (await one.runningNow()) === 0, 'the engine of the dead worker stops');
    for (const { choices } of await Promise.all(answers))
      expect(choices[0]?.message.content).to.equal(counted(TOKENS));
  });
});
