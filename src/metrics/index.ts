/**
 * `sched-lua/metrics`: the metrics of schedulers in a registry of `prom-client`, which is an optional peer of this package and
 * loaded by this module alone. docs/metrics.md lists them.
 */
import { Counter, Gauge, Histogram, register, type Registry } from 'prom-client';
import type { Sample } from './exposition.ts';
import {
  NODE_METRICS,
  REQUEST_BUCKETS,
  SCRIPT_BUCKETS,
  type NodeHistogram,
  type NodeMetric,
} from './node-metrics.ts';
import { SchedulerSource, type AnyScheduler } from './scheduler-source.ts';

export type { AnyScheduler } from './scheduler-source.ts';

/** Of any content type. */
export type AnyRegistry = Pick<Registry, 'registerMetric' | 'removeSingleMetric'>;

/**
 * Registers the metrics of a scheduler, or adds it to those of schedulers that are in this registry already. Call it right after
 * the start: what its events told before is not counted. Gauges and totals are read when the registry is read. They leave the
 * registry when the scheduler is over.
 *
 * @param registry default: the global one of `prom-client`
 * @returns takes the scheduler out of the registry before it is over
 * @throws Error if the registry has another metric of one of these names
 */
export function metrics(scheduler: AnyScheduler, registry: AnyRegistry = register): () => void {
  let metered = registries.get(registry);
  if (!metered) registries.set(registry, (metered = new Metered(registry)));
  return metered.add(scheduler);
}

const registries = new WeakMap<AnyRegistry, Metered>();

/** The schedulers of one registry. */
class Metered {
  readonly #registry: AnyRegistry;
  readonly #sources = new Map<AnyScheduler, SchedulerSource>();
  readonly #histograms = new Map<NodeHistogram, Histogram>();
  #read: Map<NodeMetric, Sample[]> | undefined;

  constructor(registry: AnyRegistry) {
    this.#registry = registry;
  }

  add(scheduler: AnyScheduler): () => void {
    if (this.#sources.size === 0) this.#register();
    const remove = (): void => this.#remove(scheduler);
    if (scheduler.over.aborted) {
      if (this.#sources.size === 0) this.#unregister();
      return remove;
    }
    if (this.#sources.has(scheduler)) return remove;
    const source = new SchedulerSource(scheduler, (name, labels, ms) =>
      this.#histograms.get(name)?.observe(labels, (ms ?? 0) / 1_000),
    );
    this.#sources.set(scheduler, source);
    scheduler.over.addEventListener('abort', remove, { once: true });
    return remove;
  }

  #remove(scheduler: AnyScheduler): void {
    const source = this.#sources.get(scheduler);
    if (!source) return;
    source.stop();
    this.#sources.delete(scheduler);
    for (const { name, labels } of source.observed.values()) this.#histograms.get(name)?.remove(labels);
    if (this.#sources.size === 0) this.#unregister();
  }

  #register(): void {
    const registers = [this.#registry as Registry];
    for (const name of NAMES) {
      const { type, help, ...rest } = NODE_METRICS[name];
      const labels: readonly string[] = 'labels' in rest ? rest.labels : [];
      const own = labels.includes('from') ? ['topic'] : ['topic', 'node'];
      const common = { name, help, labelNames: [...own, ...labels], registers };
      if (type === 'histogram') {
        const buckets = name === 'sched_lua_script_duration_seconds' ? SCRIPT_BUCKETS : REQUEST_BUCKETS;
        this.#histograms.set(name as NodeHistogram, new Histogram({ ...common, buckets }));
      } else {
        const read = (): readonly Sample[] => this.#samples(name);
        if (type === 'gauge') new Gauge({ ...common, collect: fill(read) });
        else new Counter({ ...common, collect: fill(read) });
      }
    }
  }

  #unregister(): void {
    for (const name of NAMES) this.#registry.removeSingleMetric(name);
    this.#histograms.clear();
  }

  /** The registry asks for one metric after the other, all in one turn. */
  #samples(name: NodeMetric): readonly Sample[] {
    if (!this.#read) {
      const read = new Map<NodeMetric, Sample[]>();
      for (const source of this.#sources.values())
        for (const [metric, samples] of source.samples())
          read.set(metric, [...(read.get(metric) ?? []), ...samples]);
      this.#read = read;
      queueMicrotask(() => (this.#read = undefined));
    }
    return this.#read.get(name) ?? [];
  }
}

const NAMES = Object.keys(NODE_METRICS) as NodeMetric[];

/** A metric of `prom-client` that takes its values anew each time that it is read. */
function fill(read: () => readonly Sample[]) {
  return function (this: { reset(): void; inc(labels: Sample['labels'], value: number): void }): void {
    this.reset();
    for (const { labels, value } of read()) this.inc(labels, value);
  };
}
