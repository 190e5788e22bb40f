/**
 * What is wrong with a topic, from what was read of it, each with what mends it. Pure: a status in, findings out. docs/status.md has
 * a row for each kind.
 */
import { count, duration } from '../base/words.ts';
import type { FindingKind, NodeStatus, StatusFinding, TopicStatus } from './status-report.ts';

/** Share of maxmemory from which an operator should act. */
const NEARLY_FULL = 0.8;
/** A shard that nobody has looked at for so long, ms, if no node says how long its leases are. */
const LEASE_MS = 30_000;
/** Nodes that are named in a finding; of more, how many. */
const NAMED = 3;

const ORDER = ['broken', 'warning', 'note'] as const;

/** What is broken first. */
export function diagnose(status: TopicStatus): StatusFinding[] {
  const found = [
    ...memory(status),
    ...engines(status),
    ...unseen(status),
    ...tooLarge(status),
    ...status.nodes.flatMap((node) => [...silent(node, status.now), ...open(node, status.now)]),
    ...mixed(status, 'mixed_versions', 'version', ({ version }) => version),
    ...mixed(status, 'mixed_policies', 'policy', ({ policy }) => policy),
    ...status.nodes.flatMap(draining),
  ];
  return found.sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
}

function finding(
  kind: FindingKind,
  severity: StatusFinding['severity'],
  text: string,
  step: string,
  about: Partial<Pick<StatusFinding, 'nodes' | 'shards'>> = {},
): StatusFinding {
  return { kind, severity, text, step, nodes: about.nodes ?? [], shards: about.shards ?? [] };
}

function memory({ memory }: TopicStatus): StatusFinding[] {
  if (memory === null || memory.max === 0 || memory.used < memory.max * NEARLY_FULL) return [];
  const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
  const used = `${mib(memory.used)} of ${mib(memory.max)} MiB`;
  const step = `raise it (CONFIG SET maxmemory ${2 * memory.max}), or have less wait (maxWaiting)`;
  return memory.used >= memory.max
    ? [finding('memory_full', 'broken', `Redis is out of memory (${used}): puts are refused`, step)]
    : [finding('memory_low', 'warning', `Redis has used ${used}: puts are refused when it is full`, step)];
}

const isHere = ({ condition }: NodeStatus): boolean => condition !== 'silent' && condition !== 'left';
const waitingOf = ({ shards }: TopicStatus): number => shards.reduce((sum, { waiting }) => sum + waiting, 0);
const wait = (n: number): string => `${count(n, 'request')} ${n === 1 ? 'waits' : 'wait'}`;

/** Nobody can run what waits. */
function engines(status: TopicStatus): StatusFinding[] {
  const here = status.nodes.filter(isHere);
  const waiting = waitingOf(status);
  const nodes = here.map(({ name }) => name);
  const severity = waiting > 0 ? 'broken' : 'warning';
  if (here.length === 0) {
    const text = `no node lives: ${wait(waiting)}`;
    return waiting === 0 ? [] : [finding('no_node', severity, text, 'start the nodes of this topic')];
  }
  const have = here.filter(({ engine }) => engine !== null);
  if (have.length === 0) {
    const fronts = `${count(here.length, 'node')} ${here.length === 1 ? 'accepts' : 'accept'}`;
    const text = `no living node has an engine: ${fronts}, ${wait(waiting)}`;
    const step = 'start a node with an engine, one that calls run or getRequests, in this topic';
    return [finding('no_engine', severity, text, step, { nodes })];
  }
  if (have.some(({ engine }) => engine?.down === null)) return [];
  const text = `every living engine is down: ${wait(waiting)}`;
  return [finding('engines_down', severity, text, 'mend the engines, see their circuits', { nodes })];
}

/** Work is in a shard at which nobody looks, though nodes live. */
function unseen({ shards, nodes }: TopicStatus): StatusFinding[] {
  const here = nodes.filter(isHere);
  if (!here.some(({ engine }) => engine !== null)) return [];
  const most = Math.max(0, ...here.map(({ card }) => card?.leaseMs ?? LEASE_MS));
  return shards.flatMap(({ shard, waiting, claims, oldestMs, visitedMs }) => {
    // what was put a moment ago need not have been looked at
    const forMs = Math.min(visitedMs ?? Infinity, oldestMs ?? Infinity);
    if (waiting + claims === 0 || forMs === Infinity || forMs <= most) return [];
    const text = `nobody has looked at shard ${shard} for ${duration(forMs)}: ${wait(waiting)} there, ${count(claims, 'claim')}`;
    const step = 'restart a node with an engine: it looks at every shard in use';
    return [finding('shard_unseen', 'broken', text, step, { shards: [shard] })];
  });
}

function tooLarge({ tooLarge, largestPrompt }: TopicStatus): StatusFinding[] {
  return tooLarge.map(({ shard, node, id, tokens, behind }) => {
    const what = `the head of ${node} in shard ${shard} (${tokens} tokens) fits no living engine`;
    const text = `${what} (largest ${largestPrompt ?? 0}); ${behind} wait behind it`;
    const step = `start an engine that can hold ${tokens} tokens, or cancel request ${id} at ${node}`;
    return finding('head_fits_none', 'warning', text, step, { nodes: [node], shards: [shard] });
  });
}

function silent(node: NodeStatus, now: number): StatusFinding[] {
  const { name, condition, heardAt, registeredUntil, card, waiting } = node;
  if (condition !== 'silent') return [];
  const forMs = now - (heardAt ?? registeredUntil);
  const since = `${heardAt === null ? 'at least ' : ''}${duration(forMs)}`;
  const claims = card && card.held > 0 ? claimsOf(card.held, card.leaseMs - forMs) : [];
  const own = waiting > 0 ? [`${waiting} that it accepted wait for others`] : [];
  const text = [`${name} has been silent for ${since}`, ...claims, ...own].join('; ');
  const process = card ? `process ${card.pid} on ${card.host}` : 'its process';
  const step = `look at ${process}; if it is gone, start its successor: node ${name}, takeover: true`;
  return [finding('node_silent', 'warning', text, step, { nodes: [name] })];
}

function claimsOf(held: number, leftMs: number): string[] {
  const its = `its ${count(held, 'claim')}`;
  const [returns, has] = held === 1 ? ['returns', 'has'] : ['return', 'have'];
  return [leftMs > 0 ? `${its} ${returns} in ${duration(leftMs)}` : `${its} ${has} returned`];
}

function open({ name, condition, engine, nextTryAt, card }: NodeStatus, now: number): StatusFinding[] {
  if (condition === 'silent' || condition === 'left' || !engine?.down) return [];
  const { failures, pauseMs, reason } = engine.down;
  const next =
    nextTryAt === null
      ? `tried again ${duration(pauseMs)} after the last`
      : nextTryAt > now
        ? `next try in ${duration(nextTryAt - now)}`
        : 'a request tries it now';
  const text = `circuit of ${name} open: ${reason}, ${next} (${count(failures, 'failure')} in a row)`;
  const where = card ? `process ${card.pid} on ${card.host}` : name;
  const step = `restart the engine behind ${where}; the node tries it by itself`;
  return [finding('circuit_open', 'warning', text, step, { nodes: [name] })];
}

function mixed(
  { nodes }: TopicStatus,
  kind: 'mixed_versions' | 'mixed_policies',
  word: string,
  of: (card: NonNullable<NodeStatus['card']>) => string,
): StatusFinding[] {
  const by = new Map<string, string[]>();
  for (const node of nodes.filter(isHere)) {
    const value = node.card ? of(node.card) : 'unknown';
    by.set(value, [...(by.get(value) ?? []), node.name]);
  }
  // a node without a card is of a version that has none; its policy may be any
  if (kind === 'mixed_policies') by.delete('unknown');
  if (by.size < 2) return [];
  const rows = [...by].sort(([a], [b]) => (a < b ? -1 : 1));
  const text = `nodes differ in their ${word}: ${rows.map(([value, names]) => `${value} (${some(names)})`).join(', ')}`;
  const step = `restart those that differ, so that all nodes of the topic have one ${word}`;
  return [finding(kind, 'warning', text, step, { nodes: rows.flatMap(([, names]) => names) })];
}

function some(names: readonly string[]): string {
  const more = names.length - NAMED;
  return `${names.slice(0, NAMED).join(' ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function draining({ name, condition, card }: NodeStatus): StatusFinding[] {
  if (condition !== 'draining') return [];
  const text = `${name} drains: ${count(card?.running ?? 0, 'request')} still ran there when it last said`;
  return [
    finding('draining', 'note', text, 'wait for it; close({ drainMs }) bounds that', { nodes: [name] }),
  ];
}
