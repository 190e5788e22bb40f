import { parseTicket } from '../../src/base/ticket.ts';
import type { ClaimAnswer } from '../../src/protocol/wire.ts';
import { Agenda } from '../../src/runner/agenda.ts';
import { Claimer, type ClaimerNode } from '../../src/runner/claimer.ts';

export const POLL_MS = 60_000;
const RULES = {
  pollMs: POLL_MS,
  patienceMs: 2_000,
  stealAfterMs: 100,
  leaseMs: POLL_MS,
  commandTimeout: POLL_MS,
};

export interface IdleClaimer {
  /** Numbers of the shards that were asked, in that order. */
  asked: number[];
  /** Ids of the requests that were given back. */
  givenBack: string[];
  agenda: Agenda;
  claimer: Claimer<unknown>;
}

export interface Behaviour {
  /** What a shard answers, and when; default: at once, that there is no work. */
  answer?: (shard: number) => Promise<ClaimAnswer>;
  leaseMs?: number;
  commandTimeout?: number;
}

export const NO_WORK: ClaimAnswer = { status: 'IDLE', claims: [], remembered: false };

/** A claimer of three shards, none of which ever has work unless told otherwise. */
export function idleClaimer({
  answer = () => Promise.resolve(NO_WORK),
  ...rules
}: Behaviour = {}): IdleClaimer {
  const asked: number[] = [];
  const givenBack: string[] = [];
  const agenda = new Agenda({ home: 0, shardsInUse: 3 }, { loadLookup: 2, pollMs: POLL_MS });
  const over = new AbortController();
  const node: ClaimerNode<unknown> = {
    over: over.signal,
    timedOut: (operation) => new Error(operation),
    look: () => undefined,
    holdsAny: () => false,
    beforeClaim: () => Promise.resolve(),
    claim: (shard) => {
      asked.push(shard);
      return answer(shard);
    },
    due: () => undefined,
    open: (shard, { ticket, fence }) => ({
      ...{ id: parseTicket(ticket).id, owner: 'peer', request: undefined, promptTokens: 1, attempt: 1 },
      ...{ claim: `${shard}.${fence}`, signal: over.signal, giveBack: () => Promise.resolve() },
    }),
    pushBack: (_shard, claims) => {
      givenBack.push(...claims.map(({ ticket }) => parseTicket(ticket).id));
      return Promise.resolve();
    },
  };
  return { asked, givenBack, agenda, claimer: new Claimer(node, { ...RULES, ...rules }, agenda) };
}
