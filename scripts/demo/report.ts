/** What the demo says in the end. */
import { count, duration } from '../../src/cli/output.ts';
import type { Figures } from '../lib/checker/checker.ts';
import type { NodeFigures } from './figures.ts';
import type { Killed } from './succession.ts';
import type { DemoOptions } from './options.ts';
import type { Plan } from './plan.ts';

/** What came out of a run. Every time is real time. */
export interface Outcome extends Figures {
  /** Broken promises, in words; empty if all were kept. */
  broken: string[];
  /** Requests that ran at another node than their owner. */
  stolen: number;
  /** From the answer to a put to the first claim in a runner's hand. */
  queueDelayMs: { p50: number; p99: number };
  topic: string;
  leaseMs: number;
  /** Requests that clients sent. */
  offered: number;
  /** Missing: no node was killed. */
  killed: Killed | null;
  /** ms from the first arrival to the last end. */
  elapsedMs: number;
  perNode: ReadonlyMap<string, NodeFigures>;
  /** Code -> why, of the first put that was refused with it. */
  refusals: Record<string, string>;
  /** Of the schedulers. */
  warnings: string[];
  /** Folder of what each process saw, one file each, in the order of their starts; kept only if a promise was broken. */
  histories?: string;
}

/** The object of `--json`. */
export function toJson(outcome: Outcome, options: DemoOptions, plan: Plan, redis: string): object {
  const { accepted, finished, endedWithOwner, lost, duplicated, stolen, reclaimed, queueDelayMs } = outcome;
  const { policy, nodes, seed, seconds } = options;
  const perNode = Object.fromEntries(
    [...outcome.perNode].map(([node, { accepted, finished, stolenIn, stolenOut }]) => [
      node,
      { accepted, finished, stolenIn, stolenOut },
    ]),
  );
  return {
    verdict: outcome.broken.length === 0 ? 'kept' : 'broken',
    ...{ accepted, finished, endedWithOwner, lost, duplicated, stolen, reclaimed, queueDelayMs },
    ...{ policy, nodes, seed, seconds, traffic: plan.source, load: plan.load, skew: plan.skew },
    ...{ timeScale: plan.timeScale, redis },
    ...outcome,
    perNode,
  };
}

/** The first lines: what will happen. */
export function introduce(
  options: DemoOptions,
  plan: Plan,
  { redis, topic, leaseMs }: { redis: string; topic: string; leaseMs: number },
): string {
  const { nodes, policy, seed } = options;
  const percent = (share: number): string => `${Math.round(share * 100)} %`;
  return [
    `Redis: ${redis}, topic ${topic}`,
    `Fleet: ${nodes} nodes, each a process; their engines are emulated, ${speed(plan)} times as fast`,
    `Work:  ${plan.arrivals.length} requests, ${percent(plan.load)} of what the fleet can serve, ${percent(plan.skew)} of them at node-0`,
    `       from ${plan.source}, seed ${seed}`,
    `Rules: policy ${policy}; leases of ${duration(leaseMs)}, so that a dead node's work returns soon`,
  ].join('\n');
}

function speed({ timeScale }: { timeScale: number }): string {
  return String(Math.round(10 / timeScale) / 10);
}

/** The last lines. Warnings of the schedulers are worth a line if the server is the user's own, or something broke. */
export function conclude(outcome: Outcome, plan: Plan, ownServer: boolean): string {
  const { accepted, finished, endedWithOwner, lost, duplicated, stolen, reclaimed } = outcome;
  const otherwise = outcome.failed + outcome.cancelled + outcome.expired;
  const { p50, p99 } = outcome.queueDelayMs;
  const lines: [string, string | number, string?][] = [
    ['accepted', accepted, `of ${count(outcome.offered, 'request')}${notAccepted(outcome)}`],
    ['finished', finished],
    ['ended with owner', endedWithOwner, 'by the killed node, which could not tell its client any more'],
    ['lost', lost],
    ['duplicated', duplicated],
    ...(otherwise > 0 ? [['ended otherwise', otherwise] as [string, number]] : []),
    ['stolen', stolen, 'ran at another node than the one that accepted them'],
    ['reclaimed', reclaimed, 'came back from a runner that was lost, and ran again'],
    ['queueing delay', `p50 ${duration(p50)}, p99 ${duration(p99)}`, "from the put's answer to the claim"],
    ['', '', `in real time; the engines run ${speed(plan)} times as fast as what they stand for`],
  ];
  const width = Math.max(...lines.map(([, value]) => (typeof value === 'number' ? String(value).length : 0)));
  return [
    '',
    ...lines.map(([name, value, note]) => {
      const figure = String(value).padStart(width);
      return `${name.padEnd(17)} ${figure}${note === undefined ? '' : `  ${note}`}`;
    }),
    ...paragraph([...remarks(outcome), ...(ownServer || outcome.broken.length > 0 ? warnings(outcome) : [])]),
    ...paragraph(verdict(outcome)),
  ].join('\n');
}

function paragraph(lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', ...lines];
}

function warnings({ warnings: list }: Outcome): string[] {
  return list.map((text) => `note: ${text}`);
}

function notAccepted({ refused, refusals, unanswered }: Outcome): string {
  return (
    (refused > 0 ? `; ${refused} refused (${Object.keys(refusals).join(', ')})` : '') +
    (unanswered > 0 ? `; ${unanswered} sent to the killed node, which did not answer any more` : '')
  );
}

function remarks({ toldAgain, strays, killed }: Outcome): string[] {
  const lines: string[] = [];
  if (toldAgain > 0)
    lines.push(
      `${count(toldAgain, 'result')} that ${killed?.node} had read in its last instant reached its successor again`,
    );
  if (strays > 0) lines.push(`${count(strays, 'request')} without an answer to the put ran all the same`);
  return lines;
}

const MOST = 20;

function verdict({ broken, accepted, finished, endedWithOwner, histories }: Outcome): string[] {
  if (broken.length === 0) {
    const sum = endedWithOwner > 0 ? `${finished} + ${endedWithOwner}` : String(finished);
    return [`Every promise was kept: ${accepted} accepted = ${sum} ended, each once.`];
  }
  const more = broken.length - MOST;
  return [
    `${count(broken.length, 'promise')} broken:`,
    ...broken.slice(0, MOST).map((what) => `- ${what}`),
    ...(more > 0 ? [`- and ${more} more`] : []),
    `What every process saw is in ${histories}`,
  ];
}
