import type { ClaimAnswer } from '../../src/protocol/wire.ts';
import { Agenda } from '../../src/runner/agenda.ts';
import { Claimer, type ClaimerNode } from '../../src/runner/claimer.ts';

export const POLL_MS = 60_000;

export interface IdleClaimer {
  /** Numbers of the shards that were asked, in that order. */
  asked: number[];
  agenda: Agenda;
  claimer: Claimer<unknown>;
}

/** A claimer of three shards, none of which ever has work. */
export function idleClaimer(): IdleClaimer {
  const asked: number[] = [];
  const agenda = new Agenda({ home: 0, shardsInUse: 3 }, { loadLookup: 2, pollMs: POLL_MS });
  const node: ClaimerNode<unknown> = {
    over: new AbortController().signal,
    within: (_operation, promise) => promise,
    beforeClaim: () => Promise.resolve(),
    claim: (shard) => {
      asked.push(shard);
      return Promise.resolve<ClaimAnswer>({ status: 'IDLE', claims: [], remembered: false });
    },
    due: () => undefined,
    open: () => undefined,
    pushBack: () => Promise.resolve(),
  };
  return { asked, agenda, claimer: new Claimer(node, { pollMs: POLL_MS, stealAfterMs: 100 }, agenda) };
}
