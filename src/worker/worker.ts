/**
 * A worker stands beside an engine: it takes what the engine has room for, of every model that the engine serves, and
 * passes its answers on. The schedulers of all models share one account of the engine's room.
 */
import { hostname } from 'node:os';
import { after, sleep } from '../base/clock.ts';
import { ConfigError, messageOf } from '../base/errors.ts';
import { NODE_NAMES } from '../base/keys.ts';
import { DEFAULT_REDIS_URL, REDIS_URL_VARIABLE } from '../base/option-table.ts';
import { Scheduler, connect, type ClaimedRequest, type Connection } from '../index.ts';
import { topicOf, type ModelEntry, type RegistryClient } from '../openai/registry.ts';
import { WIRE_OPTIONS, type WireRequest, type WireResult } from '../openai/wire.ts';
import { openClient } from '../redis/connection.ts';
import { Announcer } from './announcer.ts';
import { discover, type Found, type FoundModel } from './discovery.ts';
import { EngineClient } from './engine-client.ts';
import { newTally, type WorkerFigures } from './metrics.ts';
import { settled, type SettledOptions, type WorkerOptions } from './options.ts';
import { Probe } from './probe.ts';
import { EngineRoom } from './room.ts';
import { Task } from './task.ts';

/** After the drain, what still runs has this long to be given back. */
const LAST_MS = 10_000;
/** Requests that are remembered because the engine failed them. */
const REMEMBERED = 1_000;

type WireScheduler = Scheduler<WireRequest, WireResult>;

/** Why a worker is not ready for requests. */
export type Unready = 'engine' | 'redis' | 'draining';

export class Worker {
  readonly #options: SettledOptions;
  readonly #engine: EngineClient;
  readonly #found: Found;
  readonly #room: EngineRoom;
  readonly #probe: Probe;
  readonly #tally = newTally();
  readonly #tasks = new Set<Task>();
  readonly #failed = new Set<string>();
  #ownConnection: Connection | undefined;
  #ownClient: RegistryClient | undefined;
  #schedulers: WireScheduler[] = [];
  #announcer: Announcer | undefined;
  #served: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  private constructor(options: SettledOptions, engine: EngineClient, found: Found) {
    this.#options = options;
    this.#engine = engine;
    this.#found = found;
    const { slots, blocks, blockSize, reserveOutput, maxBatchedTokens, probeMs, onWarning } = options;
    const { defaultSlots, defaultBlockSize } = found.kind;
    this.#room = new EngineRoom({
      ...(slots === undefined ? {} : { slots }),
      ...(blocks === undefined ? {} : { blocks }),
      ...(blockSize === undefined ? {} : { blockSize }),
      ...(defaultSlots === undefined ? {} : { defaultSlots }),
      ...{ defaultBlockSize, reserveOutput, maxBatchedTokens },
    });
    this.#probe = new Probe(engine, found.kind, this.#room, probeMs, onWarning);
  }

  /**
   * Waits for the engine, joins the topics of its models and begins to serve.
   * @param signal ends the start
   * @throws ConfigError for a bad option, or one that this engine needs; SchedulerError REDIS; the signal's reason
   */
  static async start(
    options: WorkerOptions,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Worker> {
    const all = settled(options);
    const engine = new EngineClient(all.engine, all.engineKey);
    let worker: Worker | undefined;
    try {
      worker = new Worker(all, engine, await discover(engine, all, signal));
      await worker.#begin(signal);
      return worker;
    } catch (error) {
      await worker?.close({ drainMs: 0 });
      engine.close();
      throw error;
    }
  }

  async #begin(signal: AbortSignal): Promise<void> {
    const { redis, shared, scheduler: options, fleet, onWarning } = this.#options;
    await this.#probe.start();
    while (!this.#room.isUp) {
      await sleep(this.#options.probeMs, signal);
      signal.throwIfAborted();
    }
    this.#assertKnown();
    const { commandTimeout } = options;
    const own = shared
      ? undefined
      : await connect(redis, commandTimeout === undefined ? {} : { commandTimeout });
    this.#ownConnection = own;
    const node = this.#options.name ?? nameOf(this.#options.engine);
    for (const { name } of this.#found.models) {
      const scheduler = await Scheduler.start<WireRequest, WireResult>({
        ...options,
        ...WIRE_OPTIONS,
        ...{ redis: shared?.connection ?? own!, topic: topicOf(fleet, name), node, onWarning },
      });
      this.#schedulers.push(scheduler);
    }
    this.#served = Promise.all(this.#schedulers.map((scheduler, i) => this.#serve(scheduler, i)));
    this.#served.catch(() => undefined);
    const source = redis ?? (process.env[REDIS_URL_VARIABLE] || DEFAULT_REDIS_URL);
    if (!shared) this.#ownClient = openClient(source);
    const client = shared?.client ?? this.#ownClient!;
    this.#announcer = new Announcer(client, fleet, this.#entries(), onWarning);
    await this.#announcer.start();
  }

  /** @throws ConfigError */
  #assertKnown(): void {
    const [missing] = this.#room.missing;
    if (missing === undefined) return;
    const why = `the engine (${this.#found.kind.name}) does not say it: give it as --${missing}`;
    throw new ConfigError(missing, undefined, 'an integer of at least 1', `${missing}: ${why}`);
  }

  /** Of the first model; another model's may have another suffix. */
  get node(): string {
    return this.#schedulers[0]?.node ?? '';
  }

  get models(): string[] {
    return this.#found.models.map(({ name }) => name);
  }

  get kind(): string {
    return this.#found.kind.name;
  }

  /** Rejects if another process takes the worker's name; resolves when it has closed. */
  get served(): Promise<unknown> {
    return this.#served;
  }

  /** What is not as it should be; empty: requests may come. */
  get unready(): Unready[] {
    const why: Unready[] = [];
    if (!this.#room.isUp) why.push('engine');
    if (this.#announcer?.isFailing !== false) why.push('redis');
    if (this.#closing) why.push('draining');
    return why;
  }

  get figures(): WorkerFigures {
    return {
      kind: this.kind,
      room: this.#room.figures,
      tally: this.#tally,
      isDraining: this.#closing !== undefined,
      models: this.#schedulers.map((scheduler, i) => ({
        name: this.#found.models[i]!.name,
        isBreakerOpen: scheduler.stats().breaker?.state === 'open',
      })),
    };
  }

  /**
   * Takes nothing more, lets what runs end for `drainMs`, cuts off what has begun to answer then, gives the rest back, and
   * leaves. A later call may shorten the wait.
   */
  async close({ drainMs = this.#options.drainMs }: { drainMs?: number } = {}): Promise<void> {
    const cancels = [
      after(drainMs, () => {
        for (const task of this.#tasks) task.interrupt('drain');
      }),
      after(drainMs + LAST_MS, () => {
        for (const scheduler of this.#schedulers) void scheduler.close({ drainMs: 0 });
      }),
    ];
    this.#closing ??= this.#close();
    await this.#closing;
    for (const cancel of cancels) cancel();
  }

  async #close(): Promise<void> {
    // nothing is taken from here on, whether Redis answers or not
    const closed = Promise.all(this.#schedulers.map((scheduler) => scheduler.close({ drainMs: Infinity })));
    await Promise.all([this.#announcer?.stop(), closed]);
    await this.#probe.stop();
    this.#room.close();
    this.#engine.close();
    this.#ownClient?.disconnect();
    await this.#ownConnection?.close();
  }

  async #serve(scheduler: WireScheduler, index: number): Promise<void> {
    try {
      await scheduler.run((request) => this.#handle(request, scheduler, index), { budget: this.#room });
    } catch (error) {
      this.#options.onWarning(`the worker serves ${this.models[index]!} no more: ${messageOf(error)}`);
      throw error;
    }
  }

  #handle(
    request: ClaimedRequest<WireRequest>,
    scheduler: WireScheduler,
    index: number,
  ): AsyncGenerator<WireResult, WireResult | undefined, undefined> | undefined {
    // claims are named within a topic
    const guest = `${index}/${request.claim}`;
    this.#tally.claimed += 1;
    if (!this.#room.enter(guest, request.promptTokens)) {
      // the room changed since it was asked for: the request returns to its exact place
      this.#tally.givenBack += 1;
      void request.giveBack({ afterMs: 0 });
      return undefined;
    }
    const model = this.#found.models[index]!;
    const task: Task = new Task(request, {
      worker: scheduler.node,
      model: { ...model, kind: this.#found.kind },
      engine: this.#engine,
      emitted: (tokens) => this.#room.grow(guest, tokens),
      hold: (ms) => this.#room.hold(ms),
      put: (results) => scheduler.putResults(results),
      tally: this.#tally,
      streamIntervalMs: this.#options.streamIntervalMs,
      hasFailed: (id) => this.#hasFailed(id),
      left: () => {
        this.#tasks.delete(task);
        this.#room.leave(guest);
      },
    });
    this.#tasks.add(task);
    return task.results();
  }

  #hasFailed(id: string): boolean {
    if (this.#failed.delete(id)) return true;
    this.#failed.add(id);
    const [oldest] = this.#failed;
    if (this.#failed.size > REMEMBERED) this.#failed.delete(oldest!);
    return false;
  }

  #entries(): ModelEntry[] {
    return this.#found.models.map(({ name, maxModelLen }: FoundModel, i) => ({
      model: name,
      kind: this.kind,
      worker: this.#schedulers[i]!.node,
      ...(maxModelLen === undefined ? {} : { maxModelLen }),
    }));
  }
}

/** The host's name and the engine's port: workers of one host differ in it. */
function nameOf(engine: string): string {
  const { port, protocol } = new URL(engine);
  const name = `${hostname().replace(/[^A-Za-z0-9_.-]/g, '-')}-${port || (protocol === 'https:' ? '443' : '80')}`;
  return NODE_NAMES.pattern.test(name) ? name : `worker-${port}`;
}
