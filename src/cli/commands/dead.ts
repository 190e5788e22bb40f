import type { Command } from 'commander';
import type { DeadFilter } from '../../inspect/dead-filter.ts';
import { findEntries, removeEntries, type DeadEntry } from '../../inspect/dead-letters.ts';
import { count, duration, oneLine, shown, table, UsageError, type Report } from '../output.ts';
import type { Run } from '../session.ts';
import { onTopic, type Topic } from '../topic.ts';
import { dropAll, nothing, retryAll, selected } from './dead-bulk.ts';
import { addBulk, addFilter, arrange, filterOf, isBulk, type BulkOptions } from './dead-options.ts';
import { NOT_KEPT } from './retry-node.ts';
import { retry } from './retry.ts';

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
  addFilter(ls);
  onTopic(ls, run, (topic) => list(topic, filterOf(ls.opts<BulkOptions>())));
  const named = (name: string, summary: string, description: string): Command =>
    dead.command(name).summary(summary).description(description);
  const show = named(
    'show',
    'show one with its payload',
    'Shows one entry and its payload: as it is if it is text, else in base64.',
  ).argument('<shard:entry>', NAME);
  onTopic(show, run, (topic, wanted: string) => withEntry(topic, wanted, showOne));
  const many = (command: Command, one: EntryAction, all: BulkAction): void => {
    addBulk(command.argument('[shard:entry]', `${NAME}; none with a filter`));
    const act = (topic: Topic, wanted: string): Promise<Report> => {
      if (!isBulk(command)) return withEntry(topic, wanted, one);
      const { dryRun, ...options } = command.opts<BulkOptions>();
      return dryRun ? list(topic, filterOf(options)) : all(topic, filterOf(options));
    };
    onTopic(command, run, act, (given) => arrange(command, given));
  };
  const again = named(
    'retry',
    'put one, or many, again; wait for the results',
    'Puts the request again as a new one of a node of this command, waits for its result and prints it, and removes the ' +
      'entry if it ended well. With a filter, or --all: of all that it means, 64 at a time; only how they ended is printed. ' +
      'An interrupt, or the end of a --timeout that is given, cancels what has not ended and leaves its entry.',
  ).option(
    '--no-wait',
    'end when they are in line again, and their entries gone; one that does not finish comes back to the dead',
  );
  const wait = (): { wait: boolean } => again.opts<{ wait: boolean }>();
  many(
    again,
    (topic, entry) => retry(topic, entry, wait()),
    (topic, filter) => retryAll(topic, filter, wait()),
  );
  many(
    named('drop', 'remove one, or many', 'Removes one entry; with a filter, or --all, all that it means.'),
    drop,
    dropAll,
  );
}

const NAME = 'as "ls" prints it, or its request id';

type BulkAction = (topic: Topic, filter: DeadFilter) => Promise<Report>;
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

/** Every entry of a topic that is meant, without payloads. */
async function list(on: Topic, filter: DeadFilter): Promise<Report> {
  const { name: topic, registry } = on;
  const { now } = registry;
  const entries: DeadEntry[] = [];
  for await (const page of selected(on, filter))
    entries.push(...page.map((entry) => ({ ...entry, body: undefined })));
  const isAll = Object.values(filter).every((value) => value === undefined);
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
        ? isAll
          ? `topic ${topic}: no dead requests`
          : nothing(topic)
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

function showOne({ name: topic }: Topic, entry: DeadEntry): Promise<Report> {
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
  await removeEntries(client, topic, [entry]);
  return {
    json: { topic, ...asJson(entry) },
    text: `dropped ${entry.entry}, request ${oneLine(entry.id)} of ${entry.owner}`,
  };
}
