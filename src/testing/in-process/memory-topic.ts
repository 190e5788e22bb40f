import type { LoadUnit, Rules } from '../../base/options.ts';
import { MAX_TOKENS, hex, type Tick } from '../../base/ticket.ts';
import type { RegisterAnswer, RegisterCall } from '../../protocol/register.ts';
import { lineRules, type Listener, type Peers } from './listener.ts';
import { MemoryShard } from './memory-shard.ts';
import { wallClock } from './memory-store.ts';

/** One topic in memory: its shards, and the registry of its nodes (lua/README.md#register). */
export class MemoryTopic {
  readonly #shards = new Map<number, MemoryShard>();
  /** By name. */
  readonly #nodes = new Map<string, Listener>();
  /** Nodes that are gone, and until when they count as alive, ms. */
  readonly #gone = new Map<string, number>();
  readonly #peers: Peers = {
    get: (name) => this.#nodes.get(name),
    aliveUntil: (name) => (this.#nodes.has(name) ? Infinity : this.#gone.get(name)),
  };
  #inUse = 1;
  #unit: LoadUnit | undefined;
  #epochs = 0;

  shard(number: number): MemoryShard {
    let shard = this.#shards.get(number);
    if (!shard) this.#shards.set(number, (shard = new MemoryShard(number, this.#peers)));
    return shard;
  }

  register(rules: Rules, call: RegisterCall): RegisterAnswer {
    const { action, instance, names, engine, down } = call;
    const isDown = down !== undefined;
    if (action === 'leave') {
      for (const name of names.keys()) this.#leave(name, instance, false);
      return { status: 'OK', name: '', epoch: '', shards: this.#inUse };
    }
    this.#inUse = Math.max(this.#inUse, call.loadShards);
    const unit = this.#unit ?? rules.loadUnit;
    if (unit !== rules.loadUnit) {
      const [living] = [...this.#nodes].find(([, node]) => node.instance !== instance) ?? [''];
      if (living !== '' || !call.empty) return { status: 'UNIT', unit, living, shards: this.#inUse };
    }
    this.#unit = rules.loadUnit;
    for (const name of names.keys()) {
      const holder = this.#nodes.get(name);
      const isOwn = holder?.instance === instance;
      if (holder && !isOwn && action !== 'over') continue;
      const epoch = isOwn ? holder.epoch : hex((this.#epochs += 1), 14);
      const rings = isOwn && holder.rings ? { rings: holder.rings } : {};
      this.#nodes.set(name, { instance, epoch, rules, engine, isDown, ...rings });
      if (!isOwn) this.#fence(name, epoch, rules, holder);
      return { status: 'OK', name, epoch, shards: this.#inUse };
    }
    return { status: 'TAKEN' };
  }

  /** From now on no other holder of the name is heard, and the one before learns so. */
  #fence(name: string, epoch: Tick, rules: Rules, before: Listener | undefined): void {
    for (const shard of this.#shards.values()) shard.enter({ name, epoch, rules: lineRules(rules) });
    before?.rings?.refresh(0);
  }

  listen(name: string, rings: Listener['rings']): void {
    const node = this.#nodes.get(name);
    if (node && rings) node.rings = rings;
  }

  /** The node is gone without a word: what it held is returned. */
  kill(name: string, epoch: Tick): void {
    const node = this.#nodes.get(name);
    if (node?.epoch === epoch) this.#leave(name, node.instance, true);
  }

  #leave(name: string, instance: string, hasDied: boolean): void {
    const node = this.#nodes.get(name);
    if (node?.instance !== instance) return;
    const { leaseMs, keepAliveMs } = node.rules;
    this.#nodes.delete(name);
    this.#gone.set(name, hasDied ? -Infinity : wallClock() + Math.max(leaseMs, keepAliveMs));
    for (const shard of this.#shards.values()) {
      shard.lapse(name, hasDied);
      if (hasDied) shard.loseOwner(name);
    }
  }

  /** Tokens of the largest prompt that another node's engine can ever hold, or can that is not down; -1: none. */
  largestOfOthers(name: string, orDown: boolean): number {
    const others = [...this.#nodes].filter(([other, { isDown }]) => other !== name && (orDown || !isDown));
    return Math.max(-1, ...others.map(([, { engine = -1 }]) => engine));
  }

  /** Tokens of the largest prompt that an engine can ever hold for this node; MAX_TOKENS: any, or none is known. */
  largestPrompt(name: string, { policy }: Rules): number {
    const own = this.#nodes.get(name)?.engine;
    if (own !== undefined && policy === 'none') return own;
    const largest = Math.max(own ?? -1, this.largestOfOthers(name, true));
    return largest < 0 ? MAX_TOKENS : largest;
  }
}
