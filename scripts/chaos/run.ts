/** One chaos run: the fleet, the faults, the drain, and the verdict. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { check, textOf, type Verdict } from '../lib/checker/checker.ts';
import { Keyspace } from '../lib/checker/keyspace.ts';
import { linesOf, Lives } from '../lib/checker/lives.ts';
import type { Holding } from '../lib/checker/losses.ts';
import { now } from '../lib/harness/history.ts';
import { Fleet } from '../lib/harness/processes.ts';
import { Faults } from './faults.ts';
import type { Stage } from './scene.ts';
import { findLaunch } from './launch.ts';
import { ChaosRedis } from './mortal-redis.ts';
import { lookIntoReference } from './naive-twin.ts';
import type { ChaosFleet } from './node.ts';
import { LEASE_MS, nameOf, ROLES, settingsOf, type FreeSettings } from './roles.ts';
import { Network } from './network.ts';
import { makePlan, type FaultName, type Kinds, type Setup } from './plan.ts';
import { boundsOf } from './bounds.ts';

export interface ChaosOptions {
  seconds: number;
  seed: number;
  faults: Kinds;
  algorithm: 'ours' | 'reference';
  /** Requests that the clients of the whole fleet bring. */
  perSecond: number;
  setup: Setup;
  /** Told what happens, for people. */
  tell: (line: string) => void;
}

export interface Outcome extends Verdict {
  seed: number;
  algorithm: string;
  setup: Setup;
  seconds: number;
  drainMs: number;
  faults: Partial<Record<FaultName, number>>;
  processes: number;
  /** Share of the run in which no fault that strikes all kept bounds on waiting from running. */
  watchedShare: number;
  /** Of the broken promise that has the shortest history, its lines. */
  shortest?: { message: string; lines: string[] };
  /** Where the histories are, if a promise was broken. */
  histories?: string;
}

/** Stalls, silence, poison, slow links and a lost shard take up to 4 s each, pauses 2 s, a restart 1 s, one after the other. */
const OUTAGE_MS = 23_000;
/** The name whose link the nodes have that faults bring. */
const GUEST = 'guest';
/** Load shards that faults may add. */
const MORE_SHARDS = 2;
const TICK_MS = 20;
const TELL_MS = 2_000;
const VERIFY_MS = 3_000;
const DRAIN_MS = 45_000;
const DRAIN_LOOK_MS = 500;
/** The twin loses requests, and a fleet that never steals strands them: they are not waited for longer without news. */
const NO_NEWS_MS = 5_000;
const READY_MS = 30_000;

function mostShards({ loadShards }: Setup): number {
  return loadShards + MORE_SHARDS;
}

/** @throws if Redis or the fleet cannot be started */
export async function runChaos(options: ChaosOptions): Promise<Outcome> {
  const redis = await ChaosRedis.open(await findLaunch(options.tell));
  const network = new Network(redis.port, [...ROLES.map((_, i) => nameOf(i)), GUEST]);
  const topic = `chaos-${randomBytes(4).toString('hex')}`;
  const keyspace = new Keyspace(redis.url, topic, mostShards(options.setup));
  const fleet: ChaosFleet = new Fleet({
    program: new URL('./node.ts', import.meta.url),
    ...{ tool: 'chaos', evictions: true },
  });
  try {
    await network.open();
    return await new Run(options, { redis, network, keyspace, fleet, topic }).go();
  } finally {
    await fleet.destroy();
    keyspace.close();
    await network.close();
    await redis.close();
  }
}

class Run {
  readonly #options: ChaosOptions;
  readonly #fleet: ChaosFleet;
  readonly #lives = new Lives();
  readonly #keyspace: Keyspace;
  readonly #faults: Faults;
  readonly #network: Network;
  readonly #topic: string;
  readonly #complaints = new Set<string>();
  #startedAt = 0;

  constructor(
    options: ChaosOptions,
    stage: Pick<Stage, 'redis' | 'network' | 'keyspace' | 'fleet' | 'topic'>,
  ) {
    this.#options = options;
    this.#network = stage.network;
    this.#topic = stage.topic;
    this.#fleet = stage.fleet;
    this.#keyspace = stage.keyspace;
    this.#faults = new Faults({
      ...stage,
      look: (url) => this.#look(url),
      leaseMs: LEASE_MS,
      guest: { ...this.#settings(0), redis: stage.network.urlOf(GUEST), perSecond: 0, iterationMs: 0 },
      mostShards: mostShards(options.setup),
      tell: (event) => this.#tell(event),
    });
  }

  async go(): Promise<Outcome> {
    const { seed, seconds, faults, setup } = this.#options;
    const plan = makePlan(seed, seconds, faults);
    this.#startedAt = now();
    this.#tell(
      `seed ${seed}: ${setup.loadShards} load shards, policy ${setup.policy}, ${plan.length} faults are planned`,
    );
    ROLES.forEach((_, i) => this.#fleet.start(this.#settings(i)));
    await this.#until(() => this.#fleet.up.length === ROLES.length, READY_MS);
    this.#startedAt = now();
    let [tellAt, verifyAt] = [0, VERIFY_MS];
    while (this.#elapsedMs < seconds * 1000) {
      while (plan[0] && plan[0].atMs <= this.#elapsedMs) this.#faults.strike(plan.shift()!);
      this.#replaceEvicted();
      if (this.#elapsedMs >= tellAt) {
        tellAt = this.#elapsedMs + TELL_MS;
        this.#tell(`${this.#fleet.up.length} nodes up, ${this.#strikes} faults so far`);
      }
      if (this.#elapsedMs >= verifyAt) {
        verifyAt = Infinity;
        void this.#verify().then(() => (verifyAt = this.#elapsedMs + VERIFY_MS));
      }
      await sleep(TICK_MS);
    }
    return this.#conclude();
  }

  #settings(role: number): FreeSettings {
    const redis = this.#network.urlOf(nameOf(role));
    return settingsOf(role, { ...this.#options, redis, topic: this.#topic });
  }

  /** Starts another process in the role of one that was evicted for good. */
  #replaceEvicted(): void {
    for (const member of this.#fleet.members) {
      if (member.state !== 'evicted' || this.#replaced.has(member)) continue;
      this.#replaced.add(member);
      const { node } = member;
      if (this.#fleet.members.some((one) => one !== member && one.alive && one.node === node)) continue;
      this.#fleet.start({ ...member.settings, takeover: false });
    }
  }

  readonly #replaced = new Set<unknown>();

  async #look(url: string): Promise<Holding> {
    const topic = this.#topic;
    const keyspace = new Keyspace(url, topic, mostShards(this.#options.setup));
    try {
      const isOurs = this.#options.algorithm === 'ours';
      return await (isOurs ? keyspace.holding() : lookIntoReference(keyspace.client, topic));
    } finally {
      keyspace.close();
    }
  }

  async #verify(): Promise<void> {
    // Redis cannot be asked while it is paused, over its memory or away
    const violations = await this.#keyspace.violations().catch(() => []);
    for (const complaint of violations) this.#complaints.add(complaint);
  }

  async #conclude(): Promise<Outcome> {
    const { seed, algorithm, setup, seconds } = this.#options;
    const drainFrom = now();
    this.#tell('no more faults and no more requests: what is there must end');
    for (const member of this.#fleet.members) member.order({ order: 'quiet' });
    await this.#faults.calm();
    const fleet = this.#fleet;
    await this.#until(() => fleet.members.every(({ state }) => state !== 'starting'), READY_MS);
    for (const member of fleet.members) member.order({ order: 'quiet' });
    this.#startHeirs();
    await this.#drain();
    const drainMs = Math.round(now() - drainFrom);
    const until = now();
    this.#faults.scene.windows.close();
    const stuck = await fleet.close();
    const left =
      this.#options.algorithm === 'ours'
        ? await this.#keyspace.leftovers()
        : { records: new Set<string>(), mails: new Set<string>(), complaints: [] };
    this.#read();
    const { losses, clockSteps, windows } = this.#faults.scene;
    const bounds = boundsOf(setup, this.#faults.scene.shards);
    const verdict = check({
      ...{ lives: this.#lives, losses, clockSteps },
      ...(algorithm === 'ours' ? { watch: { bounds, windows: windows.list, until } } : {}),
      ...{ leaseMs: LEASE_MS, outageMs: OUTAGE_MS },
      left: { ...left, complaints: [...left.complaints, ...this.#complaints] },
    });
    for (const message of [...fleet.deaths, ...stuck]) verdict.violations.push({ kind: 'fleet', message });
    const outcome: Outcome = {
      ...verdict,
      ...{ seed, algorithm, setup, seconds, drainMs, faults: this.#faults.counts },
      processes: fleet.members.length,
      watchedShare: windows.shareWithout({ from: this.#startedAt, to: until }),
    };
    if (verdict.violations.length === 0) return outcome;
    outcome.histories = fleet.keepHistories();
    const histories = verdict.violations.flatMap((broken) =>
      broken.id === undefined ? [] : [{ message: textOf(broken), lines: linesOf(fleet.members, broken.id) }],
    );
    histories.sort((one, other) => one.lines.length - other.lines.length);
    if (histories[0]) outcome.shortest = histories[0];
    return outcome;
  }

  /** Every name whose last process died gets a successor that takes over, so that what can be delivered is. */
  #startHeirs(): void {
    this.#read();
    const alive = new Set(this.#fleet.members.filter((one) => one.alive).map(({ node }) => node));
    for (const node of new Set(this.#lives.started.map(({ node: name }) => name))) {
      if (alive.has(node)) continue;
      this.#fleet.start({ ...this.#settings(0), node, takeover: true, perSecond: 0, slots: 0 });
    }
  }

  /** Until everything that living processes accepted has ended, and Redis has nothing; bounded. */
  async #drain(): Promise<void> {
    const { algorithm, setup } = this.#options;
    const until = now() + DRAIN_MS;
    let [open, newsAt, quiet] = [-1, now(), 0];
    while (now() < until) {
      await sleep(DRAIN_LOOK_MS);
      const before = open;
      this.#read();
      // what a dead process had accepted may be told to nobody any more
      open = this.#lives.open.filter(({ put }) => put?.by.diedAt === undefined).length;
      if (open !== before) newsAt = now();
      const isEmpty = algorithm === 'reference' || (await this.#keyspace.isEmpty());
      const ready = this.#fleet.members.every(({ state }) => state !== 'starting');
      quiet = open === 0 && isEmpty && ready ? quiet + 1 : 0;
      this.#tell(`drain: ${open} open, Redis is ${isEmpty ? 'empty' : 'not empty'}`);
      if (quiet === 2) return;
      if ((algorithm === 'reference' || setup.policy === 'none') && now() - newsAt > NO_NEWS_MS) return;
    }
  }

  async #until(condition: () => boolean, ms: number): Promise<void> {
    const end = now() + ms;
    while (!condition() && now() < end) await sleep(TICK_MS);
  }

  #read(): void {
    for (const member of this.#fleet.members) this.#lives.add(member, member.news());
  }

  get #strikes(): number {
    return Object.values(this.#faults.counts).reduce((sum, count) => sum + count, 0);
  }

  get #elapsedMs(): number {
    return now() - this.#startedAt;
  }

  #tell(event: string): void {
    this.#options.tell(`${(this.#elapsedMs / 1000).toFixed(1).padStart(5)} s  ${event}`);
  }
}
