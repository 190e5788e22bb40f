import { monotonic } from '../base/clock.ts';
import { NO_TICK, hex, type Tick } from '../base/ticket.ts';

/**
 * How fast the floor rises, as a share of the time that passes: a shard whose ticks are ahead of its server's clock falls back to
 * it slowly, and no difference in the speed of two clocks drives the ticks on.
 */
const PACE = 0.99;
const US_PER_MS = 1_000;

/**
 * The ticks that this process has seen in one shard. Ticks never run faster than time. So the highest that it has seen, plus the time
 * since then, is about where the shard's ticks are by now, though this process has not seen them, and though Redis has lost them.
 */
export class SeenTicks {
  #last: Tick = NO_TICK;
  /** µs. */
  #floor = 0;
  #floorAt = 0;

  /** The highest tick. */
  get last(): Tick {
    return this.#last;
  }

  /** @param now ms of the monotonic clock */
  see(tick: Tick, now = monotonic()): void {
    if (tick > this.#last) this.#last = tick;
    this.#floor = Math.max(parseInt(tick, 16), this.#floorOf(now));
    this.#floorAt = now;
  }

  /** The next tick of the shard is higher than this. NO_TICK: nothing was seen. */
  floor(now = monotonic()): Tick {
    return this.#floor === 0 ? NO_TICK : hex(Math.floor(this.#floorOf(now)), 14);
  }

  #floorOf(now: number): number {
    return this.#floor + (now - this.#floorAt) * US_PER_MS * PACE;
  }
}
