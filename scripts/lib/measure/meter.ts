import type { Client } from '../../../src/redis/run-script.ts';

/** What the server has spent and done so far. */
export interface Reading {
  cpuMicros: number;
  /** Of the main thread alone, which runs the commands; servers before 6.2 only tell of the whole process. */
  mainThread: boolean;
  /** Calls of each command, those made by scripts included. */
  calls: Readonly<Record<string, number>>;
}

/** Which server it is. */
export interface Version {
  program: 'redis' | 'valkey';
  version: string;
}

/** What a round cost the server. */
export interface Cost {
  cpuMicros: number;
  /** Commands that clients sent. */
  sent: number;
  /** All commands, those made by scripts included. */
  run: number;
}

/** Our own INFO, and what a private server never sees: commands that are not the load's. */
const NOT_LOAD = new Set(['info', 'ping', 'config|get', 'client|setinfo', 'subscribe']);
const SCRIPT_CALLS = ['evalsha', 'eval'];

export async function readServer(client: Client): Promise<Reading> {
  const info = `${await client.info('cpu')}\n${await client.info('commandstats')}`;
  const seconds = (name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1]);
  const ofMainThread = seconds('used_cpu_user_main_thread') + seconds('used_cpu_sys_main_thread');
  const mainThread = Number.isFinite(ofMainThread);
  const cpu = mainThread ? ofMainThread : seconds('used_cpu_user') + seconds('used_cpu_sys');
  if (!Number.isFinite(cpu)) throw new Error('the server does not tell its CPU time (INFO cpu)');
  const stats = info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm);
  const calls = Object.fromEntries([...stats].map(([, name, count]) => [name!, Number(count)]));
  return { cpuMicros: Math.round(cpu * 1e6), mainThread, calls };
}

/** What happened between two readings. `scripted`: every command came by a script. */
export function costOf(before: Reading, after: Reading, scripted: boolean): Cost {
  let sent = 0;
  let run = 0;
  for (const [name, count] of Object.entries(after.calls)) {
    if (NOT_LOAD.has(name)) continue;
    const calls = count - (before.calls[name] ?? 0);
    run += calls;
    if (!scripted || SCRIPT_CALLS.includes(name)) sent += calls;
  }
  return { cpuMicros: after.cpuMicros - before.cpuMicros, sent, run };
}

/** What something costs the server and this process, all in µs. */
export async function measureCost<T>(client: Client, scripted: boolean, act: () => Promise<T>) {
  const [before, cpuBefore, from] = [await readServer(client), process.cpuUsage(), performance.now()];
  const result = await act();
  const micros = (performance.now() - from) * 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const after = await readServer(client);
  const pings = (after.calls.ping ?? 0) - (before.calls.ping ?? 0);
  return { result, micros, clientMicros: user + system, cost: costOf(before, after, scripted), pings };
}

export async function readVersion(client: Client): Promise<Version> {
  const info = await client.info('server');
  const valkey = /^valkey_version:(\S+)/m.exec(info)?.[1];
  if (valkey !== undefined) return { program: 'valkey', version: valkey };
  return { program: 'redis', version: /^redis_version:(\S+)/m.exec(info)?.[1] ?? 'unknown' };
}
