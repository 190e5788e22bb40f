/** `sched-lua gateway`: an HTTP server in front of a fleet. It keeps each request until its client has the whole answer. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { monotonic } from '../base/clock.ts';
import type { RedisSource } from '../base/options.ts';
import type { Connection } from '../index.ts';
import type { Samples } from '../metrics/exposition.ts';
import type { RegistryClient } from '../openai/registry.ts';
import { isRoute, type Route } from '../openai/routes.ts';
import { Meters } from '../service/meters.ts';
import type { Address } from '../service/values.ts';
import { ApiError } from './api-error.ts';
import { readBody } from './body.ts';
import { readOrder, type Order } from './door.ts';
import { Exchange } from './exchange.ts';
import { Fleet } from './fleet.ts';
import { Keys, type Caller } from './keys.ts';
import { GATEWAY_METRICS } from './metrics.ts';
import { Models } from './models.ts';
import { modelList, oneModel } from './model-list.ts';
import { draining, errorOf } from './outcomes.ts';
import { PromptSizes } from './prompt.ts';
import { Reply } from './reply.ts';
import { HttpServer, type HttpLimits } from './server.ts';
import type { GatewaySettings } from './settings.ts';

export interface GatewayParts {
  settings: GatewaySettings;
  /** Of the schedulers. */
  redis: RedisSource;
  /** In the place of it; the caller closes it. */
  connection?: Connection;
  /** Reads the registry of models; the caller closes it. */
  client: RegistryClient;
  warn: (message: string) => void;
  /** Other than the defaults; tests give less. */
  limits?: Partial<HttpLimits>;
}

/** Why a gateway is not ready for requests. */
export type Unready = 'draining' | 'no_workers' | 'redis_down';

const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;
const CLOSE_MS = 1_000;

export class Gateway {
  readonly #settings: GatewaySettings;
  readonly #fleet: Fleet;
  readonly #models: Models;
  readonly #keys: Keys;
  readonly #sizes: PromptSizes;
  readonly #metrics = new Meters(GATEWAY_METRICS);
  readonly #server: HttpServer;
  readonly #replies = new Set<Reply>();
  readonly #running = new Set<Promise<void>>();
  #isDraining = false;
  /** When requests have had their time, on the monotonic clock. */
  #over = Infinity;
  #hasClosed: () => void = () => undefined;
  readonly #closed = new Promise<void>((resolve) => (this.#hasClosed = resolve));
  #closing: Promise<void> | undefined;

  private constructor({ settings, client, limits }: GatewayParts, fleet: Fleet) {
    this.#settings = settings;
    this.#fleet = fleet;
    this.#models = new Models(client, settings.fleet, settings.hold);
    this.#keys = new Keys(settings.keys);
    this.#sizes = new PromptSizes(settings.imageTokens);
    this.#server = new HttpServer((request, response) => this.#serve(request, response), limits);
    for (const gauge of ['sched_lua_inflight', 'sched_lua_waiting'] as const) this.#metrics.add(gauge, {}, 0);
  }

  /** @throws what is wrong with Redis or an address; nothing is left open then */
  static async start(parts: GatewayParts): Promise<Gateway> {
    const { settings, redis, connection, warn } = parts;
    const node = settings.name ?? `gateway-${randomUUID().slice(0, 8)}`;
    const evicted = (): void => {
      warn(`another gateway took the name ${node}: this one stops`);
      void gateway.close();
    };
    const fleet = await Fleet.connect(redis, settings, node, { connection, warn, evicted });
    const gateway = new Gateway(parts, fleet);
    try {
      await gateway.#server.listen(settings.listen);
      return gateway;
    } catch (error) {
      await gateway.close();
      throw error;
    }
  }

  /** Where clients connect. */
  get address(): Address {
    return this.#server.address;
  }

  get node(): string {
    return this.#fleet.node;
  }

  /** Why no traffic should come; empty: it may. */
  async unready(): Promise<Unready[]> {
    if (this.#isDraining) return ['draining'];
    return this.#models.refresh().then(
      (models) => (models.size === 0 ? ['no_workers'] : []),
      () => ['redis_down'],
    );
  }

  /** What it counted since it started. */
  get samples(): Samples {
    return this.#metrics.samples();
  }

  /** Resolves when it has closed, whoever closed it. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /** Takes no more requests, lets what runs go on for `drainMs`, ends the rest, and closes. A later call may shorten it. */
  async close(drainMs = this.#settings.drain): Promise<void> {
    this.#isDraining = true;
    this.#server.drain();
    this.#over = Math.min(this.#over, monotonic() + drainMs);
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    while (this.#running.size > 0 && monotonic() < this.#over) {
      const tick = new Promise((resolve) => setTimeout(resolve, Math.min(50, this.#over - monotonic())));
      await Promise.race([Promise.all(this.#running), tick]);
    }
    for (const reply of this.#replies) reply.fail(draining());
    await this.#server.close(CLOSE_MS);
    await this.#fleet.close();
    await Promise.all(this.#running);
    this.#hasClosed();
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const work = this.#answer(request, response).finally(() => this.#running.delete(work));
    this.#running.add(work);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const from = monotonic();
    const said = request.headers['x-request-id'];
    const id = randomUUID();
    const headers = { 'x-request-id': typeof said === 'string' && REQUEST_ID.test(said) ? said : id };
    const plain = new Reply(response, { stream: false, isMessages: false, keepaliveMs: 0, headers });
    this.#metrics.add('sched_lua_inflight');
    let [path, model, last] = ['', '', plain];
    try {
      path = new URL(request.url ?? '', 'http://gateway').pathname;
      if (this.#isDraining) throw draining();
      const caller = this.#callerOf(request);
      if (!isRoute(path)) {
        await this.#other(request, path, caller, plain);
        return;
      }
      if (request.method !== 'POST') throw new ApiError('method_not_allowed', `${path} takes POST`);
      const leave = caller.enter();
      try {
        const bytes = await readBody(request, this.#settings.maxBody);
        const order = readOrder(path, request.headers, bytes, caller, this.#settings);
        const { stream } = order;
        plain.release();
        if (plain.isOver) return;
        last = new Reply(response, {
          ...{ stream, headers, isMessages: path === '/v1/messages', keepaliveMs: this.#settings.keepalive },
        });
        this.#replies.add(last);
        model = await this.#forward(order, id, last, from);
      } finally {
        leave();
      }
    } catch (error) {
      const told = errorOf(error);
      if (!last.isOver) this.#metrics.add('sched_lua_rejected_total', { reason: told.code });
      this.#refuse(request, response, last, told);
    } finally {
      this.#replies.delete(last);
      this.#metrics.add('sched_lua_inflight', {}, -1);
      this.#count(isRoute(path) ? path : 'other', model, last, monotonic() - from);
    }
  }

  /** @returns the model, for metrics */
  async #forward(order: Order, id: string, reply: Reply, from: number): Promise<string> {
    const model = await this.#models.find(order.model, reply.gone);
    const { name } = model;
    const promptTokens = this.#sizes.estimate(name, order.body.length, order.media);
    let isWaiting = true;
    this.#metrics.add('sched_lua_waiting');
    const taken = (): void => {
      if (isWaiting) this.#metrics.add('sched_lua_waiting', {}, -1);
      isWaiting = false;
    };
    const exchange = new Exchange({ order, id, model, promptTokens, from }, reply, {
      migrations: this.#settings.migrations,
      scheduler: () => this.#fleet.of(model),
      isServed: async () => (await this.#models.all()).has(name),
      onClaimed: ({ queuedMs }) => {
        if (isWaiting) this.#metrics.observe('sched_lua_queue_duration_seconds', { model: name }, queuedMs);
        taken();
      },
      onMigrated: () => this.#metrics.add('sched_lua_migrations_total', { model: name }),
    });
    await exchange.run().finally(taken);
    const { usage, error } = exchange.told;
    if (error) this.#metrics.add('sched_lua_rejected_total', { reason: error.code });
    if (usage) {
      const { prompt_tokens: prompt = 0, completion_tokens: output = 0 } = usage;
      this.#sizes.learn(name, order.body.length, order.media, prompt);
      this.#metrics.add('sched_lua_tokens_total', { model: name, kind: 'prompt' }, prompt);
      this.#metrics.add('sched_lua_tokens_total', { model: name, kind: 'output' }, output);
    }
    if (order.stream && reply.firstAt !== undefined)
      this.#metrics.observe('sched_lua_time_to_first_token_seconds', { model: name }, reply.firstAt - from);
    return name;
  }

  #callerOf({ headers }: IncomingMessage): Caller {
    const apiKey = headers['x-api-key'];
    return this.#keys.callerOf(headers.authorization, typeof apiKey === 'string' ? apiKey : undefined);
  }

  /** What needs no engine. */
  async #other(request: IncomingMessage, path: string, caller: Caller, reply: Reply): Promise<void> {
    const isGet = request.method === 'GET' || request.method === 'HEAD';
    const [, name] = /^\/v1\/models(?:\/(.+))?$/.exec(path) ?? [undefined, undefined];
    if (!path.startsWith('/v1/models') || (path !== '/v1/models' && name === undefined))
      throw new ApiError('not_found', 'there is nothing here');
    if (!isGet) throw new ApiError('method_not_allowed', `${path} takes GET`);
    const models = await this.#models.refresh();
    const { aliases } = this.#settings;
    const json =
      name === undefined ? modelList(models, aliases, caller) : oneModel(name, models, aliases, caller);
    reply.begin(200, 'application/json', { 'content-length': String(json.length) });
    reply.end(request.method === 'HEAD' ? undefined : json);
  }

  /** A body that was not read to its end is not waited for: the connection ends behind the answer. */
  #refuse(request: IncomingMessage, response: ServerResponse, reply: Reply, error: ApiError): void {
    const isHalf =
      !request.complete && (error.code === 'body_too_large' || !isSmall(request, this.#settings.maxBody));
    const mustClose = isHalf || this.#isDraining;
    if (mustClose) response.shouldKeepAlive = false;
    reply.fail(error);
  }

  #count(route: Route | 'other', model: string, reply: Reply, ms: number): void {
    const { code } = reply;
    this.#metrics.add('sched_lua_http_requests_total', { route, model, code: String(code) });
    this.#metrics.observe('sched_lua_request_duration_seconds', { route, model }, ms);
    if (code === 499) this.#metrics.add('sched_lua_client_gone_total', { model });
  }
}

function isSmall({ headers }: IncomingMessage, most: number): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) <= most;
}
