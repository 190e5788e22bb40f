/** All runs that were asked for, one after the other. */
import type { StealPolicy } from '../../src/index.ts';
import type { EngineOptions } from '../../src/testing/engine/engine-model.ts';
import type { OwnedArrival } from '../lib/traffic/scale.ts';
import type { Source } from '../lib/traffic/source.ts';
import { figuresOf } from './figures.ts';
import { IdleFront, type IdleDelay } from './idle-front.ts';
import { simulateIdeal } from './ideal.ts';
import type { FleetOptions, LivePolicy, Policy } from './options.ts';
import { engineOf, makePlan, type PlanOptions } from './plan.ts';
import { costsOf, roundDelay, roundFigures, rounded, type RunReport } from './report.ts';
import { LiveRun } from './run.ts';

/** A run that is about to begin, and how far it is. */
export interface Stage {
  policy: LivePolicy;
  load: number;
  seed: number;
  /** Of all live runs, from 1. */
  number: number;
  of: number;
  requests: number;
}

export interface Watcher {
  progress(stage: Stage, ended: number): void;
  finished(run: RunReport): void;
}

/** What is under way, and can be ended. */
interface Measure<Outcome> {
  go(): Promise<Outcome>;
  end(): Promise<void>;
}

/** What is run once with each policy. */
type Compared = Pick<PlanOptions, 'load' | 'seed' | 'large'>;

export class Experiment {
  readonly #options: FleetOptions;
  readonly #source: Source;
  readonly #redis: string;
  readonly #scale: number;
  readonly #watcher: Watcher;
  #run: Measure<unknown> | undefined;
  /** By policy, once it was measured. */
  readonly #idle = new Map<LivePolicy, IdleDelay[]>();
  #number = 0;

  constructor(options: FleetOptions, source: Source, redis: string, scale: number, watcher: Watcher) {
    this.#options = options;
    this.#source = source;
    this.#redis = redis;
    this.#scale = scale;
    this.#watcher = watcher;
  }

  /** @throws why a run could not be, or not to its end */
  async go(): Promise<RunReport[]> {
    const runs: RunReport[] = [];
    for (const large of this.#shares) {
      for (const load of this.#options.load) {
        for (const seed of this.#options.seed) runs.push(...(await this.#compare({ large, load, seed })));
      }
    }
    return runs;
  }

  get #shares(): readonly (number | undefined)[] {
    return this.#options.large ?? [undefined];
  }

  /** Ends the run under way, if any, and what it left. */
  async end(): Promise<void> {
    await this.#run?.end();
  }

  async #compare(what: Compared): Promise<RunReport[]> {
    const { load, seed, large } = what;
    const { nodes, fronts, requests, skew, loadUnit, ask } = this.#options;
    const arrivals = makePlan(this.#source, { ...what, nodes, fronts, requests, skew });
    const engine = engineOf(this.#source, { ...what, requests });
    const ideal = figuresOf(simulateIdeal(arrivals, nodes, engine));
    const bound = ideal.queueDelayMs.p99;
    const place = {
      load,
      large: large ?? null,
      seed,
      nodes,
      fronts,
      trace: this.#source.name,
      skew: skew ?? null,
      loadUnit,
      ask,
      scale: this.#scale,
    };
    const report = (policy: Policy, rest: Omit<RunReport, keyof typeof place | 'policy' | 'r99'>) => {
      const r99 = rounded(rest.queueDelayMs.p99 / bound, 3);
      const run: RunReport = { policy, ...place, ...rest, r99 };
      this.#watcher.finished(run);
      return run;
    };
    const runs = [report('ideal', roundFigures(ideal))];
    for (const policy of this.#options.policy) {
      const outcome = await this.#live(policy, what, engine, arrivals);
      const idle = fronts === 0 ? {} : { idleMs: (await this.#idleDelay(policy)).map(roundDelay) };
      runs.push(
        report(policy, { ...roundFigures(figuresOf(outcome.history)), ...costsOf(outcome), ...idle }),
      );
    }
    return runs;
  }

  async #live(
    policy: LivePolicy,
    { load, seed }: Compared,
    engine: EngineOptions,
    arrivals: readonly OwnedArrival[],
  ) {
    const { nodes, fronts, stealAfter, minLoad, loadUnit, ask } = this.#options;
    const { load: loads, seed: seeds, policy: policies } = this.#options;
    const stage = {
      ...{ policy, load, seed, requests: arrivals.length },
      ...{
        number: (this.#number += 1),
        of: this.#shares.length * loads.length * seeds.length * policies.length,
      },
    };
    const options = {
      policy,
      nodes,
      fronts,
      engine,
      seed,
      scale: this.#scale,
      stealAfterMs: stealAfter,
      minLoadScore: minLoad,
      loadUnit,
      ask,
    };
    return this.#go(
      new LiveRun(this.#redis, arrivals, options, (ended) => this.#watcher.progress(stage, ended)),
    );
  }

  /** What a front costs is a figure of the policy, whatever the load: it is measured once. */
  async #idleDelay(policy: LivePolicy): Promise<IdleDelay[]> {
    const known =
      this.#idle.get(policy) ?? (await this.#go(new IdleFront(this.#redis, policy as StealPolicy)));
    this.#idle.set(policy, known);
    return known;
  }

  async #go<Outcome>(run: Measure<Outcome>): Promise<Outcome> {
    this.#run = run;
    try {
      return await run.go();
    } finally {
      await run.end();
    }
  }
}
