/** How claims go back, and what `push_back` is told of it (lua/README.md#push_back). */
import type { Held } from './wire.ts';

export interface GiveBackOptions {
  /**
   * ms for which this node does not take the request again; others may at once. 0: it may, too. Default: 100, and twice as long
   * each time that this node gives the same request back, up to 10,000. The default of what `getRequests` gave is 0 the first
   * time, and again once this node has sent a result: so what there is no room for keeps its place, and a loop around a broken
   * engine does not get the same request thousands of times a second.
   */
  afterMs?: number;
  /**
   * This node does not take it again before another one has had it, while another living engine of the topic, whose breaker is
   * closed, can hold it. Once none can, `afterMs` decides. Default false.
   */
  elsewhere?: boolean;
  /** It uses one of the request's tries, and without any left the request ends as failed. Default false; of a Retry true. */
  countTry?: boolean;
}

/** A claim that is given back. */
export interface GivenBack extends Held {
  /** Missing: this node may take it again at once, and no try is counted. */
  how?: GiveBackOptions & { reason?: string };
}

/** No time in a script is longer (lua/lib/bounds.lua): 34 years. */
const MAX_MS = 2 ** 40 - 1;
/** Bytes of a reason that Redis is told. */
const MAX_REASON = 1_000;

export function givenBackArguments(claims: readonly GivenBack[]): string[] {
  return claims.flatMap(({ ticket, fence, how = { afterMs: 0 } }) => {
    const { afterMs, elsewhere = false, countTry = false, reason = '' } = how;
    const after = afterMs === undefined ? '' : String(Math.ceil(Math.min(afterMs, MAX_MS)));
    return [ticket, fence, after, elsewhere ? '1' : '0', countTry ? '1' : '0', reason.slice(0, MAX_REASON)];
  });
}
