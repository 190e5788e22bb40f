import type { Command } from 'commander';
import type { Redis } from 'ioredis';
import type { RedisSource } from '../../redis/connection.ts';
import { checkTopic } from '../../base/keys.ts';
import type { Client } from '../../redis/run-script.ts';
import {
  NOT_KEPT,
  entriesOf,
  findEntry,
  removeEntry,
  type DeadEntry,
  type Found,
} from '../../inspect/dead-letters.ts';
import { count, duration, oneLine, shown, table, type Report } from '../output.ts';
import { readRegistry } from '../../inspect/registry.ts';
import { retry } from './retry.ts';
import type { GlobalOptions, Run } from '../session.ts';

export function addDead(program: Command, run: Run): void {
  const dead = program
    .command('dead')
    .summary('look after the requests that were given up')
    .description(
      'Requests that every runner lost, or that a runner could not decode, are kept in their shard for a day: at most ' +
        'about 1,000, each with its body up to 64 KiB. An entry is named by its address, as "ls" prints it, or by its ' +
        'request id where only one entry is of that.',
    );
  dead
    .command('ls')
    .summary('list them')
    .description('Lists the requests that were given up, per shard, oldest first.')
    .argument('[topic]', 'the topic', 'default')
    .action((topic: string) => {
      checkTopic(topic);
      return run((client) => list(client, topic));
    });
  const onEntry = (name: string, summary: string, description: string, act: EntryAction): void => {
    dead
      .command(name)
      .summary(summary)
      .description(description)
      .argument('<entry>', 'its address (shard:id), or its request id')
      .argument('[topic]', 'the topic', 'default')
      .action((wanted: string, topic: string) => {
        checkTopic(topic);
        return run((client, source) => withEntry(client, source, topic, wanted, act));
      });
  };
  onEntry(
    'show',
    'show one with its payload',
    'Shows one entry and its payload: as it is if it is text, else in base64.',
    show,
  );
  onEntry(
    'retry',
    'put it again, wait for its result',
    'Puts the request again as a new one of a node of this command, waits for its result and prints it, and removes the ' +
      'entry if it ended well. An interrupt cancels it and leaves the entry.',
    (found) => retry(found, program.opts<GlobalOptions>()),
  );
  onEntry('drop', 'remove it', 'Removes one entry.', drop);
}

type EntryAction = (found: Found) => Promise<Report>;

async function withEntry(
  client: Client,
  source: RedisSource,
  topic: string,
  wanted: string,
  act: EntryAction,
): Promise<Report> {
  const redis = client as Redis;
  const { shards, loadUnit } = await readRegistry(client, topic);
  const entry = await findEntry(redis, topic, shards, wanted);
  if (entry) return act({ redis, source, topic, shards, loadUnit, entry });
  return {
    json: { topic },
    text: '',
    failure: {
      code: 'MISSING',
      message: `topic ${topic} has no dead request ${oneLine(wanted)}`,
      hint: 'run "sched-lua dead ls"; entries go after a day, or when newer ones take their place',
    },
  };
}

/** Every entry of a topic, without payloads. */
export async function list(client: Client, topic: string): Promise<Report> {
  const { now, shards } = await readRegistry(client, topic);
  const entries: DeadEntry[] = [];
  for (let shard = 0; shard < shards; shard += 1) {
    for await (const entry of entriesOf(client as Redis, topic, shard))
      entries.push({ ...entry, body: undefined });
  }
  const rows = entries.map(({ entry, id, owner, reason, tries, at, bytes }) => [
    ...[entry, id, owner, short(reason), tries, `${duration(Math.max(0, now - at))} ago`, bytes],
  ]);
  return {
    json: { topic, now, entries: entries.map(asJson) },
    text:
      entries.length === 0
        ? `topic ${topic}: no dead requests`
        : table(['ENTRY', 'REQUEST', 'OWNER', 'REASON', 'TRIES', 'WHEN', 'BYTES'], rows),
  };
}

const MAX_REASON = 60;

function short(reason: string): string {
  const text = oneLine(reason);
  return text.length > MAX_REASON ? `${text.slice(0, MAX_REASON - 1)}…` : text;
}

function asJson({ entry, id, owner, promptTokens, reason, tries, at, bytes }: DeadEntry) {
  return { entry, id, owner, promptTokens, reason, tries, at, bytes };
}

function show({ topic, entry }: Found): Promise<Report> {
  const { entry: address, id, owner, promptTokens, reason, tries, at, bytes, body } = entry;
  const payload = body && shown(body);
  const lines = [
    ...[
      `entry    ${address}`,
      `request  ${id}`,
      `owner    ${owner}`,
      `reason   ${reason}`,
      `tries    ${tries}`,
    ],
    ...[`when     ${new Date(at).toISOString()}`, `tokens   ${promptTokens}`],
    `size     ${count(bytes, 'byte')}${payload?.encoding === 'base64' ? ', shown in base64' : ''}`,
  ];
  return Promise.resolve({
    json: { topic, ...asJson(entry), payload: payload?.text ?? null, encoding: payload?.encoding ?? null },
    text: `${lines.map(oneLine).join('\n')}\n\n${payload?.text ?? NOT_KEPT}`,
  });
}

async function drop({ redis, topic, entry }: Found): Promise<Report> {
  await removeEntry(redis, topic, entry);
  return {
    json: { topic, ...asJson(entry) },
    text: `dropped ${entry.entry}, request ${oneLine(entry.id)} of ${entry.owner}`,
  };
}
