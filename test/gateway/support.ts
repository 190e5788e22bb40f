// A gateway on a fleet of the test's own, workers that do what a test says, and clients that see every byte.
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Redis } from 'ioredis';
import { Gateway } from '../../src/gateway/gateway.ts';
import { operatedOf } from '../../src/gateway/command.ts';
import { readGateway } from '../../src/gateway/settings.ts';
import { Operators } from '../../src/service/operators.ts';
import { Scheduler, type ClaimedRequest, type ResultStatus } from '../../src/index.ts';
import { announce, topicOf, withdraw, type ModelEntry } from '../../src/openai/registry.ts';
import {
  WIRE_OPTIONS,
  headResult,
  type ResponseHead,
  type WireRequest,
  type WireResult,
} from '../../src/openai/wire.ts';
import type { HttpLimits } from '../../src/gateway/server.ts';
import { room } from '../support/fleet.ts';
import { freshTopic, redisUrl, waitUntil } from '../support/server.ts';

export type Claimed = ClaimedRequest<WireRequest>;
type Work = (claimed: Claimed, run: Run) => Promise<void> | void;

/** What a script of a worker does with one claim. */
export class Run {
  readonly #scheduler: Scheduler<WireRequest, WireResult>;
  readonly #claimed: Claimed;

  constructor(scheduler: Scheduler<WireRequest, WireResult>, claimed: Claimed) {
    this.#scheduler = scheduler;
    this.#claimed = claimed;
  }

  async put(output: WireResult, finished = false): Promise<ResultStatus> {
    const { claim } = this.#claimed;
    const item = finished ? { claim, output, finished: true as const } : { claim, output };
    const [status] = await this.#scheduler.putResults([item]);
    return status!;
  }

  head(head: Partial<ResponseHead> = {}, body = ''): Promise<ResultStatus> {
    return this.put(headResult({ status: 200, contentType: 'application/json', ...head }, Buffer.from(body)));
  }

  events(resumable = true, resumedTokens?: number): Promise<ResultStatus> {
    const more = resumedTokens === undefined ? {} : { resumedTokens };
    return this.head({ contentType: 'text/event-stream', resumable, ...more });
  }

  body(body: string | Buffer): Promise<ResultStatus> {
    return this.put({ kind: 'body', body: Buffer.from(body as string) });
  }

  async end(): Promise<void> {
    await this.#scheduler.putResults([{ claim: this.#claimed.claim, finished: true }]);
  }

  async fail(failed: string): Promise<void> {
    await this.#scheduler.putResults([{ claim: this.#claimed.claim, failed }]);
  }

  interrupt(): Promise<ResultStatus> {
    return this.put({ kind: 'interrupted', interrupted: { reason: 'engine' } }, true);
  }
}

export class TestWorker {
  readonly claims: Claimed[] = [];
  readonly scheduler: Scheduler<WireRequest, WireResult>;
  #loop: Promise<void> | undefined;
  #again: NodeJS.Timeout | undefined;
  readonly #stop = new AbortController();

  private constructor(scheduler: Scheduler<WireRequest, WireResult>) {
    this.scheduler = scheduler;
  }

  static async start(
    redis: Redis,
    url: string,
    fleet: string,
    entry: ModelEntry,
    work: Work,
  ): Promise<TestWorker> {
    const scheduler = await Scheduler.start<WireRequest, WireResult>({
      ...WIRE_OPTIONS,
      ...{ redis: url, topic: topicOf(fleet, entry.model), node: entry.worker, leaseMs: 1_000, pollMs: 200 },
      onWarning: () => undefined,
    });
    const worker = new TestWorker(scheduler);
    await announce(redis, fleet, [entry]);
    worker.#again = setInterval(() => void announce(redis, fleet, [entry]).catch(() => undefined), 2_000);
    worker.#loop = worker.#serve(work);
    return worker;
  }

  async #serve(work: Work): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const claims = await this.scheduler.getRequests(room(), { waitMs: 500, signal }).catch(() => []);
      for (const claimed of claims) {
        this.claims.push(claimed);
        const run = new Run(this.scheduler, claimed);
        const { attempt, queuedMs } = claimed;
        const worker = this.scheduler.node;
        void run
          .put({ kind: 'claimed', claimed: { worker, attempt, queuedMs } })
          .then(() => work(claimed, run))
          .catch(() => undefined);
      }
    }
  }

  /** As a process that was killed: its claims are lost by their leases alone. */
  async stop(): Promise<void> {
    clearInterval(this.#again);
    this.#stop.abort();
    await this.#loop;
    await this.scheduler.close({ drainMs: 0 });
  }
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** It ended as HTTP says; else the connection broke. */
  isComplete: boolean;
}

export type Flags = Readonly<Record<string, unknown>>;

export class House {
  fleet = '';
  redis!: Redis;
  gateway!: Gateway;
  readonly warnings: string[] = [];
  readonly #url: () => string;
  readonly #workers: TestWorker[] = [];
  readonly #gateways: Gateway[] = [];
  readonly #operators: Operators[] = [];
  readonly #sockets: { destroy(): unknown }[] = [];

  constructor(url: () => string) {
    this.#url = url;
  }

  get port(): number {
    return this.gateway.address.port;
  }

  open(): void {
    this.fleet = freshTopic();
    this.warnings.length = 0;
    this.redis = new Redis(this.#url(), { maxRetriesPerRequest: null, retryStrategy: () => 50 });
    this.redis.on('error', () => undefined);
  }

  async start(flags: Flags = {}, limits: Partial<HttpLimits> = {}, config?: string): Promise<Gateway> {
    const free = { listen: '127.0.0.1:0', fleet: this.fleet, drain: '200ms' };
    const settings = readGateway({ flags: { ...free, ...flags }, env: {}, config });
    const warn = (message: string): void => void this.warnings.push(message);
    const gateway = await Gateway.start({ settings, redis: this.#url(), client: this.redis, warn, limits });
    this.#gateways.push(gateway);
    this.#operators.push(await Operators.open({ host: '127.0.0.1', port: 0 }, () => operatedOf(gateway)));
    return (this.gateway = gateway);
  }

  async worker(work: Work, { model = 'm', worker = 'w1' } = {}): Promise<TestWorker> {
    const entry = { model, kind: 'vllm', worker };
    const started = await TestWorker.start(this.redis, this.#url(), this.fleet, entry, work);
    this.#workers.push(started);
    return started;
  }

  async leave(worker: TestWorker): Promise<void> {
    await worker.stop();
    await withdraw(this.redis, this.fleet, [{ model: 'm', kind: 'vllm', worker: worker.scheduler.node }]);
  }

  /** Sends a request and gives what has come, while it comes. */
  call(path: string, body?: string | Buffer, headers: Record<string, string> = {}, method = 'POST'): Call {
    const call = new Call(this.port, path, body, headers, method);
    this.#sockets.push(call);
    return call;
  }

  post(
    body: string | object,
    headers: Record<string, string> = {},
    path = '/v1/chat/completions',
  ): Promise<Answer> {
    return this.call(path, typeof body === 'string' ? body : JSON.stringify(body), headers).answer;
  }

  get(path: string, headers: Record<string, string> = {}, port = this.port): Promise<Answer> {
    return new Call(port, path, undefined, headers, 'GET').answer;
  }

  operator(path: string): Promise<Answer> {
    return this.get(path, {}, this.#operators.at(-1)!.address.port);
  }

  /** A connection without HTTP. */
  raw(text: string | Buffer): Raw {
    const raw = new Raw(this.port, text);
    this.#sockets.push(raw);
    return raw;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets.splice(0)) socket.destroy();
    await Promise.all(this.#gateways.splice(0).map((gateway) => gateway.close(0)));
    await Promise.all(this.#operators.splice(0).map((operators) => operators.close()));
    await Promise.all(this.#workers.splice(0).map((worker) => worker.stop()));
    this.redis.disconnect();
    if (this.redis.status !== 'end') await new Promise((gone) => this.redis.once('end', gone));
  }
}

export class Call {
  readonly answer: Promise<Answer>;
  #parts: Buffer[] = [];
  #response: IncomingMessage | undefined;
  readonly #request;

  constructor(
    port: number,
    path: string,
    body: string | Buffer | undefined,
    headers: Record<string, string>,
    method: string,
  ) {
    this.#request = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false });
    this.answer = new Promise((resolve, reject) => {
      this.#request.on('error', reject);
      this.#request.on('response', (response) => {
        this.#response = response;
        response.on('data', (part: Buffer) => this.#parts.push(part));
        response.on('error', () => undefined);
        response.on('close', () =>
          resolve({ ...this.#head(response), body: this.bytes, isComplete: response.complete }),
        );
      });
    });
    this.answer.catch(() => undefined);
    this.#request.end(body);
  }

  #head({ statusCode, headers }: IncomingMessage): Pick<Answer, 'status' | 'headers'> {
    return { status: statusCode!, headers };
  }

  get status(): number | undefined {
    return this.#response?.statusCode;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  get text(): string {
    return this.bytes.toString();
  }

  /** Reads no more. */
  pause(): void {
    this.#response?.pause();
  }

  destroy(): void {
    this.#request.destroy();
  }
}

export class Raw {
  text = '';
  isClosed = false;
  readonly socket: Socket;

  constructor(port: number, text: string | Buffer) {
    this.socket = connect({ host: '127.0.0.1', port }, () => this.socket.write(text));
    this.socket.on('data', (part) => (this.text += part.toString('latin1')));
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => (this.isClosed = true));
  }

  destroy(): void {
    this.socket.destroy();
  }

  closed(): Promise<void> {
    return waitUntil(() => this.isClosed, 'the connection ends');
  }
}

/** For every test of the suite that calls this. */
export function useHouse(url: () => string = redisUrl): House {
  const house = new House(url);
  beforeEach(() => house.open());
  afterEach(() => house.close());
  return house;
}

export function codeOf({ body }: Pick<Answer, 'body'>): unknown {
  return (JSON.parse(body.toString()) as { error: { code: unknown } }).error.code;
}

export const CHAT = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
export const STREAM = { ...CHAT, stream: true };

/** A chunk of a stream as engines send it. */
export function chunk(content: string | undefined, more: object = {}, id = 'c1'): string {
  const delta = content === undefined ? {} : { content };
  const choices = [{ index: 0, delta, finish_reason: null, ...more }];
  return `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', created: 5, model: 'm', choices })}\n\n`;
}

/** The texts of a stream, in order. */
export function contentOf(text: string): string {
  return text
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => JSON.parse(event.slice(6)) as { choices?: { delta?: { content?: string } }[] })
    .map(({ choices }) => choices?.[0]?.delta?.content ?? '')
    .join('');
}
