/**
 * The histories of all processes put together: the life of every request, and the figures of the run so far. Pure; what
 * is proved in the end is in audit.ts.
 */
import type { Entry, Happening } from './history.ts';

/** A node process as the ledger knows it. */
export interface Process {
  readonly node: string;
  /** The killed process whose name this one took. */
  readonly predecessor: Process | undefined;
  /** When it was killed; ms of the histories' clock. */
  readonly killedAt: number | undefined;
}

/** A claim in a runner's hand. */
export interface Execution {
  readonly by: Process;
  readonly owner: string;
  readonly attempt: number;
  readonly at: number;
  /** `done`: the engine was done, and the final was sent; `stopped`: the claim was lost or given back. */
  end?: 'done' | 'stopped';
}

/** A result as a client of an owner was told. */
export type Telling = Extract<Happening, { what: 'told' }> & { readonly by: Process; readonly at: number };

/** Everything that was seen of one request. */
export interface Life {
  readonly id: string;
  /** The process that its client sent it to, and how many tokens it asked for. */
  sent?: { readonly to: Process; readonly outputTokens: number };
  accepted?: { readonly by: Process; readonly at: number };
  refused?: { readonly by: Process; readonly code: string; readonly reason: string };
  readonly executions: Execution[];
  readonly told: Telling[];
  /** Its client was told of an end. */
  ended: boolean;
}

export function isFinal({ kind }: Pick<Telling, 'kind'>): boolean {
  return kind !== 'chunk' && kind !== 'restart';
}

export class Ledger {
  readonly #lives = new Map<string, Life>();
  /** Different warnings of schedulers. */
  readonly warnings = new Set<string>();
  /** Different codes of refused puts, with the words of the first. */
  readonly refusals = new Map<string, string>();

  get lives(): Life[] {
    return [...this.#lives.values()];
  }

  /** Requests whose clients still have something to hear: an answer to the put, or an end. */
  get open(): Life[] {
    return this.lives.filter(({ sent, accepted, refused, ended }) =>
      accepted ? !ended : !refused && sent?.to.killedAt === undefined,
    );
  }

  /** A client sends a request. */
  sent(to: Process, id: string, outputTokens: number): void {
    this.#life(id).sent = { to, outputTokens };
  }

  /** What a process saw, in its order. */
  add(by: Process, entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.what === 'warned') {
        this.warnings.add(entry.message);
        continue;
      }
      if (entry.what === 'refused' && !this.refusals.has(entry.code))
        this.refusals.set(entry.code, entry.reason);
      note(by, entry, this.#life(entry.id));
    }
  }

  #life(id: string): Life {
    let life = this.#lives.get(id);
    if (!life) this.#lives.set(id, (life = { id, executions: [], told: [], ended: false }));
    return life;
  }
}

function note(by: Process, entry: Exclude<Entry, { what: 'warned' }>, life: Life): void {
  switch (entry.what) {
    case 'accepted':
      life.accepted = { by, at: entry.at };
      break;
    case 'refused':
      life.refused = { by, code: entry.code, reason: entry.reason };
      break;
    case 'claimed':
      life.executions.push({ by, owner: entry.owner, attempt: entry.attempt, at: entry.at });
      // histories are read in turns
      life.executions.sort((one, other) => one.at - other.at);
      break;
    case 'told':
      life.told.push({ ...entry, by });
      life.told.sort((one, other) => one.at - other.at);
      life.ended ||= isFinal(entry);
      break;
    default: {
      const execution = life.executions.find((one) => one.by === by && one.attempt === entry.attempt);
      if (execution) execution.end = entry.what;
    }
  }
}

/** ms from the answer to a request's put to its first claim in a runner's hand; undefined if it has not come so far. */
export function queueDelay({ accepted, executions: [first] }: Life): number | undefined {
  // the claim may come before the answer
  return accepted && first && Math.max(0, first.at - accepted.at);
}

/** Figures of a node, over all processes that had its name. */
export interface NodeFigures {
  accepted: number;
  /** Of the accepted. */
  finished: number;
  /** Requests in its engine. */
  running: number;
  /** Requests of others that it ran, and its own that others ran; each request counts once per runner. */
  stolenIn: number;
  stolenOut: number;
  /** Queueing delays of requests it accepted that were claimed since a given time. */
  delays: number[];
}

/** @param since ms of the histories' clock: later claims' delays are listed */
export function tally(lives: readonly Life[], since: number): Map<string, NodeFigures> {
  const figures = new Map<string, NodeFigures>();
  const of = (node: string): NodeFigures => {
    let one = figures.get(node);
    if (!one) {
      one = { accepted: 0, finished: 0, running: 0, stolenIn: 0, stolenOut: 0, delays: [] };
      figures.set(node, one);
    }
    return one;
  };
  for (const life of lives) {
    const { accepted, executions, ended } = life;
    if (accepted) {
      const owner = of(accepted.by.node);
      owner.accepted += 1;
      if (ended) owner.finished += 1;
      const delay = queueDelay(life);
      if (delay !== undefined && executions[0]!.at >= since) owner.delays.push(delay);
    }
    for (const { by, end } of executions) {
      if (end === undefined && by.killedAt === undefined) of(by.node).running += 1;
    }
    for (const [runner, owner] of thefts(life)) {
      of(runner).stolenIn += 1;
      of(owner).stolenOut += 1;
    }
  }
  return figures;
}

/** Runner -> owner, of every node that ran this request of another. */
export function thefts({ executions }: Life): Map<string, string> {
  return new Map(
    executions.filter(({ by, owner }) => by.node !== owner).map(({ by, owner }) => [by.node, owner]),
  );
}

/** The value that a share of the values does not exceed (nearest rank); undefined if there are none. */
export function percentile(values: readonly number[], share: number): number | undefined {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}
