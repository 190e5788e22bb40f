/** One run of the demo: the fleet, its clients, the crash, the end, and the proof. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { check, textOf } from '../lib/checker/checker.ts';
import { Keyspace } from '../lib/checker/keyspace.ts';
import { Lives } from '../lib/checker/lives.ts';
import { now } from '../lib/harness/history.ts';
import { Fleet } from '../lib/harness/processes.ts';
import { quantile } from '../lib/measure/statistics.ts';
import { Clients } from './clients.ts';
import { noFigures, queueDelay, refusals, tally, thefts } from './figures.ts';
import type { DemoFleet, DemoSettings } from './node.ts';
import type { DemoOptions } from './options.ts';
import type { Plan } from './plan.ts';
import { RECENT_MS, type Screen, type View } from './screen.ts';
import { Succession } from './succession.ts';
import type { Outcome } from './report.ts';

/** The whole fleet has one load shard. */
const SHARDS = 1;
/** Of claims. Short, so that a killed node's work returns soon; long enough for a busy machine. */
export const LEASE_MS = 2_500;
/** A successor comes when the claims of its predecessor have returned: the others show what they can. */
const SUCCESSOR_MS = LEASE_MS + 1_000;
const TICK_MS = 50;
const LOOK_MS = 500;
/** How long the rest may take after the last arrival, beside the time that the arrivals took. */
const DRAIN_MS = 30_000;
const DRAIN_BROKEN_MS = 10_000;
/** From put to final, beside four times the time of the arrivals; also when keys expire that a crash left. */
const TTL_MS = 120_000;

export class Run {
  readonly topic = `demo-${randomBytes(6).toString('hex')}`;
  readonly #options: DemoOptions;
  readonly #plan: Plan;
  readonly #screen: Screen;
  readonly #lives = new Lives();
  readonly #warnings = new Set<string>();
  readonly #fleet: DemoFleet = new Fleet({ program: new URL('./node.ts', import.meta.url), tool: 'demo' });
  readonly #settings: Pick<DemoSettings, 'scheduler' | 'timeScale' | 'takeover'>;
  readonly #keyspace: Keyspace;
  readonly #succession: Succession;
  readonly #events: string[] = [];
  readonly #told = new Set<string>();
  #waiting = new Map<string, number>();
  #startedAt = 0;

  constructor(options: DemoOptions, plan: Plan, redis: string, screen: Screen) {
    this.#options = options;
    this.#plan = plan;
    this.#screen = screen;
    this.#keyspace = new Keyspace(redis, this.topic, SHARDS);
    const { policy, seconds } = options;
    const ttlMs = TTL_MS + Math.ceil(seconds * 4_000);
    this.#settings = {
      scheduler: { redis, topic: this.topic, policy, leaseMs: LEASE_MS, ttlMs },
      ...{ timeScale: plan.timeScale, takeover: false },
    };
    this.#succession = new Succession(this.#fleet, this.#lives, {
      killAtMs: options.kill ? seconds * 500 : Infinity,
      successorMs: SUCCESSOR_MS,
      tell: (event) => this.#tell(event),
    });
  }

  /** @throws NodeDied if the fleet cannot be started */
  async go(): Promise<Outcome> {
    const names = Array.from({ length: this.#options.nodes }, (_, i) => `node-${i}`);
    await Promise.all(names.map((node) => this.#fleet.start({ ...this.#settings, node }).started()));
    this.#startedAt = now();
    const clients = new Clients(this.#plan.arrivals, this.#fleet, this.#lives);
    try {
      await this.#watch(() => clients.done);
      const from = now();
      await this.#watch(async () => now() > from + this.#patienceMs || (await this.#isDrained()));
    } finally {
      clients.stop();
    }
    return this.#conclude();
  }

  /** Nothing of the run stays: no process, no key, no file. May be called at any time. */
  async end(): Promise<void> {
    await this.#fleet.destroy();
    await this.#keyspace.clear().catch(() => undefined);
    this.#keyspace.close();
  }

  async #watch(until: () => boolean | Promise<boolean>): Promise<void> {
    let [lookAt, showAt] = [0, 0];
    do {
      this.#read();
      this.#succession.act(() => this.#elapsedMs);
      this.#tellOnce([...this.#fleet.deaths, ...this.#refusals()]);
      const time = now();
      if (time >= lookAt) {
        lookAt = time + Math.min(LOOK_MS, this.#screen.everyMs);
        this.#waiting = await this.#keyspace.waiting();
      }
      if (time >= showAt) {
        showAt = time + this.#screen.everyMs;
        this.#screen.show(this.#view());
      }
      await sleep(TICK_MS);
    } while (!(await until()));
  }

  #read(): void {
    for (const member of this.#fleet.members) {
      const news = member.news();
      this.#lives.add(member, news);
      for (const entry of news) if (entry.what === 'warned') this.#warnings.add(entry.message);
    }
  }

  get #elapsedMs(): number {
    return now() - this.#startedAt;
  }

  #tell(event: string): void {
    this.#events.push(`${(this.#elapsedMs / 1000).toFixed(1).padStart(5)} s  ${event}`);
  }

  #tellOnce(events: readonly string[]): void {
    for (const event of events) {
      if (!this.#told.has(event)) this.#tell(event);
      this.#told.add(event);
    }
  }

  #refusals(): string[] {
    return [...refusals(this.#lives.all)].map(
      ([code, reason]) => `a request was refused, ${code}: ${reason}`,
    );
  }

  /** Without a node that died against the plan, its requests cannot end. */
  get #patienceMs(): number {
    return this.#fleet.deaths.length > 0 ? DRAIN_BROKEN_MS : DRAIN_MS + this.#options.seconds * 1_000;
  }

  /** Redis has nothing of the run any more, and clients wait only for what may have died with the killed node. */
  async #isDrained(): Promise<boolean> {
    if (this.#succession.killed && !this.#succession.over) return false;
    const { open } = this.#lives;
    if (open.some(({ accepted }) => accepted?.by.diedAt === undefined)) return false;
    if (!(await this.#keyspace.isEmpty())) return false;
    if (open.length === 0) return true;
    // what was just taken from Redis is in a history soon
    await sleep(LOOK_MS);
    this.#read();
    return this.#lives.open.length === open.length;
  }

  #view(): View {
    const figures = tally(this.#lives.all, now() - RECENT_MS);
    return {
      elapsedMs: this.#elapsedMs,
      arrivalMs: this.#plan.arrivals.at(-1)!.atMs,
      offered: this.#plan.arrivals.length,
      rows: this.#fleet.current.map(({ node, state }) => {
        return { ...(figures.get(node) ?? noFigures()), node, state, waiting: this.#waiting.get(node) ?? 0 };
      }),
      events: this.#events,
    };
  }

  async #conclude(): Promise<Outcome> {
    const elapsedMs = Math.round(this.#elapsedMs);
    // before the nodes close: what they have not ended is still theirs; and after that nothing else may be there
    const { records, mails } = await this.#keyspace.leftovers();
    const violations = await this.#keyspace.violations();
    this.#screen.show(this.#view());
    const stuck = await this.#fleet.close();
    this.#read();
    const { complaints } = await this.#keyspace.leftovers();
    const left = { records, mails, complaints: [...new Set([...violations, ...complaints])] };
    const lives = this.#lives.all;
    const verdict = check({
      ...{ lives: this.#lives, losses: [], leaseMs: LEASE_MS, left },
      // nothing but the kill disturbs the run
      outageMs: 0,
    });
    const broken = [...this.#fleet.deaths, ...stuck, ...verdict.violations.map(textOf)];
    if (this.#options.kill && !this.#succession.killed) {
      broken.push('no node was killed: from halfway on, none had anything to lose');
    }
    const delays = lives.map(queueDelay).filter((delay) => delay !== undefined);
    return {
      ...verdict.figures,
      broken,
      ...(broken.length > 0 ? { histories: this.#fleet.keepHistories() } : {}),
      ...{ elapsedMs, offered: this.#plan.arrivals.length, topic: this.topic, leaseMs: LEASE_MS },
      stolen: lives.filter((life) => thefts(life).size > 0).length,
      queueDelayMs: { p50: tenths(quantile(delays, 0.5)), p99: tenths(quantile(delays, 0.99)) },
      killed: this.#succession.killed ?? null,
      perNode: tally(lives, Infinity),
      refusals: Object.fromEntries(refusals(lives)),
      warnings: [...this.#warnings],
    };
  }
}

/** 0 for no values at all. */
function tenths(ms: number): number {
  return Number.isNaN(ms) ? 0 : Math.round(ms * 10) / 10;
}
