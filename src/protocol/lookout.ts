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
    // one command may name many keys, but not of several slots of a Cluster
    const isCluster = 'nodes' in this.#client;
    const groups = isCluster || rest.length === 0 ? rest.map((shard) => [shard]) : [rest];
    for (const group of groups) {
      for (const shard of group) this.#asked.add(shard);
      const done = (withWork: readonly number[]): void => {
        for (const shard of group) this.#asked.delete(shard);
        for (const shard of withWork) found(shard);
      };
      this.#withWork(group).then(done, () => done([]));
    }
  }

  async #withWork(group: readonly number[]): Promise<readonly number[]> {
    const count = await this.#count(group);
    if (count === 0 || count === group.length) return count === 0 ? [] : group;
    const counts = await Promise.all(group.map((shard) => this.#count([shard])));
    return group.filter((_, i) => counts[i] === 1);
  }

  /** In how many of them any owner has a line. */
  #count(group: readonly number[]): Promise<number> {
    const heads = group.map((shard) => shardKey(this.#topic, shard, 'head'));
    return this.#membership.answered('look', () => this.#client.exists(...heads));
  }
}
