/** The links of the fleet to Redis: each name has one of its own, so that a fault is known to strike it alone. */
import { Proxy, type Trap } from './proxy.ts';

export class Network {
  readonly #links = new Map<string, Proxy>();

  /** @param target the port of Redis on this machine @param names whose links are opened */
  constructor(target: number, names: readonly string[]) {
    for (const name of names) this.#links.set(name, new Proxy(target));
  }

  async open(): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.open()));
  }

  /** Where the processes of this name find Redis. */
  urlOf(name: string): string {
    return this.#links.get(name)!.url;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.close()));
  }

  /** See {@link Proxy.trap}; the index counts the connections of all links. Answers how many, and whose URLs. */
  trap(kind: Trap, chosen: (index: number) => boolean): { count: number; urls: Set<string> } {
    let [seen, count] = [0, 0];
    const urls = new Set<string>();
    for (const link of this.#links.values()) {
      const trapped = link.trap(kind, () => chosen(seen++));
      count += trapped;
      if (trapped > 0) urls.add(link.url);
    }
    return { count, urls };
  }

  /** See {@link Proxy.delay}. */
  delay(ms: number): void {
    for (const link of this.#links.values()) link.delay(ms);
  }

  /** See {@link Proxy.throttle}, on the link of this URL. */
  throttle(url: string, bytesPerSecond: number | undefined): void {
    for (const link of this.#links.values()) if (link.url === url) link.throttle(bytesPerSecond);
  }

  /** See {@link Proxy.loseShard}. */
  loseShard(shard: number | undefined): void {
    for (const link of this.#links.values()) link.loseShard(shard);
  }

  calm(): void {
    for (const link of this.#links.values()) link.calm();
  }
}
