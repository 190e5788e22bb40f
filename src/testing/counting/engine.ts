/**
 * An engine that counts, emulated: the HTTP surface of an OpenAI-compatible engine with vLLM's metrics, without a model. It has
 * slots and KV-cache blocks, queues what does not fit, counts what it was asked to do, and fails on demand.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { nextOf, tokensOf } from './counting.ts';
import { Speech, json, type Body } from './speech.ts';

const BLOCK = 16;

export interface EngineOptions {
  /** Default `counting`. */
  model?: string;
  /** Requests at once. Default 8. */
  slots?: number;
  /** Default 1,024. */
  blocks?: number;
  /** Tokens of a request. Default 2,048. */
  maxModelLen?: number;
  /** ms from one token to the next. Default 1. */
  tokenMs?: number;
}

/** What goes wrong with the next request, once. */
export interface Fault {
  /** Answers with it instead. */
  status?: number;
  retryAfter?: string;
  /** Closes the connection before it answers. */
  reset?: true;
  /** Closes the connection after so many tokens. */
  dieAfter?: number;
  /** Says nothing more after so many tokens. */
  stallAfter?: number;
}

export interface Seen {
  path: string;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

export class CountingEngine {
  readonly #options: Required<EngineOptions>;
  readonly #faults: Fault[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #queue: (() => void)[] = [];
  #server: Server | undefined;
  #port = 0;
  #blocks = 0;
  running = 0;
  /** The most that ever was at once. */
  peak = { running: 0, blocks: 0, waiting: 0 };
  generated = 0;
  /** Connections of requests that were closed before their end. */
  aborted = 0;
  readonly seen: Seen[] = [];
  /** /health and /metrics answer with this instead. */
  health = 200;
  metrics: ((text: string) => string) | undefined;

  constructor(options: EngineOptions = {}) {
    this.#options = {
      model: 'counting',
      slots: 8,
      blocks: 1_024,
      maxModelLen: 2_048,
      tokenMs: 1,
      ...options,
    };
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** As {@link running}; of the real engine it must be asked for. */
  runningNow(): Promise<number> {
    return Promise.resolve(this.running);
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Of the next requests, in order. */
  fail(...faults: Fault[]): void {
    this.#faults.push(...faults);
  }

  /** Also after a kill: at the same address. */
  async start(port = this.#port): Promise<this> {
    const server = createServer((request, response) => void this.#serve(request, response));
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  /** As SIGKILL does: its connections are reset, and nothing listens. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    try {
      for await (const part of request) parts.push(part as Buffer);
    } catch {
      return;
    }
    const path = request.url!;
    const body = Buffer.concat(parts);
    if (request.method === 'GET') this.#look(path, response);
    else if (path === '/tokenize') json(response, 200, this.#tokens(body));
    else {
      this.seen.push({ path, headers: request.headers, body });
      await this.#answer(path, JSON.parse(String(body)) as Body, response);
    }
  }

  #look(path: string, response: ServerResponse): void {
    const { model, maxModelLen } = this.#options;
    if (path === '/health') response.writeHead(this.health).end();
    else if (path === '/v1/models')
      json(response, 200, {
        object: 'list',
        data: [{ id: model, object: 'model', max_model_len: maxModelLen }],
      });
    else if (path === '/metrics') {
      const text = this.#metricsText();
      response.setHeader('content-type', 'text/plain; version=0.0.4');
      response.end(this.metrics?.(text) ?? text);
    } else json(response, 404, { error: { message: 'Not Found' } });
  }

  #metricsText(): string {
    const { model, blocks } = this.#options;
    const labels = `{engine="0",model_name="${model}"}`;
    return [
      `vllm:num_requests_running${labels} ${this.running}.0`,
      `vllm:num_requests_waiting${labels} ${this.waiting}.0`,
      `vllm:kv_cache_usage_perc${labels} ${this.#blocks / blocks}`,
      `vllm:generation_tokens_total${labels} ${this.generated}.0`,
      `vllm:cache_config_info{block_size="${BLOCK}",engine="0",num_gpu_blocks="${blocks}"} 1.0`,
      '',
    ].join('\n');
  }

  #tokens(body: Buffer): object {
    const { prompt = '' } = JSON.parse(String(body)) as Body;
    return { count: tokensOf(prompt).length, max_model_len: this.#options.maxModelLen };
  }

  async #answer(path: string, body: Body, response: ServerResponse): Promise<void> {
    const { model, maxModelLen } = this.#options;
    const fault = this.#faults.shift() ?? {};
    if (fault.reset) {
      response.socket?.resetAndDestroy();
      return;
    }
    const isChat = path === '/v1/chat/completions';
    const prompt = tokensOf(isChat ? chatText(body) : (body.prompt ?? ''));
    const most = body.max_completion_tokens ?? body.max_tokens ?? maxModelLen - prompt.length;
    if (fault.status !== undefined) {
      if (fault.retryAfter !== undefined) response.setHeader('retry-after', fault.retryAfter);
      json(response, fault.status, { error: { message: `fault ${fault.status}`, type: 'fault' } });
    } else if (body.model !== model) {
      json(response, 404, { error: { message: 'no such model', type: 'NotFoundError' } });
    } else if (prompt.length + most > maxModelLen) {
      json(response, 400, { error: { message: `maximum context length is ${maxModelLen} tokens` } });
    } else {
      const gone = new AbortController();
      response.on('close', () => {
        if (!response.writableFinished) gone.abort();
      });
      await this.#run(prompt, most, fault, gone.signal, new Speech(response, body, isChat, model));
      if (gone.signal.aborted) this.aborted += 1;
    }
  }

  async #run(prompt: string[], most: number, fault: Fault, gone: AbortSignal, speech: Speech): Promise<void> {
    const isGone = (): boolean => gone.aborted;
    await this.#slot();
    let mine = 0;
    const grow = (tokens: number): void => {
      const blocks = Math.ceil(tokens / BLOCK);
      this.#blocks += blocks - mine;
      mine = blocks;
      this.peak.blocks = Math.max(this.peak.blocks, this.#blocks);
    };
    this.peak.running = Math.max(this.peak.running, (this.running += 1));
    try {
      grow(prompt.length);
      speech.begin(prompt.length);
      let token = prompt.at(-1);
      for (let count = 0; !isGone(); count += 1) {
        if (count === fault.dieAfter) {
          speech.die();
          return;
        }
        while (count === fault.stallAfter && !isGone()) await pause(5);
        token = nextOf(token);
        if (token === undefined || count === most) {
          speech.end(token === undefined ? 'stop' : 'length');
          return;
        }
        grow(prompt.length + count + 1);
        this.generated += 1;
        speech.say(token);
        if (this.#options.tokenMs > 0) await pause(this.#options.tokenMs);
      }
    } finally {
      grow(0);
      this.running -= 1;
      this.#queue.shift()?.();
    }
  }

  async #slot(): Promise<void> {
    if (this.running < this.#options.slots) return;
    const turn = new Promise<void>((resolve) => this.#queue.push(resolve));
    this.peak.waiting = Math.max(this.peak.waiting, this.#queue.length);
    await turn;
  }
}

function chatText({ messages = [], continue_final_message: isContinued = false }: Body): string {
  const texts = messages.map(({ content }) => (typeof content === 'string' ? content : ''));
  return texts.join('\n') + (isContinued ? '' : '\n');
}
