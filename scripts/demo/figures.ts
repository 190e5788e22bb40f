/** What the lives of a run's requests say about the fleet so far, for people. Pure. */
import { isFinal, nameOf } from '../lib/harness/happenings.ts';
import type { Life } from '../lib/checker/lives.ts';

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

/** Per node. @param since ms of the histories' clock: later claims' delays are listed */
export function tally(lives: readonly Life[], since: number): Map<string, NodeFigures> {
  const figures = new Map<string, NodeFigures>();
  const of = (node = ''): NodeFigures => {
    let one = figures.get(node);
    if (!one) figures.set(node, (one = noFigures()));
    return one;
  };
  for (const life of lives) {
    const { accepted, claimed, sent, stopped, told } = life;
    if (accepted) {
      const owner = of(nameOf(accepted.by));
      owner.accepted += 1;
      if (told.some(isFinal)) owner.finished += 1;
      const delay = queueDelay(life);
      if (delay !== undefined && claimed[0]!.at >= since) owner.delays.push(delay);
    }
    for (const { by, fence } of claimed) {
      const isOver = [...sent.filter(({ final }) => final), ...stopped].some((one) => one.fence === fence);
      if (!isOver && by.diedAt === undefined) of(nameOf(by)).running += 1;
    }
    for (const [runner, owner] of thefts(life)) {
      of(runner).stolenIn += 1;
      of(owner).stolenOut += 1;
    }
  }
  return figures;
}

/** A node of which nothing was seen. */
export function noFigures(): NodeFigures {
  return { accepted: 0, finished: 0, running: 0, stolenIn: 0, stolenOut: 0, delays: [] };
}

/** ms from the answer to a request's put to its first claim in a runner's hand; undefined if it has not come so far. */
export function queueDelay({ accepted, claimed: [first] }: Life): number | undefined {
  // the claim may come before the answer
  return accepted && first && Math.max(0, first.at - accepted.at);
}

/** Runner -> owner, of every node that ran this request of another. */
export function thefts({ claimed }: Life): Map<string | undefined, string> {
  const runs = claimed.map(({ by, owner }) => [nameOf(by), owner] as const);
  return new Map(runs.filter(([runner, owner]) => runner !== owner));
}

/** Codes of refused puts, with the words of one. */
export function refusals(lives: readonly Life[]): Map<string, string> {
  return new Map(lives.flatMap(({ refused }) => (refused ? [[refused.code, refused.reason]] : [])));
}
