/** The Redis of a chaos run: it dies, and comes back with all, some or none of what it had, at the same address. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from '../../src/testing/redis/binary.ts';
import { onProcessEnd } from '../../src/testing/redis/cleanup.ts';
import { markAof, removeAof, rollBackAof, type AofMark } from './aof.ts';
import { now } from '../lib/harness/history.ts';
import { urlOf, type Launch, type ServerProcess } from './launch.ts';
import { Proxy } from './proxy.ts';

const MARK_MS = 50;
const MARKS = 200;
const REPLICA_MS = 10_000;
const LOOK_MS = 20;

/** Reads what a server holds. */
export type Look<T> = (url: string) => Promise<T>;

/** What Redis had when it died, and what it came back with. */
export interface Comeback<T> {
  had: T;
  has: T;
  /** For people. */
  how: string;
}

export class ChaosRedis {
  readonly port: number;
  readonly #launch: Launch;
  readonly #folders: string[] = [];
  readonly #forget: () => void;
  readonly #marking: NodeJS.Timeout;
  #marks: AofMark[] = [];
  #folder: string;
  #server: ServerProcess | undefined;
  #behindMs = 0;

  private constructor(launch: Launch, port: number) {
    this.#launch = launch;
    this.port = port;
    this.#forget = onProcessEnd(() => this.#remove());
    this.#folder = this.#newFolder();
    this.#marking = setInterval(() => this.#mark(), MARK_MS).unref();
  }

  /** @throws if it does not start */
  static async open(launch: Launch): Promise<ChaosRedis> {
    const redis = new ChaosRedis(launch, await freePort());
    try {
      await redis.#start();
      return redis;
    } catch (error) {
      await redis.close();
      throw error;
    }
  }

  get url(): string {
    return urlOf(this.port);
  }

  /** How far its clock is behind, in ms. */
  get behindMs(): number {
    return this.#behindMs;
  }

  /**
   * SIGKILL, and a start: what it had answered is in its append-only file. `downMs`: how long it is away. `behindMs`: as
   * on another host, whose clock is behind.
   */
  async restart(downMs: number, behindMs = this.#behindMs): Promise<void> {
    await this.#server?.kill();
    await sleep(downMs);
    const before = this.#behindMs;
    try {
      this.#behindMs = behindMs;
      await this.#start();
    } catch (error) {
      this.#behindMs = before;
      await this.#start();
      throw error;
    }
  }

  /** As {@link restart}, without the file. */
  restartEmpty<T>(downMs: number, look: Look<T>): Promise<Comeback<T>> {
    return this.#comeBack(downMs, look, () => {
      removeAof(this.#folder);
      return 'empty';
    });
  }

  /** As {@link restart}, with the file as it was up to `backMs` ago. */
  rollBack<T>(backMs: number, look: Look<T>): Promise<Comeback<T>> {
    const diedAt = now();
    return this.#comeBack(0, look, () => {
      const { at } = rollBackAof(this.#folder, this.#marks, diedAt - backMs) ?? { at: diedAt };
      return `as it was ${Math.max(0, Math.round(diedAt - at))} ms before its end`;
    });
  }

  /** @param change what becomes of its file while it is away; answers how it comes back */
  async #comeBack<T>(downMs: number, look: Look<T>, change: () => string): Promise<Comeback<T>> {
    const had = await this.#die(downMs, look);
    const how = change();
    const has = await this.#lookInto(look);
    await this.#start();
    return { had, has, how };
  }

  /**
   * A replica joins; `lagMs` before the end of the master nothing reaches it any more, and nobody notices; then it
   * takes the master's place.
   */
  async failOver<T>(lagMs: number, look: Look<T>): Promise<Comeback<T>> {
    const link = new Proxy(this.port);
    const folder = this.#newFolder();
    const port = await freePort();
    let replica: ServerProcess | undefined;
    try {
      await link.open();
      replica = await this.#launch({
        ...{ port, folder },
        args: ['--replicaof', '127.0.0.1', String(link.port)],
        behindMs: this.#behindMs,
      });
      const client = new Redis(urlOf(port), { retryStrategy: () => null });
      client.on('error', () => undefined);
      try {
        await inSync(client);
        link.trap('silence', () => true);
        await sleep(lagMs);
        const had = await this.#die(0, look);
        this.#folder = folder;
        await client.replicaof('NO', 'ONE');
        const has = await look(urlOf(port));
        await replica.kill();
        await this.#start();
        return { had, has, how: `as a replica had it ${Math.round(lagMs)} ms before its end` };
      } finally {
        client.disconnect();
      }
    } finally {
      await replica?.kill();
      await link.close();
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#marking);
    await this.#server?.kill();
    this.#remove();
    this.#forget();
  }

  async #die<T>(downMs: number, look: Look<T>): Promise<T> {
    await this.#server?.kill();
    this.#server = undefined;
    await sleep(downMs);
    return this.#lookInto(look);
  }

  /** By a server that nobody else knows. */
  async #lookInto<T>(look: Look<T>): Promise<T> {
    const server = await this.#serve(await freePort());
    try {
      return await look(urlOf(server.port));
    } finally {
      await server.kill();
    }
  }

  async #start(): Promise<void> {
    this.#marks = [];
    this.#server = await this.#serve(this.port);
  }

  #serve(port: number): Promise<ServerProcess> {
    return this.#launch({ port, folder: this.#folder, args: [], behindMs: this.#behindMs });
  }

  #mark(): void {
    const mark = this.#server && markAof(this.#folder, now());
    if (mark) this.#marks.push(mark);
    if (this.#marks.length > MARKS) this.#marks.shift();
  }

  #newFolder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'sched-lua-chaos-redis-'));
    this.#folders.push(folder);
    return folder;
  }

  #remove(): void {
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
  }
}

/** It has the master's data, and an append-only file of its own of it. */
async function inSync(replica: Redis): Promise<void> {
  const until = now() + REPLICA_MS;
  while (now() < until) {
    const info = `${await replica.info('replication')}${await replica.info('persistence')}`;
    const busy = /aof_rewrite_(in_progress|scheduled):1/.test(info);
    if (/master_link_status:up/.test(info) && !busy) return;
    await sleep(LOOK_MS);
  }
  throw new Error('the replica did not come in sync');
}
