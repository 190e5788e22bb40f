/** Where in a Cluster the slots are. */
import { anyServer } from '../redis/cluster.ts';
import type { Client } from '../redis/run-script.ts';
import { slotOf } from '../base/keys.ts';

/** Of CLUSTER SLOTS: a range of slots, its master, and its replicas. */
type Node = [host: string | null, port: number, ...unknown[]];
type Range = [from: number, to: number, ...nodes: Node[]];

/** A shard's slot, and its master as `host:port`; null: no master has it. */
export interface ShardPlace {
  slot: number;
  server: string | null;
}

export class Places {
  readonly #ranges: readonly Range[];
  readonly #host: string;

  constructor(ranges: readonly Range[], host: string) {
    this.#ranges = ranges;
    this.#host = host;
  }

  /** Of all masters that have slots. */
  get masters(): string[] {
    return [...new Set(this.#ranges.flatMap(([, , master]) => (master ? [this.#name(master)] : [])))];
  }

  /** @param shard undefined: of the registry */
  of(topic: string, shard?: number): ShardPlace {
    const slot = slotOf(topic, shard);
    const [, , master] = this.#ranges.find(([from, to]) => from <= slot && slot <= to) ?? [];
    return { slot, server: master ? this.#name(master) : null };
  }

  /** A server that does not know its own address leaves it out. */
  #name([host, port]: Node): string {
    return `${host || this.#host}:${port}`;
  }
}

/** undefined: it is no Cluster. */
export async function readPlaces(client: Client): Promise<Places | undefined> {
  if (!('nodes' in client)) return undefined;
  const master = await anyServer(client);
  const ranges = (await master.cluster('SLOTS')) as unknown as Range[];
  return new Places(ranges, master.options.host ?? '127.0.0.1');
}
