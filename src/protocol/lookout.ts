/**
 * Looks up in which shards work waits: far cheaper than a claim, and it leaves nothing behind. Rings get lost, so that every
 * node that waits for work looks at every shard now and then.
 */
import { shardKey } from '../base/keys.ts';
import type { Client } from '../redis/run-script.ts';
import type { Membership } from './membership.ts';

export class Lookout {
  readonly #client: Client;
  readonly #topic: string;
  readonly #membership: Pick<Membership, 'answered'>;
  /** Shards that are being looked at: one that does not answer is not asked twice. */
  readonly #asked = new Set<number>();

  constructor(client: Client, topic: string, membership: Pick<Membership, 'answered'>) {
    this.#client = client;
    this.#topic = topic;
    this.#membership = membership;
  }

  /** @param found told of each shard where work waits, as soon as that is known */
  look(shards: readonly number[], found: (shard: number) => void): void {
    const rest = shards.filter((shard) => !this.#asked.has(shard));
    for (const shard of rest) this.#asked.add(shard);
    // one command may name many keys, but not of several slots of a Cluster
    const isCluster = 'nodes' in this.#client;
    if (isCluster || rest.length < 2) this.#lookIntoEach(rest, found);
    else this.#lookIntoAll(rest, found);
  }

  #lookIntoAll(shards: readonly number[], found: (shard: number) => void): void {
    const done = (count: number): void => {
      // where only some have work, one that does not answer by itself holds up none of the others
      if (count > 0 && count < shards.length) this.#lookIntoEach(shards, found);
      else for (const shard of shards) this.#answered(shard, count > 0, found);
    };
    this.#count(shards).then(done, () => done(0));
  }

  #lookIntoEach(shards: readonly number[], found: (shard: number) => void): void {
    for (const shard of shards) {
      const done = (count: number): void => this.#answered(shard, count > 0, found);
      this.#count([shard]).then(done, () => done(0));
    }
  }

  #answered(shard: number, hasWork: boolean, found: (shard: number) => void): void {
    this.#asked.delete(shard);
    if (hasWork) found(shard);
  }

  /** In how many of them any owner has a line. */
  #count(group: readonly number[]): Promise<number> {
    const heads = group.map((shard) => shardKey(this.#topic, shard, 'head'));
    return this.#membership.answered('look', () => this.#client.exists(...heads));
  }
}
