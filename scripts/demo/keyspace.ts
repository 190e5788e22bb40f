/** What the parent itself asks Redis: how many wait, what is left, and that nothing of the run stays. */
import { openClient } from '../../src/redis/connection.ts';
import { fieldOf } from '../../src/inspect/decode.ts';
import { readSnapshot } from '../../src/inspect/snapshot.ts';
import { verifyTopic } from '../../src/inspect/verify.ts';
import { registryKeys, shardKeys } from '../../src/base/keys.ts';
import { parseMail } from '../../src/protocol/wire.ts';
import { runScript, type Client } from '../../src/redis/run-script.ts';
import type { Leftovers } from './audit.ts';

/** The whole fleet has one shard, number 0. */
const SHARD = 0;

export class Keyspace {
  readonly #client: Client;
  readonly #topic: string;

  constructor(url: string, topic: string) {
    this.#client = openClient(url);
    this.#topic = topic;
  }

  /** Waiting requests per owner; owners of whom none waits are left out. */
  async waiting(): Promise<Map<string, number>> {
    const reply: unknown[] = await runScript(this.#client, 'auto', 'inspect', this.#keys, []);
    const load = (reply[2] as Buffer[]).map(String);
    const waiting = new Map<string, number>();
    for (let i = 0; i < load.length; i += 2) waiting.set(load[i]!, Number(load[i + 1]));
    return waiting;
  }

  async leftovers(): Promise<Leftovers> {
    const { request, out } = await readSnapshot(this.#client, this.#topic, SHARD, { payloads: false });
    return {
      records: new Set(request.keys()),
      mails: new Set(out.map((mail) => fieldOf(parseMail(mail).ticket))),
    };
  }

  /** Broken invariants of the data model (`sched-lua verify`). */
  async violations(): Promise<string[]> {
    const violations = await verifyTopic(this.#client, this.#topic);
    return violations.map(({ invariant, message }) => `invariant ${invariant} is broken: ${message}`);
  }

  /** Removes every key of the run. They would expire anyway. */
  async clear(): Promise<void> {
    const keys = [...this.#keys, ...registryKeys(this.#topic)];
    await Promise.all(keys.map((key) => this.#client.unlink(key)));
  }

  close(): void {
    this.#client.disconnect();
  }

  get #keys(): string[] {
    return shardKeys(this.#topic, SHARD);
  }
}
