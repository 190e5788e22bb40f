/** Tight engines, and requests that need much of one: what a scheduler does with those that do not fit now. */
import { requiredBlocks } from '../../src/base/budget.ts';
import { DEFAULT_ENGINE, type EngineOptions } from '../../src/testing/engine/engine-model.ts';
import { Random } from '../lib/traffic/random.ts';
import type { Arrival } from '../lib/traffic/trace.ts';

/** A tight engine holds so many requests of the mean size. */
const MEAN_REQUESTS = 16;
/** A large request takes so much of a tight engine; a smaller one takes less. */
const LARGE = { least: 0.3, most: 0.9 } as const;

export function isLarge(blocks: number, engineBlocks: number): boolean {
  return blocks >= LARGE.least * engineBlocks;
}

/** An engine that is tight for requests like these. */
export function tightEngine(sample: readonly Arrival[]): EngineOptions {
  const blocks = sample.reduce(
    (sum, { promptTokens }) => sum + requiredBlocks(promptTokens, DEFAULT_ENGINE),
    0,
  );
  return { ...DEFAULT_ENGINE, totalBlocks: Math.ceil((MEAN_REQUESTS * blocks) / sample.length) };
}

/** The same arrivals, a share of them large: which ones, and how large, by the seed. The others are cut below that. */
export function withLarge(
  arrivals: readonly Arrival[],
  { share, engine, seed }: { share: number; engine: EngineOptions; seed: number },
): Arrival[] {
  const random = new Random(seed);
  const large = random.shuffle(arrivals.map((_, index) => index < Math.round(arrivals.length * share)));
  const tokens = (part: number): number =>
    (Math.floor(part * engine.totalBlocks) - engine.reservedOutputBlocks) * engine.blockSize;
  const least = Math.ceil(LARGE.least * engine.totalBlocks) / engine.totalBlocks;
  return arrivals.map((arrival, index) => ({
    ...arrival,
    promptTokens: large[index]
      ? tokens(least + random.uniform() * (LARGE.most - least))
      : Math.min(arrival.promptTokens, tokens(least) - engine.blockSize),
  }));
}
