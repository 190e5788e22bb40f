/**
 * Runs the Lua scripts of `lua/`, which scripts/build put into one text each. The one module that meets ioredis' untyped
 * side. Names given to `defineCommand` carry a hash of the text, so two versions share a server and a client.
 */
import { createHash } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import { SchedulerError } from '../base/errors.ts';
import type { ScriptMode } from '../base/options.ts';
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

/** What a script answered, and how many replicas had its writes when WAIT answered, or why Redis refused the WAIT. */
export interface Replicated {
  reply: Buffer[];
  replicas: number | Error;
}

/**
 * Runs a script and WAIT behind it, on one connection in one breath: if that breaks between the two both are unanswered
 * (the error says so), and WAIT never speaks of a server that did not run the script. WAIT holds the connection up.
 */
export async function runScriptAndWait(
  client: Client,
  mode: ScriptMode,
  name: ScriptName,
  keys: readonly string[],
  args: readonly Argument[],
  { replicas, timeoutMs }: { replicas: number; timeoutMs: number },
): Promise<Replicated> {
  const script = allScripts()[name];
  const both = async (how: 'evalshaBuffer' | 'evalBuffer', what: string): Promise<Replicated> => {
    // not by the script's own command: in a pipeline ioredis would send it again behind the WAIT when it is missing
    const pipeline = client.pipeline();
    (pipeline as unknown as Record<string, (...all: unknown[]) => void>)[how]!(
      ...[what, script.numberOfKeys, ...keys, ...args],
    );
    const [[refused, reply], [noWait, count]] = (await pipeline.wait(replicas, timeoutMs).exec()) as Replies;
    if (refused) throw refused;
    if (noWait && noWait.name !== 'ReplyError') throw noWait;
    return { reply, replicas: noWait ?? count };
  };
  const written = client.status === 'ready';
  try {
    return await both('evalshaBuffer', script.sha1);
  } catch (error) {
    // a pipeline does not follow a slot that moved
    if (error instanceof Error && error.message.startsWith('MOVED') && 'refreshSlotsCache' in client)
      client.refreshSlotsCache();
    if (mode === 'preloaded' || !isMissing(error)) throw failed(error, script, client, mode, written);
  }
  try {
    return await both('evalBuffer', script.text);
  } catch (error) {
    throw failed(error, script, client, mode, written);
  }
}

type Replies = [script: [Error | null, Buffer[]], wait: [Error | null, number]];

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
