/** What the parent asks Redis itself, past the proxy. */
import type { Redis } from 'ioredis';
import { openClient } from '../../src/connection.ts';
import { fieldOf, type ShardSnapshot } from '../../src/invariants.ts';
import { parseMail } from '../../src/messages.ts';
import { readSnapshot, shardsInUse, verifyTopic } from '../../src/snapshot.ts';
import type { Leftovers } from './checker.ts';

/** Tables that are empty when everything has ended. */
const EMPTY = ['waiting', 'head', 'load', 'request', 'body', 'due', 'out', 'idle'] as const;

export class Keyspace {
  /** Waits for a Redis that is being started again. */
  readonly client: Redis;
  readonly #topic: string;

  constructor(url: string, topic: string) {
    this.client = openClient(url) as Redis;
    this.#topic = topic;
  }

  /** Nothing of the fleet's requests is in Redis. */
  async isEmpty(): Promise<boolean> {
    return (await this.#snapshots()).every(({ request, out }) => request.size === 0 && out.length === 0);
  }

  /** Broken invariants of the data model, in words; none if Redis cannot be asked now (maxmemory, a pause). */
  async violations(): Promise<string[]> {
    try {
      const violations = await verifyTopic(this.client, this.#topic);
      return violations.map(({ invariant, message }) => `invariant ${invariant} is broken: ${message}`);
    } catch {
      return [];
    }
  }

  async leftovers(): Promise<Leftovers> {
    const snapshots = await this.#snapshots();
    const full = snapshots.flatMap((snapshot) =>
      EMPTY.flatMap((table) => {
        const keys = keysOf(snapshot[table]);
        return keys.length > 0 ? [`${table} of shard ${snapshot.shard} has ${describe(keys)}`] : [];
      }),
    );
    return {
      records: new Set(snapshots.flatMap(({ request }) => [...request.keys()])),
      mails: new Set(snapshots.flatMap(({ out }) => out.map((mail) => fieldOf(parseMail(mail).ticket)))),
      complaints: [...full, ...(await this.violations())],
    };
  }

  close(): void {
    this.client.disconnect();
  }

  async #snapshots(): Promise<ShardSnapshot[]> {
    const shards = await shardsInUse(this.client, this.#topic);
    return Promise.all(
      Array.from({ length: shards }, (_, shard) =>
        readSnapshot(this.client, this.#topic, shard, { payloads: false }),
      ),
    );
  }
}

function keysOf(table: readonly unknown[] | ReadonlyMap<string, unknown>): string[] {
  return Array.isArray(table) ? table.map(String) : [...(table as ReadonlyMap<string, unknown>).keys()];
}

function describe(keys: readonly string[]): string {
  return `${keys.slice(0, 3).join(', ')}${keys.length > 3 ? ` and ${keys.length - 3} more` : ''}`;
}
