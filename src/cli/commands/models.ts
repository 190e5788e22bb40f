import type { Command } from 'commander';
import { NODE_SETTINGS } from '../../fleet/node-settings.ts';
import { readStatus } from '../../inspect/read-status.ts';
import { readRegistry } from '../../inspect/registry.ts';
import type { NodeStatus, StatusReport } from '../../inspect/status-report.ts';
import { modelsKey, readModels, type Model } from '../../openai/registry.ts';
import { describeRedis } from '../../redis/source.ts';
import { readSettings } from '../../service/settings.ts';
import { count, fold, table, type Failure, type Report } from '../output.ts';
import type { Means, Session } from '../session.ts';

/** A worker of a model, as its topic knows it. */
interface WorkerRow {
  name: string;
  /** Of its node there (docs/status.md); `silent` also if the topic does not know it. */
  state: NodeStatus['condition'];
  /** Tokens of the largest prompt that its engine can ever hold; null: it did not say. */
  largestPrompt: number | null;
  running: number;
}

interface ModelRow {
  name: string;
  topic: string;
  /** Names that gateways with this configuration have for it. */
  aliases: string[];
  kinds: string[];
  workers: WorkerRow[];
  /** Of prompt and output together, tokens; null: an engine does not say. */
  maxModelLen: number | null;
  largestPrompt: number | null;
  /** Requests of all gateways. */
  waiting: number;
  running: number;
  /** `down`: no engine of it takes requests. */
  state: 'serving' | 'down';
}

type Chosen = Pick<typeof NODE_SETTINGS, 'fleet' | 'aliases'>;

export function addModels(program: Command, { run, env }: Means): void {
  const command = program
    .command('models')
    .summary('list the models that a fleet serves')
    .description(
      'Lists the models that the workers of a fleet announce: their workers, the largest prompt, what waits and runs, and ' +
        'whether an engine takes requests. Exit code 1 if there is none, or one has no such engine.',
    )
    .option('--fleet <name>', 'the fleet (default: SCHED_LUA_FLEET, else default)')
    .option('--config <file>', "a gateway's file: its fleet, and its aliases");
  command.action(async () => {
    const { config, ...flags } = command.opts<{ config?: string; fleet?: string }>();
    // the file may have all that a gateway or a node has; of the environment only the fleet is meant
    const given = { flags, env: { SCHED_LUA_FLEET: env['SCHED_LUA_FLEET'] }, config };
    const settings: { [Name in keyof Chosen]: ReturnType<Chosen[Name]['read']> } = readSettings(
      'gateway',
      NODE_SETTINGS,
      given,
    );
    await run((session) => models(session, settings));
  });
}

async function models(
  { client, source }: Session,
  { fleet, aliases }: { fleet: string; aliases: Readonly<Record<string, string>> },
): Promise<Report> {
  const server = describeRedis(source);
  const rows: ModelRow[] = [];
  for (const model of (await readModels(client, fleet)).values()) {
    const registry = await readRegistry(client, model.topic);
    const status = await readStatus(client, { topic: model.topic, server, registry });
    const named = Object.keys(aliases).filter((alias) => aliases[alias] === model.name);
    rows.push(rowOf(model, status, named));
  }
  return {
    json: { fleet, server, models: rows },
    text: rows.length === 0 ? '' : textOf(fleet, server, rows),
    failure: failureOf(fleet, rows),
  };
}

function rowOf(model: Model, { nodes, shards, largestPrompt }: StatusReport, aliases: string[]): ModelRow {
  const workers = model.workers.map((name): WorkerRow => {
    const node = nodes.find((one) => one.name === name);
    return {
      ...{ name, state: node?.condition ?? 'silent', largestPrompt: node?.engine?.largestPrompt ?? null },
      running: node?.card ? Math.max(node.card.held, node.card.running) : 0,
    };
  });
  const sum = (of: 'waiting' | 'claims'): number => shards.reduce((all, shard) => all + shard[of], 0);
  const isServed = workers.some(({ state }) => state === 'idle' || state === 'serving');
  return {
    ...{ name: model.name, topic: model.topic, aliases, kinds: model.kinds, workers },
    ...{ maxModelLen: model.maxModelLen ?? null, largestPrompt },
    ...{ waiting: sum('waiting'), running: sum('claims'), state: isServed ? 'serving' : 'down' },
  };
}

function failureOf(fleet: string, rows: readonly ModelRow[]): Failure | undefined {
  if (rows.length === 0) {
    const message = `no worker of fleet ${fleet} announces a model in ${modelsKey(fleet)}`;
    return { code: 'MISSING', message, hint: 'start one: sched-lua worker --engine <url> --fleet <name>' };
  }
  const down = rows.filter(({ state }) => state === 'down');
  if (down.length === 0) return undefined;
  const message = `${count(down.length, 'model')} of fleet ${fleet} without an engine that takes requests`;
  return { code: 'BROKEN', message, hint: `run "sched-lua status ${down[0]!.topic}"` };
}

const HEADER = ['MODEL', 'KIND', 'WORKERS', 'LARGEST', 'WAITING', 'RUNNING', 'STATE'];
const WORKER_HEADER = ['WORKER', 'MODEL', 'LARGEST', 'RUNNING', 'STATE'];

function textOf(fleet: string, server: string, rows: readonly ModelRow[]): string {
  const aliases = rows.flatMap(({ name, aliases: all }) => all.map((alias) => [alias, name]));
  return [
    fold(`fleet ${fleet} on ${server}: ${count(rows.length, 'model')}`),
    table(
      HEADER,
      rows.map(({ name, kinds, workers, largestPrompt, waiting, running, state }) => [
        ...[name, kinds.join(','), workers.length, largestPrompt ?? '-', waiting, running, state],
      ]),
      [0, 1],
    ),
    table(
      WORKER_HEADER,
      rows.flatMap(({ name: model, workers }) =>
        workers.map(({ name, largestPrompt, running, state }) => {
          return [name, model, largestPrompt ?? '-', running, state];
        }),
      ),
      [0, 1],
    ),
    ...(aliases.length === 0 ? [] : [table(['ALIAS', 'MODEL'], aliases, [1, 0])]),
  ].join('\n\n');
}
