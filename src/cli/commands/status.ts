import type { Command } from 'commander';
import { sleep } from '../../base/clock.ts';
import type { LoadUnit } from '../../base/options.ts';
import { readRegistry, type Registration } from '../../inspect/registry.ts';
import { inspectShard, type ShardStatus } from '../../inspect/shard-status.ts';
import type { TooLarge } from '../../inspect/too-large.ts';
import { findTopics } from '../../inspect/topics.ts';
import { catchInterrupt } from '../interrupt.ts';
import { count, duration, fold, oneLine, shorten, table, type Report } from '../output.ts';
import { serversOf, type Run } from '../session.ts';
import { onTopic, type Topic } from '../topic.ts';

/** Of --watch. */
const EVERY_MS = 2_000;
/** So many topics are named to who names one that there is not. */
const MANY = 20;
export function addStatus(program: Command, run: Run): void {
  const command = program
    .command('status')
    .summary("show a topic's nodes and shards")
    .description(
      'Shows the nodes of a topic, and for each shard in use what waits, since when, what is claimed, leases that are ' +
        'over, results that their owners have not taken yet, and requests given up. Names the engines that fail and are left alone, and the heads of lines that no ' +
        'living engine can ever hold. Exit code 1 if there is no such topic.',
    )
    .option('--watch', `show it again every ${EVERY_MS / 1000} s, until Ctrl-C`);
  onTopic(command, run, (topic) => (command.opts<{ watch?: true }>().watch ? watch(topic) : status(topic)));
}

/** Again and again, whatever goes wrong after the first time. */
async function watch(topic: Topic): Promise<undefined> {
  const interrupted = catchInterrupt();
  const { client, name, show, failed } = topic;
  const look = async (): Promise<Report> => status({ ...topic, registry: await readRegistry(client, name) });
  for (let report = await status(topic); ; report = await look().catch(failed)) {
    await show(report);
    await sleep(EVERY_MS, interrupted);
    if (interrupted.aborted) return undefined;
  }
}

/** A topic's nodes and shards, each shard at an instant of its own. */
async function status(on: Topic): Promise<Report> {
  const { client, name: topic, registry } = on;
  const { now, shards, loadUnit, nodes, largestPrompt } = registry;
  if (nodes.length === 0 && shards === 0) return noSuchTopic(on);
  const numbers = Array.from({ length: shards }, (_, shard) => shard);
  const looks = await Promise.all(numbers.map((shard) => inspectShard(client, topic, shard, largestPrompt)));
  const figures = looks.map(({ status }) => status);
  const tooLarge = looks.flatMap((look) => look.tooLarge);
  const server = (await serversOf(client)).map(({ name }) => name).join(', ');
  return {
    json: {
      ...{ topic, server, now, loadUnit, nodes, shards: figures },
      ...{ largestPrompt: largestPrompt ?? null, tooLarge },
    },
    text: [
      fold(`topic ${topic} on ${server}: ${summary(nodes, shards, loadUnit)}`),
      nodeTable(nodes, now),
      shardTable(figures),
      nodes.flatMap(brokenDown).map(fold).join('\n'),
      tooLarge.map((one) => fold(inVain(one, largestPrompt!))).join('\n'),
    ]
      .filter((part) => part !== '')
      .join('\n\n'),
  };
}

async function noSuchTopic({ client, name: topic, options }: Topic): Promise<Report> {
  const topics = await findTopics(client, options.timeout);
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

function summary(nodes: readonly Registration[], shards: number, loadUnit: LoadUnit): string {
  const registered = nodes.filter(({ state }) => state === 'registered').length;
  return `${count(registered, 'node')} registered, ${count(shards, 'shard')} in use, load in ${loadUnit}`;
}

function inVain({ shard, node, tokens }: TooLarge, largest: number): string {
  return `shard ${shard}: the head of ${shorten(node, 40)} (${tokens} tokens) fits no living engine (largest ${largest})`;
}

function nodeTable(nodes: readonly Registration[], now: number): string {
  if (nodes.length === 0) return '';
  const rows = nodes.map(({ name, home, state, registeredUntil, engine }) => [
    name,
    home,
    state === 'registered'
      ? `for ${duration(registeredUntil - now)} more`
      : `${state} ${duration(now - registeredUntil)} ago`,
    engineOf(engine),
  ]);
  return table(['NODE', 'HOME', 'REGISTERED', 'ENGINE'], rows, 0);
}

function engineOf(engine: Registration['engine']): string {
  if (engine === null) return '-';
  const size = engine.largestPrompt === null ? 'size unknown' : `${engine.largestPrompt} tokens`;
  return engine.down ? `${size}, down` : size;
}

/** Of a living node whose breaker is open. */
function brokenDown({ name, state, engine }: Registration): string[] {
  if (state !== 'registered' || !engine?.down) return [];
  const { failures, pauseMs, reason } = engine.down;
  const what = `the engine of ${shorten(name, 40)} is down: ${count(failures, 'failure')} in a row`;
  return [`${what}, tried again ${duration(pauseMs)} after the last: ${oneLine(reason)}`];
}

function shardTable(shards: readonly ShardStatus[]): string {
  if (shards.length === 0) return '';
  const rows = shards.map(({ shard, waiting, load, oldestMs, claims, leases, results, dead }) => [
    shard,
    waiting,
    load,
    oldestMs === null ? '-' : duration(oldestMs),
    claims,
    leases.overdue > 0 ? `${leases.overdue} overdue` : claims > 0 ? 'in time' : '-',
    results,
    dead,
  ]);
  return table(['SHARD', 'WAITING', 'LOAD', 'OLDEST', 'CLAIMS', 'LEASES', 'RESULTS', 'DEAD'], rows);
}
