import { Alarm } from '../base/clock.ts';

/** An alarm for each shard, made when it is first set. */
export class Alarms {
  readonly #byShard = new Map<number, Alarm>();

  of(shard: number, ring: () => void): Alarm {
    let alarm = this.#byShard.get(shard);
    if (!alarm) this.#byShard.set(shard, (alarm = new Alarm(ring)));
    return alarm;
  }

  clear(shard: number): void {
    this.#byShard.get(shard)?.clear();
  }

  clearAll(): void {
    for (const alarm of this.#byShard.values()) alarm.clear();
  }
}
