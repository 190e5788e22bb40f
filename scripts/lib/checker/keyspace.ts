/** What the parent of a run asks Redis itself: what is held, what is left, and that nothing of the run stays. */
import type { Redis } from 'ioredis';
import { openClient } from '../../../src/redis/connection.ts';
import { fieldOf, parseRecord } from '../../../src/inspect/decode.ts';
import { type ShardSnapshot, readSnapshot } from '../../../src/inspect/snapshot.ts';
import { verifyTopic } from '../../../src/inspect/verify.ts';
import { readFrame } from '../../../src/protocol/frames.ts';
import { parseMail } from '../../../src/protocol/replies.ts';
import { shardKey } from '../../../src/base/keys.ts';
import { parseTicket } from '../../../src/base/ticket.ts';
import type { Leftovers } from './evidence.ts';
import type { Holding } from './losses.ts';

/** Tables that are empty when everything has ended. */
const EMPTY = ['waiting', 'head', 'load', 'request', 'body', 'due', 'out', 'idle'] as const;

const STAYING = /^\{[^}]+\.[0-9A-Za-z]{3}\}:(node|calls|shard|dead)$|^\{[^}]+\}:(nodes|meta|cards)$/;

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

  /** Waiting requests per owner; owners of whom none waits are left out. */
  async waiting(): Promise<Map<string, number>> {
    const waiting = new Map<string, number>();
    for (let shard = 0; shard < this.#shards; shard += 1) {
      const load = await this.client.zrange(shardKey(this.#topic, shard, 'load'), '0', '-1', 'WITHSCORES');
      for (let i = 0; i < load.length; i += 2) waiting.set(load[i]!, Number(load[i + 1]));
    }
    return waiting;
  }

  /** Broken invariants of the data model (`sched-lua verify`), in words. */
  async violations(): Promise<string[]> {
    const violations = await verifyTopic(this.client, this.#topic);
    return violations.map(({ invariant, message }) => `invariant ${invariant} is broken: ${message}`);
  }

  async holding(): Promise<Holding> {
    const snapshots = await this.#snapshots();
    const records = new Map<string, string | undefined>();
    const finals = new Set<string>();
    for (const { request, out } of snapshots) {
      for (const [field, record] of request)
        records.set(field.slice(field.indexOf('|') + 1), parseRecord(record)?.fence);
      for (const mail of out.map(parseMail))
        if ('ticket' in mail && mail.kind !== 'chunk') finals.add(parseTicket(mail.ticket).id);
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
      mails: new Set(snapshots.flatMap(({ out }) => out.flatMap(ticketsIn).map(fieldOf))),
      complaints: [...full, ...(await this.#strays()), ...(await this.violations())],
    };
  }

  /** Every key of the topic is one of those that may stay for a while, and goes by itself. */
  async #strays(): Promise<string[]> {
    const keys = await this.#keys();
    const ttls = await Promise.all(keys.map((key) => this.client.pttl(key)));
    return keys.flatMap((key, i) => {
      if (!STAYING.test(key)) return [`${key} is left`];
      return ttls[i] === -1 ? [`${key} never expires`] : [];
    });
  }

  /** Removes every key of the run. They would expire anyway. */
  async clear(): Promise<void> {
    await Promise.all((await this.#keys()).map((key) => this.client.unlink(key)));
  }

  close(): void {
    this.client.disconnect();
  }

  /** Of the topic; the server may be the user's own and hold many others. */
  async #keys(): Promise<string[]> {
    const keys = new Set<string>();
    for await (const some of this.client.scanStream({ match: `{${this.#topic}*`, count: 1_000 }))
      for (const key of some as string[]) keys.add(key);
    return [...keys];
  }

  #snapshots(): Promise<ShardSnapshot[]> {
    return Promise.all(
      Array.from({ length: this.#shards }, (_, shard) =>
        readSnapshot(this.client, this.#topic, shard, { payloads: false }),
      ),
    );
  }
}

/** The tickets that an entry of a mailbox names; a frame names those that it introduces. */
function ticketsIn(entry: Buffer): string[] {
  const mail = parseMail(entry);
  if ('ticket' in mail) return [mail.ticket];
  const tickets: string[] = [];
  readFrame(mail.entry, mail.from, mail.count, (_fence, _number, _payload, ticket) => {
    if (ticket !== undefined) tickets.push(ticket);
  });
  return tickets;
}

function keysOf(table: readonly unknown[] | ReadonlyMap<string, unknown>): string[] {
  return Array.isArray(table) ? table.map(String) : [...(table as ReadonlyMap<string, unknown>).keys()];
}

function describe(keys: readonly string[]): string {
  return `${keys.slice(0, 3).join(', ')}${keys.length > 3 ? ` and ${keys.length - 3} more` : ''}`;
}
