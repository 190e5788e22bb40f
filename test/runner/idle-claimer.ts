import { NO_TICK, hex, joinTicket, parseTicket } from '../../src/base/ticket.ts';
import type { ClaimAnswer, ClaimItem } from '../../src/protocol/wire.ts';
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

/** What the agenda says is counted: a claimer that waits must not ask it all the time. */
class CountingAgenda extends Agenda {
  questions = 0;
  /** Shards that are taken to believe this node idle. */
  readonly idleIn = new Set<number>();

  override idle(shard: number, until: number): void {
    this.idleIn.add(shard);
    super.idle(shard, until);
  }

  override notIdle(shard: number): void {
    this.idleIn.delete(shard);
    super.notIdle(shard);
  }

  override next(...args: Parameters<Agenda['next']>): number | undefined {
    this.questions += 1;
    return super.next(...args);
  }

  override nextAt(...args: Parameters<Agenda['nextAt']>): number {
    this.questions += 1;
    return super.nextAt(...args);
  }
}

export interface IdleClaimer {
  /** Numbers of the shards that were asked, in that order; with or without room for work. */
  asked: number[];
  /** Those that were asked for no work: a ring is passed on. */
  passedOn: number[];
  /** What was asked for, as `asked`. */
  items: ClaimItem[];
  /** Ids of the requests that were given back. */
  givenBack: string[];
  /** Shards that are to be looked up, and what says that work waits there. */
  looks: { shards: readonly number[]; found: (shard: number) => void }[];
  /** Shards with a `due`, and shards of which it was told that a claim follows. */
  dues: [shard: number, dueMs: number][];
  prepared: number[];
  agenda: CountingAgenda;
  claimer: Claimer<unknown>;
  over: AbortController;
}

export interface Behaviour {
  /** What a shard answers, and when; default: at once, that there is no work. */
  answer?: (shard: number, item: ClaimItem) => Promise<ClaimAnswer>;
  leaseMs?: number;
  commandTimeout?: number;
  stealAfterMs?: number;
  loadLookup?: number;
  /** Whether the node holds a claim. */
  holdsAny?: () => boolean;
}

export const NO_WORK: ClaimAnswer = { status: 'IDLE', claims: [], on: NO_TICK, remembered: false };

/** Requests of a peer, each of so many tokens. */
export function work(ids: readonly string[], more: Partial<ClaimAnswer> = {}, tokens = 1): ClaimAnswer {
  const claims = ids.map((id, i) => ({
    ticket: joinTicket('peer', `${hex(i, 14)}|${hex(tokens, 8)}|${hex(1, 12)}`, id),
    ...{ fence: hex(i, 14), triesLeft: 3, triesSpent: 0, arrival: hex(i, 14) },
  }));
  return { status: 'OK', claims, on: NO_TICK, remembered: false, ...more };
}

/** A request that cannot be run, as it cannot be decoded. */
export const UNDECODABLE = 'undecodable';

/** A claimer of three shards, none of which ever has work unless told otherwise. */
export function idleClaimer({
  answer = () => Promise.resolve(NO_WORK),
  holdsAny = () => false,
  loadLookup = 2,
  ...rules
}: Behaviour = {}): IdleClaimer {
  const [asked, passedOn, items, givenBack, prepared] = [[], [], [], [], []] as [
    ...[number[], number[], ClaimItem[], string[], number[]],
  ];
  const [looks, dues]: [IdleClaimer['looks'], IdleClaimer['dues']] = [[], []];
  const agenda = new CountingAgenda({ home: 0, shardsInUse: 3 }, { loadLookup, pollMs: POLL_MS });
  const over = new AbortController();
  const node: ClaimerNode<unknown> = {
    over: over.signal,
    timedOut: (operation) => new Error(operation),
    look: (shards, found) => void looks.push({ shards, found }),
    holdsAny,
    engineHolds: () => undefined,
    beforeClaim: (shard) => {
      prepared.push(shard);
      return Promise.resolve();
    },
    claim: (shard, item) => {
      asked.push(shard);
      items.push(item);
      if (item.limit === 0) passedOn.push(shard);
      return answer(shard, item);
    },
    due: (...due) => void dues.push(due),
    open: (shard, { ticket, fence }) => {
      const { id } = parseTicket(ticket);
      if (id === UNDECODABLE) return undefined;
      return {
        ...{ id, owner: 'peer', request: undefined, promptTokens: 1, attempt: 1, queuedMs: 0, stolen: true },
        ...{ claim: `${shard}.${fence}`, signal: over.signal, giveBack: () => Promise.resolve() },
        isHalted: false,
      };
    },
    elsewhereHold: () => -1,
    pushBack: (_shard, claims) => {
      givenBack.push(...claims.map(({ ticket }) => parseTicket(ticket).id));
      return Promise.resolve();
    },
  };
  const claimer = new Claimer(node, { ...RULES, ...rules }, agenda);
  return { asked, passedOn, items, givenBack, looks, dues, prepared, agenda, claimer, over };
}
