/**
 * What a scheduler counts for the card that it shows to its topic, beside its `Tally`. Always kept: an addition costs some
 * nanoseconds, and nothing is sorted before somebody asks.
 */
import { performance } from 'node:perf_hooks';

/** Of values in ms; each is at most 9 % off. */
export interface Quantiles {
  /** How many there were. */
  count: number;
  p50: number;
  p99: number;
}

/** Buckets of a doubling. */
const STEPS = 4;
/** From under 1 ms to over 2^24 ms, 4.6 hours. */
const BUCKETS = 24 * STEPS + 1;
const SLOT_MS = 10_000;
/** One of them is being filled. */
const SLOTS = 7;

function bucketOf(ms: number): number {
  if (!(ms > 1)) return 0;
  return Math.min(BUCKETS - 1, 1 + Math.floor(Math.log2(ms) * STEPS));
}

/** The middle of a bucket on its scale. */
function valueOf(bucket: number): number {
  return bucket === 0 ? 0 : 2 ** ((bucket - 0.5) / STEPS);
}

/** Counts durations, and tells the quantiles of those of the last minute, in slots of ten seconds. */
export class LastMinute {
  readonly #now: () => number;
  readonly #slots = Array.from({ length: SLOTS }, () => ({ slot: -1, counts: new Uint32Array(BUCKETS) }));

  /** @param now ms of a clock that does not run back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  add(ms: number): void {
    const slot = Math.floor(this.#now() / SLOT_MS);
    const kept = this.#slots[slot % SLOTS]!;
    if (kept.slot !== slot) {
      kept.slot = slot;
      kept.counts.fill(0);
    }
    kept.counts[bucketOf(ms)]! += 1;
  }

  /** null: there was none. */
  quantiles(): Quantiles | null {
    const oldest = Math.floor(this.#now() / SLOT_MS) - SLOTS + 1;
    const sums = new Float64Array(BUCKETS);
    let count = 0;
    for (const { slot, counts } of this.#slots) {
      if (slot < oldest) continue;
      for (const [bucket, one] of counts.entries()) {
        sums[bucket]! += one;
        count += one;
      }
    }
    if (count === 0) return null;
    const at = (share: number): number => {
      let left = Math.ceil(share * count);
      const bucket = sums.findIndex((one) => (left -= one) <= 0);
      return Math.round(valueOf(bucket));
    };
    return { count, p50: at(0.5), p99: at(0.99) };
  }
}

export class Recent {
  /** Requests of this node that have ended: from their puts to their last claims. */
  readonly queued = new LastMinute();
  /** Requests that this node ran to their ends: from their claims. */
  readonly ran = new LastMinute();
  /** Requests of this node that ended at another node. */
  ranElsewhere = 0;
  /** Of results that this node made and Redis took. */
  resultBytes = 0;
}
