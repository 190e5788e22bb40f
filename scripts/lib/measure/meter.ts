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
const NOT_LOAD = /^(info|ping|subscribe|hello|config\|.*|client\|.*)$/;
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

/**
 * What happened between two readings.
 * @param scripted every command came by a script; or a list of those that did not
 */
export function costOf(before: Reading, after: Reading, scripted: boolean | readonly string[]): Cost {
  const direct = scripted === true ? [] : scripted;
  let sent = 0;
  let run = 0;
  for (const [name, count] of Object.entries(after.calls)) {
    if (NOT_LOAD.test(name)) continue;
    const calls = count - (before.calls[name] ?? 0);
    run += calls;
    if (direct === false || SCRIPT_CALLS.includes(name) || direct.includes(name)) sent += calls;
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

/**
 * The longest command of a server of our own: what tells it makes the server forget all that it has counted.
 * Undefined: this server cannot tell.
 */
export class Longest {
  readonly #client: Client;
  #isTold = true;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Before what is measured, and before its first reading. */
  async begin(): Promise<void> {
    if (!this.#isTold) return;
    try {
      await this.#client.config('SET', 'latency-tracking-info-percentiles', '100');
      await this.#client.config('RESETSTAT');
    } catch {
      // Redis knows it since 7.0
      this.#isTold = false;
    }
  }

  /** µs since `begin`; a script counts whole. */
  async read(): Promise<number | undefined> {
    if (!this.#isTold) return undefined;
    const info = await this.#client.info('latencystats');
    const longest = info.matchAll(/^latency_percentiles_usec_([^:]+):p100=([\d.]+)/gm);
    const micros = [...longest].filter(([, name]) => !NOT_LOAD.test(name!)).map(([, , most]) => Number(most));
    return micros.length === 0 ? undefined : Math.max(...micros);
  }
}

export async function readVersion(client: Client): Promise<Version> {
  const info = await client.info('server');
  const valkey = /^valkey_version:(\S+)/m.exec(info)?.[1];
  if (valkey !== undefined) return { program: 'valkey', version: valkey };
  return { program: 'redis', version: /^redis_version:(\S+)/m.exec(info)?.[1] ?? 'unknown' };
}
