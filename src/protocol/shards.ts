import type { Shard } from './shard.ts';

/** The shards that this process has spoken of, made when first asked for. */
export class Shards {
  readonly #made = new Map<number, Shard>();
  readonly #make: (number: number) => Shard;

  constructor(make: (number: number) => Shard) {
    this.#make = make;
  }

  get(number: number): Shard {
    let shard = this.#made.get(number);
    if (!shard) this.#made.set(number, (shard = this.#make(number)));
    return shard;
  }

  all(): Shard[] {
    return [...this.#made.values()];
  }
}
