import type { ClaimBounds } from '../base/budget.ts';

/** A call that waits for work. Times are monotonic ms. */
export interface Asker {
  /** What it would ask for. */
  bounds: ClaimBounds;
  /** Its engine can begin then: it does not ask before. */
  readyAt: number;
  /** It does not ask from then on, unless it was woken before. */
  until: number;
  /** Ends the wait when it fires. */
  stale: AbortSignal | undefined;
}

/** The calls of this node that wait for work. */
export class Askers {
  readonly #waiting = new Map<Asker, () => void>();

  get any(): boolean {
    return this.#waiting.size > 0;
  }

  /** Waits to be woken, at most about `ms`; whether it was. */
  woken(wait: Asker, ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (woken: boolean): void => {
        clearTimeout(timer);
        wait.stale?.removeEventListener('abort', giveUp);
        this.#waiting.delete(wait);
        resolve(woken);
      };
      const giveUp = (): void => end(false);
      // it may fire up to 1 ms early: the woken call looks at the clock
      const timer = setTimeout(giveUp, Math.ceil(ms));
      wait.stale?.addEventListener('abort', giveUp);
      this.#waiting.set(wait, () => end(true));
    });
  }

  wake(): void {
    for (const wake of [...this.#waiting.values()]) wake();
  }

  /** ms until the first call that is not `refused` can ask; Infinity: there is none. */
  readyIn(now: number, refused: (bounds: ClaimBounds) => boolean): number {
    let at = Infinity;
    for (const { bounds, readyAt, until } of this.#waiting.keys())
      if (readyAt < at && now < until && !refused(bounds)) at = readyAt;
    return Math.max(0, at - now);
  }
}
