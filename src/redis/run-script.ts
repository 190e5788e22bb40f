/**
 * Runs the Lua scripts of `lua/`, which scripts/build put into one text each. The one module that meets ioredis' untyped
 * side. Names given to `defineCommand` carry a hash of the text, so two versions share a server and a client.
 */
import { createHash } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import { SchedulerError } from '../base/errors.ts';
import { slotOfKey } from '../base/keys.ts';
import type { ScriptMode, WaitReplicas } from '../base/options.ts';
import { SCRIPTS, SCRIPT_NAMES, type ScriptName } from './declarations.ts';
import { embedded } from './lua.generated.ts';
import { originOf } from './origins.ts';
import { troubleOf } from './trouble.ts';
import { BrokenConnection, verdictOf } from './verdicts.ts';

export type Client = Redis | Cluster;
export type Argument = string | Buffer;

export interface Script {
  readonly name: ScriptName;
  readonly text: string;
  /** Where its lines come from; see origins.ts. */
  readonly origins: string;
  readonly sha1: string;
  readonly bytes: number;
  readonly numberOfKeys: number;
  /** The ioredis command's name: `sched_lua:<name>:<hash>`. */
  readonly command: string;
}

let made: Readonly<Record<ScriptName, Script>> | undefined;

/** All scripts, as scripts/build assembled them. */
export function allScripts(): Readonly<Record<ScriptName, Script>> {
  made ??= Object.fromEntries(SCRIPT_NAMES.map((name) => [name, scriptOf(name)])) as Record<
    ScriptName,
    Script
  >;
  return made;
}

function scriptOf(name: ScriptName): Script {
  const { text, origins } = embedded[name]!;
  const sha1 = createHash('sha1').update(text).digest('hex');
  return {
    ...{ name, text, origins, sha1, bytes: Buffer.byteLength(text) },
    numberOfKeys: SCRIPTS[name].keys.length,
    command: `sched_lua:${name}:${sha1.slice(0, 12)}`,
  };
}

/** Defines every script as a command of this client. */
export function defineScripts(client: Client): void {
  for (const script of Object.values(allScripts())) {
    client.defineCommand(script.command, { lua: script.text, numberOfKeys: script.numberOfKeys });
  }
}

type Runner = (...args: (Argument | number)[]) => Promise<Buffer[]>;

/**
 * Runs a script once and answers its reply as Buffers: payloads survive unchanged.
 * The client must have been through {@link defineScripts}.
 * @throws BrokenConnection if nobody knows whether it was run
 */
export async function runScript(
  client: Client,
  mode: ScriptMode,
  name: ScriptName,
  keys: readonly string[],
  args: readonly Argument[],
): Promise<Buffer[]> {
  const script = allScripts()[name];
  const call = client as unknown as Record<string, Runner>;
  for (const arg of args) {
    if (typeof arg !== 'string' && !Buffer.isBuffer(arg)) {
      throw new SchedulerError(
        'SCRIPT',
        name,
        `an argument is ${String(arg)}; scripts take strings and Buffers`,
      );
    }
  }
  gather(client);
  const written = client.status === 'ready';
  try {
    if (mode === 'preloaded')
      return await call['evalshaBuffer']!(script.sha1, script.numberOfKeys, ...keys, ...args);
    return await call[`${script.command}Buffer`]!(...keys, ...args);
  } catch (error) {
    throw failed(error, script, client, mode, written);
  }
}

/** A script to be run. */
export interface ScriptCall {
  mode: ScriptMode;
  name: ScriptName;
  keys: readonly string[];
  args: readonly Argument[];
}

/** What a script answered, and how many replicas had its writes when WAIT answered, or why Redis refused the WAIT. */
export interface Replicated {
  reply: Buffer[];
  replicas: number | Error;
}

/** Runs a script and a WAIT behind it, see {@link runScriptsAndWait}. */
export async function runScriptAndWait(
  client: Client,
  call: ScriptCall,
  waitReplicas: WaitReplicas,
): Promise<Replicated> {
  const [outcome] = await runScriptsAndWait(client, [call], waitReplicas);
  if ('error' in outcome!) throw outcome.error;
  return outcome!;
}

/**
 * Runs scripts and one WAIT behind them, on one connection in one breath: if that breaks before the WAIT is answered all are
 * unanswered (the errors say so), and WAIT never speaks of a server that did not run a script. WAIT holds the connection up.
 * Never rejects.
 *
 * @param calls whose keys are all of the same {@link serversOf}
 */
export async function runScriptsAndWait(
  client: Client,
  calls: readonly ScriptCall[],
  waitReplicas: WaitReplicas,
): Promise<(Replicated | { error: unknown })[]> {
  const written = client.status === 'ready';
  const outcomes = await together(client, 'evalshaBuffer', calls, waitReplicas);
  const missing = calls.flatMap(({ mode }, i) => {
    const outcome = outcomes[i]!;
    return 'error' in outcome && mode === 'auto' && isMissing(outcome.error) ? [i] : [];
  });
  const again = await together(
    client,
    'evalBuffer',
    missing.map((i) => calls[i]!),
    waitReplicas,
  );
  missing.forEach((i, at) => (outcomes[i] = again[at]!));
  return outcomes.map((outcome, i) => {
    if (!('error' in outcome)) return outcome;
    const { name, mode } = calls[i]!;
    return { error: failed(outcome.error, allScripts()[name], client, mode, written) };
  });
}

/** Not by the scripts' own commands: in a pipeline ioredis would send one again behind the WAIT when it is missing. */
async function together(
  client: Client,
  how: 'evalshaBuffer' | 'evalBuffer',
  calls: readonly ScriptCall[],
  { replicas, timeoutMs }: WaitReplicas,
): Promise<(Replicated | { error: unknown })[]> {
  if (calls.length === 0) return [];
  const pipeline = client.pipeline();
  const add = pipeline as unknown as Record<string, (...all: unknown[]) => void>;
  for (const { name, keys, args } of calls) {
    const script = allScripts()[name];
    const what = how === 'evalBuffer' ? script.text : script.sha1;
    add[how]!(what, script.numberOfKeys, ...keys, ...args);
  }
  try {
    const answers = (await pipeline.wait(replicas, timeoutMs).exec()) as Replies;
    const [noWait, count] = answers.pop()! as [Error | null, number];
    // a pipeline does not follow a slot that moved
    if ('refreshSlotsCache' in client && answers.some(([refused]) => refused?.message.startsWith('MOVED')))
      client.refreshSlotsCache();
    return answers.map(([refused, reply]) => {
      if (refused) return { error: refused };
      if (noWait && noWait.name !== 'ReplyError') return { error: noWait };
      return { reply: reply as Buffer[], replicas: noWait ?? count };
    });
  } catch (error) {
    if (calls.length === 1) return [{ error }];
    // slots have moved, and no server has all of these any more: ioredis says so before it sends anything
    const alone = calls.map((call) => together(client, how, [call], { replicas, timeoutMs }));
    return (await Promise.all(alone)).flat();
  }
}

type Replies = [error: Error | null, reply: unknown][];

/** Which servers of a Cluster have the key's slot: commands for others cannot go out together. Empty: there is one server. */
export function serversOf(client: Client, key: string): string {
  if (!('nodes' in client)) return '';
  const { slots } = client as unknown as { slots: readonly (readonly string[] | undefined)[] };
  return slots[slotOfKey(key)]?.join() ?? '';
}

/** Commands of one turn of the event loop leave in one write: a system call costs more than a command. */
function gather(client: Client): void {
  const stream = 'stream' in client ? (client.stream as Redis['stream'] | undefined) : undefined;
  if (!stream || stream.writableCorked > 0) return;
  stream.cork();
  process.nextTick(() => stream.uncork());
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

/** The error of a script as its caller is to see it. */
function failed(error: unknown, script: Script, client: Client, mode: ScriptMode, written: boolean): unknown {
  if (verdictOf(error) === 'broken') return new BrokenConnection(error, written, troubleOf(client));
  if (error instanceof Error && /^(MOVED|ASK) /.test(error.message) && !('nodes' in client)) {
    const message = `this server is one of a Redis Cluster, give a Cluster client (option redis): ${error.message}`;
    return new SchedulerError('REDIS', script.name, message, { cause: error });
  }
  return mode === 'preloaded' ? missing(error, script) : located(error, script);
}

/** The error, its message with a file of lua/ and a line behind each `user_script:N`. */
function located(error: unknown, { origins }: Script): unknown {
  if (!(error instanceof Error)) return error;
  error.message = error.message.replace(/user_script:(\d+)/g, (text, number: string) => {
    const origin = originOf(origins, Number(number));
    return origin === undefined ? text : `${text} (lua/${origin})`;
  });
  return error;
}

/** The error itself, or what to do about it if it says that the script is not there. */
function missing(error: unknown, script: Script): unknown {
  if (!isMissing(error)) return located(error, script);
  return new SchedulerError(
    'SCRIPT',
    script.name,
    `script ${script.name} (${script.sha1}) is not on the server; run "sched-lua load" and try again`,
    { cause: error },
  );
}
