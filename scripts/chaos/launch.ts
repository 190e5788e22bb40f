/** Server processes of a chaos run: on a port and in a folder that it says, and ended as a crash does. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { findServer } from '../redis/binary.ts';
import { onProcessEnd } from '../redis/cleanup.ts';
import { installRedis } from '../redis/install.ts';
import { probe } from '../redis/probe.ts';
import type { Log } from '../redis/server.ts';

const START_MS = 15_000;

export interface ServerProcess {
  readonly port: number;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

export interface Place {
  port: number;
  /** Holds its append-only file. */
  folder: string;
  args: readonly string[];
}

/** Starts a server, and answers when it has loaded its data. It ends with this process at the latest. */
export type Launch = (place: Place) => Promise<ServerProcess>;

/**
 * By the program on PATH; where there is none it is installed.
 *
 * @throws if that fails
 */
export async function findLaunch(log: Log): Promise<Launch> {
  if (findServer() === undefined) await installRedis(log);
  const program = findServer();
  if (program === undefined) throw new Error('chaos needs redis-server or valkey-server on PATH');
  return (place) => launch(program, place);
}

async function launch(program: string, { port, folder, args }: Place): Promise<ServerProcess> {
  // an append-only file is written before a command is answered, unless an fsync is under way: there is none
  const durable = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'no'];
  const child = spawn(
    program,
    [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, ...durable],
      ...['--maxmemory-policy', 'noeviction', '--repl-diskless-sync-delay', '0', ...args],
    ],
    { stdio: 'ignore', detached: true },
  );
  child.unref();
  const forget = onProcessEnd(() => child.kill('SIGKILL'));
  const kill = async (): Promise<void> => {
    forget();
    if (child.exitCode !== null || child.signalCode !== null) return;
    const over = once(child, 'exit');
    child.ref();
    child.kill('SIGKILL');
    await over;
  };
  try {
    await probe(urlOf(port), START_MS);
    return { port, kill };
  } catch (error) {
    await kill();
    throw error;
  }
}

export function urlOf(port: number): string {
  return `redis://127.0.0.1:${port}`;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
