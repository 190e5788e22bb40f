/** What happens in a second, from what is told at one look and at another. */
import type { Card } from '../protocol/card.ts';
import type { NodeStatus, StatusReport } from './status-report.ts';
import type { Delays, NodeRates, Rates, TopChange, TopReport } from './top-report.ts';

/** A node also renews its name when its circuit opens: two renewals that are closer than this say little. */
const APART_MS = 1_000;
/** The counters of a younger node are told from its start. */
const YOUNG_MS = 60_000;

const COUNTED = [
  ...['accepted', 'finished', 'failed', 'cancelled', 'expired', 'claimed', 'stolenIn', 'stolenOut'],
  ...['givenBack', 'leasesLost', 'results', 'resultBytes'],
] as (keyof Rates)[];

/** What a node said, the latest last; of that before it only what is needed. */
interface Heard {
  epoch: string;
  cards: Pick<Card, 'upMs' | 'totals'>[];
}

/** Compares each look at a topic with those before. */
export class Comparison {
  #heard = new Map<string, Heard>();
  #before: Pick<StatusReport, 'now' | 'shards'> | undefined;

  add(report: StatusReport): TopReport {
    const heard = new Map<string, Heard>();
    const nodes = report.nodes.map((node) => {
      const own = this.#hear(node);
      if (own) heard.set(node.name, own);
      return { ...node, rates: own ? ratesOf(own) : null };
    });
    this.#heard = heard;
    const change = this.#before ? changeOf(this.#before, report) : null;
    this.#before = report;
    const recent = nodes.flatMap(({ card }) => (card ? [card.lastMinute] : []));
    return {
      ...report,
      nodes,
      rates: sumOf(nodes.flatMap(({ rates }) => rates ?? [])),
      change,
      queued: mixed(recent.flatMap(({ queued }) => queued ?? [])),
      ran: mixed(recent.flatMap(({ ran }) => ran ?? [])),
    };
  }

  /** undefined: nothing is known of what it does now. */
  #hear({ name, epoch, condition, card }: NodeStatus): Heard | undefined {
    if (!card || condition === 'silent' || condition === 'left') return undefined;
    const { upMs } = card;
    let { cards } = this.#heard.get(name) ?? { cards: [] };
    const last = cards.at(-1);
    if (this.#heard.get(name)?.epoch !== epoch || (last && last.upMs > upMs)) cards = [];
    if (cards.length === 0 || last?.upMs !== upMs) cards = [...cards, card];
    while (cards.length > 1 && upMs - cards[1]!.upMs >= APART_MS) cards.shift();
    return { epoch, cards };
  }
}

function ratesOf({ cards }: Heard): NodeRates | null {
  const to = cards.at(-1)!;
  const from = cards.length > 1 ? cards[0]! : undefined;
  if (!from && to.upMs > YOUNG_MS) return null;
  const overMs = to.upMs - (from?.upMs ?? 0);
  if (overMs === 0) return null;
  const perSecond = (name: keyof Rates): number =>
    rounded((to.totals[name] - (from?.totals[name] ?? 0)) / (overMs / 1000));
  return { ...named(perSecond), overMs };
}

function changeOf(before: Pick<StatusReport, 'now' | 'shards'>, after: StatusReport): TopChange | null {
  const overMs = after.now - before.now;
  if (overMs <= 0) return null;
  const perSecond = (of: 'waiting' | 'dead'): number => {
    const sum = ({ shards }: Pick<StatusReport, 'shards'>): number =>
      shards.reduce((all, shard) => all + shard[of], 0);
    return rounded((sum(after) - sum(before)) / (overMs / 1000));
  };
  return { overMs, waiting: perSecond('waiting'), dead: perSecond('dead') };
}

function sumOf(all: readonly Rates[]): TopReport['rates'] {
  if (all.length === 0) return null;
  const sum = named((name) => rounded(all.reduce((total, rates) => total + rates[name], 0)));
  return { nodes: all.length, ...sum };
}

function named(of: (name: keyof Rates) => number): Rates {
  return Object.fromEntries(COUNTED.map((name) => [name, of(name)])) as unknown as Rates;
}

function rounded(perSecond: number): number {
  return Math.round(perSecond * 1000) / 1000;
}

/**
 * Quantiles of what several tell of theirs: half of each one's values are taken to be below its p50, evenly, and all but the last
 * hundredth below its p99. Of one alone that is exact.
 */
export function mixed(all: readonly Delays[]): Delays | null {
  const count = all.reduce((sum, one) => sum + one.count, 0);
  if (count === 0) return null;
  const shareBelow = (ms: number): number =>
    all.reduce((sum, one) => sum + (one.count / count) * belowIn(one, ms), 0);
  const most = Math.max(...all.map(({ p99 }) => p99));
  const at = (share: number): number => {
    let [low, high] = [0, most];
    while (high - low > 0.5) {
      const middle = (low + high) / 2;
      if (shareBelow(middle) >= share) high = middle;
      else low = middle;
    }
    return Math.round(high);
  };
  return { count, p50: at(0.5), p99: at(0.99) };
}

function belowIn({ p50, p99 }: Delays, ms: number): number {
  if (ms > p99) return 1;
  if (ms < p50) return 0.5 * (ms / p50);
  return p99 === p50 ? 0.99 : 0.5 + 0.49 * ((ms - p50) / (p99 - p50));
}
