/** What a history says. Pure; times in model ms. */
import { quantile } from '../lib/measure/statistics.ts';
import type { History, Journey } from './history.ts';
import { isLarge } from './tight.ts';
import { workConservation } from './work-conservation.ts';

export interface Figures {
  requests: number;
  /** From arrival to the begin of the iteration that first prefills it. */
  queueDelayMs: { p50: number; p99: number };
  /** The longest of these delays. */
  longestMs: number;
  /** Their 99th percentile among the requests that take much of an engine, and among the others; null: there are none. */
  largeP99Ms: number | null;
  smallP99Ms: number | null;
  /** 99th percentile from arrival to the first token. */
  ttftP99Ms: number;
  /** Share of the requests that another node than their owner executed. */
  stolenShare: number;
  /** Pairs of requests that entered an engine in the other order than they arrived in, per request. */
  inversions: number;
  /** See {@link workConservation}. */
  workConservation: number;
  /** Requests that were not executed once, or whose owner was not told their end once. */
  unsound: number;
}

export function figuresOf(history: History): Figures {
  const { journeys } = history;
  const delays = delaysOf(journeys);
  const large = journeys.filter(({ blocks }) => isLarge(blocks, history.blocksPerNode));
  const small = journeys.filter(({ blocks }) => !isLarge(blocks, history.blocksPerNode));
  const ttfts = journeys.map(({ firstTokenAt, atMs }) => firstTokenAt - atMs);
  const stolen = journeys.filter(({ runner, owner }) => runner !== owner).length;
  return {
    requests: journeys.length,
    queueDelayMs: { p50: quantile(delays, 0.5), p99: quantile(delays, 0.99) },
    longestMs: delays.reduce((most, one) => Math.max(most, one), 0),
    largeP99Ms: p99Of(large),
    smallP99Ms: p99Of(small),
    ttftP99Ms: quantile(ttfts, 0.99),
    stolenShare: stolen / journeys.length,
    inversions: inversions(journeys) / journeys.length,
    workConservation: workConservation(history),
    unsound: journeys.filter(({ executions, ends }) => executions !== 1 || ends !== 1).length,
  };
}

function delaysOf(journeys: readonly Journey[]): number[] {
  return journeys.map(({ prefillAt, atMs }) => prefillAt - atMs);
}

function p99Of(journeys: readonly Journey[]): number | null {
  return journeys.length === 0 ? null : quantile(delaysOf(journeys), 0.99);
}

/** Pairs that arrived in one order and entered an engine in the other; what happened at one time is in order. */
export function inversions(journeys: readonly Pick<Journey, 'atMs' | 'enteredAt'>[]): number {
  const inLine = [...journeys].sort((one, other) => one.atMs - other.atMs || one.enteredAt - other.enteredAt);
  return countDescents(inLine.map(({ enteredAt }) => enteredAt)).pairs;
}

/** Pairs of which the later value is smaller, by merging sorted halves. */
function countDescents(values: number[]): { sorted: number[]; pairs: number } {
  if (values.length < 2) return { sorted: values, pairs: 0 };
  const middle = values.length >> 1;
  const left = countDescents(values.slice(0, middle));
  const right = countDescents(values.slice(middle));
  const sorted: number[] = [];
  let pairs = left.pairs + right.pairs;
  let [l, r] = [0, 0];
  while (l < left.sorted.length || r < right.sorted.length) {
    const fromLeft = r === right.sorted.length || left.sorted[l]! <= right.sorted[r]!;
    if (!fromLeft) pairs += left.sorted.length - l;
    sorted.push(fromLeft ? left.sorted[l++]! : right.sorted[r++]!);
  }
  return { sorted, pairs };
}
