/** Server processes of a chaos run: on a port and in a folder that it says, and ended as a crash does. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../src/base/errors.ts';
import { findServer, freePort } from '../../src/testing/redis/binary.ts';
import { onProcessEnd } from '../../src/testing/redis/cleanup.ts';
import { findImage, removeNow } from '../../src/testing/redis/container.ts';
import { killContainer } from '../../src/testing/redis/docker.ts';
import { environmentOf } from './clock.ts';
import { installRedis } from '../lib/redis/install.ts';
import { probe } from '../../src/testing/redis/probe.ts';
import type { Log } from '../../src/testing/redis/server.ts';

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
  /** How far its clock is behind, in ms. */
  behindMs: number;
}

/** Starts a server, and answers when it has loaded its data. It ends with this process at the latest. */
export type Launch = (place: Place) => Promise<ServerProcess>;

/**
 * By the program on PATH, else in containers, else by one that is installed.
 *
 * @throws with why each way failed
 */
export async function findLaunch(log: Log): Promise<Launch> {
  if (findServer() !== undefined) return launchProgram;
  try {
    return await findContainers();
  } catch (error) {
    log(`a container: ${messageOf(error)}`);
    await installRedis(log);
    return launchProgram;
  }
}

function argsOf({ port, folder, args }: Place): string[] {
  return [
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''],
    // the file is written before a command is answered, unless an fsync is under way: there is none
    ...['--appendonly', 'yes', '--appendfsync', 'no'],
    ...['--maxmemory-policy', 'noeviction', '--repl-diskless-sync-delay', '0', ...args],
  ];
}

/** @throws if its clock is to be behind, and there is no C compiler */
async function launchProgram(place: Place): Promise<ServerProcess> {
  const program = findServer();
  if (program === undefined) throw new Error('chaos needs redis-server or valkey-server on PATH');
  const env = { ...process.env, ...environmentOf(place.behindMs) };
  const child = spawn(program, argsOf(place), { stdio: 'ignore', detached: true, env });
  child.unref();
  const forget = onProcessEnd(() => child.kill('SIGKILL'));
  return whenReady(place.port, async () => {
    forget();
    if (child.exitCode !== null || child.signalCode !== null) return;
    const over = once(child, 'exit');
    child.ref();
    child.kill('SIGKILL');
    await over;
  });
}

/** Each server a container that shares our network and the folder of its file; one is tried, and must answer. */
async function findContainers(): Promise<Launch> {
  const { engine, image } = await findImage();
  const { GenericContainer } = await import('testcontainers');
  const launch: Launch = async (place) => {
    if (place.behindMs > 0) throw new Error('the clock of a container cannot be set');
    const container = await new GenericContainer(image)
      .withNetworkMode('host')
      .withBindMounts([{ source: place.folder, target: place.folder, mode: 'rw' }])
      .withUser(`${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`)
      .withCommand(argsOf(place))
      .withAutoCleanup(false)
      .start();
    const id = container.getId();
    const forget = onProcessEnd(() => removeNow(engine, id));
    return whenReady(place.port, async () => {
      forget();
      await killContainer(engine, id);
    });
  };
  const folder = mkdtempSync(join(tmpdir(), 'sched-lua-chaos-redis-'));
  try {
    const server = await launch({ port: await freePort(), folder, args: [], behindMs: 0 });
    await server.kill();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return launch;
}

async function whenReady(port: number, kill: () => Promise<void>): Promise<ServerProcess> {
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
