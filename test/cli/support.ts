// The command: as a process, as it ships (`npm test` builds it first) but in one file, which starts faster; or in this
// process, with arguments, an environment, output and an exit code of its own. And a topic for it to look at.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { runProgram } from '../../src/cli/program.ts';
import { openClient } from '../../src/redis/connection.ts';
import { TOPICS_KEY, registryKeys, shardKeys, shardOf, wakePrefix } from '../../src/base/keys.ts';
import { runScript, type Argument, type Client } from '../../src/redis/run-script.ts';
import type { ScriptName } from '../../src/redis/declarations.ts';
import { NO_TICK } from '../../src/base/ticket.ts';
import { bundle } from '../support/bundle.ts';
import { callerArgs, claimArgs, hexOf, putArgs, type LoadUnit } from '../lua/wire.ts';

const command = await bundle(new URL('../../dist/cli/main.js', import.meta.url));

/** `SCHED_LUA_REDIS_URL` is `url`, or unset. */
function environment(url: string | undefined): NodeJS.ProcessEnv {
  const env = { ...process.env };
  delete env.SCHED_LUA_REDIS_URL;
  return url === undefined ? env : { ...env, SCHED_LUA_REDIS_URL: url };
}

/** Starts `sched-lua <args>` as a process; `detached`: with a group of its own. */
export function startCli(args: readonly string[], url?: string, { detached = false } = {}) {
  return spawn(process.execPath, [fileURLToPath(command), ...args], {
    detached,
    env: environment(url),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** `sched-lua <args>` as a shell takes it. */
export function shellCommand(args: readonly string[]): string {
  return [process.execPath, fileURLToPath(command), ...args].map((word) => `'${word}'`).join(' ');
}

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
  /** The object of `--json`. */
  json: () => Record<string, unknown> & { error?: { code: string; message: string; hint?: string } };
}

/** What `sched-lua <args>` says, and how it ends. */
export async function runCli(
  args: readonly string[],
  url?: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const said = Promise.all([text(stdout), text(stderr)]);
  const code = await runProgram(args, { stdout, stderr, env: { ...environment(url), ...variables } });
  for (const stream of [stdout, stderr]) stream.end();
  return outcomeOf(code, await said);
}

/** The same of a process. */
export async function runCliProcess(args: readonly string[], url?: string): Promise<Outcome> {
  const started = startCli(args, url);
  const said = Promise.all([text(started.stdout), text(started.stderr)]);
  const [code] = (await once(started, 'close')) as [number | null];
  return outcomeOf(code, await said);
}

function outcomeOf(code: number | null, [stdout, stderr]: readonly [string, string]): Outcome {
  return { code, stdout, stderr, json: () => JSON.parse(stdout) as ReturnType<Outcome['json']> };
}

/** Runs `use` with a plain client. */
export async function withClient<T>(url: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = openClient(new Redis(url, { lazyConnect: true }));
  try {
    return await use(client);
  } finally {
    client.disconnect();
  }
}

/** Lists the topic among those of the server, as a node of it does. */
export async function noteTopic(client: Client, topic: string): Promise<void> {
  await runScript(client, 'auto', 'note_topic', [TOPICS_KEY], [topic, '', '60000']);
}

/** The findings at the end of what `status` prints, on one line. */
export function told(text: string): string {
  return text.trimEnd().split('\n\n').at(-1)!.replace(/\s+/g, ' ');
}

interface Buried {
  id: string;
  owner?: string;
  /** Default: its body's. */
  bytes?: number;
  body?: Buffer;
  kind?: string;
  error?: string;
  /** When it was given up, ms; default: now. */
  at?: number;
}

/** Arguments of an XADD like that of lua/lib/copy_to_dead.lua. */
export function deadEntry(
  key: string,
  {
    id,
    owner = 'owner',
    body = Buffer.from('{}'),
    bytes = body.length,
    kind = 'lost',
    error = '',
    at,
  }: Buried,
): [key: string, ...rest: (string | Buffer)[]] {
  const ticket = `${owner}|${'0'.repeat(14)}|00000001|${'0'.repeat(12)}|${id}`;
  const told = ['ticket', ticket, 'kind', kind, 'error', error, 'spent', '3', 'nodes', 'a b'];
  return [key, at === undefined ? '*' : `${at}-*`, ...told, 'bytes', String(bytes), 'body', body];
}

const EPOCH = 1;
const TTL_MS = 900_000;

/** Registers a node, which then puts `puts` requests into its home shard and claims the first `claims` of them. */
export async function seedNode(
  client: Client,
  topic: string,
  node: string,
  loadShards: number,
  {
    puts = 0,
    claims = 0,
    keepAliveMs = 30_000,
    leaseMs = 30_000,
    loadUnit = 'requests',
    engine,
    breaker = '',
    card = '',
    tokens,
  }: {
    puts?: number;
    claims?: number;
    keepAliveMs?: number;
    leaseMs?: number;
    loadUnit?: LoadUnit;
    /** Tokens of the largest prompt that it can ever hold; default: it has none. */
    engine?: number;
    /** `failures|pause in ms|reason`; default: closed. */
    breaker?: string;
    /** What it tells of itself; default: nothing. */
    card?: string;
    /** Of each prompt; default: those of `putArgs`. */
    tokens?: number;
  } = {},
): Promise<void> {
  const home = shardOf(node, loadShards);
  const run = (name: ScriptName, keys: readonly string[], args: readonly Argument[]) =>
    runScript(client, 'auto', name, keys, args);
  const above = hexOf(EPOCH, 14);
  const times = [String(keepAliveMs), String(TTL_MS)];
  const names = [node, String(home)];
  await run('register', registryKeys(topic), [
    ...['take', `instance-of-${node}`, '', ...times, above, '', String(loadShards), loadUnit, ''],
    engine === undefined ? '' : String(engine),
    breaker,
    card,
    ...names,
  ]);
  const caller = callerArgs({
    node,
    epoch: EPOCH,
    seen: NO_TICK,
    clock: '',
    ttl: TTL_MS,
    lease: leaseMs,
    wake: wakePrefix(topic),
    number: home,
    policy: 'none',
    minLoad: 3,
    loadUnit,
    stealAfter: 50,
    laneCall: 1,
  });
  const items = Array.from({ length: puts }, (_, i) => ({
    id: `${node}-${i}`,
    ...(tokens === undefined ? {} : { tokens }),
  }));
  if (puts > 0) await run('put_requests', shardKeys(topic, home), [...caller, ...putArgs(1000, items)]);
  const bounds = {
    limit: claims,
    alone: 1e6,
    sum: 1e6,
    total: 1e6,
    bytes: 1e6,
    idleFor: 0,
    entropy: 1,
    patience: 2_000,
    keepFor: 4_000,
    askOn: 0,
    elsewhere: -1,
  };
  if (claims > 0)
    await run('claim', shardKeys(topic, home), [...caller, ...claimArgs({ ...bounds, since: NO_TICK })]);
}
