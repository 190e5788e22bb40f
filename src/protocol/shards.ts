import { RedisShard, type Shard } from './shard.ts';
import type { ShardContext } from './shard-calls.ts';

/** The shards that this process has spoken of. */
export interface Shards {
  /** Made when first asked for. */
  get(number: number): Shard;
  all(): Shard[];
}

export class RedisShards implements Shards {
  readonly #made = new Map<number, RedisShard>();
  readonly #context: ShardContext;

  constructor(context: ShardContext) {
    this.#context = context;
  }

  get(number: number): Shard {
    let shard = this.#made.get(number);
    if (!shard) this.#made.set(number, (shard = new RedisShard(number, this.#context)));
    return shard;
  }

  all(): Shard[] {
    return [...this.#made.values()];
  }
}
