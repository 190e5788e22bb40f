import type { Command } from 'commander';
import { entriesOf, findEntries, removeEntry, type DeadEntry } from '../../inspect/dead-letters.ts';
import { count, duration, oneLine, shown, table, UsageError, type Report } from '../output.ts';
import type { Run } from '../session.ts';
import { onTopic, type Topic } from '../topic.ts';
import { NOT_KEPT, retry } from './retry.ts';

export function addDead(program: Command, run: Run): void {
  const dead = program
    .command('dead')
    .summary('look after the requests that were given up')
    .description(
      'Requests that every runner lost, or that a runner could not decode, are kept in their shard for a day, and those ' +
        'that failed or expired if their owner wants that (option deadLetter): about the last 1,000, each with its body up to ' +
        '64 KiB (option maxDeadBodyBytes). One is named by its shard:entry, as "ls" prints it, or by its request id where ' +
        'only one entry is of that.',
    );
  const ls = dead
    .command('ls')
    .summary('list them')
    .description('Lists the requests that were given up, per shard, oldest first.');
  onTopic(ls, run, list);
  const onEntry = (name: string, summary: string, description: string, act: EntryAction): void => {
    const command = dead
      .command(name)
      .summary(summary)
      .description(description)
      .argument('<shard:entry>', 'as "ls" prints it, or its request id');
    onTopic(command, run, (topic, wanted: string) => withEntry(topic, wanted, act));
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
    retry,
  );
  onEntry('drop', 'remove it', 'Removes one entry.', drop);
}

type EntryAction = (topic: Topic, entry: DeadEntry) => Promise<Report>;

/** @throws UsageError if several entries are of the request id that was given */
async function withEntry(topic: Topic, wanted: string, act: EntryAction): Promise<Report> {
  const { client, name, registry } = topic;
  const [entry, ...more] = await findEntries(client, name, registry.shards, wanted);
  if (entry && more.length === 0) return act(topic, entry);
  if (entry) {
    const all = [entry, ...more].map((one) => one.entry);
    throw new UsageError(
      `${all.length} entries are of request ${oneLine(wanted)}: ${all.join(', ')}`,
      'name one of them by its shard:entry',
    );
  }
  return {
    json: { topic: name },
    text: '',
    failure: {
      code: 'MISSING',
      message: `topic ${name} has no dead request ${oneLine(wanted)}`,
      hint: 'run "sched-lua dead ls"; entries go after a day, or when newer ones take their place',
    },
  };
}

/** Every entry of a topic, without payloads. */
async function list({ client, name: topic, registry }: Topic): Promise<Report> {
  const { now, shards } = registry;
  const entries: DeadEntry[] = [];
  for (let shard = 0; shard < shards; shard += 1) {
    for await (const entry of entriesOf(client, topic, shard)) entries.push({ ...entry, body: undefined });
  }
  const rows = entries.map(({ entry, id, owner, kind, reason, error, tries, at, bytes }) => [
    ...[
      entry,
      id,
      owner,
      kind,
      short(error ?? reason),
      tries,
      `${duration(Math.max(0, now - at))} ago`,
      bytes,
    ],
  ]);
  return {
    json: { topic, now, entries: entries.map(asJson) },
    text:
      entries.length === 0
        ? `topic ${topic}: no dead requests`
        : table(['SHARD:ENTRY', 'REQUEST', 'OWNER', 'KIND', 'REASON', 'TRIES', 'WHEN', 'BYTES'], rows),
  };
}

const MAX_REASON = 60;

function short(reason: string): string {
  const text = oneLine(reason);
  return text.length > MAX_REASON ? `${text.slice(0, MAX_REASON - 1)}…` : text;
}

function asJson({ error, ...one }: DeadEntry) {
  const { entry, id, owner, promptTokens, kind, reason, tries, nodes, at, bytes } = one;
  return { entry, id, owner, promptTokens, kind, reason, error: error ?? null, tries, nodes, at, bytes };
}

function show({ name: topic }: Topic, entry: DeadEntry): Promise<Report> {
  const { entry: name, id, owner, promptTokens, kind, reason, error, tries, nodes, at, bytes, body } = entry;
  const payload = body && shown(body);
  const lines = [
    `shard:entry  ${name}`,
    `request      ${id}`,
    `owner        ${owner}`,
    `kind         ${kind}`,
    `reason       ${reason}`,
    `last error   ${error ?? '-'}`,
    `tries        ${tries}`,
    `nodes        ${nodes.join(' ') || '-'}`,
    `when         ${new Date(at).toISOString()}`,
    `tokens       ${promptTokens}`,
    `size         ${count(bytes, 'byte')}${payload?.encoding === 'base64' ? ', shown in base64' : ''}`,
  ];
  return Promise.resolve({
    json: { topic, ...asJson(entry), payload: payload?.text ?? null, encoding: payload?.encoding ?? null },
    text: `${lines.map(oneLine).join('\n')}\n\n${payload?.text ?? NOT_KEPT}`,
  });
}

async function drop({ client, name: topic }: Topic, entry: DeadEntry): Promise<Report> {
  await removeEntry(client, topic, entry);
  return {
    json: { topic, ...asJson(entry) },
    text: `dropped ${entry.entry}, request ${oneLine(entry.id)} of ${entry.owner}`,
  };
}
