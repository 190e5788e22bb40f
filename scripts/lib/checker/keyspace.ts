/** What the parent asks Redis itself, past the proxy. */
import type { Redis } from 'ioredis';
import { openClient } from '../../../src/redis/connection.ts';
import { fieldOf, parseRecord } from '../../../src/inspect/decode.ts';
import { type ShardSnapshot, readSnapshot } from '../../../src/inspect/snapshot.ts';
import { verifyTopic } from '../../../src/inspect/verify.ts';
import { parseMail } from '../../../src/protocol/wire.ts';
import { parseTicket } from '../../../src/base/ticket.ts';
import type { Leftovers } from './evidence.ts';
import type { Holding } from './losses.ts';

/** Tables that are empty when everything has ended. */
const EMPTY = ['waiting', 'head', 'load', 'request', 'body', 'due', 'out', 'idle'] as const;

const STAYING = /^\{[^}]+\.\d+\}:(node|calls|shard|dead)$|^\{[^}]+\}:(nodes|meta)$/;

export class Keyspace {
  /** Waits for a Redis that is being started again. */
  readonly client: Redis;
  readonly #topic: string;
  readonly #shards: number;

  /** @param shards of the fleet: the registry, which tells them, may be lost when its shards are not */
  constructor(url: string, topic: string, shards: number) {
    this.client = openClient(url) as Redis;
    this.#topic = topic;
    this.#shards = shards;
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

  async holding(): Promise<Holding> {
    const snapshots = await this.#snapshots();
    const records = new Map<string, string | undefined>();
    const finals = new Set<string>();
    for (const { request, out } of snapshots) {
      for (const [field, record] of request)
        records.set(field.slice(field.indexOf('|') + 1), parseRecord(record)?.fence);
      for (const { ticket, kind } of out.map(parseMail))
        if (kind !== 'chunk') finals.add(parseTicket(ticket).id);
    }
    return { records, finals, ticks: snapshots.map(({ state }) => state.get('tick') ?? '') };
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
      complaints: [...full, ...(await this.#strays()), ...(await this.violations())],
    };
  }

  /** Every key of the topic is one of those that may stay for a while, and goes by itself. */
  async #strays(): Promise<string[]> {
    const keys = (await this.client.keys('*')).filter((key) => key.startsWith(`{${this.#topic}`));
    const ttls = await Promise.all(keys.map((key) => this.client.pttl(key)));
    return keys.flatMap((key, i) => {
      if (!STAYING.test(key)) return [`${key} is left`];
      return ttls[i] === -1 ? [`${key} never expires`] : [];
    });
  }

  close(): void {
    this.client.disconnect();
  }

  #snapshots(): Promise<ShardSnapshot[]> {
    return Promise.all(
      Array.from({ length: this.#shards }, (_, shard) =>
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
