import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onProcessEnd } from './cleanup.ts';
import { onPath } from './path.ts';
import { probe } from './probe.ts';
import { serverArgs } from './server.ts';
import type { PrivateRedis } from './server.ts';

/** Ports that are tried, should each be taken between finding and binding it. */
export const portTries = 5;
const startMs = 10_000;
/** How long a server has for SIGTERM before SIGKILL. */
const endMs = 1_000;

/** The full path of the server program on PATH, if there is one. */
export function findServer(): string | undefined {
  return onPath('redis-server', 'valkey-server');
}

/**
 * Starts the `redis-server` (or `valkey-server`) on PATH on a free loopback port. It writes only into a temporary
 * folder, which is removed with it. It ends with `stop()` or with this process.
 *
 * @param args for the server, after those of `serverArgs`
 * @throws Error if there is none on PATH, or it ends at once or does not answer within 10 s
 */
export async function startBinary(args: readonly string[] = []): Promise<PrivateRedis> {
  const program = findServer();
  if (program === undefined) throw new Error('neither redis-server nor valkey-server is on PATH');
  for (let tries = 1; ; tries += 1) {
    try {
      return await startOn(program, await freePort(), args);
    } catch (error) {
      // another process may have taken the port between finding and binding it
      if (!(error instanceof PortTaken) || tries === portTries) throw error;
    }
  }
}

class PortTaken extends Error {}

async function startOn(program: string, port: number, args: readonly string[]): Promise<PrivateRedis> {
  const folder = mkdtempSync(join(tmpdir(), 'sched-lua-redis-'));
  const output = join(folder, 'output');
  const child = launch(program, output, [
    ...['--port', String(port), '--bind', '127.0.0.1', '--daemonize', 'no', '--dir', folder],
    ...serverArgs(args),
  ]);
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  const forget = onProcessEnd(() => {
    child.kill('SIGKILL');
    removeFolder();
  });
  const stop = async () => {
    await end(child);
    forget();
    removeFolder();
  };

  let failed: Error | undefined;
  child.on('error', (error) => (failed = error));
  const died = () => failed ?? (isOver(child) ? death(program, output, child) : undefined);
  try {
    const url = `redis://127.0.0.1:${port}`;
    const found = await probe(url, startMs, died);
    if (found.pid !== child.pid) throw new PortTaken(`port ${port} is served by process ${found.pid}`);
    const description = `${found.program} (private, 127.0.0.1:${port})`;
    return { url, kind: 'binary', description, pid: found.pid, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * The output goes to a file: a pipe could fill up, and would keep our process alive. The server is detached because
 * Ctrl-C goes to the whole process group, and a test may still need the server while it shuts down.
 */
function launch(program: string, output: string, args: readonly string[]): ChildProcess {
  const file = openSync(output, 'a');
  const child = spawn(program, args, { stdio: ['ignore', file, file], detached: true });
  closeSync(file);
  child.unref();
  return child;
}

function isOver(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

function death(program: string, output: string, child: ChildProcess): Error {
  const said = readFileSync(output, 'utf8').trim().split('\n').slice(-8).join('\n');
  const text = `${program} ended at once (${child.signalCode ?? `exit code ${String(child.exitCode)}`}), saying:\n${said}`;
  return /address already in use/i.test(said) ? new PortTaken(text) : new Error(text);
}

/** SIGTERM, then SIGKILL after a second: a server that a test has stopped with SIGSTOP ends by SIGKILL only. */
async function end(child: ChildProcess): Promise<void> {
  if (isOver(child)) return;
  child.ref();
  const over = once(child, 'exit');
  child.kill('SIGTERM');
  const patience = new AbortController();
  const late = sleep(endMs, true, { signal: patience.signal }).catch(() => false);
  if (await Promise.race([over.then(() => false), late])) child.kill('SIGKILL');
  patience.abort();
  await over;
}

/** A TCP port of 127.0.0.1 that nothing listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
