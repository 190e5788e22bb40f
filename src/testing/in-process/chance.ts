/** `math.random` as Redis gives it to scripts: drand48, seeded anew in each. */
export class Chance {
  #state: bigint;

  constructor(seed: number) {
    this.#state = (BigInt(seed) << 16n) + 0x330en;
  }

  /** A whole number from 0 to below `count`. */
  below(count: number): number {
    this.#state = (this.#state * 0x5deece66dn + 0xbn) % (1n << 48n);
    const drawn = Number(this.#state >> 17n) % 0x7fffffff;
    return Math.floor((drawn / 0x7fffffff) * count);
  }
}
