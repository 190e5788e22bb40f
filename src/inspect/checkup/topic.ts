/** A topic as `doctor` sees it: what `status` says is wrong, whether its nodes agree, and whether its tables do. */
import { count } from '../../base/words.ts';
import type { Client } from '../../redis/run-script.ts';
import type { Finding } from '../../redis/suitability.ts';
import { verifyTopic } from '../verify.ts';
import type { NodeStatus, StatusReport } from '../status-report.ts';
import { findingOf } from './condition.ts';

/** To check more requests than this is a burden that nobody asked for. */
export const FEW_REQUESTS = 10_000;
/** Violations and nodes that are named in a finding. */
const NAMED = 3;

/** A finding for each of the status, or one that says that there is none. */
export function examineStatus({ nodes, shards, findings }: StatusReport): Finding[] {
  const here = nodes.filter(({ state }) => state === 'registered').length;
  const found = `${count(here, 'node')} registered, ${count(shards.length, 'shard')} in use`;
  if (findings.length === 0) return [findingOf('topic', `${found}, nothing is wrong`)];
  return findings.map(({ kind, severity, text, step, nodes: about, shards: where }) => {
    const [one] = about;
    const of = one === undefined ? (where.length > 0 ? `shard ${where.join(' ')}` : found) : some(about);
    return findingOf(kind, of, {
      why: text,
      remedy: step,
      ...(severity === 'warning' ? {} : { severity }),
    });
  });
}

/** Nodes that give their topic different expiries: the longest of them counts, whatever the others say. */
export function examineTtl(nodes: readonly NodeStatus[]): Finding {
  const by = new Map<number, string[]>();
  for (const { name, state, card } of nodes)
    if (state === 'registered' && card && card.ttlMs > 0)
      by.set(card.ttlMs, [...(by.get(card.ttlMs) ?? []), name]);
  const rows = [...by].sort(([a], [b]) => a - b);
  const found = rows.map(([ms, names]) => `${ms} ms (${some(names)})`).join(', ') || 'no node tells it';
  if (rows.length < 2) return findingOf('ttlMs', found);
  return findingOf('ttlMs', found, {
    why: `nodes differ in their ttlMs: ${found}; what a topic holds expires by the longest`,
    remedy: 'restart those that differ with one ttlMs',
  });
}

/** @param isAsked whatever it costs */
export async function examineInvariants(
  client: Client,
  { topic, loadUnit, shards }: StatusReport,
  isAsked: boolean,
): Promise<Finding> {
  const what = 'invariants';
  const requests = shards.reduce((sum, { waiting, claims }) => sum + waiting + claims, 0);
  if (requests > FEW_REQUESTS && !isAsked)
    return findingOf(what, `not checked: ${requests} requests are many to read; --verify does`);
  const violations = await verifyTopic(client, topic, { shards: shards.length, loadUnit });
  const found = `${count(requests, 'request')} in ${count(shards.length, 'shard')}`;
  if (violations.length === 0) return findingOf(what, `${found}, all hold`);
  const told = violations
    .slice(0, NAMED)
    .map(({ shard, invariant, message }) => `shard ${shard}, invariant ${invariant}: ${message}`);
  return findingOf(what, found, {
    why: `${count(violations.length, 'violation')}: ${told.join('; ')}`,
    remedy: 'refreshes by living nodes mend lost tables within a lease; what is left is listed by',
    command: `sched-lua verify ${topic}`,
    severity: 'broken',
  });
}

function some(names: readonly string[]): string {
  const more = names.length - NAMED;
  return `${names.slice(0, NAMED).join(' ')}${more > 0 ? ` and ${more} more` : ''}`;
}
