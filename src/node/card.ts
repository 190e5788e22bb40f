/** What a node tells of itself with each renewal (protocol/card.ts), gathered from its parts. */
import { hostname } from 'node:os';
import { monotonic } from '../base/clock.ts';
import type { Rules } from '../base/options.ts';
import { VERSION } from '../base/version.ts';
import type { Teller } from '../observe/events.ts';
import type { Membership } from '../protocol/membership.ts';
import { cardText } from '../protocol/card.ts';
import type { Claimer } from '../runner/claimer.ts';
import type { RunLoop } from '../runner/run-loop.ts';

/** What the scheduler knows beside its node. */
export interface Surroundings {
  /** Of `run`, if it serves. */
  loop: Pick<RunLoop<never, never>, 'running' | 'restMs' | 'room'> | undefined;
  isDraining: boolean;
}

export interface CardContext {
  rules: Rules;
  membership: Pick<Membership, 'engine' | 'down'>;
  teller: Teller;
  claimer: Pick<Claimer<never>, 'engineSize'>;
  /** Of the requests that it accepted, and of those that it has claimed. */
  counts: () => { pending: number; held: number };
  surroundings: () => Surroundings;
}

/** Writes the card as of now, each time that it is asked for. */
export function cardWriter(context: CardContext): () => string {
  const { rules, membership, teller, claimer, counts, surroundings } = context;
  const from = monotonic();
  const host = hostname();
  return () => {
    const { loop, isDraining: draining } = surroundings();
    const { tally, recent } = teller;
    const room = loop?.room ?? claimer.engineSize.room;
    const front = membership.engine === undefined;
    const isTried = membership.down === undefined || loop === undefined || loop.restMs === Infinity;
    return cardText({
      ...{ host, pid: process.pid, version: VERSION },
      ...{ policy: rules.policy, leaseMs: rules.leaseMs, keepAliveMs: rules.keepAliveMs, ttlMs: rules.ttlMs },
      role: front ? 'front' : tally.put > 0 ? 'both' : 'engine',
      upMs: Math.round(monotonic() - from),
      draining,
      ...counts(),
      running: loop?.running.length ?? 0,
      room: room
        ? { tokens: Math.max(room.aloneTokens, room.sumTokens), requests: Math.min(room.limit, 2 ** 32) }
        : null,
      nextTryMs: isTried ? null : Math.round(loop.restMs),
      totals: {
        ...{ accepted: tally.accepted, refused: tally.refused, ...tally.ended, putAgain: tally.putAgain },
        ...{ claimed: tally.claimed, stolenIn: tally.stolen, stolenOut: recent.ranElsewhere },
        ...{ givenBack: tally.givenBack, leasesLost: tally.lost },
        ...{ results: tally.resultsSent, resultBytes: recent.resultBytes },
      },
      lastMinute: { queued: recent.queued.quantiles(), ran: recent.ran.quantiles() },
    });
  };
}
