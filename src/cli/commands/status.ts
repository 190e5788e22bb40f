import type { Command } from 'commander';
import type { LoadUnit } from '../../base/options.ts';
import type { Registration } from '../../inspect/registry.ts';
import { inspectShard, type ShardStatus } from '../../inspect/shard-status.ts';
import type { TooLarge } from '../../inspect/too-large.ts';
import { count, duration, table, type Report } from '../output.ts';
import { serversOf, type Run } from '../session.ts';
import { onTopic, type Topic } from '../topic.ts';

export function addStatus(program: Command, run: Run): void {
  const command = program
    .command('status')
    .summary("show a topic's nodes and shards")
    .description(
      'Shows the nodes of a topic, and for each shard in use what waits, since when, what is claimed, leases that are ' +
        'over, results that their owners have not taken yet, and requests given up. Names the heads of lines that no ' +
        'living engine can ever hold.',
    );
  onTopic(command, run, status);
}

/** A topic's nodes and shards, each shard at an instant of its own. */
async function status({ client, name: topic, registry }: Topic): Promise<Report> {
  const { now, shards, loadUnit, nodes, largestPrompt } = registry;
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
      `topic ${topic} on ${server}: ${summary(nodes, shards, loadUnit)}`,
      nodeTable(nodes, now),
      shardTable(figures),
      tooLarge.map((one) => inVain(one, largestPrompt!)).join('\n'),
    ]
      .filter((part) => part !== '')
      .join('\n\n'),
  };
}

function summary(nodes: readonly Registration[], shards: number, loadUnit: LoadUnit): string {
  if (nodes.length === 0 && shards === 0) return 'no node has registered lately';
  const registered = nodes.filter(({ state }) => state === 'registered').length;
  return `${count(registered, 'node')} registered, ${count(shards, 'shard')} in use, load in ${loadUnit}`;
}

function inVain({ shard, node, tokens }: TooLarge, largest: number): string {
  return `shard ${shard}: the head of ${node} (${tokens} tokens) fits no living engine (largest ${largest})`;
}

function nodeTable(nodes: readonly Registration[], now: number): string {
  if (nodes.length === 0) return '';
  const rows = nodes.map(({ name, home, epoch, state, registeredUntil, engine }) => [
    name,
    home,
    epoch,
    state === 'registered'
      ? `for ${duration(registeredUntil - now)} more`
      : `${state} ${duration(now - registeredUntil)} ago`,
    engine === null ? '-' : engine.largestPrompt === null ? 'size unknown' : `${engine.largestPrompt} tokens`,
  ]);
  return table(['NODE', 'HOME SHARD', 'EPOCH', 'REGISTERED', 'ENGINE'], rows);
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
