import type { Command } from 'commander';
import { SchedulerError } from '../../base/errors.ts';
import { modeOf } from '../../redis/ready.ts';
import { allScripts, type Script } from '../../redis/run-script.ts';
import { count, table, type Report } from '../output.ts';
import type { Run } from '../session.ts';
import { withServers, type Server } from '../servers.ts';

export function addLoad(program: Command, run: Run): void {
  program
    .command('load')
    .summary('put all scripts into the server')
    .description(
      'Puts all scripts into the script cache of the server (SCRIPT LOAD), in a Cluster of every master and replica, for nodes that run with scripts: "preloaded". ' +
        'Safe at any time and as often as you like; needed again after a restart, a failover or SCRIPT FLUSH.',
    )
    .option('--check', 'load nothing, say what is missing; exit code 1 if anything is')
    .action((options: { check?: boolean }) =>
      run(({ client }) => withServers(client, options.check ? check : load)),
    );
}

/** Loads every script into every server, and compares the SHA1 that Redis answers with ours. */
export async function load(servers: readonly Server[]): Promise<Report> {
  const scripts = Object.values(allScripts());
  for (const server of servers) await Promise.all(scripts.map((script) => loadInto(server, script)));
  const rows = servers.flatMap((server) => scripts.map((script) => row(server, script)));
  return {
    json: { servers: servers.map(({ name }) => name), scripts: rows },
    text: `${asText(rows)}\n${count(rows.length, 'script')} loaded`,
    note: await notReached(servers),
  };
}

async function loadInto({ name, redis }: Server, script: Script): Promise<void> {
  const answered = await redis.script('LOAD', script.text);
  if (answered === script.sha1) return;
  const message = `${name} answers SHA1 ${String(answered)} for script ${script.name}, ours is ${script.sha1}`;
  throw new SchedulerError('SCRIPT', 'load', message);
}

/** Says which scripts a server does not have; fails if it lacks one. */
async function check(servers: readonly Server[]): Promise<Report> {
  const scripts = Object.values(allScripts());
  const missing: Row[] = [];
  for (const server of servers) {
    const found = (await server.redis.script('EXISTS', ...scripts.map(({ sha1 }) => sha1))) as number[];
    missing.push(...scripts.filter((_, at) => found[at] !== 1).map((script) => row(server, script)));
  }
  const names = servers.map(({ name }) => name);
  const all = scripts.length * servers.length;
  return {
    json: { servers: names, missing },
    text:
      missing.length === 0
        ? `nothing is missing: ${count(all, 'script')} on ${names.join(', ')}`
        : asText(missing),
    note: await notReached(servers),
    failure:
      missing.length === 0
        ? undefined
        : {
            code: 'MISSING',
            message: `${missing.length} of ${count(all, 'script')} missing on ${names.join(', ')}`,
            hint: 'run "sched-lua load"',
          },
  };
}

interface Row {
  name: string;
  sha1: string;
  bytes: number;
  server: string;
}

function row(server: Server, { name, sha1, bytes }: Script): Row {
  return { name, sha1, bytes, server: server.name };
}

function asText(rows: readonly Row[]): string {
  return table(
    ['SCRIPT', 'SHA1', 'BYTES', 'SERVER'],
    rows.map(({ name, sha1, bytes, server }) => [name, sha1, bytes, server]),
  );
}

/** Servers beside these that have script caches of their own; undefined if there are none, or this user may not see. */
async function notReached(servers: readonly Server[]): Promise<string | undefined> {
  for (const { name, redis } of servers) {
    const info = await redis.info().catch(() => '');
    // all of a Cluster were asked
    if (modeOf(info) === 'cluster') return undefined;
    const replicas = Number(/^connected_slaves:(\d+)/m.exec(info)?.[1] ?? 0);
    if (replicas > 0)
      return `${name} has ${count(replicas, 'replica')}, not asked: each has a script cache of its own`;
  }
  return undefined;
}
