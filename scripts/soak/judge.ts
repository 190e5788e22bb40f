/** Whether anything grew or drifted. Pure. */
import { median } from '../lib/measure/statistics.ts';

/** Some of the time, one after the other. */
export interface Sample {
  /** After the garbage was collected. */
  heapMb: number;
  /** From the yield of a chunk to its reader; NaN: there was none. */
  chunkP99Ms: number;
  /** From the put of a request without chunks to its result; NaN: there was none. */
  requestP99Ms: number;
}

/** The heap may grow by this share, or so many MB: caches fill, and code is compiled. */
const HEAP_SHARE = 0.15;
const HEAP_MB = 4;
/** p99 may grow so many times, and by so many ms beside that: a machine is busy now and then. */
const DRIFT = 2;
const DRIFT_MS = 20;
/** The beginning of a run is not compared. */
const WARM = 0.1;
const PART = 0.3;

/** What is wrong, in words. */
export function judge(samples: readonly Sample[]): string[] {
  const count = samples.length;
  const early = samples.slice(Math.floor(count * WARM), Math.ceil(count * (WARM + PART)));
  const late = samples.slice(-Math.ceil(count * PART));
  return [heap(early, late), drift('chunk', early, late), drift('request', early, late)].flatMap(
    (complaint) => complaint ?? [],
  );
}

function heap(early: readonly Sample[], late: readonly Sample[]): string | undefined {
  const least = (some: readonly Sample[]): number => Math.min(...some.map(({ heapMb }) => heapMb));
  const [before, after] = [least(early), least(late)];
  if (after - before <= Math.max(HEAP_MB, before * HEAP_SHARE)) return undefined;
  return `the heap grew from ${before.toFixed(1)} to ${after.toFixed(1)} MB`;
}

function drift(
  what: 'chunk' | 'request',
  early: readonly Sample[],
  late: readonly Sample[],
): string | undefined {
  const middle = (some: readonly Sample[]): number =>
    median(some.map((sample) => sample[`${what}P99Ms`]).filter((ms) => !Number.isNaN(ms)));
  const [before, after] = [middle(early), middle(late)];
  if (Number.isNaN(before) || Number.isNaN(after)) return `no ${what} came through`;
  if (after <= before * DRIFT + DRIFT_MS) return undefined;
  return `the p99 of a ${what} drifted from ${before.toFixed(1)} to ${after.toFixed(1)} ms`;
}
