/** A command's connection to the Redis that it was pointed at: opened, bounded in time, and closed again. */
import type { Redis } from 'ioredis';
import { messageOf, SchedulerError } from '../base/errors.ts';
import type { RedisSource } from '../base/options.ts';
import { openClient } from '../redis/connection.ts';
import { describeRedis } from '../redis/source.ts';
import type { Client } from '../redis/run-script.ts';
import { print, reportOf, type OutputOptions, type Report, type Terminal } from './output.ts';
import { targetOf, type TargetOptions } from './target.ts';
import { connected } from './waiting.ts';

/** The options that every command has. */
export interface GlobalOptions extends OutputOptions, TargetOptions {
  /** ms that Redis may take to answer, each time it is asked. */
  timeout: number;
  /** It was given on the command line: a command that waits for more than Redis goes by it, too. */
  isTimeoutGiven?: boolean;
}

/** What a command works with. */
export interface Session {
  /** Connected. */
  client: Client;
  /** The same server, for a command that needs connections of its own. */
  source: RedisSource;
  options: GlobalOptions;
  /** For a command that draws on a screen of its own. */
  terminal: Terminal;
  /** Tells a person at the terminal how the work goes on; the answer is the report. */
  say: (line: string) => void;
  /** Prints a report that is not the last one; on a screen in the place of the one before. */
  show: (report: Report) => Promise<void>;
  /** The report of an error of this server. */
  failed: (error: unknown) => Report;
}

/** undefined: its reports were shown. */
export type Work = (session: Session) => Promise<Report | undefined>;

/** Runs a command on the Redis that the options name. */
export type Run = (command: Work) => Promise<void>;

/** What a command needs of the program that does something without Redis, too. */
export interface Means {
  run: Run;
  /** Prints the report of what needed no Redis. */
  tell: (report: Report) => Promise<void>;
  env: Terminal['env'];
}

/**
 * Connects, runs the command and disconnects.
 * @throws UsageError for a bad URL; SchedulerError REDIS or TIMEOUT when the server refuses or does not answer in time
 */
export async function withRedis(
  options: GlobalOptions,
  terminal: Terminal,
  command: Work,
): Promise<Report | undefined> {
  const { stderr, env } = terminal;
  const target = targetOf(options, env);
  const { source } = target;
  const say = (line: string): void => {
    if (!options.quiet) stderr.write(`${line}\n`);
  };
  const client = openClient(source);
  try {
    await connected(client, target, { timeoutMs: options.timeout, say });
    // not before: a command that timed out while it waits for the connection would hide why there is none
    limit(client, options.timeout);
    const show = (report: Report): Promise<void> => {
      if (isScreen(terminal) && !options.json && !options.quiet) terminal.stdout.write(CLEAR);
      return print(report, options, terminal);
    };
    const failed = (error: unknown): Report => reportOf(named(error, describeRedis(source), options.timeout));
    return await command({ client, source, options, terminal, say, show, failed });
  } catch (error) {
    throw named(error, describeRedis(source), options.timeout);
  } finally {
    client.disconnect();
  }
}

/** Clears a screen, from its top. */
const CLEAR = '\u001b[2J\u001b[H';

/** Not one that has no commands. */
export function isScreen({ stdout, env }: Terminal): boolean {
  return (stdout as Partial<NodeJS.WriteStream>).isTTY === true && env['TERM'] !== 'dumb';
}

/** The same error, with the server's name in its message. */
function named(error: unknown, server: string, timeoutMs: number): unknown {
  const message = messageOf(error);
  if (message === 'Command timed out') {
    const text = `Redis at ${server} gave no answer within ${timeoutMs} ms`;
    return new SchedulerError('TIMEOUT', 'sched-lua', text, { cause: error });
  }
  if (!(error instanceof Error) || error.name !== 'ReplyError') return error;
  return new SchedulerError('REDIS', 'sched-lua', `Redis at ${server} answers: ${message}`, { cause: error });
}

/** Each command that takes longer rejects. */
function limit(client: Client, timeoutMs: number): void {
  const set = (redis: Redis): void => void (redis.options.commandTimeout = timeoutMs);
  if ('nodes' in client) {
    client.nodes().forEach(set);
    client.on('+node', set);
  } else set(client);
}
