/**
 * Built-in traffic: requests drawn from quantiles of the Azure conversation trace, so that the demo and the bench
 * need no download.
 *
 * Source of the numbers: Azure Public Dataset, LLM inference trace 2023 (conversation), CC-BY 4.0; Patel et al.,
 * "Splitwise: Efficient Generative LLM Inference Using Phase Splitting", ISCA 2024. 19,366 requests in 3,502 s.
 */
import { Random } from './random.ts';
import type { Arrival } from './trace.ts';

/**
 * [share of the requests, prompt tokens, output tokens]: so many requests have at most so many tokens. Drawn with
 * straight lines between the rows, the means are 1144 and 210 tokens; those of the trace are 1155 and 211. The two
 * columns are drawn independently of each other: their rank correlation in the trace is 0.07.
 */
export const AZURE_CONVERSATION_2023: readonly (readonly [share: number, prompt: number, output: number])[] =
  [
    [0, 2, 7],
    [0.01, 29, 16],
    [0.05, 181, 41],
    [0.1, 207, 54],
    [0.15, 372, 67],
    [0.2, 387, 77],
    [0.25, 396, 85],
    [0.3, 403, 91],
    [0.35, 414, 96],
    [0.4, 703, 103],
    [0.45, 984, 113],
    [0.5, 1020, 129],
    [0.55, 1045, 151],
    [0.6, 1071, 177],
    [0.65, 1097, 217],
    [0.7, 1130, 384],
    [0.75, 1189, 395],
    [0.8, 1315, 400],
    [0.85, 1876, 411],
    [0.9, 2735, 424],
    [0.95, 4083, 451],
    [0.97, 4090, 509],
    [0.99, 4142, 601],
    [0.995, 4831, 643],
    [0.999, 6179, 954],
    [0.9999, 7668, 1000],
    [1, 14050, 1000],
  ];

/** Standard deviation of the trace's gaps between arrivals, as a multiple of their mean; 1 would be Poisson. */
export const GAP_VARIATION = 1.09;

export interface Draw {
  /** The same seed draws the same arrivals. */
  seed: number;
  /** How many arrivals. */
  count: number;
  /** Arrivals per second on average. */
  ratePerSecond: number;
}

/** Draws arrivals; the first is at 0 ms. */
export function drawArrivals({ seed, count, ratePerSecond }: Draw): Arrival[] {
  if (!Number.isSafeInteger(count) || count < 0)
    throw new RangeError(`count is ${count}; it must be 0 or more`);
  if (!(ratePerSecond > 0 && ratePerSecond < Infinity)) {
    throw new RangeError(`ratePerSecond is ${ratePerSecond}; it must be above 0`);
  }
  const random = new Random(seed);
  const arrivals: Arrival[] = [];
  let atMs = 0;
  for (let index = 0; index < count; index += 1) {
    arrivals.push({ atMs, promptTokens: drawTokens(random, 1), outputTokens: drawTokens(random, 2) });
    atMs += drawGap(random, 1000 / ratePerSecond);
  }
  return arrivals;
}

/** The inverse of the distribution function, at a uniform random point. */
function drawTokens(random: Random, column: 1 | 2): number {
  const share = random.uniform();
  const above = AZURE_CONVERSATION_2023.findIndex((row) => row[0] > share);
  const low = AZURE_CONVERSATION_2023[above - 1]!;
  const high = AZURE_CONVERSATION_2023[above]!;
  const along = (share - low[0]) / (high[0] - low[0]);
  return Math.round(low[column] + along * (high[column] - low[column]));
}

/** One of two exponential gaps, the mixture of balanced means that has GAP_VARIATION. */
function drawGap(random: Random, mean: number): number {
  const variance = GAP_VARIATION ** 2;
  const shortShare = (1 + Math.sqrt((variance - 1) / (variance + 1))) / 2;
  const share = random.uniform() < shortShare ? shortShare : 1 - shortShare;
  return random.exponential(mean / (2 * share));
}
