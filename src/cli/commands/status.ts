import type { Command } from 'commander';
import { sleep } from '../../base/clock.ts';
import type { LoadUnit } from '../../base/options.ts';
import { readStatus } from '../../inspect/read-status.ts';
import { readRegistry } from '../../inspect/registry.ts';
import type { ShardStatus } from '../../inspect/shard-status.ts';
import type { NodeStatus, StatusFinding, StatusReport } from '../../inspect/status-report.ts';
import { listTopics } from '../../inspect/topics.ts';
import { describeRedis } from '../../redis/source.ts';
import { catchInterrupt } from '../interrupt.ts';
import { count, duration, fold, oneLine, shorten, table, type Failure, type Report } from '../output.ts';
import type { Run } from '../session.ts';
import { onTopic, type Topic } from '../topic.ts';

/** Of --watch. */
const EVERY_MS = 2_000;
/** So many topics are named to who names one that there is not. */
const MANY = 20;
/** Findings of one kind that are printed. */
const MOST_OF_A_KIND = 5;
/** Characters of a name in a sentence. */
const LONGEST_NAME = 40;

interface Options {
  watch?: true;
  check?: true;
}

export function addStatus(program: Command, run: Run): void {
  const command = program
    .command('status')
    .summary("show a topic's nodes and shards, and what is wrong")
    .description(
      'Shows the nodes of a topic, with what of their requests waits, what runs there and what they have room for; for each ' +
        'shard in use what waits, since when, what is claimed, leases that are over, results that their owners have not ' +
        'taken yet, and requests given up; and says what is wrong, and what mends it. Exit code 1 if there is no such topic.',
    )
    .option('--watch', `show it again every ${EVERY_MS / 1000} s, until Ctrl-C`)
    .option('--check', 'exit code 1 also if something is broken, or warned of');
  onTopic(command, run, (topic) => {
    const options = command.opts<Options>();
    return options.watch ? watch(topic, options) : status(topic, options);
  });
}

/** Again and again, whatever goes wrong after the first time. */
async function watch(topic: Topic, options: Options): Promise<undefined> {
  const interrupted = catchInterrupt();
  const { client, name, show, failed } = topic;
  const look = async (): Promise<Report> =>
    status({ ...topic, registry: await readRegistry(client, name) }, options);
  for (let report = await status(topic, options); ; report = await look().catch(failed)) {
    await show(report);
    await sleep(EVERY_MS, interrupted);
    if (interrupted.aborted) return undefined;
  }
}

/** A topic's nodes and shards, each shard at an instant of its own. */
async function status(on: Topic, { check }: Options): Promise<Report> {
  const { client, name: topic, registry } = on;
  if (registry.nodes.length === 0 && registry.shards === 0) return noSuchTopic(on);
  const server = describeRedis(on.source);
  const report = await readStatus(client, { topic, server, registry });
  return {
    json: { ...report },
    text: textOf(report),
    failure: check ? failureOf(report.findings) : undefined,
  };
}

function textOf({ topic, server, now, loadUnit, nodes, shards, findings }: StatusReport): string {
  return [
    fold(`topic ${topic} on ${server}: ${summary(nodes, shards.length, loadUnit)}`),
    nodeTable(nodes, now),
    shardTable(shards),
    findings.length === 0 ? 'nothing is wrong' : allTold(findings),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** What passes by itself is none. */
function failureOf(findings: readonly StatusFinding[]): Failure | undefined {
  const bad = findings.filter(({ severity }) => severity !== 'note');
  if (bad.length === 0) return undefined;
  return { code: 'BROKEN', message: `${count(bad.length, 'thing')} wrong with this topic` };
}

/** Names those that there are. */
export async function noSuchTopic({ client, name: topic }: Topic): Promise<Report> {
  const topics = (await listTopics(client))?.map((one) => one.topic);
  const named = topics?.slice(0, MANY).join(', ');
  const more = Math.max(0, (topics?.length ?? 0) - MANY);
  const list =
    named === undefined ? '' : `; topics: ${named || 'none'}${more > 0 ? ` and ${more} more` : ''}`;
  return {
    json: { topic, topics: topics ?? null },
    text: '',
    failure: {
      code: 'MISSING',
      message: `no such topic: ${topic}${list}`,
      hint: 'a topic is here while a node of it is registered, and for a day after',
    },
  };
}

function summary(nodes: readonly NodeStatus[], shards: number, loadUnit: LoadUnit): string {
  const registered = nodes.filter(({ state }) => state === 'registered').length;
  return `${count(registered, 'node')} registered, ${count(shards, 'shard')} in use, load in ${loadUnit}`;
}

/** Of each kind the first ones: of a fleet that is gone each node has one. */
function allTold(findings: readonly StatusFinding[]): string {
  const kinds = new Map<string, StatusFinding[]>();
  for (const one of findings) kinds.set(one.kind, [...(kinds.get(one.kind) ?? []), one]);
  return [...kinds.values()]
    .flatMap((list) => {
      const more = list.length - MOST_OF_A_KIND;
      const [{ severity }] = list as [StatusFinding];
      const rest = more > 0 ? [`${severity}: and ${more} more like these; --json has all`] : [];
      return [...list.slice(0, MOST_OF_A_KIND).map(told), ...rest];
    })
    .join('\n');
}

/** A finding and what mends it, with names of any length. */
function told({ severity, text, step }: StatusFinding): string {
  const line = (words: string): string =>
    fold(
      oneLine(words)
        .split(' ')
        .map((word) => shorten(word, LONGEST_NAME))
        .join(' '),
    );
  return `${line(`${severity}: ${text}`)}\n${line(`=> ${step}`)}`;
}

const HEADER = ['NODE', 'WAITING', 'OLDEST', 'RUNNING', 'ROOM', 'STATE', 'HOST', 'VERSION'];

function nodeTable(nodes: readonly NodeStatus[], now: number): string {
  if (nodes.length === 0) return '';
  const rows = nodes.map((node) => [
    node.name,
    node.waiting,
    node.oldestMs === null ? '-' : duration(node.oldestMs),
    node.card && node.engine ? String(Math.max(node.card.held, node.card.running)) : '-',
    node.card?.room && node.engine ? String(node.card.room.tokens) : '-',
    stateOf(node, now),
    node.card?.host ?? '-',
    node.card?.version ?? '-',
  ]);
  return table(HEADER, rows, [HEADER.indexOf('HOST'), HEADER.indexOf('NODE')]);
}

function stateOf({ condition, heardAt, registeredUntil }: NodeStatus, now: number): string {
  if (condition !== 'silent' && condition !== 'left') return condition;
  return `${condition} ${duration(Math.max(0, now - (heardAt ?? registeredUntil)))}`;
}

function shardTable(shards: readonly ShardStatus[]): string {
  if (shards.length === 0) return '';
  const isCluster = shards.some(({ place }) => place !== undefined);
  const rows = shards.map(({ shard, waiting, load, oldestMs, claims, leases, results, dead, place }) => [
    shard,
    waiting,
    load,
    oldestMs === null ? '-' : duration(oldestMs),
    claims,
    leases.overdue > 0 ? `${leases.overdue} overdue` : claims > 0 ? 'in time' : '-',
    results,
    dead,
    ...(isCluster ? [place?.slot ?? '-', place?.server ?? 'none'] : []),
  ]);
  const header = ['SHARD', 'WAITING', 'LOAD', 'OLDEST', 'CLAIMS', 'LEASES', 'RESULTS', 'DEAD'];
  return table([...header, ...(isCluster ? ['SLOT', 'MASTER'] : [])], rows, [header.length + 1]);
}
