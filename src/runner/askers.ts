import type { ClaimBounds } from '../base/budget.ts';
import { after } from '../base/clock.ts';
import { onAbort } from '../base/on-abort.ts';
import type { ClaimAnswer } from '../protocol/wire.ts';

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

/** Work that a call asked for, which came when that call no longer waited for it. */
export interface LateWork {
  shard: number;
  answer: ClaimAnswer;
}

/** Why a call waits no longer: the time is over, it was woken, or there is work for it. */
export type Woken = false | true | LateWork;

/** The calls of this node that wait for work. */
export class Askers {
  readonly #waiting = new Map<Asker, (by: true | LateWork) => void>();

  get any(): boolean {
    return this.#waiting.size > 0;
  }

  /** Waits to be woken, at most about `ms`. */
  woken(wait: Asker, ms: number): Promise<Woken> {
    return new Promise((resolve) => {
      const end = (woken: Woken): void => {
        cancel();
        forget?.();
        this.#waiting.delete(wait);
        resolve(woken);
      };
      const giveUp = (): void => end(false);
      // it may fire up to 1 ms early: the woken call looks at the clock
      const cancel = after(Math.ceil(ms), giveUp);
      const forget = wait.stale && onAbort(wait.stale, giveUp);
      this.#waiting.set(wait, end);
    });
  }

  /** Whether one of them has room for so many tokens. */
  haveRoom(tokens: number): boolean {
    return [...this.#waiting.keys()].some(({ bounds }) => tokens <= bounds.aloneTokens);
  }

  wake(): void {
    for (const wake of [...this.#waiting.values()]) wake(true);
  }

  /** Hands work to a call whose engine can begin with it now; false: none waits. */
  give(work: LateWork, now: number): boolean {
    for (const [{ readyAt, until }, wake] of this.#waiting) {
      if (now < readyAt || now >= until) continue;
      wake(work);
      return true;
    }
    return false;
  }

  /** ms until the first call that is not `refused` can ask; Infinity: there is none. */
  readyIn(now: number, refused: (bounds: ClaimBounds) => boolean): number {
    let at = Infinity;
    for (const { bounds, readyAt, until } of this.#waiting.keys())
      if (readyAt < at && now < until && !refused(bounds)) at = readyAt;
    return Math.max(0, at - now);
  }
}
