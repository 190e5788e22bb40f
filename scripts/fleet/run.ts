/** One live run: the nodes of one policy serve one plan over Redis. */
import { sleep } from '../../src/base/clock.ts';
import { openClient } from '../../src/redis/connection.ts';
import type { EngineOptions } from '../../src/testing/engine/engine-model.ts';
import type { StealPolicy } from '../../src/index.ts';
import type { LoadUnit } from '../../src/base/options.ts';
import { readServer, costOf, type Cost } from '../lib/measure/meter.ts';
import { Random } from '../lib/traffic/random.ts';
import type { OwnedArrival } from '../lib/traffic/scale.ts';
import type { History } from './history.ts';
import { ScaledClock } from './live-engine.ts';
import { newHistory } from './machine.ts';
import type { FleetNode, NodeContext } from './node.ts';
import type { Ask, LivePolicy } from './options.ts';
import { startFront, startOurs } from './ours.ts';
import { startReference } from './reference-node.ts';
import { ShorterOfTwo } from './shorter-of-two.ts';
import { newTopic, removeKeys } from '../lib/redis/topics.ts';

export interface LiveOptions {
  policy: LivePolicy;
  /** With an engine. */
  nodes: number;
  /** Without one. */
  fronts: number;
  engine: EngineOptions;
  seed: number;
  /** Real ms per model ms. */
  scale: number;
  stealAfterMs: number | undefined;
  minLoadScore: number | undefined;
  loadUnit: LoadUnit;
  ask: Ask;
}

/** How well this machine kept up, in real time. */
export interface Load {
  /** ms by which each timer of an engine was late. */
  lateness: number[];
  /** Share of the run in which this process was busy. */
  busy: number;
}

export interface LiveOutcome extends Load {
  history: History;
  cost: Cost;
}

/** Told how many requests have ended. */
export type Progress = (ended: number) => void;

/** From the start of the nodes to the first arrival, real ms. */
const HEAD_START_MS = 100;
/** Real ms. */
const LOOK_MS = 100;
/** Without news for so long, real ms, a run has lost a request. */
const NO_NEWS_MS = 60_000;

export class LiveRun {
  readonly topic = newTopic('fleet');
  readonly #options: LiveOptions;
  readonly #redis: string;
  readonly #progress: Progress;
  readonly #history: History;
  readonly #clock: ScaledClock;
  readonly #over = new AbortController();
  readonly #lateness: number[] = [];
  readonly #nodes: FleetNode[] = [];
  readonly #router: ShorterOfTwo | undefined;
  #started: Promise<void> = Promise.resolve();
  #ended = 0;
  #newsAt = 0;

  constructor(redis: string, arrivals: readonly OwnedArrival[], options: LiveOptions, progress: Progress) {
    const { policy, nodes, engine, scale, seed } = options;
    this.#redis = redis;
    this.#options = options;
    this.#progress = progress;
    this.#history = newHistory(arrivals, nodes, engine);
    this.#clock = new ScaledClock(scale);
    this.#router = policy === 'two-choices' ? new ShorterOfTwo(nodes, new Random(seed)) : undefined;
  }

  /** @throws why the run could not be, or not to its end */
  async go(): Promise<LiveOutcome> {
    const client = openClient(this.#redis);
    try {
      this.#started = this.#startAll();
      await this.#started;
      const before = await readServer(client);
      const idle = performance.eventLoopUtilization();
      await this.#serve();
      const { utilization: busy } = performance.eventLoopUtilization(idle);
      const scripted = this.#options.policy !== 'reference';
      const cost = costOf(before, await readServer(client), scripted);
      return { history: this.#history, lateness: this.#lateness, busy, cost };
    } finally {
      client.disconnect();
    }
  }

  /** Nothing of the run stays: no connection, no timer, no key. May be called at any time. */
  async end(): Promise<void> {
    this.#fail(new Error('the run was ended'));
    // a node that is just starting has yet to write what is to be removed
    await this.#started.catch(() => undefined);
    await Promise.allSettled(this.#nodes.splice(0).map((node) => node.close()));
    await removeKeys(this.#redis, this.topic);
  }

  async #startAll(): Promise<void> {
    for (let node = 0; node < this.#options.nodes + this.#options.fronts; node += 1) {
      this.#over.signal.throwIfAborted();
      this.#nodes.push(await this.#start(node));
    }
  }

  #start(node: number): Promise<FleetNode> {
    const { policy, nodes, stealAfterMs, minLoadScore, loadUnit, ask } = this.#options;
    const context: NodeContext = {
      ...{ redis: this.#redis, topic: this.topic },
      ...{ history: this.#history, clock: this.#clock, lateness: this.#lateness },
      engine: this.#options.engine,
      onEnd: (id) => this.#end(id),
      onFailure: (error) => this.#fail(error),
    };
    if (policy === 'reference') return startReference(node, context);
    const steal: StealPolicy = policy === 'two-choices' ? 'none' : policy;
    const start = node < nodes ? startOurs : startFront;
    return start(node, context, { policy: steal, stealAfterMs, minLoadScore, loadUnit, ask });
  }

  /** Brings every request at its time, and resolves when the last one has ended. */
  async #serve(): Promise<void> {
    this.#clock.startIn(HEAD_START_MS);
    this.#newsAt = performance.now();
    let next = 0;
    while (this.#ended < this.#history.journeys.length) {
      this.#over.signal.throwIfAborted();
      const now = this.#clock.now();
      while ((this.#history.journeys[next]?.atMs ?? Infinity) <= now) this.#bring(next++);
      const untilNext = this.#clock.realMsUntil(this.#history.journeys[next]?.atMs ?? Infinity);
      await sleep(Math.min(LOOK_MS, Math.max(0, untilNext)), this.#over.signal);
      if (performance.now() - this.#newsAt > NO_NEWS_MS) throw this.#stuck();
    }
  }

  #bring(id: number): void {
    const journey = this.#history.journeys[id]!;
    if (this.#router) journey.owner = this.#router.choose();
    this.#nodes[journey.owner]!.put(id).catch((error: unknown) => this.#fail(error));
  }

  #end(id: number): void {
    const journey = this.#history.journeys[id]!;
    journey.ends += 1;
    if (journey.ends > 1) return;
    this.#ended += 1;
    this.#newsAt = performance.now();
    this.#router?.ended(journey.owner);
    this.#progress(this.#ended);
  }

  #fail(error: unknown): void {
    this.#over.abort(error);
  }

  #stuck(): Error {
    const { length } = this.#history.journeys;
    return new Error(
      `${length - this.#ended} of ${length} requests did not end (policy ${this.#options.policy})`,
    );
  }
}
